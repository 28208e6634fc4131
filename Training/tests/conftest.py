"""Settings of every test, and a folder of labelled pictures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as rle

# Many threads waiting for each other on a machine that builds at the same time made small tests 40 times slower.
torch.set_num_threads(1)


COMPACT = {
    "backbone": "esnet_pan", "hidden_dim": 32, "queries": 8, "encoder_layers": 0, "decoder_layers": 1, "decoder_ffn": 32,
    "query_start": "proposals", "joint_grid": 4, "output_conv": "separable", "canonical_margin": 0.25,
}  # fmt: skip


@pytest.fixture(scope="session")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of drawn pictures: coloured boxes are people, with a mask, joints at the box's thirds."""
    root = tmp_path_factory.mktemp("data")
    (root / "drawn" / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(12):
        picture = rng.integers(0, 60, (80, 120, 3), dtype=np.uint8)
        x, y = int(rng.integers(5, 70)), int(rng.integers(5, 20))
        picture[y : y + 50, x : x + 30] = (220, 160, 40)
        cv2.imwrite(str(root / "drawn" / "images" / f"{i}.png"), picture)
        mask = np.zeros((80, 120), np.uint8, order="F")
        mask[y : y + 50, x : x + 30] = 1
        code = rle.encode(mask)
        joints = [v for j in range(17) for v in (x + 5 + j, y + 10 + 2 * j, 2)]
        flags = {"boxes_complete": True, "masks_complete": True, "keypoints_complete": True}
        images.append({"id": i, "width": 120, "height": 80, "file_name": f"images/{i}.png"} | flags)
        annotations.append({
            "id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": [x, y, 30, 50], "area": 1500,
            "segmentation": {"size": code["size"], "counts": code["counts"].decode()}, "keypoints": joints,
            "num_keypoints": 17, "has_bbox": "exact", "has_mask": True, "joints_labelled": list(range(17)),
        })
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (root / "drawn" / "annotations.json").write_text(json.dumps(content))
    return root
