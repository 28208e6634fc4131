"""Geometry of the learnable keypoints K = [x0 y0 x1 y1 | joints x (x, y)] (section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import Config


def centre(keys: Tensor) -> Tensor:
    """Centre of the box, Eq. 1. keys: [..., 4 or more] -> [..., 2]."""
    return (keys[..., 0:2] + keys[..., 2:4]) / 2


def image_joints(keys: Tensor, config: Config) -> Tensor:
    """The joints in normalised image coordinates, Eq. 2. keys: [..., 4 + 2 joints] -> [..., joints, 2].

    Canonical joints are relative to the box, which `canonical_margin` widens on every side by that share of itself.
    """
    stored = keys[..., 4:].unflatten(-1, (-1, 2)) if keys.shape[-1] > 4 else keys.new_zeros(*keys.shape[:-1], 0, 2)
    if config.keypoint_space == "image":
        return stored
    corner, size = keys[..., None, 0:2], keys[..., None, 2:4] - keys[..., None, 0:2]
    margin = config.canonical_margin
    return corner + ((1 + 2 * margin) * stored - margin) * size


def image_keys(keys: Tensor, config: Config) -> Tensor:
    """K with its joints in normalised image coordinates. [..., 4 + 2 joints] -> the same shape."""
    return torch.cat([keys[..., :4], image_joints(keys, config).flatten(-2)], -1)
