"""The engine against the twin on random networks, through `hcqd forward` (see `hcqnet.parity`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hcqnet.parity import Case, cases, run

BINARY = Path(os.environ.get("HCQD_BINARY", Path(__file__).parents[2] / ".build/release/hcqd"))


@pytest.mark.skipif(
    "HCQD_BINARY" not in os.environ and not BINARY.exists(), reason=f"no engine at {BINARY}; make test builds one"
)
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases().items()])
def test_engine_equals_twin(case: Case) -> None:
    result = run(case, BINARY)
    assert not result.divergences, "\n".join(map(str, result.divergences))
