"""Compares the engine with the twin: same weight file, same input, every output element by element.

    python -m hcqnet.parity --binary ../.build/release/hcqd [--case NAME ...] [--list]

The expected values come from a float64 run. A value agrees when |found - expected| <= 1e-3 |expected| + 1e-4 max|expected|.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .config import Config
from .hcqnet import HCQNet
from .new import random_image, random_network
from .weights import load, save

RELATIVE, ABSOLUTE = 1e-3, 1e-4


@dataclass(frozen=True)
class Case:
    """One comparison: a configuration, a picture's size, a seed and how the weight file is written."""

    config: Config
    size: tuple[int, int]  # height, width
    seed: int = 1
    dtype: torch.dtype = torch.float32
    sigma: bool = True
    given_choice: bool = True  # where proposals start the queries: whether hcqd is told which


@dataclass
class Divergence:
    """Where two tensors part."""

    name: str
    problem: str
    index: tuple[int, ...] = ()
    found: float = 0
    expected: float = 0
    share: float = 0  # of the elements that disagree

    def __str__(self) -> str:
        if not self.index:
            return f"{self.name}: {self.problem}"
        index = ", ".join(map(str, self.index))
        values = f"found {self.found:.7g}, expected {self.expected:.7g}"
        return f"{self.name}[{index}]: {values} (first of {self.share:.1%} of its elements)"


@dataclass
class Comparison:
    """All divergences of one run, and how near its limit every output came (1 is the limit)."""

    divergences: list[Divergence] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=dict)


def compare(found: dict[str, Tensor], expected: dict[str, Tensor]) -> Comparison:
    """Outputs by name against those of the float64 run; missing, surplus and misshapen ones are divergences too."""
    result = Comparison()
    for name in found.keys() - expected.keys():
        result.divergences.append(Divergence(name, "not an output of this network"))
    for name, truth in expected.items():
        if name not in found:
            result.divergences.append(Divergence(name, "missing"))
        elif found[name].shape != truth.shape:
            shapes = f"has shape {list(found[name].shape)}, expected {list(truth.shape)}"
            result.divergences.append(Divergence(name, shapes))
        elif truth.numel():
            _compare_values(name, found[name].double(), truth.double(), result)
        else:
            result.worst[name] = 0
    return result


def _compare_values(name: str, found: Tensor, truth: Tensor, result: Comparison) -> None:
    limit = RELATIVE * truth.abs() + ABSOLUTE * truth.abs().max()
    # Both zero agree; a NaN never does.
    ratio = torch.where(found == truth, 0.0, (found - truth).abs() / limit)
    wrong = ~(ratio <= 1)
    result.worst[name] = ratio.max().item()
    if wrong.any():
        index = tuple(wrong.nonzero()[0].tolist())
        share = wrong.double().mean().item()
        result.divergences.append(Divergence(name, "", index, found[index].item(), truth[index].item(), share))


def run(case: Case, binary: Path) -> Comparison:
    """Runs `hcqd forward` and the twin on one case. Raises `RuntimeError` where hcqd fails."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.safetensors"
        save(random_network(case.config, case.seed, case.sigma), model, case.dtype)
        return run_model(model, random_image(*case.size, case.seed), binary, case.given_choice)


def run_model(model: Path, picture: Tensor, binary: Path, given_choice: bool = True) -> Comparison:
    """The same for a weight file and a picture, [1, 3, H, W] normalised."""
    truth = load(model, torch.float64)
    chosen = _choice(truth, picture)
    with tempfile.TemporaryDirectory() as folder:
        image, output = (Path(folder) / f"{name}.safetensors" for name in ("image", "output"))
        save_file({"image": picture} | ({"chosen": chosen} if chosen is not None and given_choice else {}), image)
        command = [str(binary), "forward", "--model", str(model), "--input", str(image), "--output", str(output)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"hcqd forward ended with {done.returncode}: {done.stderr.strip()}")
        found = load_file(output)
    with torch.inference_mode():
        return compare(found, truth(picture.double(), chosen).outputs())


@torch.inference_mode()
def _choice(net: HCQNet, picture: Tensor) -> Tensor | None:
    """Which proposals start the queries: discontinuous, so both implementations are given the same."""
    return net.encode(picture.double(), masks=False).chosen


# The cases -------------------------------------------------------------------------------------------------------

_SMALL = {
    "backbone": "resnet18", "hidden_dim": 64, "queries": 20, "encoder_layers": 2, "encoder_ffn": 96,
    "decoder_layers": 3, "decoder_ffn": 128,
}  # fmt: skip


def _small(size: tuple[int, int] = (96, 160), seed: int = 1, **fields: object) -> Case:
    return Case(Config(**(_SMALL | fields)), size, seed)


def cases() -> dict[str, Case]:
    """Every case by name: the paper's sizes, all variants, other sizes of everything."""
    found = {}
    for backbone in ("resnet18", "resnet50", "swin_t"):
        for seed, size in enumerate(((160, 224), (192, 192)), 1):
            found[f"{backbone}-{size[0]}x{size[1]}"] = Case(Config(backbone=backbone), size, seed)
    for backbone in ("resnet34", "resnet101", "resnet152", "swin_s", "swin_b"):
        found[backbone] = _small(backbone=backbone)
    for window, size in ((3, (96, 160)), (8, (64, 224)), (12, (160, 96))):
        found[f"swin_t-window{window}"] = _small(size, backbone="swin_t", swin_window=window)
    return found | _variant_cases() | _size_cases() | _file_cases() | _compact_cases()


def _variant_cases() -> dict[str, Case]:
    found = {name: _small(variant=name) for name in ("hcqnet-alpha", "hcqnet-beta", "basenet-dps", "basenet-ds")}
    for variant in ("hcqnet", "hcqnet-beta"):
        for condition in ("image", "embedding"):
            found[f"{variant}-head-{condition}"] = _small(variant=variant, head_condition=condition)
    for variant in ("hcqnet", "hcqnet-alpha", "hcqnet-beta", "basenet-dps"):
        found[f"{variant}-space-image"] = _small(variant=variant, keypoint_space="image")
        found[f"{variant}-margin"] = _small(variant=variant, canonical_margin=0.25)
    found["hcqnet-margin-head-image"] = _small(canonical_margin=0.4, head_condition="image")
    return found


def _size_cases() -> dict[str, Case]:
    return {
        "heads4-points8-dim96": _small(hidden_dim=96, heads=4, points=8, encoder_points=3),
        "heads16-points2-dim128": _small(hidden_dim=128, heads=16, points=2, encoder_points=1),
        "heads2-points16-dim32": _small(hidden_dim=32, heads=2, points=16, encoder_points=5),
        "joints13-heads3-dim96": _small(joints=13, heads=3, points=8, hidden_dim=96),
        "joints2-heads1-points2": _small(joints=2, heads=1, points=2, hidden_dim=32),
        "sine5-queries7": _small(sine_dim=5, queries=7, encoder_ffn=50, decoder_ffn=77),
        "one-query": _small(queries=1),
        "no-layers": _small(encoder_layers=0, decoder_layers=0),
        "smallest-picture": _small(size=(32, 32)),
        "groups-of-one-value": _small(size=(32, 32), hidden_dim=32),
        "flat-picture": _small(size=(32, 416)),
        "tall-picture": _small(size=(416, 32), backbone="swin_t"),
        "seed-2": _small(seed=2),
        "seed-3-swin": _small(seed=3, backbone="swin_t", size=(128, 192)),
    }


def _compact_cases() -> dict[str, Case]:
    fields = {"backbone": "esnet_pan", "encoder_layers": 0, "output_conv": "separable", "canonical_margin": 0.25}
    proposals = fields | {"query_start": "proposals"}
    return {
        "compact-learned": _small(**fields),
        "compact-proposals": _small(**proposals),
        "compact-odd-map": _small(size=(96, 224), **proposals, output_layers=2),
        "compact-own-choice": replace(_small(**proposals, seed=2), given_choice=False),
        "compact-joint-grid-alpha": _small(**proposals, joint_grid=8, variant="hcqnet-alpha"),
        "compact-joint-grid": _small(size=(160, 224), **proposals, joint_grid=5),
        "compact-joint-owner": _small(size=(160, 224), **proposals, joint_grid=6, joint_owner=1),
        "compact-encoder": _small(**(proposals | {"encoder_layers": 1}), joint_grid=3),
        "compact-few-positions": _small(size=(32, 32), queries=40, **proposals),
        "compact-head-image": _small(**proposals, head_condition="image"),
        "compact-tower": _small(size=(160, 224), **proposals, joint_grid=5, joint_owner=1, tower="lite_hrnet"),
        "compact-tower-odd-map": _small(size=(32, 96), **proposals, tower="lite_hrnet"),
        "tower-resnet": _small(tower="lite_hrnet"),
        "separable-output": _small(output_conv="separable", output_layers=3),
    }


def _file_cases() -> dict[str, Case]:
    config, size = Config(**_SMALL), (96, 160)
    return {
        "float16": Case(config, size, 4, dtype=torch.float16),
        "bfloat16": Case(config, size, 5, dtype=torch.bfloat16),
        "no-sigma": Case(config, size, 6, sigma=False),
        "swin-bfloat16-no-sigma": Case(Config(**(_SMALL | {"backbone": "swin_t"})), size, 7, torch.bfloat16, False),
    }


def main() -> int:
    """The command line above."""
    parser = argparse.ArgumentParser(prog="python -m hcqnet.parity", description="Compares hcqd with the twin.")
    parser.add_argument("--binary", type=Path, default=Path("../.build/release/hcqd"))
    parser.add_argument("--case", action="append", help="only this case (may be repeated)")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    options = parser.parse_args()
    known = cases()
    if unknown := set(options.case or ()) - known.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}; --list names them")
    failed = 0
    for name, case in known.items():
        if options.list:
            print(name)
        elif not options.case or name in options.case:
            failed += not _report(name, case, options.binary)
    return min(failed, 1)


def _report(name: str, case: Case, binary: Path) -> bool:
    try:
        result = run(case, binary)
    except (RuntimeError, OSError) as error:
        print(f"FAIL {name}: {error}")
        return False
    worst = ", ".join(f"{output} {ratio:.3f}" for output, ratio in result.worst.items())
    print(f"{'FAIL' if result.divergences else 'ok  '} {name}: share of the limit: {worst}", flush=True)
    for divergence in result.divergences:
        print(f"     {divergence}")
    return not result.divergences


if __name__ == "__main__":
    sys.exit(main())
