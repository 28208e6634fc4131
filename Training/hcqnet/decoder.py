"""Transformer decoder: human-centric queries (E, K) attend to each other and to the image, layer after layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbones.esnet_pan import NECK_CHANNELS
from .config import LEVELS, Config
from .heads import Heads, Refined
from .keypoints import centre, image_joints
from .layers import MLP, DeformableAttention, SelfAttention, Shapes, sine_code
from .pixel_decoder import Features
from .proposals import BOX_EDGE

OWNER_CELLS = 8  # the joint maps' last four channels tell where the owner's sides are in units of so many cells
LEAST_SIZE = 1e-3


def strangeness(sides: Tensor, inside: Tensor, size: Tensor, shape: tuple[int, int]) -> Tensor:
    """How far the box of whoever is seen at a place is from the query's: mean over the four sides in units of the query's box, at most 1.

    sides: [B, Q, 4, n] as the maps give them; inside: [n, 2], places in units of the box; size: [B, Q, 1, 2] of the box -> [B, Q, n].
    """
    cells = torch.tensor([shape[1], shape[0]], device=size.device, dtype=size.dtype)
    moved = sides.transpose(2, 3).unflatten(-1, (2, 2)) * (OWNER_CELLS / (cells * size.clamp(min=LEAST_SIZE)))[..., None, :]
    error = inside[:, None] + moved - torch.tensor([[0.0], [1.0]], device=size.device, dtype=size.dtype)
    return error.abs().mean((-2, -1)).clamp(max=1)


class KeypointAttention(DeformableAttention):
    """Deformable attention with keypoints (section 3.4).

    Of each head's points the first half are joints, 1 + m*points/2 and on for head m (joint 0, the nose, is left out so
    that a head has a left/right pair); the others are box centre + offset. Other variants have offsets only.
    """

    def __init__(self, config: Config) -> None:
        self.joint_points = config.joint_points
        super().__init__(
            config.hidden_dim, config.heads, LEVELS, config.points, offset_points=config.points - config.joint_points
        )

    def forward(self, query: Tensor, keys: Tensor, joints: Tensor, tokens: Tensor, shapes: Shapes) -> Tensor:
        """query: [B, Q, D]; keys: [B, Q, key_dim]; joints in image space: [B, Q, joints, 2] -> [B, Q, D]."""
        locations = centre(keys)[:, :, None, None, None] + self.offsets(query, shapes)
        if self.joint_points:
            pairs = joints[:, :, 1:].unflatten(2, (self.heads, 1, self.joint_points))
            pairs = pairs.expand(-1, -1, -1, self.levels, -1, -1)
            locations = torch.cat([pairs, locations], 4)
        return self.attend(query, tokens, shapes, locations)


class DecoderLayer(nn.Module):
    """Self-attention, deformable attention with keypoints and FFN, each followed by a residual and LayerNorm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.hidden_dim
        self.config = config
        self.self_attn = SelfAttention(dim, config.heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn = KeypointAttention(config)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, config.decoder_ffn)
        self.linear2 = nn.Linear(config.decoder_ffn, dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self, embedding: Tensor, position: Tensor, keys: Tensor, features: Features, mask: Tensor | None
    ) -> Tensor:
        """embedding: E, [B, Q, D]; position: P, [B, Q, D]; keys: K, [B, Q, key_dim] -> E of the next layer."""
        x = embedding
        x = self.norm1(x + self.self_attn(x + position, x, mask))
        joints = image_joints(keys, self.config)
        x = self.norm2(x + self.cross_attn(x + position, keys, joints, features.tokens, features.shapes))
        return self.norm3(x + self.linear2(F.relu(self.linear1(x))))


@dataclass
class LayerOutput:
    """The queries after one layer (or before the first)."""

    embedding: Tensor  # E' = norm(E), [B, Q, D]
    refined: Refined


class Decoder(nn.Module):
    """The layers, the learned start of the queries and the structural embedding."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.hidden_dim
        self.config = config
        if config.query_start == "proposals":
            self.proposal_embed = nn.Linear(NECK_CHANNELS, dim)
            self.proposal_pose = MLP(NECK_CHANNELS, dim, 2 * config.joints)
            if config.joint_grid:
                self.joint_scale = nn.Parameter(torch.full((config.joints,), 5.0))
                self.joint_reach = nn.Parameter(torch.full((config.joints,), 20.0))
            if config.joint_owner:
                self.joint_owner = nn.Parameter(torch.full((config.joints,), 10.0))
        else:
            self.query_feat = nn.Parameter(torch.empty(config.queries, dim).normal_())
            self.query_key = nn.Parameter(torch.empty(config.queries, config.key_dim).normal_())
        self.pos_mlp = MLP(config.key_dim * config.sine_dim, dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """The learned queries: E [batch, Q, D] and K [batch, Q, key_dim]."""
        return self.query_feat.expand(batch, -1, -1), self.query_key.sigmoid().expand(batch, -1, -1)

    def start_from(self, features: Tensor, boxes: Tensor, joint_maps: Tensor | None) -> tuple[Tensor, Tensor]:
        """Queries of chosen proposals: features [B, Q, C], boxes [B, Q, 4] -> E [B, Q, D] and K [B, Q, key_dim].

        Boxes stay `BOX_EDGE` inside 0...1, where the sigmoid can still move them.
        """
        boxes = boxes.clamp(BOX_EDGE, 1 - BOX_EDGE)
        pose = self.proposal_pose(features).sigmoid()
        if joint_maps is not None:
            pose = self.read_joints(boxes, pose.unflatten(-1, (-1, 2)), joint_maps).flatten(-2)
        return self.proposal_embed(features), torch.cat([boxes, pose], -1)

    def read_joints(self, boxes: Tensor, expected: Tensor, joint_maps: Tensor) -> Tensor:
        """The mean place of every joint over a grid of the box: [B, Q, joints, 2], canonical.

        Weights: softmax over the n x n grid points g of scale * map(g) - reach * |g - expected|^2 - owner * strangeness(g), the
        maps sampled bilinearly (zero padding). boxes: [B, Q, 4]; expected: [B, Q, joints, 2]; joint_maps: [B, joint_channels, h, w].
        """
        n, margin = self.config.joint_grid, self.config.canonical_margin
        side = (torch.arange(n, device=boxes.device, dtype=boxes.dtype) + 0.5) / n
        grid = torch.stack([side.repeat(n), side.repeat_interleave(n)], -1)  # [n*n, 2] as (x, y), row by row
        corner, size = boxes[..., None, :2], boxes[..., None, 2:] - boxes[..., None, :2]
        inside = (1 + 2 * margin) * grid - margin  # in units of the box
        read = F.grid_sample(joint_maps, 2 * (corner + inside * size) - 1, align_corners=False).transpose(1, 2)  # [B, Q, channels, n*n]
        read, sides = read.split((self.config.joints, read.shape[2] - self.config.joints), 2)
        # -|g - expected|^2 without the |expected|^2 that the softmax does not see.
        near = 2 * expected @ grid.T - grid.square().sum(-1)
        scores = self.joint_scale[:, None] * read + self.joint_reach[:, None] * near
        if self.config.joint_owner:
            scores = scores - self.joint_owner[:, None] * strangeness(sides, inside, size, joint_maps.shape[2:])[:, :, None]
        return scores.softmax(-1) @ grid

    def position(self, keys: Tensor) -> Tensor:
        """P = MLP(sine(K)), Eq. 3. [B, Q, key_dim] -> [B, Q, D]."""
        return self.pos_mlp(sine_code(keys, self.config.sine_dim).flatten(-2))

    def forward(
        self, embedding: Tensor, keys: Tensor, features: Features, heads: Heads, mask: Tensor | None = None
    ) -> list[LayerOutput]:
        """Any queries (E, K) -> their state before the first layer and after each.

        embedding: [B, Q, D]; keys: [B, Q, key_dim] in 0...1; mask: which queries must not see which, as in
        `SelfAttention`. In training no gradient flows from one layer's K into the next.
        """
        x = embedding
        outputs = [self._output(x, keys, heads)]
        for layer in self.layers:
            keys = outputs[-1].refined.keys.detach()
            x = layer(x, self.position(keys), keys, features, mask)
            outputs.append(self._output(x, keys, heads))
        return outputs

    def _output(self, x: Tensor, keys: Tensor, heads: Heads) -> LayerOutput:
        embedding = self.norm(x)
        return LayerOutput(embedding, heads.refine(embedding, keys, self.position))
