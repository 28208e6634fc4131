"""The teachers: PicoDet-S boxes and PP-TinyPose joints, for pseudo-labels and as the baseline that evaluation prints.

PP-TinyPose (OpenVINO IR) sees a 256x192 crop and answers 17 heat maps of 64x48; DARK's sub-pixel step: Zhang et al. 2020,
arXiv:1910.06278. Cell (i, j) of a map lies at crop position (4 i, 4 j): measured on labelled pictures.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .init_picodet import load_picodet
from .proposals import pairwise_iou

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
CROP_HEIGHT, CROP_WIDTH, HEAT_STRIDE = 256, 192, 4
BOX_MARGIN = 1.25


class BoxTeacher:
    """PicoDet-S: a picture to person boxes (pixels, x0 y0 x1 y1) and scores."""

    def __init__(self, path: str | Path) -> None:
        self.backbone, self.head = load_picodet(path)

    @torch.no_grad()
    def __call__(self, picture: np.ndarray, size: int = 416, floor: float = 0.02, nms: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
        """`picture` [h, w, 3] RGB uint8, stretched to `size` x `size`; at most 100 boxes with scores above `floor`."""
        h, w = picture.shape[:2]
        x = (cv2.resize(picture, (size, size)).astype(np.float32) / 255 - MEAN) / STD
        found = self.head(self.backbone(torch.from_numpy(x).permute(2, 0, 1)[None])[1:], (size, size))
        return suppress(found.logits[0].sigmoid(), found.boxes[0] * torch.tensor([w, h, w, h]), floor, nms)


def suppress(scores: Tensor, boxes: Tensor, floor: float, nms: float) -> tuple[np.ndarray, np.ndarray]:
    """Greedy non-maximum suppression, best first; boxes `[k, 4]` and scores `[k]`, k <= 100."""
    order = scores.argsort(descending=True, stable=True)[:500]
    order = order[scores[order] > floor]
    overlaps = (pairwise_iou(boxes[order], boxes[order]) > nms).numpy()
    kept: list[int] = []
    for i in range(len(order)):
        if not overlaps[i, kept].any():
            kept.append(i)
    chosen = order[kept[:100]]
    return boxes[chosen].numpy(), scores[chosen].numpy()


class PoseTeacher:
    """PP-TinyPose: person boxes of a picture to 17 joints each."""

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        import openvino

        core = openvino.Core()
        model = core.read_model(str(path))
        model.reshape([-1, 3, CROP_HEIGHT, CROP_WIDTH])
        self.model = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads})

    def __call__(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """`boxes` [n, 4] pixels (x0 y0 x1 y1) to joints [n, 17, 3]: x, y in pixels, confidence 0 ... 1."""
        if len(boxes) == 0:
            return np.zeros((0, 17, 3), np.float32)
        crops, maps = zip(*(_crop(picture, box) for box in boxes))
        heat = np.concatenate([self.model(np.stack(crops[i : i + 16]))[0] for i in range(0, len(crops), 16)])
        joints = decode_heatmaps(heat)
        for person, (scale, left, top) in zip(joints, maps):
            person[:, 0] = person[:, 0] * scale + left
            person[:, 1] = person[:, 1] * scale + top
        return joints


def _crop(picture: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float]]:
    """The box with margin at aspect 3:4 as a normalised crop, and (scale, left, top) of crop pixels in the picture."""
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    width, height = max(box[2] - box[0], 1), max(box[3] - box[1], 1)
    width = max(width, height * CROP_WIDTH / CROP_HEIGHT) * BOX_MARGIN
    scale = width / CROP_WIDTH
    left, top = cx - width / 2, cy - scale * CROP_HEIGHT / 2
    # Pixel centres: continuous = index + 0.5 on both sides.
    matrix = np.array([[scale, 0, left + 0.5 * scale - 0.5], [0, scale, top + 0.5 * scale - 0.5]])
    crop = cv2.warpAffine(picture, matrix, (CROP_WIDTH, CROP_HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return ((crop.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1), (scale, left, top)


def decode_heatmaps(heat: np.ndarray) -> np.ndarray:
    """`[n, 17, h, w]` to `[n, 17, 3]`: x, y in crop pixels (continuous), confidence; DARK's Taylor step on the log map."""
    n, joints, h, w = heat.shape
    out = np.zeros((n, joints, 3), np.float32)
    for i in range(n):
        for j in range(joints):
            raw = heat[i, j]
            y, x = divmod(int(raw.argmax()), w)
            out[i, j, 2] = np.clip(raw[y, x], 0, 1)
            dx = dy = 0.0
            if 1 < x < w - 2 and 1 < y < h - 2:
                log = np.log(np.maximum(cv2.GaussianBlur(raw, (3, 3), 0), 1e-10))
                gx = (log[y, x + 1] - log[y, x - 1]) / 2
                gy = (log[y + 1, x] - log[y - 1, x]) / 2
                hxx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
                hyy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
                hxy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
                determinant = hxx * hyy - hxy * hxy
                if determinant > 1e-9:
                    dx = float(np.clip(-(hyy * gx - hxy * gy) / determinant, -1.5, 1.5))
                    dy = float(np.clip(-(hxx * gy - hxy * gx) / determinant, -1.5, 1.5))
            out[i, j, :2] = (x + dx) * HEAT_STRIDE, (y + dy) * HEAT_STRIDE
    return out
