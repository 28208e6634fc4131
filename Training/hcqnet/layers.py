"""Layers that several parts share: perceptron, attention, multi-scale deformable sampling, sine codes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shapes = list[tuple[int, int]]  # height and width of every level


class MLP(nn.Module):
    """Three linear layers with ReLU between them (Eq. 3)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)]
        )

    def hidden(self, x: Tensor) -> Tensor:
        """x: [..., inputs] -> what the last layer reads, [..., hidden]."""
        return F.relu(self.layers[1](F.relu(self.layers[0](x))))

    def forward(self, x: Tensor) -> Tensor:
        """x: [..., inputs] -> [..., outputs]."""
        return self.layers[2](self.hidden(x))


class SelfAttention(nn.Module):
    """Multi-head attention among the queries, scale 1/sqrt(D/heads), softmax over keys."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, query: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """query (also the key) and value: [B, Q, D] -> [B, Q, D].

        mask: [Q, Q] or [B, 1 or heads, Q, Q], True where row i must not see column j.
        """
        q, k, v = (self._split(layer(x)) for layer, x in ((self.q, query), (self.k, query), (self.v, value)))
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # [B, heads, Q, Q]
        if mask is not None:
            scores = scores.masked_fill(mask, float("-inf"))
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def sample_levels(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of bilinear samples: the heart of multi-scale deformable attention.

    Zero padding, align_corners = false: location 0 is the left edge of the first pixel, 1 the right edge of the last.

    value: [B, sum(H*W), heads, D/heads], level after level; locations: [B, Q, heads, levels, points, 2] as (x, y) in
    0...1; weights: [B, Q, heads, levels, points] -> [B, Q, D].
    """
    batch, _, heads, dim = value.shape
    queries, points = locations.shape[1], locations.shape[4]
    grids = (2 * locations - 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 1)  # [B*heads, levels, Q, points, 2]
    sampled = []
    for level, (plane, (height, width)) in enumerate(zip(value.split([h * w for h, w in shapes], 1), shapes)):
        plane = plane.permute(0, 2, 3, 1).reshape(batch * heads, dim, height, width)
        # Under autocast the values may be bfloat16, which is too coarse for locations.
        plane = plane.to(grids.dtype)
        sampled.append(F.grid_sample(plane, grids[:, level], align_corners=False))
    weights = weights.permute(0, 2, 1, 3, 4).reshape(batch * heads, 1, queries, len(shapes) * points)
    summed = (torch.cat(sampled, -1) * weights).sum(-1)  # [B*heads, D/heads, Q]
    return summed.view(batch, heads * dim, queries).transpose(1, 2)


class DeformableAttention(nn.Module):
    """The four projections of multi-scale deformable attention; subclasses say where to sample."""

    def __init__(self, dim: int, heads: int, levels: int, points: int, offset_points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.sampling_offsets = nn.Linear(dim, heads * levels * offset_points * 2)
        self.attention_weights = nn.Linear(dim, heads * levels * points)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)

    def offsets(self, query: Tensor, shapes: Shapes) -> Tensor:
        """Offsets in normalised coordinates: [B, Q, heads, levels, offset_points, 2] as (x, y)."""
        pixels = self.sampling_offsets(query).unflatten(-1, (self.heads, self.levels, -1, 2))
        size = pixels.new_tensor([(width, height) for height, width in shapes])
        return pixels / size[:, None]

    def attend(self, query: Tensor, tokens: Tensor, shapes: Shapes, locations: Tensor) -> Tensor:
        """query: [B, Q, D]; tokens: [B, sum(H*W), D]; locations as in `sample_levels` -> [B, Q, D]."""
        weights = self.attention_weights(query).unflatten(-1, (self.heads, -1)).softmax(-1)
        weights = weights.unflatten(-1, (self.levels, self.points))
        value = self.value_proj(tokens).unflatten(-1, (self.heads, -1))
        return self.output_proj(sample_levels(value, shapes, locations, weights))


def sine_code(x: Tensor, dim: int) -> Tensor:
    """x: [...] of values in 0...1 -> [..., dim]: 2 pi x / 10000^(2 floor(i/2) / dim), sin at even i, cos at odd i."""
    index = torch.arange(dim, device=x.device)
    frequency = 10000.0 ** ((index // 2 * 2).to(x.dtype) / dim)
    angle = x[..., None] * (2 * math.pi) / frequency
    return torch.where(index % 2 == 0, angle.sin(), angle.cos())


def sine_position(height: int, width: int, dim: int, like: Tensor) -> Tensor:
    """The 2-D sine position of every pixel, [height*width, dim]: dim/2 numbers for y, then dim/2 for x."""
    rows = torch.arange(1, height + 1, device=like.device, dtype=like.dtype) / (height + 1e-6)
    columns = torch.arange(1, width + 1, device=like.device, dtype=like.dtype) / (width + 1e-6)
    y = sine_code(rows, dim // 2)[:, None].expand(-1, width, -1)
    x = sine_code(columns, dim // 2)[None].expand(height, -1, -1)
    return torch.cat([y, x], -1).flatten(0, 1)


def inverse_sigmoid(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """log(x / (1 - x)), both kept at `epsilon` or more; x is clamped to 0...1."""
    x = x.clamp(0, 1)
    return (x.clamp(min=epsilon) / (1 - x).clamp(min=epsilon)).log()
