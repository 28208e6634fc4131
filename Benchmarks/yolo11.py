"""YOLO11n for pose and for segmentation, written from the published description, with random weights.

These are the two networks a user would otherwise run to get boxes, joints and masks. Only their speed is measured, so
weights are random; the sizes are the published ones: depth 0.50, width 0.25 of the YOLO11 table, 2.9 M parameters each
and 7.6 (pose) and 10.4 (segmentation) GFLOPs at 640x640. The outputs are decoded boxes (distribution focal loss
integrated), class scores and joints or mask coefficients with prototypes: everything up to NMS, which is left out.
"""

import torch
from torch import nn
from torch.nn import functional as F

REGRESSION_BINS = 16


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, activate: bool = True):
    """Convolution (its BatchNorm folded, hence the bias) and SiLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
    return nn.Sequential(layer, nn.SiLU()) if activate else layer


class Bottleneck(nn.Module):
    """Two 3x3 convolutions with a residual."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.narrow, self.widen = conv(channels, hidden, 3), conv(hidden, channels, 3)

    def forward(self, x):
        return x + self.widen(self.narrow(x))


class C3(nn.Module):
    """Cross-stage partial block with two bottlenecks (C3k)."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = channels // 2
        self.deep, self.shallow = conv(channels, hidden), conv(channels, hidden)
        self.blocks = nn.Sequential(Bottleneck(hidden, hidden), Bottleneck(hidden, hidden))
        self.merge = conv(2 * hidden, channels)

    def forward(self, x):
        return self.merge(torch.cat([self.blocks(self.deep(x)), self.shallow(x)], 1))


class C3k2(nn.Module):
    """Split in two, one block on the second half, all parts merged."""

    def __init__(self, inputs: int, outputs: int, nested: bool, expansion: float = 0.5):
        super().__init__()
        hidden = int(outputs * expansion)
        self.split = conv(inputs, 2 * hidden)
        self.block = C3(hidden) if nested else Bottleneck(hidden, hidden // 2)
        self.merge = conv(3 * hidden, outputs)

    def forward(self, x):
        first, second = self.split(x).chunk(2, 1)
        return self.merge(torch.cat([first, second, self.block(second)], 1))


class SPPF(nn.Module):
    """Three max poolings of 5x5 in a row, all merged."""

    def __init__(self, channels: int):
        super().__init__()
        self.narrow, self.merge = conv(channels, channels // 2), conv(2 * channels, channels)

    def forward(self, x):
        maps = [self.narrow(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], 5, 1, 2))
        return self.merge(torch.cat(maps, 1))


class Attention(nn.Module):
    """Self-attention over positions with a depthwise convolution of the values as position encoding."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads, self.width = heads, channels // heads
        self.key = self.width // 2
        self.qkv = conv(channels, channels + 2 * self.key * heads, activate=False)
        self.position = conv(channels, channels, 3, groups=channels, activate=False)
        self.project = conv(channels, channels, activate=False)

    def forward(self, x):
        batch, channels, height, width = x.shape
        q, k, v = self.qkv(x).view(batch, self.heads, -1, height * width).split([self.key, self.key, self.width], 2)
        weights = (q.transpose(-2, -1) @ k * self.key**-0.5).softmax(-1)
        attended = (v @ weights.transpose(-2, -1)).view(batch, channels, height, width)
        return self.project(attended + self.position(v.reshape(batch, channels, height, width)))


class C2PSA(nn.Module):
    """Half of the channels through one attention block."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.split, self.merge = conv(channels, channels), conv(channels, channels)
        self.attention = Attention(half, max(1, half // 64))
        self.feed_forward = nn.Sequential(conv(half, 2 * half), conv(2 * half, half, activate=False))

    def forward(self, x):
        first, second = self.split(x).chunk(2, 1)
        second = second + self.attention(second)
        second = second + self.feed_forward(second)
        return self.merge(torch.cat([first, second], 1))


class Prototypes(nn.Module):
    """32 mask prototypes at stride 4."""

    def __init__(self, inputs: int):
        super().__init__()
        self.first = conv(inputs, 64, 3)
        self.upsample = nn.ConvTranspose2d(64, 64, 2, 2)
        self.second, self.third = conv(64, 64, 3), conv(64, 32)

    def forward(self, x):
        return self.third(self.second(self.upsample(self.first(x))))


class YOLO11n(nn.Module):
    """`task` is "pose" (1 class, 17 joints) or "segment" (80 classes, 32 mask coefficients)."""

    def __init__(self, task: str):
        super().__init__()
        self.task = task
        classes, extra = (1, 51) if task == "pose" else (80, 32)
        self.classes, self.extra = classes, extra
        self.stage3 = nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3, 2), C3k2(32, 64, False, 0.25),
                                    conv(64, 64, 3, 2), C3k2(64, 128, False, 0.25))
        self.stage4 = nn.Sequential(conv(128, 128, 3, 2), C3k2(128, 128, True))
        self.stage5 = nn.Sequential(conv(128, 256, 3, 2), C3k2(256, 256, True), SPPF(256), C2PSA(256))
        self.down4, self.down3 = C3k2(384, 128, False), C3k2(256, 64, False)
        self.stride4, self.up4 = conv(64, 64, 3, 2), C3k2(192, 128, False)
        self.stride5, self.up5 = conv(128, 128, 3, 2), C3k2(384, 256, True)
        channels = (64, 128, 256)
        scores, boxes = max(64, min(classes, 100)), 64
        coefficients = max(16, extra)
        self.boxes = nn.ModuleList(
            nn.Sequential(conv(c, boxes, 3), conv(boxes, boxes, 3), nn.Conv2d(boxes, 4 * REGRESSION_BINS, 1))
            for c in channels)
        self.scores = nn.ModuleList(
            nn.Sequential(conv(c, c, 3, groups=c), conv(c, scores), conv(scores, scores, 3, groups=scores),
                          conv(scores, scores), nn.Conv2d(scores, classes, 1))
            for c in channels)
        self.extras = nn.ModuleList(
            nn.Sequential(conv(c, coefficients, 3), conv(coefficients, coefficients, 3),
                          nn.Conv2d(coefficients, extra, 1))
            for c in channels)
        if task == "segment":
            self.prototypes = Prototypes(64)

    def forward(self, x):
        p3 = self.stage3(x)
        p4 = self.stage4(p3)
        p5 = self.stage5(p4)
        m4 = self.down4(torch.cat([F.interpolate(p5, scale_factor=2), p4], 1))
        n3 = self.down3(torch.cat([F.interpolate(m4, scale_factor=2), p3], 1))
        n4 = self.up4(torch.cat([self.stride4(n3), m4], 1))
        n5 = self.up5(torch.cat([self.stride5(n4), p5], 1))
        outputs, centres, strides = [], [], []
        for level, feature in enumerate((n3, n4, n5)):
            parts = [head[level](feature).flatten(2) for head in (self.boxes, self.scores, self.extras)]
            outputs.append(torch.cat(parts, 1))
            height, width = int(feature.shape[2]), int(feature.shape[3])
            y, x_ = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
            centres.append(torch.stack([x_.flatten(), y.flatten()]))
            strides.append(torch.full((1, height * width), float(8 << level)))
        decoded = self.decode(torch.cat(outputs, 2), torch.cat(centres, 1), torch.cat(strides, 1))
        return (decoded, self.prototypes(n3)) if self.task == "segment" else (decoded,)

    def decode(self, raw, centres, strides):
        """`[1, 64 + classes + extra, positions]` to boxes (centre, size) in pixels, scores, joints or coefficients."""
        boxes, scores, extra = raw.split([4 * REGRESSION_BINS, self.classes, self.extra], 1)
        bins = torch.arange(REGRESSION_BINS, dtype=torch.float32).view(1, 1, REGRESSION_BINS, 1)
        distances = (boxes.view(1, 4, REGRESSION_BINS, -1).softmax(2) * bins).sum(2)
        low, high = centres - distances[:, :2], centres + distances[:, 2:]
        boxes = torch.cat([(low + high) / 2, high - low], 1) * strides
        if self.task == "pose":
            joints = extra.view(1, 17, 3, -1)
            places = (joints[:, :, :2] * 2 + (centres - 0.5)) * strides
            extra = torch.cat([places, joints[:, :, 2:].sigmoid()], 2).flatten(1, 2)
        return torch.cat([boxes, scores.sigmoid(), extra], 1)


def export(task: str, height: int, width: int, path: str) -> None:
    """Writes the network of `task` for inputs of `height` x `width` as ONNX."""
    torch.manual_seed(1)
    network = YOLO11n(task).eval()
    torch.onnx.export(network, (torch.zeros(1, 3, height, width),), path, opset_version=17, dynamo=False,
                      input_names=["image"])
