"""Trainer and engine give real pictures the same AP with the weights that ship (`hcqnet.evaluate`, `hcqd eval coco`)."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from hcqnet.data import DataError
from hcqnet.evaluate import average_precision, find_entries, ground_truth, network_finder, write_truth
from hcqnet.predict import engine_scaling
from hcqnet.weights import load

PROJECT = Path(__file__).parents[2]
BINARY = Path(os.environ.get("HCQD_BINARY", PROJECT / ".build/release/hcqd"))
SHARD = Path(os.environ.get("HCQD_DATA", PROJECT.parent / "shared" / "data")) / "train" / "coco-train-00.tar"
MODEL = PROJECT / "Models" / "hcqnet-compact.safetensors"
CLIP = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
PICTURES = 24


@pytest.mark.skipif(not SHARD.exists(), reason=f"no labelled pictures: {SHARD} is not there")
@pytest.mark.skipif(not BINARY.exists(), reason=f"no engine at {BINARY}; make test builds one")
def test_engine_and_trainer_agree(tmp_path: Path) -> None:
    names = json.loads((PROJECT / "Training" / "validation.json").read_text())
    with tarfile.open(SHARD) as file:
        file.extractall(tmp_path / SHARD.stem, filter="data")
    coco, paths = ground_truth(tmp_path, [SHARD.stem], names, PICTURES)
    entries = find_entries(coco, paths, network_finder(load(MODEL), None))
    write_truth(coco, paths, tmp_path, tmp_path / "truth.json")
    command = [BINARY, "eval", "coco", "--json", "--model", MODEL, "--images", tmp_path, "--annotations", tmp_path / "truth.json"]
    engine = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    for kind, found in entries.items():
        ap, ap50 = average_precision(coco, found, kind)[:2]
        assert ap50 > 0.3, kind
        assert abs(ap - engine[kind]["AP"]) < 0.002, kind
        assert abs(ap50 - engine[kind]["AP50"]) < 0.005, kind


@pytest.mark.skipif(not BINARY.exists(), reason=f"no engine at {BINARY}; make test builds one")
def test_they_agree_on_photographs_that_are_to_be_turned(tmp_path: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-ss", "10", "-i", CLIP, "-frames:v", "1", "-q:v", "2", tmp_path / "plain.jpg"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    turned = Image.open(tmp_path / "plain.jpg").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    height, width = turned.size  # of the picture upright
    coco = COCO()
    sizes = [("plain.jpg", width, height), ("turned.jpg", width, height), ("turned.jpg", height, width)]
    images = [{"id": n, "file_name": name, "width": w, "height": h} for n, (name, w, h) in enumerate(sizes, 1)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0}
    coco.dataset = {"images": images, "annotations": [person], "categories": [{"id": 1, "name": "person"}]}
    coco.createIndex()
    (tmp_path / "truth.json").write_text(json.dumps(coco.dataset))
    twin = find_entries(coco, {i["id"]: tmp_path / i["file_name"] for i in images}, network_finder(load(MODEL), None))["bbox"]
    command = [BINARY, "eval", "coco", "--model", MODEL, "--images", tmp_path, "--annotations", tmp_path / "truth.json"]
    subprocess.run([*command, "--results", tmp_path / "found.json"], check=True, capture_output=True)
    engine = json.loads((tmp_path / "found.json").read_text())
    best = {}
    for image in (1, 2, 3):
        best[image] = [max((e for e in found if e["image_id"] == image), key=lambda e: e["score"]) for found in (twin, engine)]
        ours, theirs = best[image]
        assert abs(ours["score"] - theirs["score"]) < 0.02
        assert np.allclose(ours["bbox"], theirs["bbox"], atol=2), image
    assert best[1][0]["score"] > 0.5 and np.allclose(best[1][0]["bbox"], best[2][0]["bbox"], atol=4)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "torn.jpg"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="torn.jpg"):
        engine_scaling(path)(32, 32)
