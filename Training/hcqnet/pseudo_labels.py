"""What the teachers see in the training pictures, once, on disk: boxes of people nobody labelled, joints of everybody.

    python -m hcqnet.pseudo_labels --data DIR --teachers DIR --output DIR [--sets coco-train-00 ...]

`DIR/<set>/` holds an unpacked shard. Writes `<set>.npz`: `image` ids with `boxes` [k, 5] (x0 y0 x1 y1 score, pixels) and
`box_image` [k], `box_joints` [k, 17, 3] (zeros below score 0.3); `annotation` ids with `joints` [n, 17, 3].
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from .command import progress, run, say
from .data import read_json, read_picture
from .teachers import BoxTeacher, PoseTeacher, suppress

JOINTS_FROM_SCORE = 0.3
SIZES = (416, 608)


def label_set(directory: Path, boxes_of: BoxTeacher, joints_of: PoseTeacher) -> dict[str, np.ndarray]:
    """Runs both teachers over one unpacked shard."""
    content = read_json(directory / "annotations.json")
    people: dict[int, list[dict]] = {}
    for person in content["annotations"]:
        people.setdefault(person["image_id"], []).append(person)
    out: dict[str, list] = {k: [] for k in ("boxes", "box_image", "box_joints", "annotation", "joints")}
    for count, image in enumerate(content["images"]):
        picture = read_picture(directory / image["file_name"], (image["height"], image["width"]))
        found = [boxes_of(picture, size) for size in SIZES]
        boxes = np.concatenate([b for b, _ in found])
        scores = np.concatenate([s for _, s in found])
        boxes, scores = suppress(torch.from_numpy(scores), torch.from_numpy(boxes), 0.05, 0.6)
        joints = np.zeros((len(boxes), 17, 3), np.float32)
        sure = scores > JOINTS_FROM_SCORE
        joints[sure] = joints_of(picture, boxes[sure])
        out["boxes"].append(np.concatenate([boxes, scores[:, None]], 1))
        out["box_image"].append(np.full(len(boxes), image["id"]))
        out["box_joints"].append(joints)
        labelled = [p for p in people.get(image["id"], []) if not p["iscrowd"]]
        corners = np.array([[x, y, x + w, y + h] for x, y, w, h in (p["bbox"] for p in labelled)]).reshape(-1, 4)
        out["annotation"].append(np.array([p["id"] for p in labelled], int))
        out["joints"].append(joints_of(picture, corners))
        progress(f"{directory.name}: {count} of {len(content['images'])} pictures")
    return {k: np.concatenate(v) for k, v in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    boxes_of = BoxTeacher(arguments.teachers / "picodet_s_416_coco.onnx")
    joints_of = PoseTeacher(arguments.teachers / "pp_tinypose_256_192_fp16.xml", arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.sets or sorted(p.name for p in arguments.data.iterdir() if p.is_dir()):
        file = arguments.output / f"{name}.npz"
        found = label_set(arguments.data / name, boxes_of, joints_of)
        np.savez_compressed(file, **found)
        say(f"{file}: {len(found['boxes'])} boxes, joints of {len(found['annotation'])} labelled people")


if __name__ == "__main__":
    run("pseudo_labels", main)
