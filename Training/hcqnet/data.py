"""The labelled pictures: COCO-format shards, what is known of each person, pseudo-labels, and the validation split.

Unpacked shards `DIR/<set>/{annotations.json,images}`, or COCO's own annotation files in the same place: of several categories
"person" counts, masks are polygons or runs, and what a person has no field for is unknown. Pseudo-labels as
`hcqnet.pseudo_labels` writes them. Boxes here are x0 y0 x1 y1 in pixels.
"""

from __future__ import annotations

import json
import zipfile
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


class DataError(ValueError):
    """Labels or a picture that cannot be used; the message names the file."""


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
        """[h, w, 3] RGB uint8; raises as `read_picture`."""
        return read_picture(self.path, self.size)


def read_picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    """[h, w, 3] RGB uint8, as it is stored, which is how COCO's tools take it; upright where only its EXIF orientation gives `size`.

    Raises DataError where it cannot be read or is not of `size`, the (height, width) that the labels state.
    """
    for mode in (cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, cv2.IMREAD_COLOR):
        picture = cv2.imread(str(path), mode)
        if picture is None:
            raise DataError(f"{path}: cannot be read as a picture")
        if picture.shape[:2] == tuple(size):
            return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    found, stated = picture.shape[1::-1], size[::-1]
    raise DataError(f"{path}: is {found[0]}x{found[1]} pixels, the labels say {stated[0]}x{stated[1]}")


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
        images = read_json(directory / "annotations.json")["images"]
        names[directory.name] = [i["file_name"] for n, i in enumerate(images) if is_validation(directory.name, n, i)]
    return names


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU [A, B] of boxes [A, 4] and [B, 4]."""
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1), (b[:, 2:] - b[:, :2]).prod(-1)
    return inter / np.maximum(area_a[:, None] + area_b[None] - inter, 1e-9)


def held_out_names(file: Path, root: Path) -> dict[str, list[str]]:
    """Names of sets and of the files in them that are never trained on: a JSON file's, and whole sets named val..."""
    names = dict(read_json(file))
    for labels in root.glob("val*/annotations.json"):
        names[labels.parent.name] = [image["file_name"] for image in read_json(labels).get("images", [])]
    return names


def read_json(file: Path) -> dict:
    """A JSON object; raises DataError, which names the file, for anything else."""
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise DataError(f"{file}: is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: holds a {type(content).__name__}, expected a JSON object")
    return content


def load_sets(root: Path, pseudo: Path | None, held_out: dict[str, list[str]]) -> list[Sample]:
    """Every training picture of every shard, without the held-out ones."""
    if pseudo and not pseudo.is_dir():
        raise DataError(f"{pseudo}: is no folder; python -m hcqnet.pseudo_labels writes one")
    samples = []
    for directory in sorted(p for p in root.iterdir() if (p / "annotations.json").exists()):
        file = pseudo / f"{directory.name}.npz" if pseudo else None
        teacher = _teacher(file) if file and file.exists() else None
        samples += load_set(directory, teacher, set(held_out.get(directory.name, ())))
    if not samples:
        raise DataError(f"{root}: holds no pictures to train on; expected folders with annotations.json (python -m hcqnet.unpack)")
    return samples


def _teacher(file: Path) -> dict[str, np.ndarray]:
    try:
        return dict(np.load(file))
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: is damaged ({error}); python -m hcqnet.pseudo_labels writes it anew") from error


def load_set(directory: Path, teacher: dict[str, np.ndarray] | None, held_out: set[str]) -> list[Sample]:
    """One shard, completed by what the teachers saw."""
    file = directory / "annotations.json"
    try:
        return _load_set(directory, read_json(file), teacher, held_out)
    except KeyError as error:
        raise DataError(f"{file}: a picture or a person has no {error}") from error


def _load_set(directory: Path, content: dict, teacher: dict[str, np.ndarray] | None, held_out: set[str]) -> list[Sample]:
    person_id = next((c["id"] for c in content.get("categories", []) if c["name"] == "person"), 1)
    labelled: dict[int, list[dict]] = {}
    for person in content["annotations"]:
        if person.get("category_id", person_id) == person_id:
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
            try:
                _add_labelled(sample, person, joints.get(person["id"]))
            except (TypeError, ValueError, ArithmeticError) as error:
                raise DataError(f"{directory / 'annotations.json'}: person {person['id']}: {error}") from error
        rows = by_image.get(image["id"], np.zeros(0, int))
        if len(rows):
            _add_teacher(sample, teacher["boxes"][rows], teacher["box_joints"][rows], bool(image.get("boxes_complete", True)))
        elif not teacher and not image.get("boxes_complete", True):
            sample.ignored.append(np.array([0, 0, *sample.size[::-1]], np.float32))  # anybody may be anywhere
        samples.append(sample)
    return samples


def _add_labelled(sample: Sample, person: dict, teacher_joints: np.ndarray | None) -> None:
    crowd = person.get("iscrowd")
    # Without a mark of its own an outline is exact; a crowd's tells nobody apart.
    outline = person.get("segmentation") if person.get("has_mask", True) and not crowd else None
    mask = compressed(outline, sample.size) if outline else None
    joints = np.zeros((JOINTS, 3), np.float32)
    if person.get("keypoints"):
        points = _numbers("keypoints", person["keypoints"], 3 * JOINTS).reshape(JOINTS, 3)
        seen = points[:, 2] > 0
        joints[seen, :2], joints[seen, 2] = points[seen, :2], 1.0
    (x, y, w, h), weight = _box(person, mask, joints)
    box = np.array([x, y, x + w, y + h], np.float32)
    if crowd or w < 2 or h < 2:
        sample.ignored.append(box)
        return
    if teacher_joints is not None:
        # Teacher's joints where the label has none, at less weight.
        missing = (joints[:, 2] == 0) & (teacher_joints[:, 2] > TEACHER_JOINT_FLOOR)
        joints[missing, :2] = teacher_joints[missing, :2]
        joints[missing, 2] = 0.5 * teacher_joints[missing, 2]
    area = person.get("area") or (rle.area(mask) if mask else 0.6 * w * h)
    sample.people.append(Person(box, joints, weight, mask, float(area)))


def _box(person: dict, mask: dict | None, joints: np.ndarray) -> tuple[list[float], float]:
    """x, y, width, height and how much the box counts: the label's, else the mask's, else a rough one around the joints."""
    if person.get("bbox"):
        return _numbers("bbox", person["bbox"], 4).tolist(), 1.0 if person.get("has_bbox", "exact") == "exact" else 0.0
    if mask is not None:
        return list(rle.toBbox(mask)), 1.0
    seen = joints[joints[:, 2] > 0, :2]
    if not len(seen):
        raise KeyError("bbox")
    low, size = seen.min(0), np.ptp(seen, 0)
    return [*(low - 0.1 * size), *(1.2 * size)], 0.0


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


def _numbers(name: str, values: list, count: int) -> np.ndarray:
    numbers = np.array(values, np.float32)  # None becomes not a number
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"{name} holds {len(values)} values, expected {count} finite numbers")
    return numbers


def compressed(outline: dict | list, size: tuple[int, int]) -> dict | None:
    """COCO's polygons or runs as a compressed RLE of a picture of `size` (height, width); None for polygons without area.

    Raises ValueError for what is neither.
    """
    if not isinstance(outline, list | dict) or (isinstance(outline, dict) and "counts" not in outline):
        raise ValueError("segmentation is neither a list of polygons nor runs with size and counts")
    if isinstance(outline, list):
        if any(len(part) % 2 for part in outline):
            raise ValueError("segmentation has a polygon with an odd count of numbers")
        parts = [part for part in outline if len(part) >= 6]  # pycocotools would take four numbers for a box
        return rle.merge(rle.frPyObjects(parts, *size)) if parts else None
    if list(outline.get("size", [])) != list(size):
        raise ValueError(f"segmentation is of {outline.get('size')} pixels, the picture of {list(size)} (height, width)")
    counts = outline["counts"]
    if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
        raise ValueError(f"segmentation's runs cover {sum(counts)} pixels, the picture has {size[0] * size[1]}")
    mask = rle.frPyObjects(outline, *size) if isinstance(counts, list) else outline
    rle.decode(mask)  # raises where the text is damaged
    return mask


def decode_mask(segmentation: dict) -> np.ndarray:
    """[h, w] uint8, 0 or 1, of a compressed RLE."""
    return rle.decode(segmentation)
