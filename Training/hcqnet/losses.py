"""The losses of the compact recipe: class by box quality, boxes, joints, masks, each only where the label says something.

All coordinates are normalised to the canvas. Sources: RLE as `flow.rle_loss`; GIoU arXiv:1902.09630; varifocal loss Zhang
et al. 2021, arXiv:2008.13367; dice arXiv:1606.04797; box projections of masks Tian et al. 2021, BoxInst, arXiv:2012.02310.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .flow import RealNVP, rle_loss
from .hcqnet import Prediction
from .matching import assign, generalized_iou
from .proposals import pairwise_iou
from .targets import Targets, box_cells, limb_points

# COCO's per-joint constants: standard deviations of annotators in units of sqrt(area).
OKS_SIGMAS = torch.tensor([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000


@dataclass
class Weights:
    """What each term counts; RLE weights are the paper's."""

    cls: float = 2.0
    box_l1: float = 5.0
    giou: float = 2.0
    box_rle: float = 0.2
    pose_rle: float = 0.2
    oks: float = 2.0
    mask: float = 5.0
    weak_mask: float = 1.0
    owner: float = 2.0  # of the box that the joint maps tell beside the joints
    one_to_many: float = 0.5
    flow: bool = True  # False: RLE without its flow, that is a Laplace likelihood
    least_sigma: float = 1e-3
    distillation: float = 0.0  # holds the proposals at the published detector's
    proposals: float = 1.0  # else the proposal head's own loss, where it learns
    least_overlap: float = 0.0  # IoU that a pair needs for its box, joints and mask to count


class Criterion(nn.Module):
    """Sums the losses of all layers' predictions; holds the two flows, which exist in training only."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights
        self.box_flow = RealNVP() if weights.flow else None
        self.pose_flow = RealNVP() if weights.flow else None

    def layer(self, p: Prediction, targets: list[Targets]) -> tuple[dict[str, Tensor], list[tuple[Tensor, Tensor]]]:
        """Class, box and pose losses of one layer (sums over people), and the matches (query, person) per picture."""
        matches, terms = [], {k: p.class_logits.new_zeros(()) for k in ("cls", "box_l1", "giou", "box_rle", "pose_rle", "oks")}
        rows: list[tuple[Tensor, Tensor, Tensor]] = []
        for i, t in enumerate(targets):
            boxes = p.keypoints[i, :, :4]
            query, person = self.match(p.class_logits[i], boxes, t)
            terms["cls"] = terms["cls"] + quality_loss(p.class_logits[i], boxes.detach(), query, person, t)
            # A query far from its person (nobody proposed one there) has nothing to learn about its box, joints or mask.
            near = pairwise_iou(boxes[query].detach(), t.boxes[person]).diagonal() >= self.weights.least_overlap
            query, person = query[near], person[near]
            matches.append((query, person))
            rows += self._pairs(i, boxes.detach(), query, person, t)
        if sum(len(query) for _, query, _, _ in rows):
            terms |= self.regression(p, targets, rows)
        return terms, matches

    def match(self, logits: Tensor, boxes: Tensor, t: Targets) -> tuple[Tensor, Tensor]:
        """Hungarian on class, L1 and GIoU."""
        if not len(t.boxes):
            empty = torch.zeros(0, dtype=torch.long, device=logits.device)
            return empty, empty
        with torch.no_grad():
            score = logits.softmax(-1)[:, :1]
            cost = -2 * score + 5 * torch.cdist(boxes, t.boxes, p=1) - 2 * generalized_iou(boxes, t.boxes)
        return assign(cost)

    def _pairs(self, i: int, boxes: Tensor, query: Tensor, person: Tensor, t: Targets) -> list:
        """(picture, query, person, weight) rows: the match, and other queries on the same person at less weight."""
        if not len(t.boxes):
            return []
        rows = [(torch.full_like(query, i), query, person, torch.ones_like(query, dtype=torch.float32))]
        if self.weights.one_to_many:
            overlaps, best = pairwise_iou(boxes, t.boxes).max(1)
            overlaps[query] = 0
            extra = (overlaps > 0.55).nonzero()[:, 0]
            rows.append((torch.full_like(extra, i), extra, best[extra], torch.full_like(extra, self.weights.one_to_many, dtype=torch.float32)))
        return rows

    def regression(self, p: Prediction, targets: list[Targets], rows: list) -> dict[str, Tensor]:
        """Box and joint losses of the pairs."""
        picture, query, person, weight = (torch.cat(c) for c in zip(*rows))
        offsets = torch.tensor([0] + [len(t.boxes) for t in targets], device=picture.device).cumsum(0)
        index = offsets[picture] + person
        # Other queries on the same person share its weight.
        weight = weight * (sum(len(t.boxes) for t in targets) / weight.sum())
        boxes = torch.cat([t.boxes for t in targets])[index]
        box_weight = torch.cat([t.box_weight for t in targets])[index] * weight
        size = torch.tensor([[t.size[1], t.size[0]] for t in targets], dtype=boxes.dtype, device=boxes.device)[picture]
        found = p.keypoints[picture, query]
        wh = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
        error = found[:, :4] - boxes
        terms = {}
        # Half absolute, half relative to the person: far people count too.
        relative = (error.view(-1, 2, 2) / (wh[:, None] + 0.02)).abs().mean((1, 2))
        terms["box_l1"] = ((error.abs().sum(1) * 0.5 + 0.2 * relative) * box_weight).sum()
        terms["giou"] = ((1 - paired_giou(found[:, :4], boxes)) * box_weight).sum()
        if p.box_sigma is not None:
            sigma = p.box_sigma[picture, query].view(-1, 2).clamp(min=self.weights.least_sigma)
            scaled = (error.view(-1, 2, 2) / (wh[:, None] + 0.02)).view(-1, 2)
            rle = rle_loss(scaled, sigma, self.box_flow).view(-1, 4).mean(1)
            terms["box_rle"] = (rle * box_weight).sum()
        terms |= self.pose(p, targets, (picture, query, index, weight), size)
        return terms

    def pose(self, p: Prediction, targets: list[Targets], pairs: tuple, size: Tensor) -> dict[str, Tensor]:
        """RLE and OKS of labelled joints, in pixels over sqrt(area of the labelled box)."""
        picture, query, index, weight = pairs
        truth = torch.cat([t.joints for t in targets])[index]
        known = torch.cat([t.joint_weight for t in targets])[index] * weight[:, None]
        boxes = torch.cat([t.boxes for t in targets])[index]
        area = torch.cat([t.area for t in targets])[index] * size.prod(1)
        found = pose_in_image(p.keypoints[picture, query], p, picture, query)
        error = (found - truth) * size[:, None]  # pixels
        unit = ((boxes[:, 2:] - boxes[:, :2]) * size).prod(1).clamp(min=16).sqrt()
        share = known.sum(1).clamp(min=1e-6)
        labelled = (known.sum(1) > 0).float() * weight
        distance = error.square().sum(-1) / (2 * area.clamp(min=16)[:, None] * (2 * OKS_SIGMAS.to(error)) ** 2)
        oks = 1 - (torch.exp(-distance) * known).sum(1) / share
        terms = {"oks": (oks * labelled).sum()}
        sigma = p.pose_sigma[picture, query].view(-1, 17, 2).clamp(min=self.weights.least_sigma)
        rle = rle_loss((error / unit[:, None, None]).view(-1, 2), sigma.view(-1, 2), self.pose_flow).view(-1, 17, 2)
        terms["pose_rle"] = ((rle.sum(-1) * known).sum(1) / share * labelled).sum()
        return terms

    def masks(self, logits: Tensor, pairs: list[tuple[Tensor, Tensor]], targets: list[Targets], boxes_of: list[Tensor]) -> Tensor:
        """Mask loss of matched people (sum). `logits` [N, h, w] in the order of `pairs`."""
        truth = torch.cat([t.masks[j] for t, (_, j) in zip(targets, pairs)])
        has = torch.cat([t.has_mask[j] for t, (_, j) in zip(targets, pairs)])
        weight = torch.cat([t.box_weight[j] for t, (_, j) in zip(targets, pairs)])
        total = logits.new_zeros(())
        inside = box_cells(torch.cat(boxes_of), logits.shape[1:])
        if has.any():
            total = total + self.weights.mask * mask_loss(logits[has], truth[has], inside[has])
        weak = ~has & (weight > 0)
        if weak.any():
            limbs = torch.cat([t.maps.limbs[j].float() if t.maps else limb_points(t, j) for t, (_, j) in zip(targets, pairs)])
            total = total + self.weights.weak_mask * weak_mask_loss(logits[weak], inside[weak], limbs[weak])
        return total


def quality_loss(logits: Tensor, boxes: Tensor, query: Tensor, person: Tensor, t: Targets) -> Tensor:
    """Varifocal: a matched query's score is its box's IoU; others 0, unless they lie in an ignored region."""
    z = logits[:, 0] - logits[:, 1]
    probability = z.sigmoid()
    target, weight = torch.zeros_like(z), 0.75 * probability.detach() ** 2
    if len(query):
        iou = pairwise_iou(boxes[query], t.boxes[person]).diagonal()
        rough = t.box_weight[person] == 0
        target[query] = torch.where(rough, iou.clamp(min=0.6), iou)
        weight[query] = 1 - 0.5 * rough.to(z.dtype)
    if len(t.ignored):
        free = torch.ones_like(z, dtype=torch.bool)
        free[query] = False
        low, high = torch.maximum(boxes[:, None, :2], t.ignored[None, :, :2]), torch.minimum(boxes[:, None, 2:], t.ignored[None, :, 2:])
        inter = (high - low).clamp(min=0).prod(-1)
        own = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6).prod(-1)
        weight = weight * ~(free & ((inter / own[:, None]).amax(1) > 0.5))
    return (F.binary_cross_entropy_with_logits(z, target, reduction="none") * weight).sum()


def paired_giou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU of row with row: [n, 4], [n, 4] to [n]."""
    inter = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    area = (a[:, 2:] - a[:, :2]).clamp(min=0).prod(-1) + (b[:, 2:] - b[:, :2]).clamp(min=0).prod(-1)
    union = (area - inter).clamp(min=1e-9)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).clamp(min=0).prod(-1).clamp(min=1e-9)
    return inter / union - (hull - union) / hull


def pose_in_image(keypoints: Tensor, p: Prediction, picture: Tensor, query: Tensor) -> Tensor:
    """The joints of the pairs [n, 17, 2]; gradients reach the pose, and the box only through its own losses."""
    corner, size = keypoints[:, None, :2].detach(), (keypoints[:, None, 2:4] - keypoints[:, None, :2]).detach()
    margin = p.canonical_margin
    return corner + ((1 + 2 * margin) * keypoints[:, 4:].unflatten(1, (17, 2)) - margin) * size


def mask_loss(logits: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """Dice and mean cross-entropy inside the box, where alone a mask is read (`mask_in_box`); sum over people."""
    p = logits.sigmoid() * inside
    t = truth * inside
    dice = 1 - (2 * (p * t).sum((1, 2)) + 1) / (p.square().sum((1, 2)) + t.square().sum((1, 2)) + 1)
    bce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    within = (bce * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=4)
    return (dice + within).sum()


def weak_mask_loss(logits: Tensor, inside: Tensor, limbs: Tensor) -> Tensor:
    """Without a mask: limbs lie inside, and the projections fill the box; sum over people."""
    box = inside.float()
    p = logits.sigmoid() * box
    rows = _dice(p.amax(2), box.amax(2)) + _dice(p.amax(1), box.amax(1))
    on_limbs = (F.softplus(-logits) * limbs).sum((1, 2)) / limbs.sum((1, 2)).clamp(min=1)
    return (0.5 * rows + on_limbs).sum()


def _dice(p: Tensor, t: Tensor) -> Tensor:
    return 1 - (2 * (p * t).sum(1) + 1) / (p.square().sum(1) + t.square().sum(1) + 1)
