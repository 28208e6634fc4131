"""What is known of the people of a canvas, and what dense maps of it should say."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

LIMBS = ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16), (5, 6), (11, 12), (5, 11), (6, 12))
SPREAD = 0.06  # a joint map's Gaussian, in units of sqrt(area)
BACKGROUND_SHARE = 1 / (2 * math.pi)  # weight of an empty cell outside boxes


@dataclass
class TargetMaps:
    """Targets by cell of 4x4 pixels, [h, w]."""

    joints: Tensor  # [17, h, w]: Gaussians as wide as COCO's tolerance
    known: Tensor  # [17, h, w] bool: whether somebody's label says what is there
    share: Tensor  # [h, w]: what a cell counts
    owners: Tensor  # [h, w] int16: as `owned_cells`
    limbs: Tensor  # [n, h, w] bool: as `limb_points`

    def to(self, device: torch.device) -> TargetMaps:
        """The same on another device."""
        return TargetMaps(*(getattr(self, f.name).to(device) for f in fields(self)))


@dataclass
class Targets:
    """People of one canvas; n may be 0."""

    boxes: Tensor  # [n, 4] x0 y0 x1 y1
    box_weight: Tensor  # [n]
    joints: Tensor  # [n, 17, 2]
    joint_weight: Tensor  # [n, 17]
    area: Tensor  # [n], share of the canvas
    has_mask: Tensor  # [n] bool
    masks: Tensor  # [n, h, w] coverage at stride 4 (for the paper's criterion at any), zeros where unknown
    ignored: Tensor  # [k, 4]
    size: tuple[int, int]  # H, W in pixels
    maps: TargetMaps | None = None  # made in advance where loops over people would keep a GPU waiting

    def to(self, device: torch.device) -> Targets:
        """The same on another device."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Targets(**{k: v.to(device) if isinstance(v, Tensor | TargetMaps) else v for k, v in values.items()})


def box_cells(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Which cells of an h x w map lie (by their centres) in the box: [n, h, w] bool."""
    h, w = shape
    y, x = (torch.arange(h, device=boxes.device) + 0.5) / h, (torch.arange(w, device=boxes.device) + 0.5) / w
    in_x = (x >= boxes[:, :1]) & (x <= boxes[:, 2:3])
    in_y = (y >= boxes[:, 1:2]) & (y <= boxes[:, 3:4])
    return in_y[:, :, None] & in_x[:, None, :]


def limb_points(t: Targets, people: Tensor) -> Tensor:
    """Cells on the limbs between labelled joints: [n, h, w] of 0 and 1."""
    h, w = t.size[0] // 4, t.size[1] // 4
    out = torch.zeros(len(people), h, w, device=t.joints.device)
    share = torch.linspace(0.1, 0.9, 9, device=t.joints.device)[:, None]
    for row, person in enumerate(people.tolist()):
        for a, b in LIMBS:
            if t.joint_weight[person, a] >= 0.3 and t.joint_weight[person, b] >= 0.3:
                points = t.joints[person, a] * (1 - share) + t.joints[person, b] * share
                x, y = (points[:, 0] * w).long().clamp(0, w - 1), (points[:, 1] * h).long().clamp(0, h - 1)
                out[row, y, x] = 1
    return out


def target_maps(t: Targets) -> TargetMaps:
    """All maps of one canvas."""
    shape = (t.size[0] // 4, t.size[1] // 4)
    limbs = limb_points(t, torch.arange(len(t.boxes)))
    return TargetMaps(*joint_truth(t, shape), owned_cells(t, shape, limbs).short(), limbs.bool())


def joint_truth(t: Targets, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """`joints`, `known` and `share` of `TargetMaps`: where people overlap the smaller one's count."""
    h, w = shape
    device = t.boxes.device
    y, x = (torch.arange(h, device=device) + 0.5)[None], (torch.arange(w, device=device) + 0.5)[None]
    known_cells, truth = torch.ones(17, h, w, device=device), torch.zeros(17, h, w, device=device)
    share = torch.full((h, w), BACKGROUND_SHARE, device=device)
    for cells in box_cells(t.ignored, (h, w)):
        known_cells[:, cells] = 0
    radius = (SPREAD * (t.area * h * w).clamp(min=1).sqrt()).clamp(min=1.0)  # cells
    for person in radius.argsort(descending=True).tolist():
        box, joints, known, r = t.boxes[person], t.joints[person], t.joint_weight[person] > 0, float(radius[person])
        x0, x1 = int(box[0] * w - 3 * r), int(box[2] * w + 3 * r) + 1
        y0, y1 = int(box[1] * h - 3 * r), int(box[3] * h + 3 * r) + 1
        rows, columns = slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0))
        inside = box_cells(t.boxes[person : person + 1], (h, w))[0, rows, columns]
        known_cells[:, rows, columns] *= torch.where(inside, known[:, None, None].float(), 1.0)
        across = torch.exp(-((x[:, columns] - joints[:, :1] * w) ** 2) / (2 * r**2)) * known[:, None]
        down = torch.exp(-((y[:, rows] - joints[:, 1:] * h) ** 2) / (2 * r**2))
        truth[:, rows, columns] = torch.maximum(truth[:, rows, columns], down[:, :, None] * across[:, None, :])
        share[rows, columns] = 1 / (2 * math.pi * r**2)
    return truth, known_cells.bool(), share


def owned_cells(t: Targets, shape: tuple[int, int], limbs: Tensor) -> Tensor:
    """Whom each cell surely shows: [h, w], -1 for nobody.

    Sure are cells of the mask where there is one, else those at joints and on limbs; where people overlap a cell belongs to a mask
    before a joint, to the nearest joint before a limb, and of equals to the smaller person.
    """
    h, w = shape
    y, x = (torch.arange(h, device=t.boxes.device) + 0.5)[None], (torch.arange(w, device=t.boxes.device) + 0.5)[None]
    radius = (SPREAD * (t.area * h * w).clamp(min=1).sqrt()).clamp(min=1.0)  # cells
    best = t.boxes.new_full(shape, 0.3)
    owners = torch.full(shape, -1, device=t.boxes.device)
    for person in radius.argsort(descending=True).tolist():
        joints, r = t.joints[person, t.joint_weight[person] > 0] * torch.tensor([w, h], device=y.device), radius[person]
        sure = 0.5 * limbs[person]
        if t.has_mask[person]:
            sure = torch.where(t.masks[person] > 0.5, 2.0, 0.0)
        elif len(joints):
            (x0, y0), (x1, y1) = (joints.amin(0) - 2 * r).clamp(min=0).tolist(), (joints.amax(0) + 2 * r).clamp(min=0).tolist()
            rows, columns = slice(int(y0), int(y1) + 1), slice(int(x0), int(x1) + 1)
            across = torch.exp(-((x[:, columns] - joints[:, :1]) ** 2) / (2 * r**2))
            down = torch.exp(-((y[:, rows] - joints[:, 1:]) ** 2) / (2 * r**2))
            sure[rows, columns] = torch.maximum(sure[rows, columns], (down[:, :, None] * across[:, None, :]).amax(0))
        mine = sure >= best
        best, owners = torch.where(mine, sure, best), torch.where(mine, person, owners)
    return owners
