"""Eight pictures, learned by heart: the whole chain from labels to keypoint AP in minutes on a CPU.

    python -m hcqnet.smoke --data DIR --teachers DIR [--minutes 30]

Fails (exit 1) unless keypoint AP on the eight reaches 0.9.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from .augment import Target, _coverage
from .batches import Batch, to_targets
from .command import progress, run, say
from .data import DataError, Sample, decode_mask, load_sets
from .evaluate import average_precision, ground_truth, read_labelled, results
from .predict import find_people
from .recipe import load_recipe
from .targets import target_maps
from .trainer import Trainer

GOAL = 0.9
SIZE = (256, 256)


def eight(root: Path) -> list[Sample]:
    """Completely labelled pictures in which one to three people have at least eight joints each."""
    chosen = []
    for sample in load_sets(root, None, {}):
        posed = all((p.joints[:, 2] > 0).sum() >= 8 for p in sample.people)
        if sample.set_name != "coco-train-00" or not 1 <= len(sample.people) <= 3 or not posed or sample.ignored:
            continue
        if min(p.area / np.prod(sample.size) for p in sample.people) > 0.03:
            chosen.append(sample)
    if len(chosen) < 8:
        raise DataError(f"{root}: has {len(chosen)} pictures in coco-train-00 that serve, expected 8 (python -m hcqnet.unpack)")
    return chosen[:8]


def batch_of(samples: list[Sample]) -> Batch:
    """The pictures as evaluation sees them: scaled to fit, at the top left."""
    pictures, targets = [], []
    for sample in samples:
        picture = sample.picture()
        h, w = sample.size
        scale = min(SIZE[0] / h, SIZE[1] / w)
        canvas = np.full((*SIZE, 3), (124, 116, 104), np.uint8)
        small = cv2.resize(picture, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA)
        canvas[: small.shape[0], : small.shape[1]] = small
        people = []
        for person in sample.people:
            mask = np.zeros(SIZE, np.uint8)
            if person.mask is not None:
                mask[: small.shape[0], : small.shape[1]] = cv2.resize(decode_mask(person.mask), small.shape[1::-1])
            joints = person.joints * np.array([scale, scale, 1], np.float32)
            coverage = _coverage(mask) if person.mask is not None else None
            people.append(Target(person.box * scale, joints, person.box_weight, coverage, person.area * scale**2))
        pictures.append(torch.from_numpy(canvas).permute(2, 0, 1))
        targets.append(to_targets(people, np.zeros((0, 4), np.float32), SIZE))
        targets[-1].maps = target_maps(targets[-1])
    return Batch(0, torch.stack(pictures), targets, [s.path.name for s in samples])


def main() -> int:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m hcqnet.smoke", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="unpacked shards")
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30, help="when to give up")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="all cores by default")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = load_recipe(Path(__file__).parent.parent / "recipes" / "compact-cpu.json")
    # The detector stays as published, as in the recipe; the queries learn classes and boxes too.
    weights = dataclasses.replace(recipe.weights, cls=2.0, box_l1=5.0, giou=2.0, box_rle=0.2, one_to_many=0.0, least_overlap=0.0)
    recipe = dataclasses.replace(
        recipe, weights=weights, frozen=("backbone", "proposals"), train_queries=24, average=0.9, steps=3000, decay_steps=0, lr=5e-4,
        picodet_file=str(options.teachers / "picodet_s_416_coco.onnx"),
        tinypose_file=str(options.teachers / "pp_tinypose_256_192_fp16.xml"),
    )  # fmt: skip
    trainer, samples = Trainer(recipe), eight(options.data)
    batch = batch_of(samples)
    names = {"coco-train-00": [str(s.path.relative_to(options.data / s.set_name)) for s in samples]}
    coco, paths = ground_truth(options.data, ["coco-train-00"], names, None)
    started = time.time()
    ap = 0.0
    while time.time() - started < options.minutes * 60 and ap < GOAL:
        terms = {}
        for _ in range(40):
            terms = trainer.step([batch])
        entries = []
        for image_id, path in paths.items():
            picture = read_labelled(coco, image_id, path)
            entries += results(image_id, find_people(trainer.average, picture, SIZE, 0.05, masks=False))["keypoints"]
        ap = float(average_precision(coco, entries, "keypoints")[0])
        seconds = time.time() - started
        progress(f"step {trainer.done}  {seconds:.0f} s  loss {sum(terms.values()):.2f}  keypoint AP {ap:.3f}")
    say(f"keypoint AP {ap:.3f} on {len(samples)} pictures, goal {GOAL}")
    return 0 if ap >= GOAL else 1


if __name__ == "__main__":
    run("smoke", main)
