"""Batches by step number: the same step gives the same batch whatever ran before, so that a resumed run is the same run."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .augment import Composer, Target
from .targets import TargetMaps, Targets, target_maps


@dataclass
class Batch:
    """Canvases, their people, and the names of the pictures they are made of.

    From process to process it travels as a few large tensors: each takes an open file, and hundreds would be more than a process may have.
    """

    index: int
    pictures: Tensor  # [B, 3, H, W] uint8 RGB
    targets: list[Targets]
    names: list[str]

    def __getstate__(self) -> dict:
        rows = [vars(t) | {f"maps.{k}": v for k, v in (vars(t.maps).items() if t.maps else ())} | {"maps": None} for t in self.targets]
        columns = {k: [row[k] for row in rows] for k in rows[0]} if rows else {}
        for name, column in columns.items():
            if isinstance(column[0], Tensor):
                columns[name] = (torch.cat([value.flatten() for value in column]), [value.shape for value in column])
        return {"index": self.index, "pictures": self.pictures, "names": self.names, "columns": columns}

    def __setstate__(self, state: dict) -> None:
        columns = state.pop("columns")
        for name, column in columns.items():
            if isinstance(column, tuple):
                parts = column[0].split([shape.numel() for shape in column[1]])
                columns[name] = [part.view(shape) for part, shape in zip(parts, column[1])]
        rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
        for row in rows if "maps.limbs" in columns else ():
            row["maps"] = TargetMaps(**{f.name: row.pop(f"maps.{f.name}") for f in fields(TargetMaps)})
        vars(self).update(state, targets=[Targets(**row) for row in rows])


class StepBatches(Dataset):
    """Item k is batch k, drawn from a generator of its own; `maps`: with what dense maps should say."""

    def __init__(self, composer: Composer, seed: int, batch: int, canvases: list[tuple[int, int]], count: int, maps: bool = False) -> None:
        self.composer, self.seed, self.batch, self.canvases, self.count, self.maps = composer, seed, batch, canvases, count, maps

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(0)
        rng = np.random.default_rng((self.seed, index))
        height, width = self.canvases[rng.integers(len(self.canvases))]
        pictures, targets, names = [], [], []
        for _ in range(self.batch):
            canvas, people, ignored, used = self.composer(rng, height, width)
            names += used
            pictures.append(canvas)
            targets.append(to_targets(people, ignored, (height, width), self.composer.settings.mask_stride))
            if self.maps:
                targets[-1].maps = target_maps(targets[-1])
        # Colours stay last in memory, as the network wants them: bringing them to the front took longer than composing.
        return Batch(index, torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), targets, names)


def to_targets(people: list[Target], ignored: np.ndarray, size: tuple[int, int], mask_stride: int = 4) -> Targets:
    """Pixels to normalised tensors; masks stay bytes where they are not coverage."""
    height, width = size
    n = len(people)
    scale = np.array([width, height], np.float32)
    cells = (height // mask_stride, width // mask_stride)
    boxes = np.array([t.box for t in people], np.float32).reshape(n, 4) / np.tile(scale, 2)
    joints = np.array([t.joints for t in people], np.float32).reshape(n, 17, 3)
    masks = np.zeros((n, *cells), np.uint8 if mask_stride == 1 else np.float32)
    for i, t in enumerate(people):
        if t.mask is not None:
            masks[i] = t.mask
    return Targets(
        boxes=torch.from_numpy(boxes),
        box_weight=torch.tensor([t.box_weight for t in people], dtype=torch.float32),
        joints=torch.from_numpy(joints[..., :2] / scale),
        joint_weight=torch.from_numpy(joints[..., 2].copy()),
        area=torch.tensor([t.area / (height * width) for t in people], dtype=torch.float32),
        has_mask=torch.tensor([t.mask is not None for t in people], dtype=torch.bool),
        masks=torch.from_numpy(masks),
        ignored=torch.from_numpy(ignored / np.tile(scale, 2)).float().reshape(-1, 4),
        size=size,
    )


def normalise(pictures: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 RGB to the network's input."""
    x = pictures.float().div_(255)
    return ((x - x.new_tensor(mean)[:, None, None]) / x.new_tensor(std)[:, None, None]).contiguous(
        memory_format=torch.channels_last
    )
