"""Clips with known identities, composed from people whose silhouettes are known.

Pedestrians of the validation part (never trained on; `Training/validation.json`) are cut out along their exact masks, walk
with swinging legs, stop, turn back and hide each other before empty clips and pictures without people. Everything follows
from the seed. Sources: Clothing Co-Parsing and Penn-Fudan (people), the clips and COCO pictures without people of
`../shared/data`. Nothing of this is shipped: `evidence.py` composes it where it runs.
"""

import json
import math
import pathlib
import subprocess
import tarfile

import cv2
import numpy as np
from pycocotools import mask as coco_mask

SHARDS = ("ccp-train-00", "pennfudan-train-00")
CLIPS = ("cars-no-people.mp4", "road-no-people.avi")
WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 25, 250
# A box of the truth counts while at least so much of the person is to be seen.
LEAST_VISIBLE = 0.25


def shard(data, name):
    """The annotations and pictures of the validation part of a shard."""
    tar = tarfile.open(pathlib.Path(data, "train", f"{name}.tar"))
    annotations = json.load(tar.extractfile("annotations.json"))
    split = json.loads((pathlib.Path(__file__).parents[2] / "Training" / "validation.json").read_text())
    kept = {image["id"]: image for image in annotations["images"] if image["file_name"] in split[name]}

    def picture(image):
        return cv2.imdecode(np.frombuffer(tar.extractfile(image["file_name"]).read(), np.uint8), cv2.IMREAD_COLOR)

    return annotations, kept, picture


def people(data):
    """Cut-outs [h, w, 4], colour and silhouette, of upright people who are whole and high enough."""
    found = []
    for name in SHARDS:
        annotations, images, picture = shard(data, name)
        for one in annotations["annotations"]:
            if one["image_id"] not in images or not one["has_mask"]:
                continue
            image = images[one["image_id"]]
            mask = coco_mask.decode(one["segmentation"])
            rows, columns = np.where(mask.any(1))[0], np.where(mask.any(0))[0]
            (top, bottom), (left, right) = (rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)
            cut = left == 0 or right == image["width"] or top == 0 or bottom == image["height"]
            if bottom - top < 150 or bottom - top < 2 * (right - left) or cut:
                continue
            found.append(np.dstack([picture(image), 255 * mask])[top:bottom, left:right])
    return found


def backgrounds(data, random):
    """Endless pictures of a place without people: a clip to and fro, or a still."""
    _, images, picture = shard(data, "negatives-train-00")
    images = [image for image in images.values() if image["width"] > image["height"]]
    while True:
        for clip in CLIPS:
            yield moving(str(pathlib.Path(data, "clips", clip)), int(random.integers(0, 60)))
            still = fitted(picture(images[int(random.integers(len(images)))]))
            yield lambda index, still=still: still


def moving(path, start):
    capture, frames = cv2.VideoCapture(path), []
    capture.set(cv2.CAP_PROP_POS_FRAMES, start)
    while len(frames) < FRAMES:
        good, frame = capture.read()
        if not good:
            break
        frames.append(fitted(frame))
    return lambda index: frames[index % len(frames) if (index // len(frames)) % 2 == 0 else -1 - index % len(frames)]


def fitted(picture):
    scale = max(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    large = cv2.resize(picture, None, fx=scale + 1e-3, fy=scale + 1e-3, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (large.shape[0] - HEIGHT) // 2, (large.shape[1] - WIDTH) // 2
    return large[top:top + HEIGHT, left:left + WIDTH]


class Walker:
    """One person's way through a scene: feet, height and the phase of the step at every frame."""

    def __init__(self, cutout, style, random):
        self.cutout = cutout
        near, far, horizon, scale = style
        feet = random.uniform(far, near)
        self.feet = feet + random.uniform(-0.03, 0.03) * np.linspace(0, 1, FRAMES)
        self.height = (self.feet - horizon) * scale * HEIGHT * random.uniform(0.92, 1.08)
        side = random.choice([-1, 1])
        speed = side * random.uniform(0.35, 0.9) * np.ones(FRAMES)
        kind = random.choice(["walks", "walks", "walks", "stops", "turns", "stands"])
        change = int(random.integers(FRAMES // 4, 3 * FRAMES // 4))
        if kind == "stops":
            speed[change:change + int(random.integers(30, 120))] = 0
        elif kind == "turns":
            speed[change:] *= -1
        elif kind == "stands":
            speed[:] = 0
        speed *= 1 + 0.15 * np.sin(np.linspace(0, random.uniform(3, 9), FRAMES))
        start = random.uniform(0.1, 0.9) * WIDTH
        if kind != "stands" and random.random() < 0.5:
            start = -side * random.uniform(0.02, 0.5) * WIDTH + (WIDTH if side < 0 else 0)
        self.x = start + np.cumsum(speed * self.height / FPS)
        self.phase = 2 * math.pi * (random.random() + np.cumsum(np.abs(speed)) / FPS * random.uniform(1.2, 1.6))
        self.moves = np.minimum(1, np.abs(speed) / 0.3)
        self.right = np.where(speed == 0, side, np.sign(speed)) > 0

    def drawn(self, index):
        """Colour, silhouette 0...1, and where they lie: left, top."""
        height = self.height[index]
        scale = height / self.cutout.shape[0]
        small = cv2.resize(self.cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if not self.right[index]:
            small = small[:, ::-1]
        pad = int(0.2 * height)
        small = cv2.copyMakeBorder(small, 2, 2, pad, pad, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
        rows, columns = np.mgrid[:small.shape[0], :small.shape[1]].astype(np.float32)
        down = np.clip(rows / height, 0, 1)
        half = np.tanh((columns - small.shape[1] / 2) / (0.04 * height))
        legs = 0.09 * np.clip((down - 0.5) / 0.5, 0, 1) * half * math.sin(self.phase[index])
        arms = 0.03 * np.clip(1 - np.abs(down - 0.45) / 0.2, 0, 1) * math.sin(self.phase[index])
        bob = 0.01 * height * math.sin(2 * self.phase[index]) * self.moves[index]
        shift = (legs + arms) * height * self.moves[index]
        warped = cv2.remap(small, columns - shift.astype(np.float32), rows, cv2.INTER_LINEAR)
        return (warped[:, :, :3], warped[:, :, 3].astype(np.float32) / 255,
                int(round(self.x[index] - warped.shape[1] / 2)), int(round(self.feet[index] * HEIGHT - height + bob)))


# Near and far feet and the horizon, shares of the frame's height, and how high a person is for every height below it.
STYLES = {"street": (0.98, 0.84, 0.3, 0.72), "yard": (0.97, 0.45, 0.0, 0.33), "shop": (1.05, 0.7, 0.15, 0.62)}


def compose(folder, name, style, cutouts, background, random):
    """Writes `<name>.mp4`, `seqinfo.ini` and `gt/gt.txt` into `folder/name`."""
    target = pathlib.Path(folder, name)
    (target / "gt").mkdir(parents=True, exist_ok=True)
    count = int(random.integers(6, 11))
    chosen = random.choice(len(cutouts), count, replace=False)
    walkers = [Walker(cutouts[i], STYLES[style], random) for i in chosen]
    # Some places are dim, and in some everybody looks much alike.
    light, saturation, rows = random.uniform(0.6, 1.1), random.uniform(0.2, 1), []
    encoder = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS),
         "-i", "-", "-c:v", "libx264", "-crf", "22", "-pix_fmt", "yuv420p", str(target / f"{name}.mp4")],
        stdin=subprocess.PIPE)
    for index in range(FRAMES):
        canvas = background(index).astype(np.float32)
        owner = np.full((HEIGHT, WIDTH), -1)
        whole = {}
        for number in sorted(range(count), key=lambda n: walkers[n].feet[index]):
            color, alpha, left, top = walkers[number].drawn(index)
            ys, xs = np.where(alpha > 0.5)
            whole[number] = (left + xs.min(), top + ys.min(), left + xs.max() + 1, top + ys.max() + 1, len(ys))
            x0, y0, x1, y1 = max(0, left), max(0, top), min(WIDTH, left + alpha.shape[1]), min(HEIGHT, top + alpha.shape[0])
            if x0 >= x1 or y0 >= y1:
                continue
            part = np.s_[y0 - top:y1 - top, x0 - left:x1 - left]
            weight, color = alpha[part][..., None], color.astype(np.float32)
            color += (1 - saturation) * (0.7 * color.mean(2, keepdims=True) + 25 - color)
            canvas[y0:y1, x0:x1] = canvas[y0:y1, x0:x1] * (1 - weight) + light * color[part] * weight
            owner[y0:y1, x0:x1][alpha[part] > 0.5] = number
        for number, (x0, y0, x1, y1, area) in whole.items():
            if (owner == number).sum() >= LEAST_VISIBLE * area:
                x0, y0, x1, y1 = max(0, x0), max(0, y0), min(WIDTH, x1), min(HEIGHT, y1)
                rows.append(f"{index + 1},{number + 1},{x0},{y0},{x1 - x0},{y1 - y0},1,-1,-1,-1\n")
        noisy = canvas + random.normal(0, 3, canvas.shape)
        encoder.stdin.write(np.clip(noisy, 0, 255).astype(np.uint8).tobytes())
    encoder.stdin.close()
    if encoder.wait():
        raise RuntimeError(f"ffmpeg could not write {target}/{name}.mp4")
    (target / "gt" / "gt.txt").write_text("".join(rows))
    (target / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nframeRate={FPS}\nseqLength={FRAMES}\nimWidth={WIDTH}\nimHeight={HEIGHT}\n")


def scenes(folder, data, count, seed=1):
    """Composes `count` scenes that are not there yet; their names."""
    random = np.random.default_rng(seed)
    cutouts, places, names = people(data), backgrounds(data, random), []
    for number in range(count):
        style = list(STYLES)[number % len(STYLES)]
        name, background = f"{style}-{number + 1}", next(places)
        if not (pathlib.Path(folder, name) / "gt" / "gt.txt").exists():
            compose(folder, name, style, cutouts, background, np.random.default_rng([seed, number]))
        names.append(name)
    return names
