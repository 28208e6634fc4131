"""A recipe is one JSON file: the network, what it starts from, how pictures are composed, what is minimised, for how long.

A recipe may name another one as `base` and give only what differs; unknown fields are refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .augment import Settings
from .config import Config
from .losses import Weights
from .matching import MatchCosts
from .paper_losses import PaperWeights


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names the file and the field."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run besides the data. Numbers of steps count updates of all processes together."""

    network: Config = field(default_factory=Config)
    seed: int = 1
    criterion: str = "paper"  # "paper", or "compact" (`losses.py`)
    paper: PaperWeights = field(default_factory=PaperWeights)
    match: MatchCosts = field(default_factory=MatchCosts)
    weights: Weights = field(default_factory=Weights)  # of the compact criterion
    augment: Settings = field(default_factory=Settings)
    canvases: tuple[tuple[int, int], ...] = ((1024, 1024),)  # H, W; one is drawn for each batch
    batch: int = 16  # pictures a process and step
    accumulate: int = 1  # steps whose gradients are summed before an update
    steps: int = 368750
    warmup: int = 10
    decay_at: tuple[int, ...] = ()  # the rate falls to a tenth at these steps
    decay_steps: int = 0  # or linearly to 0 over the last so many
    lr: float = 1e-4
    backbone_scale: float = 0.1  # of lr, for backbone and proposal head
    maps_scale: float = 1.0  # of lr, for pixel decoder and tower
    weight_decay: float = 0.05
    clip: float = 0.01
    average: float = 0.0  # decay of the averaged weights; 0: none, the last weights count
    fresh: tuple[str, ...] = ()  # modules that `start_file` leaves alone
    frozen: tuple[str, ...] = ()  # modules that keep their weights
    frozen_steps: int = 0  # the backbone learns from this step on
    train_queries: int = 0  # fewer queries while training (with proposals only); 0: all
    mask_layers: int = 1  # last layers whose masks count (compact)
    bf16: bool = False  # autocast to bfloat16
    backbone_file: str = ""  # torchvision's ResNet or Swin checkpoint
    mask2former_file: str = ""  # a Mask2Former checkpoint, for the pixel decoder
    picodet_file: str = ""  # PicoDet-S as ONNX, for esnet_pan and the proposal head
    tinypose_file: str = ""  # PP-TinyPose as OpenVINO IR, for the tower and its joint maps
    start_file: str = ""  # an earlier run's last.pt or a weight file; takes what fits

    def __post_init__(self) -> None:
        if self.criterion not in ("paper", "compact"):
            raise RecipeError(f"criterion is {self.criterion}, expected paper or compact")
        for name in ("batch", "accumulate", "steps", "warmup"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}, expected at least 1")
        for height, width in self.canvases:
            if height % 32 or width % 32:
                raise RecipeError(f"canvases: {height}x{width}, expected multiples of 32")
        if self.train_queries and self.network.query_start != "proposals":
            raise RecipeError("train_queries needs a network with query_start proposals")

    def rate(self, step: int) -> float:
        """Factor of the learning rate at a step."""
        factor = min(1.0, (step + 1) / self.warmup) * 0.1 ** sum(step >= at for at in self.decay_at)
        return factor * min(1.0, (self.steps - step) / self.decay_steps) if self.decay_steps else factor


_PARTS: dict[str, Any] = {
    "network": Config, "paper": PaperWeights, "match": MatchCosts, "weights": Weights, "augment": Settings,
}  # fmt: skip


def load_recipe(path: Path, **changes: Any) -> Recipe:
    """Reads a recipe and its bases; `changes` replace fields of the result."""
    values = _values(path)
    known = {f.name for f in fields(Recipe)}
    for name in values:
        if name not in known:
            raise RecipeError(f"{path}: unknown field {name}")
    made: dict[str, Any] = {}
    for name, value in values.items():
        try:
            made[name] = _PARTS[name](**_tuples(value)) if name in _PARTS else _tuples(value)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{path}: {name}: {error}") from error
    try:
        return replace(Recipe(**made), **changes)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


def _values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    if "base" not in values:
        return values
    merged = _values(path.parent / values.pop("base"))
    for name, value in values.items():
        merged[name] = merged.get(name, {}) | value if isinstance(value, dict) else value
    return merged


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(v) for v in value)
    return {k: _tuples(v) for k, v in value.items()} if isinstance(value, dict) else value
