"""Trainer and engine give real pictures the same AP with the weights that ship (`hcqnet.evaluate`, `hcqd eval coco`)."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from hcqnet.evaluate import average_precision, find_entries, ground_truth, network_finder, write_truth
from hcqnet.predict import engine_scaling
from hcqnet.weights import load

PROJECT = Path(__file__).parents[2]
BINARY = Path(os.environ.get("HCQD_BINARY", PROJECT / ".build/release/hcqd"))
SHARD = Path(os.environ.get("HCQD_DATA", PROJECT.parent / "shared" / "data")) / "train" / "coco-train-00.tar"
PICTURES = 24


@pytest.mark.skipif(not SHARD.exists(), reason=f"no labelled pictures: {SHARD} is not there")
@pytest.mark.skipif(not BINARY.exists(), reason=f"no engine at {BINARY}; make test builds one")
def test_engine_and_trainer_agree(tmp_path: Path) -> None:
    names = json.loads((PROJECT / "Training" / "validation.json").read_text())
    with tarfile.open(SHARD) as file:
        file.extractall(tmp_path / SHARD.stem, filter="data")
    coco, paths = ground_truth(tmp_path, [SHARD.stem], names, PICTURES)
    model = PROJECT / "Models" / "hcqnet-compact.safetensors"
    entries = find_entries(paths, network_finder(load(model), None))
    write_truth(coco, paths, tmp_path, tmp_path / "truth.json")
    command = [BINARY, "eval", "coco", "--json", "--model", model, "--images", tmp_path, "--annotations", tmp_path / "truth.json"]
    engine = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    for kind, found in entries.items():
        ap, ap50 = average_precision(coco, found, kind)[:2]
        assert ap50 > 0.3, kind
        assert abs(ap - engine[kind]["AP"]) < 0.002, kind
        assert abs(ap50 - engine[kind]["AP50"]) < 0.005, kind


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "torn.jpg"
    path.write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match="torn.jpg"):
        engine_scaling(path)(32, 32)
