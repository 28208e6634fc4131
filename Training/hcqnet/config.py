"""The configuration that a weight file carries: every size of the network, with the paper's values as defaults."""

from __future__ import annotations

import difflib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

BACKBONES = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "swin_t", "swin_s", "swin_b",
    "esnet_pan",
)  # fmt: skip
VARIANTS = ("hcqnet", "hcqnet-alpha", "hcqnet-beta", "basenet-dps", "basenet-ds")
HEAD_CONDITIONS = ("canonical", "image", "embedding")
KEYPOINT_SPACES = ("canonical", "image")
QUERY_STARTS = ("learned", "proposals")
OUTPUT_CONVS = ("dense", "separable")
TOWERS = ("", "lite_hrnet")
LEVELS = 3  # feature levels that attention reads: strides 32, 16, 8, in this order everywhere
CLASSES = 2  # person, nothing


class ConfigError(ValueError):
    """A configuration that names no network: the message gives the field, what was found and what is expected."""


@dataclass(frozen=True)
class Config:
    """Sizes and choices of one HCQNet. Immutable; checked when made.

    `head_condition` changes only the variants whose heads read K (`hcqnet`, `hcqnet-beta`).
    """

    backbone: str = "resnet50"
    swin_window: int = 0  # 0 becomes the backbone's own: 12 for swin_b, else 7
    hidden_dim: int = 256  # D
    queries: int = 100  # Q
    joints: int = 17
    heads: int = 8
    points: int = 4  # of the decoder's cross-attention, per head and level
    encoder_layers: int = 6
    encoder_ffn: int = 1024
    encoder_points: int = 4
    decoder_layers: int = 8
    decoder_ffn: int = 2048
    sine_dim: int = 8  # D'
    variant: str = "hcqnet"
    head_condition: str = "canonical"
    keypoint_space: str = "canonical"
    canonical_margin: float = 0.0
    query_start: str = "learned"  # "proposals": a dense head's best boxes start the queries (esnet_pan only)
    proposal_nms: float = 0.7  # IoU above which a proposal gives way to a better one
    joint_grid: int = 0  # n x n points of every box where joint maps tell a query's first joints; 0: no joint maps
    joint_owner: int = 0  # 1: beside the joint maps, the box of whoever is seen at each cell, which keeps neighbours' joints apart
    tower: str = ""  # "lite_hrnet": a second, fine-grained backbone feeds the pixel decoder
    mask_in_box: int = 0  # 1: people's masks end at their boxes
    output_conv: str = "dense"  # the pixel decoder's stride-4 convolution: 3x3, or depthwise 3x3 then 1x1
    output_layers: int = 1  # how many of them (more than 1 only when separable)
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.swin_window == 0:
            object.__setattr__(self, "swin_window", 12 if self.backbone == "swin_b" else 7)
        for field in fields(self):
            object.__setattr__(self, field.name, _checked(field.name, getattr(self, field.name), field.default))
        self._refuse_impossible()

    def _refuse_impossible(self) -> None:
        _one_of("backbone", self.backbone, BACKBONES)
        _one_of("variant", self.variant, VARIANTS)
        _one_of("head_condition", self.head_condition, HEAD_CONDITIONS)
        _one_of("keypoint_space", self.keypoint_space, KEYPOINT_SPACES)
        _one_of("query_start", self.query_start, QUERY_STARTS)
        _one_of("output_conv", self.output_conv, OUTPUT_CONVS)
        _one_of("tower", self.tower, TOWERS)
        self._refuse_impossible_start()
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ConfigError(f"config: {name} is {getattr(self, name)}, expected at least 1")
        for name in ("encoder_layers", "decoder_layers", "canonical_margin"):
            if getattr(self, name) < 0:
                raise ConfigError(f"config: {name} is {getattr(self, name)}, expected 0 or more")
        if self.hidden_dim % 32:
            raise ConfigError(f"config: hidden_dim is {self.hidden_dim}, expected a multiple of 32 (GroupNorm)")
        if self.hidden_dim % self.heads:
            raise ConfigError(f"config: hidden_dim {self.hidden_dim} does not divide by heads {self.heads}")
        if self.points % 2 or self.heads * self.points // 2 != self.joints - 1:
            raise ConfigError(
                f"config: heads {self.heads} x points {self.points} / 2 must equal joints - 1, "
                f"that is {self.joints - 1}"
            )
        if self.keypoint_space == "image" and self.head_condition != "canonical":
            raise ConfigError(
                f"config: keypoint_space image needs head_condition canonical, found {self.head_condition}"
            )
        if min(self.image_std) <= 0:
            raise ConfigError(f"config: image_std is {list(self.image_std)}, expected numbers above 0")

    def _refuse_impossible_start(self) -> None:
        if self.query_start == "proposals" and (self.backbone != "esnet_pan" or not self.pose_in_keys):
            raise ConfigError("config: query_start proposals needs backbone esnet_pan and a variant with joints in K")
        if self.query_start == "proposals" and self.keypoint_space == "image":
            raise ConfigError("config: query_start proposals needs keypoint_space canonical")
        if self.joint_grid < 0 or (self.joint_grid and self.query_start != "proposals"):
            raise ConfigError(f"config: joint_grid is {self.joint_grid}, expected 0, or more with query_start proposals")
        if self.joint_owner not in (0, 1) or (self.joint_owner and not self.joint_grid):
            raise ConfigError(f"config: joint_owner is {self.joint_owner}, expected 0, or 1 with joint_grid")
        if self.mask_in_box not in (0, 1):
            raise ConfigError(f"config: mask_in_box is {self.mask_in_box}, expected 0 or 1")
        if not 0 < self.proposal_nms <= 1:
            raise ConfigError(f"config: proposal_nms is {self.proposal_nms}, expected above 0 and at most 1")
        if self.output_conv == "dense" and self.output_layers != 1:
            raise ConfigError(f"config: output_layers is {self.output_layers}, expected 1 with output_conv dense")

    # What follows from the variant -------------------------------------------------------------------------------

    @property
    def has_pose(self) -> bool:
        """Whether the network predicts joints at all."""
        return self.variant != "basenet-ds"

    @property
    def pose_in_keys(self) -> bool:
        """Whether K holds the joints (else only the two corners)."""
        return self.variant.startswith("hcqnet")

    @property
    def keys_in_heads(self) -> bool:
        """Whether the heads read K beside E'."""
        return self.variant in ("hcqnet", "hcqnet-beta")

    @property
    def joint_points(self) -> int:
        """How many of `points` are joints (the rest are centre + offset)."""
        return self.points // 2 if self.variant == "hcqnet" else 0

    @property
    def joint_channels(self) -> int:
        """Channels of the joint maps: one for every joint, and four for the sides of the owner's box."""
        return self.joints + 4 * self.joint_owner

    @property
    def key_dim(self) -> int:
        """Numbers in K: 2 corners, and the joints where the variant keeps them there."""
        return 2 * (2 + self.joints) if self.pose_in_keys else 4

    @property
    def output_key_dim(self) -> int:
        """Numbers in the output `keypoints`: 2 corners and every joint that is predicted."""
        return 2 * (2 + self.joints) if self.has_pose else 4

    # JSON --------------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Every field, as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Config:
        """Reads a JSON object; absent fields have the paper's values, unknown ones raise `ConfigError`."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"config: not JSON: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"config: found {type(values).__name__}, expected a JSON object")
        known = [field.name for field in fields(Config)]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise ConfigError(f"config: unknown field {name}{hint}")
        if values.get("swin_window", 1) == 0:
            raise ConfigError("config: swin_window is 0, expected at least 1")
        return Config(**values)


_POSITIVE = (
    "swin_window", "hidden_dim", "queries", "joints", "heads", "points", "encoder_ffn", "encoder_points",
    "decoder_ffn", "sine_dim", "output_layers",
)  # fmt: skip


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"config: {name} is {value}, expected one of {', '.join(allowed)}")


def _checked(name: str, value: Any, default: Any) -> Any:
    """The value in the type of its default, or a `ConfigError`."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(default, str) and isinstance(value, str):
        return value
    if isinstance(default, float) and number:
        return float(value)
    if isinstance(default, int) and number and value == int(value):
        return int(value)
    if isinstance(default, tuple) and isinstance(value, list | tuple) and len(value) == len(default):
        return tuple(_checked(f"{name}[{i}]", item, default[i]) for i, item in enumerate(value))
    kinds = {str: "a string", float: "a number", int: "a whole number", tuple: "a list of 3 numbers"}
    raise ConfigError(f"config: {name} is {json.dumps(value, default=str)}, expected {kinds[type(default)]}")
