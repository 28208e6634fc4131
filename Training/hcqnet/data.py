"""The labelled pictures: COCO-format shards, what is known of each person, pseudo-labels, and the validation split.

Unpacked shards `DIR/<set>/{annotations.json,images}`; pseudo-labels as `hcqnet.pseudo_labels` writes them. Boxes here are
x0 y0 x1 y1 in pixels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle

JOINTS = 17
FLIP_JOINTS = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
TEACHER_JOINT_FLOOR = 0.4  # below this confidence a teacher's joint is not used
SURE, MAYBE = 0.45, 0.15  # teacher scores: a person nobody labelled; a region that is no negative
SAME, OTHER = 0.5, 0.4  # overlaps: teacher box and label are the same person; surely another one


@dataclass
class Person:
    """One target. `joints` [17, 3] is x, y, weight (0 unknown); `box_weight` 0 where the box is only rough."""

    box: np.ndarray
    joints: np.ndarray
    box_weight: float = 1.0
    mask: dict | None = None  # compressed RLE of the whole picture
    area: float = 0.0  # COCO's area, for OKS


@dataclass
class Sample:
    """One picture: where it lies, who is in it, which regions say nothing."""

    set_name: str
    image_id: int
    path: Path
    size: tuple[int, int]  # height, width
    people: list[Person] = field(default_factory=list)
    ignored: list[np.ndarray] = field(default_factory=list)  # boxes

    def picture(self) -> np.ndarray:
        """[h, w, 3] RGB uint8."""
        return cv2.cvtColor(cv2.imread(str(self.path)), cv2.COLOR_BGR2RGB)


def is_validation(set_name: str, index: int, image: dict) -> bool:
    """The rule: coco_id mod 5 = 0 in coco-train (completely labelled) and cocomore, every tenth picture elsewhere."""
    if set_name.startswith("cocomore"):
        return image["coco_id"] % 5 == 0
    if set_name.startswith("coco-train"):
        return image["coco_id"] % 5 == 0 and image["boxes_complete"]
    return index % 10 == 0


def validation_names(root: Path) -> dict[str, list[str]]:
    """File names of the validation pictures of every unpacked shard."""
    names = {}
    for directory in sorted(p for p in root.iterdir() if (p / "annotations.json").exists()):
        images = json.loads((directory / "annotations.json").read_text())["images"]
        names[directory.name] = [i["file_name"] for n, i in enumerate(images) if is_validation(directory.name, n, i)]
    return names


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU [A, B] of boxes [A, 4] and [B, 4]."""
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1), (b[:, 2:] - b[:, :2]).prod(-1)
    return inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9)


def load_sets(root: Path, pseudo: Path | None, held_out: dict[str, list[str]]) -> list[Sample]:
    """Every training picture of every shard, without the held-out ones."""
    samples = []
    for directory in sorted(p for p in root.iterdir() if (p / "annotations.json").exists()):
        file = pseudo / f"{directory.name}.npz" if pseudo else None
        teacher = dict(np.load(file)) if file and file.exists() else None
        samples += load_set(directory, teacher, set(held_out.get(directory.name, ())))
    return samples


def load_set(directory: Path, teacher: dict[str, np.ndarray] | None, held_out: set[str]) -> list[Sample]:
    """One shard, completed by what the teachers saw."""
    content = json.loads((directory / "annotations.json").read_text())
    labelled: dict[int, list[dict]] = {}
    for person in content["annotations"]:
        labelled.setdefault(person["image_id"], []).append(person)
    joints = dict(zip(teacher["annotation"].tolist(), teacher["joints"])) if teacher else {}
    by_image: dict[int, np.ndarray] = {}
    if teacher:
        order = np.argsort(teacher["box_image"], kind="stable")
        ids, starts = np.unique(teacher["box_image"][order], return_index=True)
        by_image = dict(zip(ids.tolist(), np.split(order, starts[1:])))
    samples = []
    for image in content["images"]:
        if image["file_name"] in held_out:
            continue
        sample = Sample(directory.name, image["id"], directory / image["file_name"], (image["height"], image["width"]))
        for person in labelled.get(image["id"], []):
            _add_labelled(sample, person, joints.get(person["id"]))
        rows = by_image.get(image["id"], np.zeros(0, int))
        if len(rows):
            _add_teacher(sample, teacher["boxes"][rows], teacher["box_joints"][rows], bool(image["boxes_complete"]))
        samples.append(sample)
    return samples


def _add_labelled(sample: Sample, person: dict, teacher_joints: np.ndarray | None) -> None:
    x, y, w, h = person["bbox"]
    box = np.array([x, y, x + w, y + h], np.float32)
    if person["iscrowd"] or w < 2 or h < 2:
        sample.ignored.append(box)
        return
    joints = np.zeros((JOINTS, 3), np.float32)
    if person.get("keypoints"):
        points = np.array(person["keypoints"], np.float32).reshape(JOINTS, 3)
        seen = points[:, 2] > 0
        joints[seen, :2], joints[seen, 2] = points[seen, :2], 1.0
    if teacher_joints is not None:
        # Teacher's joints where the label has none, at less weight.
        missing = (joints[:, 2] == 0) & (teacher_joints[:, 2] > TEACHER_JOINT_FLOOR)
        joints[missing, :2] = teacher_joints[missing, :2]
        joints[missing, 2] = 0.5 * teacher_joints[missing, 2]
    mask = person["segmentation"] if person.get("has_mask") else None
    weight = 1.0 if person.get("has_bbox", "exact") == "exact" else 0.0
    sample.people.append(Person(box, joints, weight, mask, float(person.get("area") or 0.6 * w * h)))


def _add_teacher(sample: Sample, boxes: np.ndarray, joints: np.ndarray, complete: bool) -> None:
    """Unlabelled people become targets (incomplete pictures), doubtful ones ignored; loose boxes are replaced."""
    known = np.array([p.box for p in sample.people]).reshape(-1, 4)
    overlaps = overlap(boxes[:, :4], known)
    for person, column in zip(sample.people, overlaps.T):
        if person.box_weight == 0 and len(column) and column.max() > SAME and boxes[column.argmax(), 4] > SURE:
            person.box, person.box_weight = boxes[column.argmax(), :4].astype(np.float32), 0.7
    for box, joint, row in zip(boxes, joints, overlaps):
        best = row.max() if len(row) else 0.0
        if best > OTHER or box[4] < MAYBE:
            continue
        if box[4] < SURE or complete:
            if box[4] > (0.5 if complete else MAYBE):
                sample.ignored.append(box[:4].astype(np.float32))
            continue
        points = joint.astype(np.float32).copy()
        points[:, 2] = np.where(points[:, 2] > TEACHER_JOINT_FLOOR, 0.5 * points[:, 2], 0)
        area = 0.6 * float((box[2] - box[0]) * (box[3] - box[1]))
        sample.people.append(Person(box[:4].astype(np.float32), points, 0.7, None, area))


def decode_mask(segmentation: dict) -> np.ndarray:
    """[h, w] uint8, 0 or 1, of a compressed RLE."""
    counts = segmentation["counts"]
    return rle.decode({"size": segmentation["size"], "counts": counts.encode() if isinstance(counts, str) else counts})
