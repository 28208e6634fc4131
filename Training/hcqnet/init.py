"""How a network starts: `for_training` before the first step, `at_random` where every tensor must matter (tests)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import Config
from .layers import DeformableAttention, inverse_sigmoid

# A standing person seen from the front, in the box's own coordinates: (x, y) of COCO's 17 joints.
_STANDING = (
    (0.50, 0.08), (0.54, 0.06), (0.46, 0.06), (0.59, 0.08), (0.41, 0.08), (0.68, 0.21), (0.32, 0.21), (0.77, 0.36),
    (0.23, 0.36), (0.76, 0.48), (0.24, 0.48), (0.61, 0.52), (0.39, 0.52), (0.61, 0.73), (0.39, 0.73), (0.61, 0.94),
    (0.39, 0.94),
)  # fmt: skip


def for_training(net: nn.Module) -> None:
    """Deformable DETR's start: points in rings around the centre, even weights, refinements of zero.

    The backbone keeps its own start (usually a checkpoint follows); K starts as standing people all over the picture.
    """
    for part in (net.pixel_decoder, net.decoder, net.heads):
        for module in part.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in part.modules():
            if isinstance(module, DeformableAttention):
                _ring_offsets(module)
    if net.pixel_decoder.tower is not None:
        for conv in (*net.pixel_decoder.tower.levels, net.pixel_decoder.tower.lateral):
            nn.init.zeros_(conv.weight)  # the network starts as the one without a tower
    for head in (net.heads.box, net.heads.pose):
        if head is not None:
            nn.init.zeros_(head.layers[2].weight)
    if net.proposals is not None:
        _start_from_proposals(net)
        return
    with torch.no_grad():
        net.decoder.query_key.copy_(inverse_sigmoid(starting_keys(net.config)))


@torch.no_grad()
def _start_from_proposals(net: nn.Module) -> None:
    """Class: the proposal's own logit, nothing added; joints: a standing person in every box."""
    nn.init.zeros_(net.heads.cls.weight)
    pose = net.decoder.proposal_pose.layers[2]
    nn.init.zeros_(pose.weight)
    pose.bias.copy_(inverse_sigmoid(starting_keys(net.config)[0, 4:]))
    if net.pixel_decoder.joint_maps is not None:
        nn.init.constant_(net.pixel_decoder.joint_maps.bias[: net.config.joints], -4.0)  # joints are rare
        nn.init.zeros_(net.pixel_decoder.joint_maps.bias[net.config.joints :])


def _ring_offsets(attention: DeformableAttention) -> None:
    """Head m looks in direction 2 pi m / heads; point i lies i + 1 pixels away."""
    heads, levels = attention.heads, attention.levels
    points = attention.sampling_offsets.out_features // (heads * levels * 2)
    angle = torch.arange(heads) * (2 * math.pi / heads)
    direction = torch.stack([angle.cos(), angle.sin()], -1)
    direction = direction / direction.abs().amax(-1, keepdim=True)
    offsets = direction[:, None, None] * torch.arange(1, points + 1)[:, None]
    with torch.no_grad():
        attention.sampling_offsets.weight.zero_()
        attention.sampling_offsets.bias.copy_(offsets.expand(heads, levels, points, 2).flatten())
        attention.attention_weights.weight.zero_()


def starting_keys(config: Config) -> Tensor:
    """K of standing people spread evenly over the picture, from far (small) to near (large): [Q, key_dim]."""
    count = config.queries
    index = torch.arange(count, dtype=torch.float64)
    # The R2 low-discrepancy sequence (Roberts 2018) covers the plane evenly for every count.
    centre = torch.stack([(0.5 + 0.7548776662466927 * index) % 1, (0.5 + 0.5698402909980532 * index) % 1], -1)
    height = 0.1 * 6 ** ((0.5 + 0.8191725133961645 * index) % 1)  # 0.1 to 0.6 of the picture
    half = torch.stack([0.2 * height, 0.5 * height], -1)
    corners = torch.cat([centre - half, centre + half], -1).clamp(0.01, 0.99)
    if not config.pose_in_keys:
        return corners
    joints = torch.tensor(_STANDING if config.joints == 17 else [(0.5, 0.5)] * config.joints, dtype=torch.float64)
    joints = joints.expand(count, -1, -1)
    if config.keypoint_space == "image":
        joints = corners[:, None, :2] + joints * (corners[:, None, 2:] - corners[:, None, :2])
    else:
        joints = (joints + config.canonical_margin) / (1 + 2 * config.canonical_margin)
    return torch.cat([corners, joints.flatten(1)], -1)


@torch.no_grad()
def at_random(net: nn.Module, seed: int) -> None:
    """Fills every tensor so that every one matters: biases, statistics, offsets, weights of points, refinements.

    Meant for comparing implementations. The numbers follow from the seed and the order of the tensors alone.
    """
    generator = torch.Generator().manual_seed(seed)
    fill_at_random(net, generator)
    _normal(net.pixel_decoder.level_embed, 0.5, generator)
    if net.proposals is not None:
        # Logits far enough apart that rounding does not reorder them.
        for level in net.proposals.levels:
            _normal(level["predict"].weight, 3 / math.sqrt(level["predict"].in_channels), generator)
        if net.config.joint_grid:
            _uniform(net.decoder.joint_scale, 0.5, 2.0, generator)
            _uniform(net.decoder.joint_reach, 0.5, 4.0, generator)
        if net.config.joint_owner:
            _uniform(net.decoder.joint_owner, 0.5, 4.0, generator)
        return
    _normal(net.decoder.query_feat, 1.0, generator)
    _normal(net.decoder.query_key, 0.7, generator)
    net.decoder.query_key[:, :4] += inverse_sigmoid(starting_keys(net.config)[:, :4])


@torch.no_grad()
def fill_at_random(block: nn.Module, generator: torch.Generator) -> None:
    """Fills the layers of a part of the network."""
    for name, module in block.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            _uniform(module.running_var, 0.5, 1.5, generator)
            _normal(module.running_mean, 0.3, generator)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
            _uniform(module.weight, 0.5, 1.2, generator)
            _normal(module.bias, 0.3, generator)
        if isinstance(module, nn.Linear | nn.Conv2d):
            _normal(module.weight, _gain(name) / math.sqrt(module.weight[0].numel()), generator)
            if module.bias is not None:
                _normal(module.bias, _bias(name), generator)
        if hasattr(module, "relative_position_bias_table"):
            _normal(module.relative_position_bias_table, 0.5, generator)


def _normal(tensor: Tensor, std: float, generator: torch.Generator) -> None:
    tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)


def _uniform(tensor: Tensor, low: float, high: float, generator: torch.Generator) -> None:
    tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)


def _gain(name: str) -> float:
    """How large a layer's output is, for inputs of size one."""
    if name.startswith("backbone.") and (name.endswith(("conv3", "downsample.0")) or ".mlp.3" in name):
        return 0.7  # a residual branch: tens of them must not explode
    if name.endswith(("box.layers.2", "pose.layers.2")):
        return 0.25  # nine refinements must not end at the picture's border
    if name.startswith("decoder.") and name.endswith(("self_attn.q", "self_attn.k", "cross_attn.output_proj")):
        return 2.0  # attention sharp enough, and the image strong enough, to keep queries apart
    if name.startswith("pixel_decoder.tower."):
        return 0.05  # the tower's maps grow with every module
    if name.startswith("backbone.") or name.endswith(("layers.0", "layers.1", "linear1")):
        return 1.4  # before ReLU
    return 1.0


def _bias(name: str) -> float:
    """How large a layer's biases are."""
    if name.endswith("sampling_offsets"):
        return 2.5  # pixels, in all directions
    return 0.1 if name.startswith(("decoder.", "heads.")) else 0.3
