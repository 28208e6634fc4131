"""Which query answers for which person: Hungarian assignment on weighted costs.

The paper matches on class and mask alone (MODEL.md); data without masks needs boxes or joints, so every cost has a weight
and a term that a person's labels do not allow is left out for that person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .proposals import pairwise_iou


@dataclass
class MatchCosts:
    """Weights of the costs; the defaults are the paper's matching (class and mask)."""

    cls: float = 2.0
    mask_bce: float = 5.0
    dice: float = 5.0
    box: float = 0.0
    giou: float = 0.0


def class_cost(logits: Tensor) -> Tensor:
    """`[Q, 2]` to `[Q, 1]`: minus the probability of a person."""
    return -logits.softmax(-1)[:, :1]


def mask_bce_cost(points: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy `[Q, N]` of logits `[Q, P]` against targets `[N, P]`."""
    positive = F.softplus(-points) @ targets.T
    negative = F.softplus(points) @ (1 - targets).T
    return (positive + negative) / points.shape[1]


def dice_cost(points: Tensor, targets: Tensor) -> Tensor:
    """1 - (2 sum(p t) + 1) / (sum p + sum t + 1): `[Q, P]` logits, `[N, P]` targets to `[Q, N]`."""
    p = points.sigmoid()
    return 1 - (2 * p @ targets.T + 1) / (p.sum(1)[:, None] + targets.sum(1)[None] + 1)


def generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU `[A, B]` (Rezatofighi et al. 2019, arXiv:1902.09630) of boxes x0 y0 x1 y1."""
    low, high = torch.minimum(a[:, None, :2], b[None, :, :2]), torch.maximum(a[:, None, 2:], b[None, :, 2:])
    hull = (high - low).clamp(min=0).prod(-1).clamp(min=1e-9)
    iou = pairwise_iou(a, b)
    area_a, area_b = (a[:, 2:] - a[:, :2]).clamp(min=0).prod(-1), (b[:, 2:] - b[:, :2]).clamp(min=0).prod(-1)
    union = (area_a[:, None] + area_b[None]) / (1 + iou)
    return iou - (hull - union) / hull


def assign(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Cost `[Q, N]` to query and person indices of the cheapest assignment, min(Q, N) pairs."""
    matrix = np.nan_to_num(cost.detach().float().cpu().numpy(), nan=1e6, posinf=1e6, neginf=-1e6)
    rows, columns = linear_sum_assignment(matrix)
    return torch.from_numpy(rows).to(cost.device), torch.from_numpy(columns).to(cost.device)
