"""Pixel decoder: Mask2Former's (Cheng et al. 2022, arXiv:2112.01527), a multi-scale deformable transformer encoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbones.lite_hrnet import CHANNELS as LITE_HRNET_CHANNELS
from .config import LEVELS, Config
from .layers import DeformableAttention, Shapes, sine_position
from .proposals import Proposals


class GroupNorm(nn.GroupNorm):
    """GroupNorm with 32 groups that also takes groups of one value (D = 32 at one pixel), which become the bias."""

    def __init__(self, dim: int) -> None:
        super().__init__(32, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D, H, W] -> the same shape."""
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


@dataclass
class Features:
    """What the pixel decoder hands to the transformer decoder."""

    tokens: Tensor  # [B, sum(H*W), D]: the strides 32, 16, 8, each row by row
    shapes: Shapes  # height and width of those three
    mask_features: Tensor | None  # [B, D, H/4, W/4]
    fine: Tensor | None = None  # what `mask_features` is computed from, [B, D, H/4, W/4]
    joint_maps: Tensor | None = None  # [B, joint_channels, H/4, W/4], with `joint_grid`
    proposals: Proposals | None = None  # with `query_start` proposals
    chosen: Tensor | None = None  # [B, Q]: the proposals that start the queries


class EncoderAttention(DeformableAttention):
    """Multi-scale deformable self-attention around the pixel centres (Zhu et al. 2021, arXiv:2010.04159)."""

    def __init__(self, dim: int, heads: int, points: int) -> None:
        super().__init__(dim, heads, LEVELS, points, offset_points=points)

    def forward(self, query: Tensor, tokens: Tensor, shapes: Shapes) -> Tensor:
        """query, tokens: [B, sum(H*W), D] -> [B, sum(H*W), D]."""
        centres = torch.cat([pixel_centres(height, width, query) for height, width in shapes])
        locations = centres[:, None, None, None] + self.offsets(query, shapes)
        return self.attend(query, tokens, shapes, locations)


class EncoderLayer(nn.Module):
    """Deformable self-attention and FFN, each followed by a residual and LayerNorm."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.hidden_dim
        self.self_attn = EncoderAttention(dim, config.heads, config.encoder_points)
        self.norm1 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, config.encoder_ffn)
        self.linear2 = nn.Linear(config.encoder_ffn, dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, position: Tensor, shapes: Shapes) -> Tensor:
        """tokens: [B, sum(H*W), D]; position: [sum(H*W), D] -> as tokens."""
        tokens = self.norm1(tokens + self.self_attn(tokens + position, tokens, shapes))
        return self.norm2(tokens + self.linear2(F.relu(self.linear1(tokens))))


class PixelDecoder(nn.Module):
    """The backbone's maps at strides 4, 8, 16, 32 -> `Features`."""

    def __init__(self, config: Config, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        dim = config.hidden_dim
        self.input_proj = nn.ModuleList(  # strides 32, 16, 8
            nn.Sequential(nn.Conv2d(inputs, dim, 1), GroupNorm(dim)) for inputs in reversed(channels[1:])
        )
        self.level_embed = nn.Parameter(torch.empty(LEVELS, dim).normal_())
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.lateral = nn.Sequential(nn.Conv2d(channels[0], dim, 1, bias=False), GroupNorm(dim))
        self.output = _output(config)
        self.mask_features = nn.Conv2d(dim, dim, 1)
        self.joint_maps = nn.Conv2d(dim, config.joint_channels, 1) if config.joint_grid else None
        self.tower = TowerInputs(config) if config.tower else None

    def forward(self, maps: list[Tensor], tower: list[Tensor] | None = None, masks: bool = True) -> Features:
        """maps, and tower's: [B, channels[i], H/s, W/s] for the strides s = 4, 8, 16, 32; more are ignored. masks: whether to compute
        `mask_features` (training folds that layer into the mask embeddings of matched queries)."""
        levels = [proj(x) for proj, x in zip(self.input_proj, reversed(maps[1:4]))]
        if self.tower is not None:
            levels = [x + proj(t) for x, proj, t in zip(levels, self.tower.levels, reversed(tower[1:]))]
        shapes = [(x.shape[2], x.shape[3]) for x in levels]
        tokens = torch.cat([x.flatten(2).transpose(1, 2) for x in levels], 1)
        position = self.position(shapes, tokens)
        for layer in self.layers:
            tokens = layer(tokens, position, shapes)

        height, width = shapes[-1]
        stride8 = tokens[:, -height * width :].transpose(1, 2).unflatten(2, (height, width))
        stride4 = self.lateral(maps[0])
        if self.tower is not None:
            stride4 = stride4 + self.tower.lateral(tower[0])
        # The size as whole numbers: an exported network has no use for a scale.
        stride8 = F.interpolate(stride8, (2 * height, 2 * width), mode="bilinear", align_corners=False)
        fine = F.relu(self.output(stride4 + stride8))
        joint_maps = None if self.joint_maps is None else self.joint_maps(fine)
        if joint_maps is not None and self.tower is not None:
            joint_maps = joint_maps + self.tower.joint_maps(tower[0])
        return Features(tokens, shapes, self.mask_features(fine) if masks else None, fine, joint_maps)

    def position(self, shapes: Shapes, like: Tensor) -> Tensor:
        """2-D sine and level embedding of every token: [sum(H*W), D]."""
        dim = self.level_embed.shape[1]
        like = like.new_empty(0, dtype=self.level_embed.dtype)
        return torch.cat(
            [sine_position(*shape, dim, like) + embed for shape, embed in zip(shapes, self.level_embed.unbind())]
        )


def _output(config: Config) -> nn.Sequential:
    """The stride-4 convolutions before the last ReLU: `output.0`, `output.1` dense; `output.i` separable."""
    dim = config.hidden_dim
    if config.output_conv == "dense":
        return nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, bias=False), GroupNorm(dim))
    last = config.output_layers - 1
    return nn.Sequential(*(SeparableOutput(dim, activate=i < last) for i in range(config.output_layers)))


class TowerInputs(nn.Module):
    """Where the tower's maps are added: 1x1 convolutions without biases."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        fine, *coarse = LITE_HRNET_CHANNELS
        self.levels = nn.ModuleList(nn.Conv2d(c, config.hidden_dim, 1, bias=False) for c in reversed(coarse))
        self.lateral = nn.Conv2d(fine, config.hidden_dim, 1, bias=False)
        self.joint_maps = nn.Conv2d(fine, config.joint_channels, 1, bias=False) if config.joint_grid else None


class SeparableOutput(nn.Module):
    """Depthwise 3x3 and 1x1 convolution (no biases), GroupNorm; ReLU where another one follows."""

    def __init__(self, dim: int, activate: bool) -> None:
        super().__init__()
        self.activate = activate
        self.depthwise = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.pointwise = nn.Conv2d(dim, dim, 1, bias=False)
        self.norm = GroupNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, D, H/4, W/4] -> the same shape."""
        x = self.norm(self.pointwise(self.depthwise(x)))
        return F.relu(x) if self.activate else x


def pixel_centres(height: int, width: int, like: Tensor) -> Tensor:
    """Normalised centres (x, y) of a level's pixels, row by row: [height*width, 2]."""
    dtype = like.dtype if like.dtype == torch.float64 else torch.float32
    y = (torch.arange(height, device=like.device, dtype=dtype) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=dtype) + 0.5) / width
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1).flatten(0, 1)
