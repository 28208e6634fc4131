"""The paper's training objective (section 4.1, A.2): matching on class and mask, then class, mask, box and pose losses.

Constants where the paper is silent are Mask2Former's (Cheng et al. 2022, arXiv:2112.01527); see MODEL.md, "Training".
Sampled points follow PointRend (Kirillov et al. 2020, arXiv:1912.08193).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .flow import RealNVP, rle_loss
from .hcqnet import Prediction
from .matching import MatchCosts, assign, class_cost, dice_cost, mask_bce_cost
from .proposals import pairwise_iou
from .targets import Targets


@dataclass
class PaperWeights:
    """Weights of the losses, the share of the class "nothing", and how mask points are drawn."""

    cls: float = 2.0
    mask: float = 5.0  # of the cross-entropy and of dice
    box: float = 0.2
    pose: float = 0.2
    nothing: float = 0.1
    points: int = 12544
    oversampling: float = 3.0
    importance: float = 0.75

    def __post_init__(self) -> None:
        if self.points < 1 or self.oversampling < 1 or not 0 <= self.importance <= 1:
            raise ValueError("expected points and oversampling of at least 1, importance from 0 to 1")


class PaperCriterion(nn.Module):
    """Losses of every layer's prediction; holds the flows, which exist in training only."""

    def __init__(self, weights: PaperWeights, costs: MatchCosts) -> None:
        super().__init__()
        self.weights, self.costs = weights, costs
        self.box_flow, self.pose_flow = RealNVP(), RealNVP()

    def forward(self, layers: list[Prediction], targets: list[Targets], people: float, parts: int = 1) -> dict[str, Tensor]:
        """Weighted terms of one of `parts` batches of an update; `aux_` for all layers but the last.

        Sums over people are divided by `people`, those of all parts; the class term, a mean over queries, by `parts`.
        """
        terms: dict[str, Tensor] = {}
        for i, p in enumerate(layers):
            for name, value in self.layer(p, targets, people).items():
                name = name if i == len(layers) - 1 else f"aux_{name}"
                terms[name] = terms.get(name, 0) + (value / parts if name.endswith("cls") else value)
        return terms

    def layer(self, p: Prediction, targets: list[Targets], people: float) -> dict[str, Tensor]:
        """The four losses of one layer."""
        with torch.no_grad():
            pairs = [self.match(p, i, t) for i, t in enumerate(targets)]
        w = self.weights
        terms = {"cls": w.cls * class_loss(p, targets, pairs, w.nothing)}
        picture = torch.cat([torch.full_like(q, i) for i, (q, _) in enumerate(pairs)])
        query = torch.cat([q for q, _ in pairs])
        person = [n for _, n in pairs]
        masks = torch.cat([t.masks[n] for t, n in zip(targets, person)])
        has = torch.cat([t.has_mask[n] for t, n in zip(targets, person)])
        logits = _mask_logits(p, picture[has], query[has])
        bce, dice = point_mask_losses(logits, masks[has], w)
        terms["mask_bce"], terms["mask_dice"] = w.mask * bce / people, w.mask * dice / people
        found = p.keypoints[picture, query]
        boxes = torch.cat([t.boxes[n] for t, n in zip(targets, person)])
        known = torch.cat([t.box_weight[n] for t, n in zip(targets, person)])
        if p.box_sigma is not None:
            error = (found[:, :4] - boxes).view(-1, 2)
            rle = rle_loss(error, p.box_sigma[picture, query].view(-1, 2), self.box_flow).view(-1, 4).mean(1)
            terms["box"] = w.box * (rle * known).sum() / people
        if p.pose_sigma is not None:
            joints = torch.cat([t.joints[n] for t, n in zip(targets, person)])
            labelled = torch.cat([t.joint_weight[n] for t, n in zip(targets, person)])
            frame = torch.where((known > 0)[:, None], boxes, _found_or_rough(found[:, :4].detach(), boxes))
            loss = pose_loss(found, p.pose_sigma[picture, query], frame, joints, labelled, p, self.pose_flow)
            terms["pose"] = w.pose * loss / people
        return terms

    def match(self, p: Prediction, i: int, t: Targets) -> tuple[Tensor, Tensor]:
        """Query and person indices of picture i."""
        if not len(t.boxes):
            empty = torch.zeros(0, dtype=torch.long, device=p.class_logits.device)
            return empty, empty
        queries = torch.arange(p.class_logits.shape[1], device=p.class_logits.device)
        cost = self.costs.cls * class_cost(p.class_logits[i]).expand(-1, len(t.boxes)).clone()
        if t.has_mask.any():
            points = torch.rand(1, self.weights.points, 2, device=queries.device)
            logits = sample(_mask_logits(p, torch.full_like(queries, i), queries), points.expand(len(queries), -1, -1))
            truth = sample(t.masks[t.has_mask], points.expand(int(t.has_mask.sum()), -1, -1))
            mask = self.costs.mask_bce * mask_bce_cost(logits, truth) + self.costs.dice * dice_cost(logits, truth)
            cost[:, t.has_mask] += mask
        # Nothing but the box says where a person without a mask is.
        without = ~t.has_mask
        distance = torch.cdist(p.keypoints[i, :, :4], t.boxes[without], p=1)
        cost[:, without] += (self.costs.box or self.costs.mask_bce) * distance
        return assign(cost)


def class_loss(p: Prediction, targets: list[Targets], pairs: list, nothing: float) -> Tensor:
    """Weighted mean cross-entropy over person / nothing; unmatched queries on ignored regions do not count."""
    truth = torch.ones(p.class_logits.shape[:2], dtype=torch.long, device=p.class_logits.device)
    weight = torch.full(truth.shape, nothing, device=truth.device)
    for i, (t, (query, _)) in enumerate(zip(targets, pairs)):
        if len(t.ignored):
            box = p.keypoints[i, :, :4].detach()
            low, high = torch.maximum(box[:, None, :2], t.ignored[None, :, :2]), torch.minimum(box[:, None, 2:], t.ignored[None, :, 2:])
            own = (box[:, 2:] - box[:, :2]).clamp(min=1e-6).prod(-1)
            weight[i, ((high - low).clamp(min=0).prod(-1) / own[:, None]).amax(1) > 0.5] = 0
        truth[i, query], weight[i, query] = 0, 1.0
    loss = F.cross_entropy(p.class_logits.flatten(0, 1), truth.flatten(), reduction="none")
    return (loss * weight.flatten()).sum() / weight.sum().clamp(min=1e-6)


def _found_or_rough(found: Tensor, rough: Tensor) -> Tensor:
    """Whose space joints are canonical in where nobody labelled the box: the found one's, once it is near the rough one."""
    return torch.where((pairwise_iou(found, rough).diagonal() > 0.5)[:, None], found, rough)


def pose_loss(
    found: Tensor, sigma: Tensor, boxes: Tensor, joints: Tensor, labelled: Tensor, p: Prediction, flow: RealNVP
) -> Tensor:
    """RLE of labelled joints in the canonical space of `boxes`; a mean over joints, summed over people."""
    size = (boxes[:, None, 2:] - boxes[:, None, :2]).clamp(min=1e-6)
    m = p.canonical_margin
    truth = joints if p.image_space else ((joints - boxes[:, None, :2]) / size + m) / (1 + 2 * m)
    n = joints.shape[1]
    error = found[:, 4:].unflatten(1, (n, 2)) - truth
    rle = rle_loss(error.reshape(-1, 2), sigma.reshape(-1, 2), flow).view(-1, n, 2).mean(-1)
    return ((rle * labelled).sum(1) / labelled.sum(1).clamp(min=1)).sum()


def _mask_logits(p: Prediction, picture: Tensor, query: Tensor) -> Tensor:
    """[N, h, w] of the given pairs."""
    embedding = p.mask_embeddings[picture, query]
    parts = []
    for i in range(len(p.mask_features)):
        chosen = picture == i
        parts.append((embedding[chosen] @ p.mask_features[i].flatten(1)).unflatten(1, p.mask_features.shape[2:]))
    # `picture` is sorted, so the parts are in the order of the pairs.
    return torch.cat(parts)


def sample(maps: Tensor, points: Tensor) -> Tensor:
    """Bilinear values [N, P] of maps [N, h, w], of any type, at points [N, P, 2] (x, y in 0...1, pixel centres inside)."""
    return F.grid_sample(maps[:, None].float(), 2 * points[:, None] - 1, align_corners=False)[:, 0, 0]


def point_mask_losses(logits: Tensor, truth: Tensor, w: PaperWeights) -> tuple[Tensor, Tensor]:
    """Cross-entropy and dice on uncertain points; sums over people."""
    if not len(logits):
        zero = logits.sum()
        return zero, zero
    with torch.no_grad():
        candidates = torch.rand(len(logits), int(w.points * w.oversampling), 2, device=logits.device)
        uncertain = -sample(logits, candidates).abs()
        count = int(w.importance * w.points)
        chosen = candidates.gather(1, uncertain.topk(count, 1).indices[..., None].expand(-1, -1, 2))
        points = torch.cat([chosen, torch.rand(len(logits), w.points - count, 2, device=logits.device)], 1)
        target = sample(truth, points)
    values = sample(logits, points)
    bce = F.binary_cross_entropy_with_logits(values, target, reduction="none").mean(1).sum()
    p = values.sigmoid()
    dice = 1 - (2 * (p * target).sum(1) + 1) / (p.sum(1) + target.sum(1) + 1)
    return bce, dice.sum()
