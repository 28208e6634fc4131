"""A recipe is one JSON file: the network, what it starts from, how pictures are composed, what is minimised, for how long.

A recipe may name another one as `base` and give only what differs; unknown fields are refused.
"""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

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
    accumulate: int = 1  # batches a process whose gradients are summed before an update
    update: int = 0  # pictures of one update, of all processes together; `accumulate` follows from it. 0: `accumulate` is given
    steps: int = 368750
    warmup: int = 1  # steps until the full rate; 1: from the first on
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
    drop_path: float = 0.0  # chance that the last of a Swin's blocks is left out for a picture, falling to 0 for the first
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
        if not self.canvases:
            raise RecipeError("canvases is empty, expected at least one [height, width]")
        for height, width in self.canvases:
            if height < 32 or width < 32 or height % 32 or width % 32:
                raise RecipeError(f"canvases: {height}x{width}, expected multiples of 32")
        if self.lr <= 0 or self.clip <= 0:
            raise RecipeError(f"lr is {self.lr:g} and clip {self.clip:g}, expected both above 0")
        if not 0 <= self.average < 1:
            raise RecipeError(f"average is {self.average:g}, expected 0 or more and below 1")
        if self.drop_path >= 1 or (self.drop_path and not self.network.backbone.startswith("swin")):
            raise RecipeError(f"drop_path is {self.drop_path:g}, expected below 1, and 0 for a backbone that is no Swin")
        if self.criterion == "compact" and self.augment.mask_stride != 4:
            raise RecipeError(f"augment.mask_stride is {self.augment.mask_stride}, expected 4 with criterion compact")
        if self.train_queries and self.network.query_start != "proposals":
            raise RecipeError("train_queries needs a network with query_start proposals")

    def spread(self, processes: int) -> Recipe:
        """The recipe with the `accumulate` that makes `update` pictures of so many processes."""
        if not self.update:
            return self
        if self.update % (self.batch * processes):
            raise RecipeError(
                f"update is {self.update} pictures, which {processes} processes with a batch of {self.batch} cannot share evenly"
            )
        return replace(self, accumulate=self.update // (self.batch * processes))

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
    try:
        values = _checked("", Recipe, values)
        for name in _PARTS.keys() & values.keys():
            values[name] = _part(name, values[name])
        return replace(Recipe(**values), **changes)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


def _part(name: str, values: Any) -> Any:
    """The network, a criterion's weights or the settings of the pictures."""
    try:
        return _PARTS[name](**_checked(name, _PARTS[name], values))
    except RecipeError:
        raise
    except ValueError as error:
        raise RecipeError(f"{name}: {error}") from error


def _values(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The fields of a file over those of its base."""
    if path.resolve() in above:
        raise RecipeError(f"{path}: base leads back to the file itself")
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: found {type(values).__name__}, expected a JSON object")
    base = values.pop("base", None)
    if base is None:
        return values
    merged = _values(path.parent / str(base), (*above, path.resolve()))
    for name, value in values.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merged[name] | value if both else value
    return merged


def _checked(part: str, kind: type, values: Any) -> dict[str, Any]:
    """Fields of one part of a recipe ("" for the recipe itself), each in the type that the part declares."""
    if not isinstance(values, dict):
        raise RecipeError(f"{part}: found {type(values).__name__}, expected a JSON object")
    kinds, checked = get_type_hints(kind), {}
    for name, value in values.items():
        place = f"{part}.{name}" if part else name
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            raise RecipeError(f"unknown field {place}" + (f" (did you mean {near[0]}?)" if near else ""))
        checked[name] = value if kinds[name] in _PARTS.values() else _typed(place, value, kinds[name])
    return checked


def _typed(place: str, value: Any, kind: Any) -> Any:
    """The value as `kind`: a number, a text, true or false, a list or an object of them."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    items = get_args(kind)
    if kind in (int, float) and number and value == kind(value):
        if value < 0 and not place.startswith("network."):  # the network's numbers have checks of their own
            raise RecipeError(f"{place} is {value}, expected 0 or more")
        return kind(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    if get_origin(kind) is tuple and isinstance(value, list):
        each = items[:1] * len(value) if items[-1] is ... else items
        if len(each) == len(value):
            return tuple(_typed(f"{place}[{i}]", item, of) for i, (item, of) in enumerate(zip(value, each)))
    if get_origin(kind) is dict and isinstance(value, dict):
        return {name: _typed(f"{place}.{name}", item, items[1]) for name, item in value.items()}
    raise RecipeError(f"{place} is {json.dumps(value)}, expected {_named(kind)}")


def _named(kind: Any) -> str:
    items = get_args(kind)
    if get_origin(kind) is tuple:
        return f"a list, each {_named(items[0])}" if items[-1] is ... else f"a list of {len(items)}, each {_named(items[0])}"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(kind, "an object of numbers")
