#!/usr/bin/env python3
"""Makes a clip in which it is known what people do: cut-outs of photographs move over a street.

    made_clip.py DATA OUT.mp4

10 s at 10 fps, 640 x 360. Person A comes in from the left at 1 s and goes out to the right at 9 s; their feet pass the middle
of the picture at 5 s. Person B stands at the right, at (0.8, 0.9), from 2 s to 6 s.
"""

import io
import json
import pathlib
import subprocess
import sys
import tarfile

from PIL import Image
from pycocotools import mask as masks

SIZE, FPS, SECONDS = (640, 360), 10, 10
# Annotations of the shard.
PERSON_A, PERSON_B = 36, 26


def cut_out(data: pathlib.Path, annotation: int, height: int) -> Image.Image:
    """A person of Clothing Co-Parsing without what is around, `height` pixels high."""
    with tarfile.open(data / "train/ccp-train-00.tar") as shard:
        labels = json.load(shard.extractfile("annotations.json"))
        person = next(entry for entry in labels["annotations"] if entry["id"] == annotation)
        picture = next(entry for entry in labels["images"] if entry["id"] == person["image_id"])
        name = next(n for n in shard.getnames() if n.endswith("/" + picture["file_name"]) or n == picture["file_name"])
        image = Image.open(io.BytesIO(shard.extractfile(name).read())).convert("RGB")
    code = person["segmentation"]
    inside = masks.decode({"size": code["size"], "counts": code["counts"].encode()})
    image.putalpha(Image.fromarray(inside * 255))
    image = image.crop(image.getchannel("A").getbbox())
    return image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS)


def street(data: pathlib.Path) -> Image.Image:
    frame = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(data / "clips/road-no-people.avi"), "-frames:v", "1", "-s", "%dx%d" % SIZE, "-f",
         "image2pipe", "-c:v", "png", "-"], check=True, stdout=subprocess.PIPE).stdout
    return Image.open(io.BytesIO(frame)).convert("RGB")


def main() -> int:
    data, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    scene, a, b = street(data), cut_out(data, PERSON_A, 170), cut_out(data, PERSON_B, 150)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "%dx%d" % SIZE, "-r", str(FPS), "-i", "-",
               "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", out]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert encoder.stdin
    for frame in range(FPS * SECONDS):
        seconds, picture = frame / FPS, scene.copy()
        if 2 <= seconds < 6:
            picture.paste(b, (round(0.8 * SIZE[0] - b.width / 2), round(0.9 * SIZE[1]) - b.height), b)
        middle = SIZE[0] * (seconds - 1) / 8
        picture.paste(a, (round(middle - a.width / 2), round(0.95 * SIZE[1]) - a.height), a)
        encoder.stdin.write(picture.tobytes())
    encoder.stdin.close()
    return encoder.wait()


if __name__ == "__main__":
    sys.exit(main())
