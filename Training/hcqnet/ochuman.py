"""OCHuman's own annotation file (Zhang et al. 2019, Pose2Seg, arXiv:1803.10683) as COCO's.

    python -m hcqnet.ochuman ochuman.json --subset val --output A.json          then: hcqd eval coco --annotations A.json ...

As its authors score it: people with both joints and mask count (8,110 in 4,731 pictures), of those pictures the first 2,500 are the
validation part and the others the test part.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from pycocotools import mask as rle

from .command import run
from .data import DataError, read_json

SUBSETS = {"all": slice(None), "val": slice(2500), "test": slice(2500, None)}  # of the pictures in the order of their ids
COCO_JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


def ochuman_to_coco(content: dict, subset: str = "all") -> dict:
    """OCHuman's annotation file (19 joints, named in `keypoint_names`; visible 1, self-occluded 2, occluded by others 3, missing 0) as COCO."""
    images, annotations = [], []
    order = [content["keypoint_names"].index(name) for name in COCO_JOINTS]
    posed = [(image, [a for a in image["annotations"] if a.get("keypoints") and a.get("segms")]) for image in content["images"]]
    posed = sorted(((image, people) for image, people in posed if people), key=lambda pair: pair[0]["image_id"])
    for image, people in posed[SUBSETS[subset]]:
        number = len(images) + 1
        images.append({"id": number, "file_name": image["file_name"], "width": image["width"], "height": image["height"]})
        for person in people:
            x0, y0, x1, y1 = person["bbox"]
            joints = np.array(person["keypoints"], float).reshape(-1, 3)[order]
            joints[:, 2] = np.array([0, 2, 2, 1])[joints[:, 2].astype(int)]
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0),
                "keypoints": joints.reshape(-1).tolist(), "num_keypoints": int((joints[:, 2] > 0).sum()),
                "segmentation": _runs(person["segms"], (image["height"], image["width"])),
            })  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def _runs(outline: dict, size: tuple[int, int]) -> dict:
    """What lies in an `outer` polygon and in no `inner` one, as compressed runs."""

    def drawn(polygons: list) -> np.ndarray:
        parts = [part for part in polygons if len(part) >= 6]  # pycocotools would take four numbers for a box
        return rle.decode(rle.merge(rle.frPyObjects(parts, *size))) if parts else np.zeros(size, np.uint8)

    code = rle.encode(np.asfortranarray(drawn(outline["outer"]) & ~drawn(outline["inner"])))
    return {"size": code["size"], "counts": code["counts"].decode()}


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m hcqnet.ochuman", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="OCHuman's own annotations")
    parser.add_argument("--subset", choices=SUBSETS, default="all", help="which of the pictures (%(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="the same in COCO's layout")
    options = parser.parse_args()
    content = read_json(options.file)
    try:
        content = ochuman_to_coco(content, options.subset)
    except KeyError as error:
        raise DataError(f"{options.file}: has no {error}; is it OCHuman's own file?") from error
    except ValueError as error:
        raise DataError(f"{options.file}: {error}") from error
    options.output.write_text(json.dumps(content))


if __name__ == "__main__":
    run("ochuman", main)
