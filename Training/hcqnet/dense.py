"""Training-only dense supervision: the proposal head's own loss, and the joint maps' loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .decoder import LEAST_SIZE, OWNER_CELLS
from .losses import paired_giou
from .proposals import STRIDES, Proposals, pairwise_iou
from .targets import Targets, target_maps

TOP = 8  # positions that answer for one person


def position_centres(size: tuple[int, int], device: torch.device) -> Tensor:
    """Normalised centres (x, y) of all proposal positions, [T, 2]."""
    centres = []
    for stride in STRIDES:
        h, w = -(-size[0] // stride), -(-size[1] // stride)
        y = (torch.arange(h, device=device) + 0.5) * stride / size[0]
        x = (torch.arange(w, device=device) + 0.5) * stride / size[1]
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
            centre = position_centres(t.size, boxes.device)
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


def distillation_loss(found: Proposals, teacher: Proposals) -> Tensor:
    """Holds proposals where the published detector has them: cross-entropy of scores and of side distributions.

    Positions count by the larger score of the two; the sum is divided by the teacher's scores.
    """
    truth = teacher.logits.sigmoid()
    weight = torch.maximum(truth, found.logits.detach().sigmoid())
    scores = F.binary_cross_entropy_with_logits(found.logits, truth, reduction="none")
    floor = F.binary_cross_entropy(truth, truth, reduction="none")  # what no student can be below
    sides = -(teacher.sides.softmax(-1) * (found.sides.log_softmax(-1) - teacher.sides.log_softmax(-1))).sum(-1).mean(-1)
    return ((scores - floor) * weight + sides * truth).sum() / truth.sum().clamp(min=1)


def joint_map_loss(maps: Tensor, targets: list[Targets]) -> Tensor:
    """Cross-entropy of `[B, 17, h, w]` logits against Gaussians as wide as COCO's tolerance; a sum over people.

    Cells that nobody labelled (ignored regions, a person's own box where that joint is unknown) do not count. A joint counts the
    same whatever the person's size: its cells are weighted by one over the Gaussian's area, those of nobody as a small person's.
    """
    total = maps.new_zeros(())
    for logits, t in zip(maps, targets):
        m = t.maps or target_maps(t)
        weight = torch.where(m.joints > 0.3, 1.0, m.known.float()) * m.share
        # Empty cells count by how wrong they are, a joint's cells by how many there are.
        weight = weight * torch.where(m.joints > 0.01, 1.0, logits.detach().sigmoid() ** 2)
        loss = F.binary_cross_entropy_with_logits(logits, m.joints, reduction="none") * weight
        total = total + len(t.boxes) * loss.sum() / (m.joints * m.share).sum().clamp(min=1)
    return total


def owner_loss(maps: Tensor, targets: list[Targets]) -> Tensor:
    """Huber loss of the box told at each cell that surely shows a person, in units of the person's box; a sum over people.

    maps: [B, 4, h, w]; the cells are those of `targets.owned_cells`.
    """
    total = maps.new_zeros(())
    h, w = maps.shape[2:]
    y, x = (torch.arange(h, device=maps.device) + 0.5)[:, None] / h, (torch.arange(w, device=maps.device) + 0.5)[None] / w
    cells = maps.new_tensor([w, h]).repeat(2)
    for sides, t in zip(maps, targets):
        if not len(t.boxes):
            continue
        owners = (t.maps or target_maps(t)).owners.long()
        sure = owners >= 0
        owner = owners[sure]
        told = sides[:, sure] * (OWNER_CELLS / cells)[:, None] + torch.stack([x.expand(h, w)[sure], y.expand(h, w)[sure]]).repeat(2, 1)
        size = (t.boxes[:, 2:] - t.boxes[:, :2]).clamp(min=LEAST_SIZE).repeat(1, 2)
        error = ((told.T - t.boxes[owner]) / size[owner]).abs()
        huber = torch.where(error < 0.1, 5 * error**2, error - 0.05).mean(1)
        total = total + (huber * t.box_weight[owner] / owner.bincount(minlength=1)[owner]).sum()
    return total
