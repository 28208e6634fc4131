"""Training pictures are composed: scaled crops of one to four pictures on a canvas, cut-out people pasted on top.

Large-scale jitter and copy-paste: Ghiasi et al. 2021, arXiv:2012.07177; the mosaic of four: Bochkovskiy et al. 2020,
arXiv:2004.10934. Everything is drawn from the generator that is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from .data import FLIP_JOINTS, JOINTS, DataError, Person, Sample, decode_mask

MOST_PACKED = 16  # pictures on one canvas
LEAST_TILE = 48  # pixels of a packed picture's shorter side, where it is not cut from what is left
MOST_ENLARGED = 1.75
LEAST_UNHIDDEN = 0.3  # a person of whom others leave less than this share is ignored


@dataclass(eq=False)
class Target:
    """One person on the canvas, in its pixels. `mask` is coverage 0 ... 1 per cell of `mask_stride` pixels, None where unknown."""

    box: np.ndarray  # [4]
    joints: np.ndarray  # [17, 3]
    box_weight: float
    mask: np.ndarray | None  # [H/stride, W/stride]
    area: float
    full_mask: np.ndarray | None = None  # [H, W] uint8 while composing


@dataclass
class Settings:
    """How canvases are composed. Scales multiply the one at which a picture fits; heights are of pasted people, in canvas pixels."""

    packed: float = 0.0  # share of canvases filled with as many pictures as fit, scaled by `person_size`
    person_size: tuple[float, float] = (18, 220)  # sqrt(area) of the largest person of a packed picture, log-uniform, canvas pixels
    mosaic: float = 0.4
    paste: float = 0.4
    paste_height: tuple[float, float] = (36, 330)
    scale: tuple[float, float] = (0.4, 2.0)
    colour: float = 0.5
    uniform: bool = False  # scales drawn uniformly and crops anywhere, as Mask2Former; else log-uniformly, and crops near a person
    aspect: float = 0.1  # the aspect ratio changes by up to this share
    # How often a picture of a set (named by its start) is drawn, against 1 for those of the others.
    shares: dict[str, float] = field(
        default_factory=lambda: {"ccp": 0.35, "davis": 1.0, "pennfudan": 2.0, "lspet": 0.4, "coco-train": 2.0, "negatives": 0.3}
    )
    empty: float = 1.0  # how often a picture without a person is drawn, as `shares`
    least_area: float = 0.0  # people with fewer pixels on the canvas are ignored
    least_visible: float = 0.3  # so are people whose box is cut to less than this share
    mask_stride: int = 4  # pixels of a mask's cell; 1: as labelled

    def __post_init__(self) -> None:
        for name in ("person_size", "paste_height", "scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} is {low:g} to {high:g}, expected a range above 0")
        if self.mask_stride not in (1, 2, 4):
            raise ValueError(f"mask_stride is {self.mask_stride}, expected 1, 2 or 4")


class Composer:
    """Draws canvases from samples; `cutouts` are (sample, person) pairs with exact masks."""

    def __init__(self, samples: list[Sample], settings: Settings) -> None:
        self.samples, self.settings = samples, settings
        self.cutouts = [(s, p) for s in samples for p in s.people if p.mask is not None and p.area > 2500]
        shares = settings.shares.items()
        share_of = np.array([next((w for k, w in shares if s.set_name.startswith(k)), 1.0) for s in samples])
        probability = share_of * [1.0 if s.people else settings.empty for s in samples]
        if not probability.any():
            raise DataError(f"none of {len(samples)} pictures is ever drawn: the recipe's shares leave out every set, or nobody is in any of them")
        self.probability = probability / probability.sum()

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, list[Target], np.ndarray, list[str]]:
        """Canvas [H, W, 3] uint8 RGB padded with the mean colour, targets, ignored boxes [k, 4], names of the pictures."""
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[:] = (124, 116, 104)  # the mean colour: 0 after normalisation
        targets: list[Target] = []
        ignored: list[np.ndarray] = []
        names: list[str] = []
        if self.settings.packed and rng.random() < self.settings.packed:
            self._pack(rng, canvas, targets, ignored, names)
        else:
            for region in self._regions(rng, height, width):
                sample = self._draw_sample(rng)
                fit = min((region[2] - region[0]) / sample.size[1], (region[3] - region[1]) / sample.size[0])
                self._place(rng, canvas, region, sample, self._draw_scale(rng) * fit, targets, ignored)
                names.append(f"{sample.set_name}/{sample.path.name}")
        if self.cutouts and rng.random() < self.settings.paste:
            for _ in range(rng.integers(1, 4)):
                self._paste(rng, canvas, targets, ignored)
        if rng.random() < self.settings.colour:
            _jitter_colour(rng, canvas)
        for t in targets:
            t.mask = None if t.full_mask is None else _coverage(t.full_mask, self.settings.mask_stride)
            t.full_mask = None
        return canvas, targets, np.array(ignored, np.float32).reshape(-1, 4), names

    def _draw_scale(self, rng: np.random.Generator) -> float:
        low, high = self.settings.scale
        return rng.uniform(low, high) if self.settings.uniform else float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def _draw_sample(self, rng: np.random.Generator) -> Sample:
        return self.samples[rng.choice(len(self.samples), p=self.probability)]

    def _pack(self, rng, canvas, targets: list[Target], ignored: list[np.ndarray], names: list[str]) -> None:
        """Fills the canvas from the top left, each picture at the scale that gives its largest person the size drawn."""
        low, high = np.log(self.settings.person_size)
        free = [(0, 0, canvas.shape[1], canvas.shape[0])]
        while free and len(names) < MOST_PACKED:
            x0, y0, x1, y1 = free.pop(0)
            sample = self._draw_sample(rng)
            size = float(np.exp(rng.uniform(low, high)))
            area = max((p.area for p in sample.people), default=0.1 * np.prod(sample.size))
            scale = min(size / np.sqrt(max(area, 1.0)), MOST_ENLARGED)
            right = min(x1, x0 + max(int(sample.size[1] * scale), LEAST_TILE))
            bottom = min(y1, y0 + max(int(sample.size[0] * scale), LEAST_TILE))
            right, bottom = (x1 if x1 - right < LEAST_TILE else right), (y1 if y1 - bottom < LEAST_TILE else bottom)
            self._place(rng, canvas, (x0, y0, right, bottom), sample, scale, targets, ignored)
            names.append(f"{sample.set_name}/{sample.path.name}")
            if right < x1:
                free.append((right, y0, x1, bottom))
            if bottom < y1:
                free.append((x0, bottom, x1, y1))

    def _regions(self, rng: np.random.Generator, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """Rectangles x0, y0, x1, y1 that pictures fill."""
        if rng.random() >= self.settings.mosaic:
            return [(0, 0, width, height)]
        x, y = int(width * rng.uniform(0.35, 0.65)), int(height * rng.uniform(0.35, 0.65))
        kind = rng.integers(3)
        if kind == 0:
            return [(0, 0, x, height), (x, 0, width, height)]
        if kind == 1:
            return [(0, 0, width, y), (0, y, width, height)]
        return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]

    def _place(self, rng, canvas, region, sample: Sample, scale: float, targets: list[Target], ignored: list[np.ndarray]) -> None:
        x0, y0, x1, y1 = region
        h, w = sample.size
        aspect = 1 + rng.uniform(-1, 1) * self.settings.aspect
        sx, sy = scale * np.sqrt(aspect), scale / np.sqrt(aspect)
        flip = rng.random() < 0.5
        # The window of the scaled picture that the region shows: kept around a person where there is one.
        free_x, free_y = max(w * sx - (x1 - x0), 0), max(h * sy - (y1 - y0), 0)
        if sample.people and (free_x or free_y) and not self.settings.uniform:
            box = sample.people[rng.integers(len(sample.people))].box
            bx, by = (box[0] + box[2]) / 2 * sx, (box[1] + box[3]) / 2 * sy
            if flip:
                bx = w * sx - bx
            ox = np.clip(bx - (x1 - x0) * rng.uniform(0.2, 0.8), 0, free_x)
            oy = np.clip(by - (y1 - y0) * rng.uniform(0.2, 0.8), 0, free_y)
        else:
            ox, oy = rng.uniform(0, 1) * free_x, rng.uniform(0, 1) * free_y
        matrix = np.array([[-sx if flip else sx, 0, (w * sx if flip else 0) - ox + x0], [0, sy, y0 - oy]])
        limit = (x0, y0, min(x1, int(np.ceil(w * sx - ox)) + x0), min(y1, int(np.ceil(h * sy - oy)) + y0))
        _draw(canvas, sample.picture(), matrix, limit, (sx + sy) / 2)
        least = self.settings.least_visible
        for person in sample.people:
            target, shown = _transform(person, matrix, limit, flip, canvas.shape[:2], least)
            if shown > least and target.area >= self.settings.least_area:
                targets.append(target)
            elif shown > 0.02:
                ignored.append(target.box)
        for box in sample.ignored:
            box, _ = _clip(_transform_box(box, matrix), limit)
            if (box[2:] > box[:2]).all():
                ignored.append(box)

    def _paste(self, rng, canvas, targets: list[Target], ignored: list[np.ndarray]) -> None:
        """A cut-out person in front of everything; masks behind lose what it covers."""
        sample, person = self.cutouts[rng.integers(len(self.cutouts))]
        height, width = canvas.shape[:2]
        low, high = self.settings.paste_height
        tall = float(np.exp(rng.uniform(np.log(low), np.log(min(high, height)))))
        scale = min(tall / (person.box[3] - person.box[1]), 1.5)
        flip = rng.random() < 0.5
        w, h = (person.box[2:] - person.box[:2]) * scale
        x, y = rng.uniform(-0.2 * w, max(width - 0.8 * w, 0)), rng.uniform(0, max(height - 0.8 * h, 1))
        sx = -scale if flip else scale
        matrix = np.array([[sx, 0, x - sx * (person.box[2] if flip else person.box[0])], [0, scale, y - scale * person.box[1]]])
        limit = (0, 0, width, height)
        target, shown = _transform(person, matrix, limit, flip, (height, width), self.settings.least_visible)
        if shown < 0.5 or target.full_mask is None or target.full_mask.sum() < 60:
            return
        for other in targets:
            # Without a mask nobody knows what stays visible.
            if other.full_mask is None and _covered(other.box, target.box) > 0.25:
                return
        soft = cv2.GaussianBlur(target.full_mask.astype(np.float32), (3, 3), 0)[..., None]
        layer = canvas.copy()
        _draw(layer, sample.picture(), matrix, limit, scale)
        gain = rng.uniform(0.75, 1.25)
        canvas[:] = (canvas * (1 - soft) + np.clip(layer * gain, 0, 255) * soft).astype(np.uint8)
        for other in list(targets):
            if other.full_mask is not None and _covered(other.box, target.box) > 0:
                _hide_behind(other, target.full_mask, targets, ignored)
        targets.append(target)


def _hide_behind(other: Target, front: np.ndarray, targets: list[Target], ignored: list[np.ndarray]) -> None:
    before = int(other.full_mask.sum())
    other.full_mask = other.full_mask * (1 - front)
    after = int(other.full_mask.sum())
    if after < LEAST_UNHIDDEN * before or after < 30:
        targets.remove(other)
        ignored.append(other.box)
    elif after < before:
        other.box = _around(other.full_mask)
        other.area *= after / before


def _draw(canvas: np.ndarray, picture: np.ndarray, matrix: np.ndarray, limit, scale: float) -> None:
    """Warps the picture into `limit` of the canvas; pre-blurs when shrinking, as an area filter would."""
    x0, y0, x1, y1 = limit
    if x1 <= x0 or y1 <= y0:
        return
    if scale < 0.7:
        factor = max(scale, 0.05)
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([picture.shape[1] / small.shape[1], picture.shape[0] / small.shape[0], 1])
        picture = small
    shift = matrix.copy()
    shift[:, 2] += shift[:, :2].sum(1) * 0.5 - 0.5 - (x0, y0)  # pixel centres
    canvas[y0:y1, x0:x1] = cv2.warpAffine(
        picture, shift, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _transform_box(box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    x = box[[0, 2]] * matrix[0, 0] + matrix[0, 2]
    y = box[[1, 3]] * matrix[1, 1] + matrix[1, 2]
    return np.array([x.min(), y.min(), x.max(), y.max()], np.float32)


def _clip(box: np.ndarray, limit) -> tuple[np.ndarray, float]:
    """The box inside `limit`, and the share of its area that lies there."""
    low, high = np.maximum(box[:2], limit[:2]), np.minimum(box[2:], limit[2:])
    area = float(np.prod(box[2:] - box[:2]))
    return np.concatenate([low, high]).astype(np.float32), float(np.prod(np.clip(high - low, 0, None))) / max(area, 1e-6)


def _covered(box: np.ndarray, other: np.ndarray) -> float:
    return _clip(box, other)[1]


def _transform(person: Person, matrix: np.ndarray, limit, flip: bool, size: tuple[int, int], least: float) -> tuple[Target, float]:
    """The person on the canvas, and the share of the box that lies there; a mask is drawn for more than `least` of it."""
    box, shown = _clip(_transform_box(person.box, matrix), limit)
    joints = np.zeros((JOINTS, 3), np.float32)
    joints[:, 0] = person.joints[:, 0] * matrix[0, 0] + matrix[0, 2]
    joints[:, 1] = person.joints[:, 1] * matrix[1, 1] + matrix[1, 2]
    joints[:, 2] = person.joints[:, 2]
    if flip:
        joints = joints[FLIP_JOINTS]
    outside = (joints[:, :2] < limit[:2]).any(1) | (joints[:, :2] > limit[2:]).any(1)
    joints[outside, 2] = 0
    mask = None
    if person.mask is not None and shown > least:
        shift = matrix.copy()
        shift[:, 2] += shift[:, :2].sum(1) * 0.5 - 0.5
        whole = cv2.warpAffine(decode_mask(person.mask), shift, (size[1], size[0]), flags=cv2.INTER_LINEAR)
        mask = np.zeros(size, np.uint8)
        x0, y0, x1, y1 = limit
        mask[y0:y1, x0:x1] = whole[y0:y1, x0:x1]
        if not mask.any():  # too small, or all of the person is beside the crop: nothing to learn, nothing that is wrong
            shown = min(shown, least)
        elif shown < 0.999:
            box = _around(mask)  # of what is left, as a label would be
    area = person.area * abs(matrix[0, 0] * matrix[1, 1]) * shown
    return Target(box, joints, person.box_weight, None, area, mask), shown


def _around(mask: np.ndarray) -> np.ndarray:
    """The box of a mask that has pixels."""
    ys, xs = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float32)


def _coverage(mask: np.ndarray, stride: int = 4) -> np.ndarray:
    """[H, W] of 0 and 1 to shares of cells [H/stride, W/stride], float32; as it is (bytes) for single pixels."""
    h, w = mask.shape
    return mask if stride == 1 else mask.reshape(h // stride, stride, w // stride, stride).mean((1, 3)).astype(np.float32)


def _jitter_colour(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Brightness, contrast, saturation, sometimes grey, blur or JPEG-like noise; in place."""
    x = canvas.astype(np.float32)
    grey = x.mean(2, keepdims=True)
    saturation = 0.0 if rng.random() < 0.1 else rng.uniform(0.6, 1.4)
    x = grey + (x - grey) * saturation
    x = (x - 110) * rng.uniform(0.7, 1.3) + 110 + rng.uniform(-25, 25)
    if rng.random() < 0.2:
        x = cv2.GaussianBlur(x, (3, 3), 0)
    if rng.random() < 0.2:
        x += rng.normal(0, rng.uniform(2, 8), x.shape)
    canvas[:] = np.clip(x, 0, 255).astype(np.uint8)
