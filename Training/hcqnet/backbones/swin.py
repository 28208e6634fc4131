"""Swin Transformer (Liu et al. 2021, arXiv:2103.14030), with torchvision's tensor names and a LayerNorm per stage."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SWINS: dict[str, tuple[int, tuple[int, int, int, int], tuple[int, int, int, int]]] = {  # channels, depths, heads
    "swin_t": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin_s": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin_b": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
}


def relative_index(window: int) -> Tensor:
    """Row of the bias table for every pair of a window's positions: [window^2, window^2]."""
    axis = torch.arange(window)
    y, x = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
    dy = y[:, None] - y[None] + window - 1
    dx = x[:, None] - x[None] + window - 1
    return dy * (2 * window - 1) + dx


def shift_mask(height: int, width: int, window: int, shift_y: int, shift_x: int, like: Tensor) -> Tensor:
    """-100 where two positions of a rolled window come from different regions: [windows, 1, window^2, window^2]."""
    region = torch.zeros(height, width, device=like.device, dtype=like.dtype)
    number = 0
    for rows in _bands(height, window, shift_y):
        for columns in _bands(width, window, shift_x):
            region[rows, columns] = number
            number += 1
    region = windows(region[None, :, :, None], window)[..., 0]  # [windows, window^2]
    differs = region[:, None, :] != region[:, :, None]
    return differs.to(like.dtype)[:, None] * -100.0


def _bands(size: int, window: int, shift: int) -> tuple[slice, ...]:
    if shift == 0:
        return (slice(0, size),)
    return slice(0, size - window), slice(size - window, size - shift), slice(size - shift, size)


def windows(x: Tensor, size: int) -> Tensor:
    """[B, H, W, C] -> [B*windows, size^2, C]; H and W divide by `size`."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // size, size, width // size, size, channels)
    return x.transpose(2, 3).reshape(-1, size * size, channels)


def unwindows(x: Tensor, size: int, height: int, width: int) -> Tensor:
    """The inverse of `windows`: [B*windows, size^2, C] -> [B, height, width, C]."""
    x = x.reshape(-1, height // size, width // size, size, size, x.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, x.shape[-1])


class WindowAttention(nn.Module):
    """Attention inside (shifted) windows with a learned bias for every relative position."""

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_index(window), persistent=False)

    def bias(self) -> Tensor:
        """[heads, window^2, window^2]."""
        return self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, H, W, C] -> the same shape. Padded at the right and bottom to whole windows; padding takes part."""
        _, height, width, _ = x.shape
        pad_y, pad_x = -height % self.window, -width % self.window
        padded = F.pad(x, (0, 0, 0, pad_x, 0, pad_y)) if pad_y or pad_x else x
        tall, wide = height + pad_y, width + pad_x
        # A side that is one window has nothing to shift.
        shift_y = self.shift if tall > self.window else 0
        shift_x = self.shift if wide > self.window else 0
        if shift_y or shift_x:
            padded = padded.roll((-shift_y, -shift_x), (1, 2))
        tokens = windows(padded, self.window)  # [B*windows, window^2, C]
        mask = shift_mask(tall, wide, self.window, shift_y, shift_x, tokens) if shift_y or shift_x else None
        y = unwindows(self.attend(tokens, mask), self.window, tall, wide)
        if shift_y or shift_x:
            y = y.roll((shift_y, shift_x), (1, 2))
        return y[:, :height, :width]

    def attend(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """tokens: [B*windows, window^2, C], mask: [windows, 1, window^2, window^2] -> as tokens."""
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + self.bias()  # [B*windows, heads, N, N]
        if mask is not None:
            scores = (scores.unflatten(0, (-1, mask.shape[0])) + mask).flatten(0, 1)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class SwinBlock(nn.Module):
    """x + Attention(LN(x)), then x + MLP(LN(x)) with exact GELU."""

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.drop_path = 0.0  # chance to skip a branch of one picture while training
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window, shift)
        self.norm2 = nn.LayerNorm(dim)
        # Places 2 and 4 of the checkpoint's layout are dropout layers without tensors.
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> the same shape."""
        x = x + self._sometimes(self.attn(self.norm1(x)))
        return x + self._sometimes(self.mlp(self.norm2(x)))

    def _sometimes(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return branch
        kept = torch.rand(branch.shape[0], 1, 1, 1, device=branch.device) >= self.drop_path
        return branch * kept.to(branch.dtype) / (1 - self.drop_path)


class PatchMerging(nn.Module):
    """Halves the resolution: every 2x2 patch becomes one vector of twice the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, C] -> [B, H/2, W/2, 2C]; H and W are even."""
        patch = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        return self.reduction(self.norm(torch.cat(patch, -1)))


class _ToChannelsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


class Swin(nn.Module):
    """Patch embedding and four stages; each output has its own LayerNorm."""

    def __init__(
        self, dim: int, depths: tuple[int, int, int, int], heads: tuple[int, int, int, int], window: int
    ) -> None:
        super().__init__()
        self.channels = tuple(dim << stage for stage in range(4))
        features: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, dim, 4, 4), _ToChannelsLast(), nn.LayerNorm(dim))]
        for stage, depth in enumerate(depths):
            if stage > 0:
                features.append(PatchMerging(self.channels[stage - 1]))
            shifts = [0 if i % 2 == 0 else window // 2 for i in range(depth)]
            features.append(
                nn.Sequential(*(SwinBlock(self.channels[stage], heads[stage], window, shift) for shift in shifts))
            )
        self.features = nn.Sequential(*features)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in self.channels)

    def forward(self, image: Tensor) -> list[Tensor]:
        """image: [B, 3, H, W] -> maps [B, channels[i], H/s, W/s] for the strides s = 4, 8, 16, 32."""
        x = self.features[0](image)
        maps = []
        for stage in range(4):
            if stage > 0:
                x = self.features[2 * stage](x)
            x = self.features[2 * stage + 1](x)
            maps.append(self.norms[stage](x).permute(0, 3, 1, 2))
        return maps
