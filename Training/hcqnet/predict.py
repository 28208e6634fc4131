"""From a picture to people in its own pixels, as MODEL.md's "From frame to input and back"."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from .data import DataError
from .hcqnet import HCQNet
from .targets import box_cells

ENGINE_BOUNDS = (480, 640)  # height, width into which hcqd fits pictures unless it is told a size


@dataclass
class Found:
    """People of one picture, best first; pixels of the picture."""

    scores: np.ndarray  # [n]
    boxes: np.ndarray  # [n, 4] x0 y0 x1 y1
    joints: np.ndarray  # [n, 17, 3]: x, y, confidence
    masks: list[np.ndarray]  # [h, w] bool
    mask_scores: np.ndarray  # [n]


# Brings a picture to (height, width): RGB uint8 [height, width, 3].
Scaling = Callable[[int, int], np.ndarray]


def opencv_scaling(picture: np.ndarray) -> Scaling:
    """A decoded picture, RGB uint8, as training scales it."""

    def scaled(height: int, width: int) -> np.ndarray:
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR)

    return scaled


def engine_scaling(path: Path, upright: bool = False) -> Scaling:
    """A picture's file as hcqd decodes and scales it: libavcodec, then one pass of libswscale (`PictureScaler.swift`).

    As it is stored, or turned by its EXIF orientation. Raises DataError with what ffmpeg says of a file that it cannot read.
    """

    def scaled(height: int, width: int) -> np.ndarray:
        scale = f"scale={width}:{height}:flags=area+full_chroma_int+full_chroma_inp+accurate_rnd"
        turning = [] if upright else ["-noautorotate"]
        command = ["ffmpeg", "-v", "error", *turning, "-i", "pipe:", "-vf", scale, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        # Through a pipe, because in names % and : mean something to ffmpeg.
        with path.open("rb") as file:
            outcome = subprocess.run(command, stdin=file, capture_output=True)
        if len(outcome.stdout) != 3 * height * width:
            raise DataError(f"{path}: {outcome.stderr.decode(errors='replace').strip() or 'no picture'}")
        return np.frombuffer(outcome.stdout, np.uint8).reshape(height, width, 3)

    return scaled


def letterbox(shape: tuple[int, int], scaling: Scaling, size: tuple[int, int], config) -> tuple[torch.Tensor, tuple[int, int]]:
    """A picture of (height, width) `shape` as the normalised input [1, 3, H, W], and the (height, width) that it fills at the top left."""
    h, w = shape
    scale = min(size[1] / w, size[0] / h)
    height, width = round(h * scale), round(w * scale)
    x = np.zeros((*size, 3), np.float32)
    small = scaling(height, width).astype(np.float32) / 255
    x[:height, :width] = (small - np.array(config.image_mean)) / np.array(config.image_std)
    return torch.from_numpy(x).permute(2, 0, 1)[None], (height, width)


def fitting_size(height: int, width: int, bounds: tuple[int, int] = ENGINE_BOUNDS) -> tuple[int, int]:
    """The smallest (H, W), multiples of 32, that shows a picture as large as fits into `bounds`: the engine's `fittingInputSize`."""
    scale = min(bounds[0] / height, bounds[1] / width)
    return tuple(max(32, math.ceil(math.floor(side * scale + 0.5) / 32) * 32) for side in (height, width))


OUTSIDE = -4.0  # a mask logit outside the box, where a mask ends at its box


def cut_to_box(logits: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Mask logits [n, h, w], at most `OUTSIDE` where a position's centre is outside its box [n, 4] (x0 y0 x1 y1, 0...1)."""
    return torch.where(box_cells(boxes, logits.shape[1:]), logits, logits.clamp(max=OUTSIDE))


@torch.inference_mode()
def find_people(
    net: HCQNet, picture: np.ndarray, size: tuple[int, int], threshold: float, masks: bool = True, scaling: Scaling | None = None
) -> Found:
    """Everybody whose detection score is at least `threshold`. The picture is scaled by OpenCV unless `scaling` does it.

    The network runs where its weights are; what it found is handed out on the CPU.
    """
    h, w = picture.shape[:2]
    device = next(net.parameters()).device
    x, (filled_h, filled_w) = letterbox((h, w), scaling or opencv_scaling(picture), size, net.config)
    p = net(x.to(device).contiguous(memory_format=torch.channels_last))
    scores = p.class_logits[0].softmax(-1)[:, 0].cpu()
    boxes = p.keypoints[0, :, :4].cpu()
    keep = ((scores >= threshold) & (boxes[:, 2:] > boxes[:, :2]).all(-1)).nonzero()[:, 0]
    keep = keep[scores[keep].argsort(descending=True, stable=True)]
    to_picture = torch.tensor([size[1] * w / filled_w, size[0] * h / filled_h])
    limit = torch.tensor([w, h, w, h], dtype=torch.float32)
    corners = torch.minimum((boxes[keep] * to_picture.repeat(2)).clamp(min=0), limit)
    joints = p.joints[0].cpu()[keep] * to_picture
    if p.pose_sigma is None:
        confidence = scores[keep, None].expand(-1, joints.shape[1])
    else:
        confidence = 1 - p.pose_sigma[0].cpu()[keep].unflatten(1, (-1, 2)).mean(-1)
    joints = torch.cat([joints, confidence[..., None]], -1)
    mask_scores, pictures = scores[keep].clone(), []
    if masks and len(keep):
        logits = (p.mask_embeddings[0, keep.to(device)] @ p.mask_features[0].flatten(1)).unflatten(1, p.mask_features.shape[2:])
        if net.config.mask_in_box:
            logits = cut_to_box(logits, boxes[keep].to(device))
        inside = logits > 0
        probability = (logits.sigmoid() * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
        mask_scores = mask_scores * probability.cpu()
        full = F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[..., :filled_h, :filled_w]
        full = F.interpolate(full, (h, w), mode="bilinear", align_corners=False)[0] > 0
        pictures = list(full.cpu().numpy())
    return Found(scores[keep].numpy(), corners.numpy(), joints.numpy(), pictures, mask_scores.numpy())
