"""The int8 form of a network, calibrated and judged on pictures that have nothing to do with each other.

    python int8.py ../Models/hcqnet-compact.safetensors --data ../../shared/data

Calibration: every fifth picture of the shard coco-train-00 that is not in Training/validation.json. Judged by
`hcqd eval coco`: the 77 pictures of that shard that are, none of which was trained on. The result lies beside the network, its name
ends with -int8. Exit status 1 when boxes, masks or joints lose more than 1.0 AP; the file is left for looking at all the same.
Standard library only.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARD = "coco-train-00"
STEP = 5
MOST_LOST = 1.0  # AP, in hundredths
TASKS = {"bbox": "boxes", "segm": "masks", "keypoints": "joints"}


def unpack(data: Path, folder: Path) -> tuple[Path, Path]:
    """Puts the calibration pictures and the judged ones, with their annotations, into folders of their own."""
    judged = set(json.loads((ROOT / "Training" / "validation.json").read_text())[SHARD])
    with tarfile.open(data / "train" / f"{SHARD}.tar") as shard:
        members = {member.name.removeprefix("./"): member for member in shard.getmembers() if member.isfile()}
        truth = json.load(shard.extractfile(members["annotations.json"]))
        others = sorted(image["file_name"] for image in truth["images"] if image["file_name"] not in judged)
        for names, part in ((others[::STEP], "calibration"), (sorted(judged), "judged")):
            (folder / part).mkdir()
            for name in names:
                (folder / part / Path(name).name).write_bytes(shard.extractfile(members[name]).read())
    images = [image | {"file_name": Path(image["file_name"]).name} for image in truth["images"]
              if image["file_name"] in judged]
    ids = {image["id"] for image in images}
    people = [person for person in truth["annotations"] if person["image_id"] in ids]
    if len(images) != len(judged):
        raise SystemExit(f"{SHARD}: {len(images)} of the {len(judged)} validation pictures are there")
    (folder / "judged.json").write_text(json.dumps(truth | {"images": images, "annotations": people}))
    return folder / "calibration", folder / "judged"


def average_precisions(hcqd: Path, model: Path, folder: Path, size: str) -> dict[str, float]:
    """AP by task, in hundredths."""
    command = [hcqd, "eval", "coco", "--model", model, "--images", folder / "judged", "--annotations",
               folder / "judged.json", "--size", size, "--json"]
    found = json.loads(subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout)
    return {task: 100 * found[task]["AP"] for task in TASKS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="the float network")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds train/*.tar")
    parser.add_argument("--hcqd", type=Path, default=ROOT / ".build" / "release" / "hcqd")
    parser.add_argument("--size", default="640x384", help="of the input")
    parser.add_argument("--keep", action="append", default=[], help="beginning of the names of layers that stay in float32")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    output = arguments.output or arguments.model.with_name(f"{arguments.model.stem}-int8.safetensors")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        calibration, _ = unpack(arguments.data, folder)
        count = len(list(calibration.iterdir()))
        command = [arguments.hcqd, "model", "quantize", arguments.model, "--calibrate", calibration, "--pictures", count,
                   "--size", arguments.size, *(part for name in arguments.keep for part in ("--keep", name)), "-o", output]
        subprocess.run([str(part) for part in command], check=True)
        float_ap, int8_ap = (average_precisions(arguments.hcqd, model, folder, arguments.size)
                             for model in (arguments.model, output))
    print("\n| | float32 | int8 | lost |\n|---|---|---|---|")
    for task, title in TASKS.items():
        print(f"| {title} AP | {float_ap[task]:.1f} | {int8_ap[task]:.1f} | {float_ap[task] - int8_ap[task]:.1f} |")
    lost = max(float_ap[task] - int8_ap[task] for task in TASKS)
    print(f"\n{arguments.model.stat().st_size / 1e6:.1f} MB became {output.stat().st_size / 1e6:.1f} MB", flush=True)
    if lost > MOST_LOST:
        print(f"{lost:.1f} AP are lost, {MOST_LOST} would be right: try --keep", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
