"""MODEL.md once more, in NumPy, point by point and query by query: slow, and without a line of the twin."""

from __future__ import annotations

import numpy as np

Weights = dict[str, np.ndarray]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def inverse_sigmoid(x):
    x = np.clip(x, 0, 1)
    return np.log(np.maximum(x, 1e-5) / np.maximum(1 - x, 1e-5))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def linear(w: Weights, name: str, x):
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def layer_norm(w: Weights, name: str, x):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def mlp(w: Weights, name: str, x):
    """The result and the last hidden vector."""
    for i in (0, 1):
        x = np.maximum(linear(w, f"{name}.layers.{i}", x), 0)
    return linear(w, f"{name}.layers.2", x), x


def bilinear(plane, x: float, y: float):
    """plane: [H, W, C] at normalised (x, y); pixel (i, j) has its centre at ((j + 0.5)/W, (i + 0.5)/H); 0 outside."""
    height, width, channels = plane.shape
    column, row = x * width - 0.5, y * height - 0.5
    left, top = int(np.floor(column)), int(np.floor(row))
    value = np.zeros(channels)
    for i in (top, top + 1):
        for j in (left, left + 1):
            if 0 <= i < height and 0 <= j < width:
                value += (1 - abs(row - i)) * (1 - abs(column - j)) * plane[i, j]
    return value


def deformable(w: Weights, name: str, planes: list, query, heads: int, points_of) -> np.ndarray:
    """One query's deformable attention. points_of(head, level) -> the list of (x, y) to sample there."""
    dim = query.shape[0] // heads
    values = [plane @ w[f"{name}.value_proj.weight"].T + w[f"{name}.value_proj.bias"] for plane in planes]
    logits = linear(w, f"{name}.attention_weights", query).reshape(heads, -1)
    result = []
    for head in range(heads):
        weights = iter(softmax(logits[head]))
        total = np.zeros(dim)
        for level, value in enumerate(values):
            for x, y in points_of(head, level):
                total += next(weights) * bilinear(value[:, :, head * dim : (head + 1) * dim], x, y)
        result.append(total)
    return linear(w, f"{name}.output_proj", np.concatenate(result))


def encoder_attention(w: Weights, name: str, planes: list, positions: list, heads: int) -> np.ndarray:
    """Every token's deformable self-attention, [T, D]. planes, positions: [H, W, D] per level."""
    results = []
    for plane, position in zip(planes, positions):
        height, width, _ = plane.shape
        for row in range(height):
            for column in range(width):
                query = plane[row, column] + position[row, column]
                offsets = linear(w, f"{name}.sampling_offsets", query).reshape(heads, len(planes), -1, 2)
                centre = np.array([(column + 0.5) / width, (row + 0.5) / height])

                def points_of(head: int, level: int):
                    h, w_, _ = planes[level].shape
                    return [centre + offset / (w_, h) for offset in offsets[head, level]]

                results.append(deformable(w, name, planes, query, heads, points_of))
    return np.stack(results)


class Decoder:
    """Queries through the decoder, all variants. `c` has the fields of the configuration."""

    def __init__(self, w: Weights, c, planes: list, mask_features) -> None:
        self.w, self.c, self.planes, self.mask_features = w, c, planes, mask_features
        self.in_keys = c.variant in ("hcqnet", "hcqnet-alpha", "hcqnet-beta")
        self.in_heads = c.variant in ("hcqnet", "hcqnet-beta")

    def run(self) -> dict[str, np.ndarray]:
        """The outputs, without the batch axis."""
        embeddings = self.w["decoder.query_feat"]
        states = [self.refine(e, sigmoid(k)) for e, k in zip(embeddings, self.w["decoder.query_key"])]
        for layer in range(self.c.decoder_layers):
            embeddings = self.layer(f"decoder.layers.{layer}", embeddings, [state["keys"] for state in states])
            states = [self.refine(e, state["keys"]) for e, state in zip(embeddings, states)]
        for state in states:
            state["class_logits"] = linear(self.w, "heads.cls", state["embeddings"])
            embedding = mlp(self.w, "heads.mask", self.condition(state["embeddings"], state["keys"]))[0]
            state["mask_logits"] = self.mask_features @ embedding
            state["joints"] = self.image_joints(state["keypoints"])
            del state["keys"]
        return {name: np.stack([state[name] for state in states]) for name in states[0]}

    def position(self, keys):
        """P of Eq. 3."""
        code = []
        for value in keys:
            for i in range(self.c.sine_dim):
                angle = 2 * np.pi * value / 10000 ** (2 * (i // 2) / self.c.sine_dim)
                code.append(np.sin(angle) if i % 2 == 0 else np.cos(angle))
        return mlp(self.w, "decoder.pos_mlp", np.array(code))[0]

    def image_joints(self, keys):
        """[joints, 2] in image space."""
        joints = keys[4:].reshape(-1, 2)
        if self.c.keypoint_space == "image":
            return joints
        margin = self.c.canonical_margin
        return keys[0:2] + ((1 + 2 * margin) * joints - margin) * (keys[2:4] - keys[0:2])

    def layer(self, name: str, embeddings, keys):
        """E of all queries after one layer."""
        w, heads = self.w, self.c.heads
        positions = [self.position(k) for k in keys]
        split = {}
        for part, source in (("q", embeddings + positions), ("k", embeddings + positions), ("v", embeddings)):
            rows = np.stack([linear(w, f"{name}.self_attn.{part}", x) for x in source])
            split[part] = rows.reshape(len(rows), heads, -1)
        result = []
        for i, (x, position) in enumerate(zip(embeddings, positions)):
            attended = []
            for head in range(heads):
                scores = split["k"][:, head] @ split["q"][i, head] / np.sqrt(split["q"].shape[2])
                attended.append(softmax(scores) @ split["v"][:, head])
            x = layer_norm(w, f"{name}.norm1", x + linear(w, f"{name}.self_attn.out", np.concatenate(attended)))
            x = layer_norm(w, f"{name}.norm2", x + self.cross(f"{name}.cross_attn", x + position, keys[i]))
            hidden = np.maximum(linear(w, f"{name}.linear1", x), 0)
            result.append(layer_norm(w, f"{name}.norm3", x + linear(w, f"{name}.linear2", hidden)))
        return np.stack(result)

    def cross(self, name: str, query, keys):
        """Deformable attention with keypoints of one query."""
        c = self.c
        offsets = linear(self.w, f"{name}.sampling_offsets", query).reshape(c.heads, len(self.planes), -1, 2)
        centre = (keys[0:2] + keys[2:4]) / 2

        def points_of(head: int, level: int):
            height, width, _ = self.planes[level].shape
            free = [centre + offset / (width, height) for offset in offsets[head, level]]
            if c.variant != "hcqnet":
                return free
            half = c.points // 2
            return [*self.image_joints(keys)[1 + head * half : 1 + (head + 1) * half], *free]

        return deformable(self.w, name, self.planes, query, c.heads, points_of)

    def condition(self, embedding, keys):
        """The input of the mask and box heads."""
        if not self.in_heads:
            return embedding
        if self.c.head_condition == "embedding":
            return np.concatenate([embedding, self.position(keys)])
        if self.c.head_condition == "image":
            keys = np.concatenate([keys[:4], self.image_joints(keys).ravel()])
        return np.concatenate([embedding, keys])

    def refine(self, x, keys):
        """E', K and the sigmas of one query."""
        embedding = layer_norm(self.w, "decoder.norm", x)
        box, hidden = mlp(self.w, "heads.box", self.condition(embedding, keys))
        state = {"embeddings": embedding, "box_sigma": sigmoid(linear(self.w, "heads.box.sigma", hidden))}
        if self.c.variant == "basenet-ds":
            state["keys"] = state["keypoints"] = sigmoid(inverse_sigmoid(keys) + box)
            return state
        source = np.concatenate([embedding, keys]) if self.in_heads else embedding
        pose, hidden = mlp(self.w, "heads.pose", source)
        state["pose_sigma"] = sigmoid(linear(self.w, "heads.pose.sigma", hidden))
        if self.in_keys:
            state["keys"] = state["keypoints"] = sigmoid(inverse_sigmoid(keys) + np.concatenate([box, pose]))
        else:
            state["keys"] = sigmoid(inverse_sigmoid(keys) + box)
            state["keypoints"] = np.concatenate([state["keys"], sigmoid(pose)])
        return state
