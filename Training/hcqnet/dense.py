"""Training-only dense supervision: the proposal head's own loss, and joint heat maps on the stride-8 map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .losses import Targets, box_cells, paired_giou
from .proposals import STRIDES, Proposals, pairwise_iou

TOP = 8  # positions that answer for one person


def position_centres(size: tuple[int, int]) -> Tensor:
    """Normalised centres (x, y) of all proposal positions, [T, 2]."""
    centres = []
    for stride in STRIDES:
        h, w = -(-size[0] // stride), -(-size[1] // stride)
        y = (torch.arange(h) + 0.5) * stride / size[0]
        x = (torch.arange(w) + 0.5) * stride / size[1]
        centres.append(torch.stack([x.repeat(h), y.repeat_interleave(w)], -1))
    return torch.cat(centres)


def proposal_loss(p: Proposals, targets: list[Targets]) -> Tensor:
    """Task-aligned assignment (Feng et al. 2021, arXiv:2108.07755), varifocal class loss, GIoU; a sum over people."""
    total = p.logits.new_zeros(())
    for logits, boxes, t in zip(p.logits, p.boxes, targets):
        probability = logits.detach().sigmoid()
        target, weight = torch.zeros_like(logits), 0.75 * probability**2
        if len(t.ignored):
            low = torch.maximum(boxes.detach()[:, None, :2], t.ignored[None, :, :2])
            high = torch.minimum(boxes.detach()[:, None, 2:], t.ignored[None, :, 2:])
            own = (boxes.detach()[:, 2:] - boxes.detach()[:, :2]).clamp(min=1e-6).prod(-1)
            weight = weight * ~(((high - low).clamp(min=0).prod(-1) / own[:, None]).amax(1) > 0.5)
        if len(t.boxes):
            centre = position_centres(t.size)
            inside = (centre[:, None] > t.boxes[None, :, :2]).all(-1) & (centre[:, None] < t.boxes[None, :, 2:]).all(-1)
            iou = pairwise_iou(boxes.detach(), t.boxes)
            metric = probability[:, None] ** 0.5 * iou**4 * inside
            best = metric.topk(TOP, dim=0)
            chosen = torch.zeros_like(metric).scatter_(0, best.indices, 1) * (metric > 0)
            person = (metric * chosen).argmax(1)
            positive = chosen.any(1) & (t.box_weight[person] > 0)
            rough = chosen.any(1) & ~positive
            at = positive.nonzero()[:, 0]
            quality = iou[at, person[at]]
            target[at], weight[at], weight[rough] = quality, 1.0, 0.0
            giou = 1 - paired_giou(boxes[at], t.boxes[person[at]])
            total = total + 0.5 * (giou * quality).sum()
        total = total + 0.5 * (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight).sum()
    return total


class JointMaps(nn.Module):
    """17 heat maps from the stride-8 map, so that the features tell joints apart early."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.predict = nn.Conv2d(dim, 17, 1)
        nn.init.constant_(self.predict.bias, -4.0)

    def loss(self, stride8: Tensor, targets: list[Targets]) -> Tensor:
        """Binary cross-entropy against Gaussians of 1.2 cells; cells that nobody labelled do not count. Sum over people."""
        logits = self.predict(stride8)
        total = logits.new_zeros(())
        h, w = logits.shape[2:]
        y, x = (torch.arange(h) + 0.5)[:, None], (torch.arange(w) + 0.5)[None]
        for map_logits, t in zip(logits, targets):
            weight = torch.ones_like(map_logits)
            truth = torch.zeros_like(map_logits)
            for box in box_cells(t.ignored, (h, w)):
                weight[:, box] = 0
            for cells, joints, known in zip(box_cells(t.boxes, (h, w)), t.joints, t.joint_weight):
                weight[:, cells] *= (known > 0).float()[:, None]
                distance = (x - joints[:, :1, None] * w) ** 2 + (y - joints[:, 1:, None] * h) ** 2
                truth = torch.maximum(truth, torch.exp(-distance / (2 * 1.2**2)) * (known > 0)[:, None, None])
            weight = torch.where(truth > 0.3, torch.ones_like(weight), weight)
            p = map_logits.detach().sigmoid()
            weight = weight * torch.where(truth > 0.01, 1.0, p**2)
            total = total + (F.binary_cross_entropy_with_logits(map_logits, truth, reduction="none") * weight).sum() / 17
        return total * 0.2
