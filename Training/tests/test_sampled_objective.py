"""The paper's objective once more, in NumPy and float64, on masks and maps of any shape.

Written from Mask2Former's and PointRend's definitions (points, matching by SciPy, cross-entropy, dice) and from RLE's published
sum. Only the random draws are shared, by their seed and order.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from hcqnet import Config
from hcqnet.flow import RealNVP
from hcqnet.hcqnet import Prediction
from hcqnet.matching import MatchCosts
from hcqnet.new import random_image, random_network
from hcqnet.paper_losses import PaperCriterion, PaperWeights
from hcqnet.targets import Targets

QUERIES, POINTS, PEOPLE = 9, 400, 6.0
HEIGHT, WIDTH = 64, 96


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def people(count: int, rng: np.random.Generator) -> Targets:
    """With masks of single pixels, full of holes."""
    corner = rng.uniform(0, 0.5, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.1, 0.4, (count, 2))], 1)
    masks = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes * np.tile([WIDTH, HEIGHT], 2)):
        inside = mask[int(y0) : int(y1), int(x0) : int(x1)]
        inside[:] = rng.uniform(size=inside.shape) < 0.8
    return Targets(
        boxes=torch.tensor(boxes).float(), box_weight=torch.ones(count), joints=torch.tensor(rng.uniform(size=(count, 17, 2))).float(),
        joint_weight=torch.tensor(rng.uniform(size=(count, 17)) < 0.6).float(), area=torch.ones(count), has_mask=torch.ones(count, dtype=torch.bool),
        masks=torch.from_numpy(masks), ignored=torch.tensor([[0.6, 0.6, 1.0, 1.0]])[: int(count == 2)], size=(HEIGHT, WIDTH),
    )  # fmt: skip


def bilinear(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values [h, w] at points [n, 2] (x, y in 0 ... 1); pixel i's centre lies at (i + 0.5) / size, beyond the border there are zeros."""
    x, y = points[:, 0] * values.shape[1] - 0.5, points[:, 1] * values.shape[0] - 0.5
    padded, found = np.pad(values, 1), 0.0
    for across in (np.floor(x), np.floor(x) + 1):
        for down in (np.floor(y), np.floor(y) + 1):
            found = found + (1 - abs(x - across)) * (1 - abs(y - down)) * padded[down.astype(int) + 1, across.astype(int) + 1]
    return found


def cross_entropy(logits: np.ndarray, truth: np.ndarray) -> float:
    return float((truth * np.logaddexp(0, -logits) + (1 - truth) * np.logaddexp(0, logits)).mean())


def dice(logits: np.ndarray, truth: np.ndarray) -> float:
    share = 1 / (1 + np.exp(-logits))
    return 1 - (2 * (share * truth).sum() + 1) / (share.sum() + truth.sum() + 1)


def log_density(flow: RealNVP, u: np.ndarray) -> np.ndarray:
    weights = {name: numbers(value) for name, value in flow.state_dict().items()}

    def net(kind: str, layer: int, x: np.ndarray) -> np.ndarray:
        for place in (0, 2, 4):
            x = x @ weights[f"{kind}.{layer}.{place}.weight"].T + weights[f"{kind}.{layer}.{place}.bias"]
            x = np.where(x > 0, x, 0.01 * x) if place < 4 else x
        return np.tanh(x) if kind == "scale" else x

    determinant = 0.0
    for layer in reversed(range(6)):
        kept = np.array([[0.0, 1.0], [1.0, 0.0]][layer % 2])
        scale, shift = (net(kind, layer, u * kept) * (1 - kept) for kind in ("scale", "shift"))
        u, determinant = np.where(kept > 0, u, (u - shift) * np.exp(-scale)), determinant - scale.sum(1)
    return determinant - 0.5 * (u**2).sum(1) - np.log(2 * np.pi)


def rle(flow: RealNVP, error: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """[n, 2] -> [n]: the mean over both coordinates."""
    u = error / sigma
    return (np.log(sigma) - log_density(flow, u)[:, None] + np.log(2 * sigma) + abs(u)).mean(1)


def matched(p: Prediction, i: int, t: Targets) -> dict[int, int]:
    """Query to person by class and mask alone."""
    if not len(t.boxes):
        return {}
    points = numbers(torch.rand(1, POINTS, 2)[0])
    score = np.exp(numbers(p.class_logits[i].log_softmax(-1)))[:, 0]
    found, truth = ([bilinear(m, points) for m in numbers(maps)] for maps in (p.mask_logits[i], t.masks))
    cost = [[-2 * score[q] + 5 * cross_entropy(found[q], one) + 5 * dice(found[q], one) for one in truth] for q in range(QUERIES)]
    return dict(zip(*linear_sum_assignment(np.array(cost))))


def class_term(p: Prediction, targets: list[Targets], pairs: list[dict[int, int]]) -> float:
    total = weights = 0.0
    for i, (t, pair) in enumerate(zip(targets, pairs)):
        log = numbers(p.class_logits[i].log_softmax(-1))
        for q, box in enumerate(numbers(p.keypoints[i, :, :4])):
            weight = 1.0 if q in pair else 0.1
            for region in () if q in pair else numbers(t.ignored):
                inside = np.clip(np.minimum(box[2:], region[2:]) - np.maximum(box[:2], region[:2]), 0, None).prod()
                weight = 0 if inside > 0.5 * np.clip(box[2:] - box[:2], 1e-6, None).prod() else weight
            total, weights = total - weight * log[q, int(q not in pair)], weights + weight
    return 2 * total / weights


def layer(p: Prediction, targets: list[Targets], criterion: PaperCriterion) -> dict[str, float]:
    pairs = [matched(p, i, t) for i, t in enumerate(targets)]
    flat = [(i, q, n) for i, pair in enumerate(pairs) for q, n in pair.items()]
    few = int(0.75 * POINTS)
    candidates, anywhere = numbers(torch.rand(len(flat), 3 * POINTS, 2)), numbers(torch.rand(len(flat), POINTS - few, 2))
    sums = dict.fromkeys(("mask_bce", "mask_dice", "box", "pose"), 0.0)
    for (i, q, n), drawn, more in zip(flat, candidates, anywhere):
        t, found = targets[i], numbers(p.keypoints[i, q])
        unsure = np.argsort(abs(bilinear(numbers(p.mask_logits[i, q]), drawn)))[:few]
        points = np.concatenate([drawn[unsure], more])
        logits, truth = bilinear(numbers(p.mask_logits[i, q]), points), bilinear(numbers(t.masks[n]), points)
        sums["mask_bce"] += 5 * cross_entropy(logits, truth)
        sums["mask_dice"] += 5 * dice(logits, truth)
        box, joints, labelled = numbers(t.boxes[n]), numbers(t.joints[n]), numbers(t.joint_weight[n]) > 0
        corners = (found[:4] - box).reshape(2, 2)
        sums["box"] += 0.2 * rle(criterion.box_flow, corners, numbers(p.box_sigma[i, q]).reshape(2, 2)).mean()
        if p.pose_sigma is not None:
            truth = joints if p.image_space else (joints - box[:2]) / (box[2:] - box[:2])
            each = rle(criterion.pose_flow, found[4:].reshape(17, 2) - truth, numbers(p.pose_sigma[i, q]).reshape(17, 2))
            sums["pose"] += 0.2 * each[labelled].mean()
    if p.pose_sigma is None:
        del sums["pose"]
    return {"cls": class_term(p, targets, pairs)} | {name: value / PEOPLE for name, value in sums.items()}


@pytest.mark.parametrize(
    "fields", [{}, {"keypoint_space": "image"}, {"variant": "basenet-dps"}, {"variant": "basenet-ds"}], ids=lambda f: "-".join(f.values()) or "hcqnet"
)
def test_the_papers_objective_on_sampled_points(fields: dict) -> None:
    config = Config(backbone="resnet18", hidden_dim=32, queries=QUERIES, encoder_layers=1, encoder_ffn=32, decoder_layers=2, decoder_ffn=32, **fields)
    rng = np.random.default_rng(0)
    targets = [people(count, rng) for count in (4, 0, 2)]
    criterion = PaperCriterion(PaperWeights(points=POINTS), MatchCosts())
    torch.manual_seed(2)
    for p in criterion.parameters():
        torch.nn.init.normal_(p, std=0.3)
    with torch.no_grad():
        layers = random_network(config, seed=3).all_layers(random_image(HEIGHT, WIDTH, seed=1, batch=3))
        torch.manual_seed(7)
        found = criterion(layers, targets, PEOPLE)
    torch.manual_seed(7)
    *before, last = (layer(p, targets, criterion) for p in layers)
    expected = last | {f"aux_{name}": sum(one[name] for one in before) for name in last}
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=1e-5)
