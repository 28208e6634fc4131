"""ESNet 0.75 with a CSP-PAN neck: a mobile backbone whose maps at strides 8, 16, 32 and 64 already mix scales.

ESNet and CSP-PAN: Yu et al. 2021, PP-PicoDet, arXiv:2111.00902, section 3. Convolutions carry biases (BatchNorm folded),
so the published PicoDet-S weights initialise it exactly (`hcqnet.init_picodet`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEM_CHANNELS = 24
NECK_CHANNELS = 96
# Per stage: channels, then the inner channels of each block (the first one halves the resolution).
STAGES = ((96, (88, 48, 48)), (192, (96, 120, 96, 120, 96, 96, 96)), (384, (192, 192, 192)))


def convolution(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution with bias, padded to keep (stride 1) or halve (stride 2, rounding up) the size."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


class SqueezeExcitation(nn.Module):
    """x * hard_sigmoid(expand(relu(reduce(mean(x))))) per channel; hard_sigmoid(v) = clamp(v / 6 + 0.5, 0, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = convolution(channels, channels // 4)
        self.expand = convolution(channels // 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gate)


class DownBlock(nn.Module):
    """ES block of stride 2: two branches, concatenated, merged by a depthwise-separable convolution."""

    def __init__(self, inputs: int, outputs: int, middle: int) -> None:
        super().__init__()
        half = outputs // 2
        self.branch1_depthwise = convolution(inputs, inputs, 3, 2, inputs)
        self.branch1_pointwise = convolution(inputs, half)
        self.branch2_expand = convolution(inputs, middle // 2)
        self.branch2_depthwise = convolution(middle // 2, middle // 2, 3, 2, middle // 2)
        self.branch2_se = SqueezeExcitation(middle // 2)
        self.branch2_project = convolution(middle // 2, half)
        self.merge_depthwise = convolution(outputs, outputs, 3, 1, outputs)
        self.merge_pointwise = convolution(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        a = F.hardswish(self.branch1_pointwise(self.branch1_depthwise(x)))
        b = self.branch2_se(self.branch2_depthwise(F.hardswish(self.branch2_expand(x))))
        y = torch.cat([a, F.hardswish(self.branch2_project(b))], 1)
        return F.hardswish(self.merge_pointwise(F.hardswish(self.merge_depthwise(y))))


class SameBlock(nn.Module):
    """ES block of stride 1: the second half of the channels through a ghost block with SE, then a channel shuffle."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        half = channels // 2
        self.expand = convolution(half, middle // 2)
        self.depthwise = convolution(middle // 2, middle // 2, 3, 1, middle // 2)
        self.se = SqueezeExcitation(middle)
        self.project = convolution(middle, half)

    def forward(self, x: Tensor) -> Tensor:
        kept, y = x.chunk(2, 1)
        y = F.hardswish(self.expand(y))
        y = self.se(torch.cat([y, self.depthwise(y)], 1))
        y = torch.cat([kept, F.hardswish(self.project(y))], 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class SeparableBlock(nn.Module):
    """Depthwise 5x5 and pointwise convolution, hard-swish after each."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = convolution(channels, channels, 5, stride, channels)
        self.pointwise = convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.hardswish(self.pointwise(F.hardswish(self.depthwise(x))))


class CSPBlock(nn.Module):
    """Cross-stage-partial block: cat(block(main(x)), short(x)) through a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.short = convolution(inputs, half)
        self.main = convolution(inputs, half)
        self.inner = convolution(half, half)
        self.separable = SeparableBlock(half)
        self.merge = convolution(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        short = F.hardswish(self.short(x))
        y = self.separable(F.hardswish(self.inner(F.hardswish(self.main(x)))))
        return F.hardswish(self.merge(torch.cat([y, short], 1)))


class CSPPAN(nn.Module):
    """CSP-PAN: 1x1 convolutions to 96 channels, top-down, bottom-up, one more level at stride 64."""

    def __init__(self, inputs: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList([convolution(c, channels) for c in inputs])
        self.top_down = nn.ModuleList([CSPBlock(2 * channels, channels) for _ in range(2)])
        self.down = nn.ModuleList([SeparableBlock(channels, 2) for _ in range(2)])
        self.bottom_up = nn.ModuleList([CSPBlock(2 * channels, channels) for _ in range(2)])
        self.extra_lateral = SeparableBlock(channels, 2)
        self.extra_down = SeparableBlock(channels, 2)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        c3, c4, c5 = (F.hardswish(conv(x)) for conv, x in zip(self.lateral, maps))
        p4 = self.top_down[0](torch.cat([double(c5), c4], 1))
        n3 = self.top_down[1](torch.cat([double(p4), c3], 1))
        n4 = self.bottom_up[0](torch.cat([self.down[0](n3), p4], 1))
        n5 = self.bottom_up[1](torch.cat([self.down[1](n4), c5], 1))
        return [n3, n4, n5, self.extra_lateral(c5) + self.extra_down(n5)]


def double(x: Tensor) -> Tensor:
    """Nearest-neighbour enlargement by 2."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class ESNetPAN(nn.Module):
    """Image `[n, 3, H, W]` to maps at strides 4, 8, 16, 32, 64 with 24, 96, 96, 96, 96 channels.

    H and W are multiples of 32; the last map has ceil(H / 64) x ceil(W / 64) positions and serves proposals only.
    """

    channels = (STEM_CHANNELS, NECK_CHANNELS, NECK_CHANNELS, NECK_CHANNELS)

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, STEM_CHANNELS, 3, 2)
        self.stages = nn.ModuleList()
        inputs = STEM_CHANNELS
        for outputs, middles in STAGES:
            blocks = [DownBlock(inputs, outputs, middles[0])] + [SameBlock(outputs, m) for m in middles[1:]]
            self.stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.neck = CSPPAN(tuple(c for c, _ in STAGES), NECK_CHANNELS)

    def forward(self, image: Tensor) -> list[Tensor]:
        c2 = F.max_pool2d(F.hardswish(self.stem(image)), 3, 2, 1)
        maps = []
        x = c2
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return [c2, *self.neck(maps)]
