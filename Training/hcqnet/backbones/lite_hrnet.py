"""Lite-HRNet 18 without channel weighting: four branches at strides 4, 8, 16 and 32 that keep exchanging what they see.

Lite-HRNet: Yu et al. 2021, arXiv:2104.06403 (the "naive" network of its Table 1, twice as wide at stride 4 as HRNet-W18's
quarter). Layer for layer PP-TinyPose's backbone and head, whose published weights initialise it (`hcqnet.init_tinypose`);
trained there on single people, here it sees the whole picture. Convolutions carry biases (BatchNorm folded).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .esnet_pan import convolution, double

STEM = 32
CHANNELS = (40, 80, 160, 320)  # of the branches at strides 4, 8, 16, 32
MODULES = (2, 4, 2)  # fused modules of the stages with 2, 3 and 4 branches
BLOCKS = 2  # shuffle blocks of a branch in one module


def shuffle(x: Tensor) -> Tensor:
    """Channels of the two halves in turns."""
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Stem(nn.Module):
    """Image [n, 3, H, W] to [n, 32, H/4, W/4]."""

    def __init__(self) -> None:
        super().__init__()
        half = STEM // 2
        self.conv = convolution(3, STEM, 3, 2)
        self.branch1_depthwise = convolution(half, half, 3, 2, half)
        self.branch1_pointwise = convolution(half, half)
        self.branch2_expand = convolution(half, STEM)
        self.branch2_depthwise = convolution(STEM, STEM, 3, 2, STEM)
        self.branch2_project = convolution(STEM, half)

    def forward(self, x: Tensor) -> Tensor:
        a, b = F.relu(self.conv(x)).chunk(2, 1)
        a = F.relu(self.branch1_pointwise(self.branch1_depthwise(a)))
        b = F.relu(self.branch2_project(self.branch2_depthwise(F.relu(self.branch2_expand(b)))))
        return shuffle(torch.cat([a, b], 1))


class ShuffleBlock(nn.Module):
    """The second half of the channels through 1x1, depthwise 3x3 and 1x1 convolutions, then a channel shuffle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.expand = convolution(half, half)
        self.depthwise = convolution(half, half, 3, 1, half)
        self.project = convolution(half, half)

    def forward(self, x: Tensor) -> Tensor:
        kept, y = x.chunk(2, 1)
        y = F.relu(self.project(self.depthwise(F.relu(self.expand(y)))))
        return shuffle(torch.cat([kept, y], 1))


class Separable(nn.Module):
    """Depthwise 3x3 and 1x1 convolution, nothing between them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = convolution(inputs, inputs, 3, stride, inputs)
        self.pointwise = convolution(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class Down(nn.Sequential):
    """From one branch to a lower one: separable convolutions of stride 2, ReLU between them."""

    def __init__(self, inputs: int, outputs: int, steps: int) -> None:
        super().__init__(*(Separable(inputs, outputs if i == steps - 1 else inputs, 2) for i in range(steps)))

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self):
            x = layer(F.relu(x) if i else x)
        return x


class Module(nn.Module):
    """Shuffle blocks on every branch, then every branch adds what the others saw.

    With x the branches after their blocks, y0 = 2 x0 + sum of the lower ones brought up, and every other
    yi = xi + down(y0) + the other higher ones brought down + the lower ones brought up; outputs are relu(y).
    (That y0 goes down, and x0 counts twice, is how the published weights were trained.)
    """

    def __init__(self, branches: int) -> None:
        super().__init__()
        channels = CHANNELS[:branches]
        self.blocks = nn.ModuleList(nn.Sequential(*(ShuffleBlock(c) for _ in range(BLOCKS))) for c in channels)
        self.fuse = nn.ModuleDict()
        for i, to in enumerate(channels):
            for j, from_ in enumerate(channels):
                if i != j:
                    self.fuse[f"{j}_{i}"] = convolution(from_, to) if j > i else Down(from_, to, i - j)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        x = [blocks(b) for blocks, b in zip(self.blocks, branches)]
        x[0] = 2 * x[0] + self._from_below(x, 0)
        y = x[:1]
        for i in range(1, len(x)):
            higher = sum(self.fuse[f"{j}_{i}"](x[j]) for j in range(i))
            y.append(x[i] + higher + self._from_below(x, i))
        return [F.relu(v) for v in y]

    def _from_below(self, x: list[Tensor], i: int) -> Tensor | int:
        """Lower branches brought to branch i: a 1x1 convolution, then each value repeated."""
        total: Tensor | int = 0
        for j in range(i + 1, len(x)):
            up = self.fuse[f"{j}_{i}"](x[j])
            for _ in range(j - i):
                up = double(up)
            total = total + up
        return total


class LiteHRNet(nn.Module):
    """Image [n, 3, H, W] to maps at strides 4, 8, 16, 32 with 40, 80, 160, 320 channels; H and W multiples of 32.

    The map at stride 4 has passed PP-TinyPose's head: from the lowest branch up, separable convolution, bilinear
    enlargement, sum (half-pixel centres here, aligned corners there).
    """

    channels = CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.transition = nn.ModuleList([Separable(STEM, CHANNELS[0])])
        self.stages = nn.ModuleList()
        for number, count in enumerate(MODULES):
            branches = number + 2
            self.transition.append(Separable(CHANNELS[branches - 2] if number else STEM, CHANNELS[branches - 1], 2))
            self.stages.append(nn.Sequential(*(Module(branches) for _ in range(count))))
        self.head = nn.ModuleList(
            Separable(c, CHANNELS[max(i - 1, 0)]) for i, c in reversed(list(enumerate(CHANNELS)))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(image.contiguous())  # channel shuffles and channels-last order do not go together
        maps = [F.relu(self.transition[0](x)), F.relu(self.transition[1](x))]
        for number, stage in enumerate(self.stages):
            if number:
                maps.append(F.relu(self.transition[number + 1](maps[-1])))
            maps = stage(maps)
        y = F.relu(self.head[0](maps[3]))
        for layer, x in zip(self.head[1:], reversed(maps[:3])):
            y = F.relu(layer(x + F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=False)))
        return [y, *maps[1:]]
