"""Query start from dense proposals: every position of the backbone's pyramid proposes a person, the best start the queries.

The dense head is PicoDet's (Yu et al. 2021, arXiv:2111.00902): per level two separable 5x5 blocks, one person logit and
four box sides as distributions over 0 ... 7 strides (Li et al. 2020, generalized focal loss, arXiv:2006.04388). Distinct
queries by suppression before the decoder: Zhang et al. 2023, DDQ, arXiv:2303.12776.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .backbones.esnet_pan import SeparableBlock, convolution

STRIDES = (8, 16, 32, 64)
BINS = 8  # distances 0 ... 7 strides to each side
CANDIDATES = 256  # best positions that enter the suppression
ASIDE = 5.0  # a proposal that overlaps a better one starts with its logit less this
BOX_EDGE = 1e-3  # a query's first box stays this far inside 0 ... 1, where the sigmoid can still move it


@dataclass
class Proposals:
    """What every position of the pyramid proposes; positions in the order (level, y, x), strides 8, 16, 32, 64."""

    logits: Tensor  # [B, T]: person
    boxes: Tensor  # [B, T, 4]: x0 y0 x1 y1, normalised, not clamped
    features: Tensor  # [B, T, C]
    sides: Tensor  # [B, T, 4, BINS]: logits of the distances to left, top, right, bottom in strides


class ProposalHead(nn.Module):
    """Pyramid maps to one person logit, one box and one feature vector for every position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList([
            nn.ModuleDict({
                "tower": nn.Sequential(SeparableBlock(channels), SeparableBlock(channels)),
                "predict": convolution(channels, 1 + 4 * BINS),
            })
            for _ in STRIDES
        ])

    def forward(self, maps: list[Tensor], size: tuple[int, int]) -> Proposals:
        """maps: [B, C, H/s, W/s] at strides 8, 16, 32, 64 (the last rounded up); size: (H, W) of the input in pixels."""
        logits, boxes, features, sides = [], [], [], []
        for level, (stride, x) in enumerate(zip(STRIDES, maps)):
            n, _, h, w = x.shape
            feature = self.levels[level]["tower"](x)
            y = self.levels[level]["predict"](feature).flatten(2).transpose(1, 2)
            distribution = y[..., 1:].reshape(n, h * w, 4, BINS)
            bins = torch.arange(BINS, dtype=y.dtype, device=y.device)
            distance = (distribution.softmax(-1) * bins).sum(-1) * stride
            cy = (torch.arange(h, device=y.device) + 0.5) * stride
            cx = (torch.arange(w, device=y.device) + 0.5) * stride
            centre = torch.stack([cx.repeat(h), cy.repeat_interleave(w)], -1)
            box = torch.cat([centre - distance[..., :2], centre + distance[..., 2:]], -1)
            logits.append(y[..., 0])
            boxes.append(box / box.new_tensor([size[1], size[0]] * 2))
            features.append(feature.flatten(2).transpose(1, 2))
            sides.append(distribution)
        return Proposals(*(torch.cat(parts, 1) for parts in (logits, boxes, features, sides)))


def select(logits: Tensor, boxes: Tensor, count: int, threshold: float) -> Tensor:
    """Indices [B, count] of the positions that start the queries, those set aside as -1 - index.

    The CANDIDATES highest logits (equal ones: lower index first) are walked in falling order; one whose box overlaps an
    earlier kept one by an IoU above threshold is set aside. Kept ones come first, then those set aside, both in falling
    order of their logits; with fewer candidates than count the sequence starts again.
    """
    return torch.stack([_select_one(l, b, count, threshold) for l, b in zip(logits.detach(), boxes.detach())])


def starting_logits(logits: Tensor, chosen: Tensor) -> Tensor:
    """[B, T] and `select`'s [B, Q] to [B, Q]: the proposals' logits, less `ASIDE` for those set aside."""
    return logits.gather(1, positions(chosen)) - ASIDE * (chosen < 0)


def positions(chosen: Tensor) -> Tensor:
    """Plain indices of what `select` chose."""
    return torch.where(chosen < 0, -1 - chosen, chosen)


def _select_one(logits: Tensor, boxes: Tensor, count: int, threshold: float) -> Tensor:
    order = torch.sort(logits, descending=True, stable=True).indices[:CANDIDATES]
    overlaps = (pairwise_iou(boxes[order], boxes[order]) > threshold).cpu().numpy()
    kept, aside = [], []
    for i in range(len(order)):
        (aside if kept and overlaps[i, kept].any() else kept).append(i)
    sequence = kept + aside
    chosen = torch.tensor([sequence[i % len(sequence)] for i in range(count)], device=logits.device)
    aside_from = len(kept)
    repeated = torch.arange(count, device=logits.device) % len(sequence) >= aside_from
    return torch.where(repeated, -1 - order[chosen], order[chosen])


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union [A, B] of boxes [A, 4], [B, 4] (x0 y0 x1 y1); 0 where the union is empty."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    area_a = (a[:, 2:] - a[:, :2]).clamp(min=0).prod(-1)
    area_b = (b[:, 2:] - b[:, :2]).clamp(min=0).prod(-1)
    return inter / (area_a[:, None] + area_b[None] - inter).clamp(min=1e-9)
