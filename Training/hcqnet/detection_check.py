"""Precision and recall of boxes over thresholds: on a clip with MOT truth, and on labelled pictures.

    python -m hcqnet.detection_check --model M.safetensors --clip C.mp4 --truth gt.txt [--size 384x640]
    python -m hcqnet.detection_check --model M.safetensors --data DIR          validation pictures of coco-train, and empty ones

A box is found when an unused detection overlaps it by IoU 0.5 or more, best score first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from . import weights as weight_files
from .command import run
from .data import overlap, read_json
from .evaluate import ground_truth, read_labelled
from .predict import find_people

THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
EMPTY_SETS = ("negatives-train-00", "coco-train-00")


def match_boxes(boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, ignored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every detection whether it is right, and whether it counts at all (not on an ignored region)."""
    right, counts = np.zeros(len(boxes), bool), np.ones(len(boxes), bool)
    overlaps, used = overlap(boxes, truth), np.zeros(len(truth), bool)
    on_ignored = overlap(boxes, ignored)
    for i in np.argsort(-scores, kind="stable"):
        free = np.where(used, 0, overlaps[i]) if len(truth) else np.zeros(1)
        if free.max() >= 0.5:
            right[i], used[free.argmax()] = True, True
        elif len(ignored) and on_ignored[i].max() >= 0.5:
            counts[i] = False
    return right, counts


def frames_of(path: Path) -> Iterator[np.ndarray]:
    """RGB frames of a clip."""
    clip = cv2.VideoCapture(str(path))
    while True:
        ok, frame = clip.read()
        if not ok:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def mot_truth(path: Path) -> dict[int, np.ndarray]:
    """Boxes x0 y0 x1 y1 by frame number (from 1) of a MOT gt.txt; lines whose confidence is 0 are left out."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    rows = rows[rows[:, 6] != 0]
    return {int(f): np.c_[r[:, 2:4], r[:, 2:4] + r[:, 4:6]] for f in np.unique(rows[:, 0]) for r in [rows[rows[:, 0] == f]]}


def report(found: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]], title: str) -> None:
    """`found`: per picture scores, right, counts, people. Prints precision and recall for each threshold."""
    people = sum(n for *_, n in found)
    scores, right, counts = (np.concatenate([f[i] for f in found]) for i in range(3))
    for threshold in THRESHOLDS:
        kept = (scores >= threshold) & counts
        good = int((right & kept).sum())
        precision, recall = good / max(int(kept.sum()), 1), good / max(people, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        print(f"{title}: threshold {threshold:.2f} precision {precision:.3f} recall {recall:.3f} F1 {f1:.3f}")


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m hcqnet.detection_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--validation", type=Path, default=Path(__file__).parent.parent / "validation.json")
    parser.add_argument("--size", default="384x640")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    net = weight_files.load(options.model).to(memory_format=torch.channels_last)
    size = tuple(int(v) for v in options.size.split("x"))
    if options.clip:
        truth, found = mot_truth(options.truth), []
        for number, frame in enumerate(frames_of(options.clip), 1):
            people = find_people(net, frame, size, min(THRESHOLDS), masks=False)
            boxes = truth.get(number, np.zeros((0, 4)))
            found.append((people.scores, *match_boxes(people.boxes, people.scores, boxes, np.zeros((0, 4))), len(boxes)))
        report(found, options.clip.name)
    if options.data:
        _pictures(net, options, size)


def _pictures(net, options: argparse.Namespace, size: tuple[int, int]) -> None:
    coco, paths = ground_truth(options.data, list(EMPTY_SETS), read_json(options.validation), None)
    found, empty = [], []
    for image_id, path in paths.items():
        people = find_people(net, read_labelled(coco, image_id, path), size, min(THRESHOLDS), masks=False)
        labels = coco.imgToAnns[image_id]
        boxes = np.array([[*a["bbox"]] for a in labels if not a["iscrowd"]]).reshape(-1, 4)
        crowd = np.array([[*a["bbox"]] for a in labels if a["iscrowd"]]).reshape(-1, 4)
        for b in (boxes, crowd):
            b[:, 2:] += b[:, :2]
        found.append((people.scores, *match_boxes(people.boxes, people.scores, boxes, crowd), len(boxes)))
        if not labels:
            empty.append(people.scores)
    report(found, "validation pictures")
    for threshold in THRESHOLDS:
        false = sum(int((s >= threshold).sum()) for s in empty)
        print(f"{len(empty)} empty pictures: threshold {threshold:.2f} false people per picture {false / max(len(empty), 1):.3f}")


if __name__ == "__main__":
    run("detection_check", main)
