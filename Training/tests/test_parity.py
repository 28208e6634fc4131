"""The engine against the twin on random networks, through `hcqd forward` (see `hcqnet.parity`)."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import torch.nn.functional as F
from safetensors.torch import load_file

from hcqnet.macs import count
from hcqnet.new import random_image, random_network
from hcqnet.parity import Case, cases, run, run_model
from hcqnet.weights import save

BINARY = Path(os.environ.get("HCQD_BINARY", Path(__file__).parents[2] / ".build/release/hcqd"))


pytestmark = pytest.mark.skipif(
    "HCQD_BINARY" not in os.environ and not BINARY.exists(), reason=f"no engine at {BINARY}; make test builds one"
)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases().items()])
def test_engine_equals_twin(case: Case) -> None:
    result = run(case, BINARY)
    assert not result.divergences, "\n".join(map(str, result.divergences))


SHIPPED = [
    path
    for path in sorted((Path(__file__).parents[2] / "Models").glob("*.safetensors"))
    if all(tensor.is_floating_point() for tensor in load_file(path).values())  # an int8 file is no exact network
]


@pytest.mark.parametrize("model", SHIPPED, ids=lambda path: path.stem)
def test_engine_equals_twin_on_shipped_weights(model: Path) -> None:
    # A smooth picture: on noise trained joint maps reach thousands, and PyTorch's own float32 leaves the limit (1.04 of it).
    picture = F.interpolate(random_image(24, 40, seed=1), (384, 640), mode="bicubic", align_corners=False)
    result = run_model(model, picture, BINARY)
    assert not result.divergences, "\n".join(map(str, result.divergences))


@pytest.mark.parametrize("name", ["resnet50-160x224", "swin_t-window12", "compact-joint-grid", "heads4-points8-dim96"])
def test_engine_counts_the_macs_of_the_twin(name: str, tmp_path: Path) -> None:
    case = cases()[name]
    height, width = case.size
    model = tmp_path / "model.safetensors"
    save(random_network(case.config, case.seed), model)
    command = [BINARY, "model", "info", model, "--size", f"{width}x{height}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {row: float(value) for row, value in re.findall(r"^  (\w[\w ]*?) +([\d.]+)", printed, re.MULTILINE)}
    expected = count(case.config, height, width)
    for row in ("backbone", "transformer decoder", "mask product", "total"):
        assert found[row] == pytest.approx(expected[row] / 1e9, rel=1e-3, abs=1e-3), row
