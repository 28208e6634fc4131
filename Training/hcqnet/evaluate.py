"""Person AP for boxes, masks and joints on the validation part, pycocotools being the judge.

    python -m hcqnet.evaluate --model M.safetensors --data DIR [--teachers DIR] [--size 384x640] [--limit N]

`--teachers` scores the teachers' pipeline on the same pictures beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from . import weights as weight_files
from .predict import Found, find_people

FLOOR = 0.01  # detections below this score are not scored


def ground_truth(root: Path, sets: list[str], names: dict[str, list[str]], limit: int | None) -> tuple[COCO, dict[int, Path]]:
    """The validation pictures of several shards as one COCO truth, and where each picture lies."""
    images, annotations, paths = [], [], {}
    for name in sets:
        content = json.loads((root / name / "annotations.json").read_text())
        wanted = set(names[name][:limit])
        ids = {}
        for image in content["images"]:
            if image["file_name"] in wanted:
                ids[image["id"]] = len(images) + 1
                images.append({"id": len(images) + 1, "width": image["width"], "height": image["height"]})
                paths[len(images)] = root / name / image["file_name"]
        for person in content["annotations"]:
            if person["image_id"] in ids:
                person = person | {"id": len(annotations) + 1, "image_id": ids[person["image_id"]]}
                person.setdefault("num_keypoints", 0)
                person["keypoints"] = person.get("keypoints") or [0] * 51
                if person.get("segmentation") is None:
                    person.pop("segmentation", None)
                annotations.append(person)
    coco = COCO()
    coco.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco, paths


def results(image_id: int, found: Found) -> tuple[list[dict], list[dict]]:
    """COCO results: boxes with joints, and masks (their own score)."""
    boxes, masks = [], []
    for i, score in enumerate(found.scores):
        x0, y0, x1, y1 = (float(v) for v in found.boxes[i])
        entry = {"image_id": image_id, "category_id": 1}
        boxes.append(entry | {
            "bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(score),
            "keypoints": [float(v) for v in found.joints[i].reshape(-1)],
        })
        if found.masks:
            code = rle.encode(np.asfortranarray(found.masks[i].astype(np.uint8)))
            masks.append(entry | {"segmentation": code, "score": float(found.mask_scores[i])})
    return boxes, masks


def average_precision(coco: COCO, entries: list[dict], kind: str, images: list[int] | None = None) -> np.ndarray:
    """pycocotools' summary numbers (AP, AP50, AP75, ...) for `bbox`, `segm` or `keypoints`; -1 where nothing can be said."""
    if not entries:
        return np.full(12, -1.0)
    with contextlib.redirect_stdout(io.StringIO()):
        found = coco.loadRes([dict(e) for e in entries])
        judge = COCOeval(coco, found, kind)
        if images is not None:
            judge.params.imgIds = images
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats


def report(coco: COCO, paths: dict[int, Path], finder, kinds: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """AP and AP50 of every kind; `finder(picture)` gives `Found`."""
    boxes, masks = [], []
    for image_id, path in paths.items():
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        b, m = results(image_id, finder(picture))
        boxes += b
        masks += m
    entries = {"bbox": boxes, "keypoints": boxes, "segm": masks}
    out = {}
    for kind in kinds:
        stats = average_precision(coco, entries[kind], kind)
        out[kind] = (float(stats[0]), float(stats[1]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teachers", type=Path)
    parser.add_argument("--validation", type=Path, default=Path(__file__).parent.parent / "validation.json")
    parser.add_argument("--size", default="384x640")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    names = json.loads(arguments.validation.read_text())
    size = tuple(int(v) for v in arguments.size.split("x"))
    finders = {}
    if arguments.model:
        net = weight_files.load(arguments.model).to(memory_format=torch.channels_last)
        finders["hcqnet"] = lambda picture: find_people(net, picture, size, FLOOR)
    if arguments.teachers:
        finders["teachers"] = _teachers(arguments.teachers, arguments.threads)
    parts = {
        "complete (coco-train)": (["coco-train-00"], ("bbox", "segm", "keypoints")),
        "joints (cocomore)": (["cocomore-train-00", "cocomore-train-01"], ("keypoints",)),
    }
    for part, (sets, kinds) in parts.items():
        coco, paths = ground_truth(arguments.data, sets, names, arguments.limit)
        for name, finder in finders.items():
            figures = report(coco, paths, finder, kinds)
            text = "  ".join(f"{k} AP {a:.3f} AP50 {b:.3f}" for k, (a, b) in figures.items())
            print(f"{part}, {len(paths)} pictures, {name}: {text}", flush=True)


def _teachers(directory: Path, threads: int):
    from .teachers import BoxTeacher, PoseTeacher

    boxes_of = BoxTeacher(directory / "picodet_s_416_coco.onnx")
    joints_of = PoseTeacher(directory / "pp_tinypose_256_192_fp16.xml", threads)

    def find(picture: np.ndarray) -> Found:
        boxes, scores = boxes_of(picture, floor=FLOOR)
        return Found(scores, boxes, joints_of(picture, boxes), [], scores)

    return find


if __name__ == "__main__":
    main()
