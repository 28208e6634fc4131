"""OCHuman's own annotation files (Zhang et al. 2019, Pose2Seg, arXiv:1803.10683) as COCO's.

    python -m hcqnet.ochuman ochuman.json --output A.json          then: hcqd eval coco --annotations A.json ...
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

COCO_JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


def ochuman_to_coco(content: dict) -> dict:
    """OCHuman's annotation file (19 joints, named in `keypoint_names`; visible 1, self-occluded 2, occluded by others 3, missing 0) as COCO."""
    images, annotations = [], []
    order = [content["keypoint_names"].index(name) for name in COCO_JOINTS]
    for image in content["images"]:
        number = len(images) + 1
        images.append({"id": number, "file_name": image["file_name"], "width": image["width"], "height": image["height"]})
        for person in image["annotations"]:
            x0, y0, x1, y1 = person["bbox"]
            label = {
                "id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "keypoints": [0] * 51, "num_keypoints": 0,
            }  # fmt: skip
            if person.get("keypoints"):
                joints = np.array(person["keypoints"], float).reshape(-1, 3)[order]
                joints[:, 2] = np.where(joints[:, 2] == 1, 2, np.where(joints[:, 2] > 0, 1, 0))
                label |= {"keypoints": joints.reshape(-1).tolist(), "num_keypoints": int((joints[:, 2] > 0).sum())}
            if person.get("segms"):
                label["segmentation"] = [part for part in person["segms"]["outer"] if len(part) >= 6]
            annotations.append(label)
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def main() -> int:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m hcqnet.ochuman", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="OCHuman's own annotations")
    parser.add_argument("--output", type=Path, required=True, help="the same in COCO's layout")
    options = parser.parse_args()
    try:
        options.output.write_text(json.dumps(ochuman_to_coco(json.loads(options.file.read_text()))))
    except KeyError as error:
        print(f"hcqnet.ochuman: {options.file}: has no {error}; is it OCHuman's own file?", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"hcqnet.ochuman: {options.file}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
