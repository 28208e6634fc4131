"""Person AP for boxes, masks and joints on the validation part, pycocotools being the judge.

    python -m hcqnet.evaluate --model M.safetensors --data DIR [--teachers DIR] [--size HxW] [--limit N]
    python -m hcqnet.evaluate --data DIR --truth OUT
    python -m hcqnet.evaluate --model M.safetensors --images DIR --annotations A.json [--ochuman val] [--no-small]

The first form takes the validation part of unpacked shards; `--teachers` scores the teachers' pipeline on the same
pictures beside it; `--truth` writes the labels of both parts as OUT/complete.json and OUT/joints.json, whose file names are
relative to DIR, for `hcqd eval coco --images DIR`. The last takes any COCO file, or the val or test part of OCHuman's own.
`--no-small` leaves out people under 32x32 pixels, as the paper's Table 4. AP50 comes with a bootstrap interval (95 %,
pictures drawn anew 200 times). The network sees pictures as `hcqd eval coco` decodes, turns
and scales them, through the program ffmpeg.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from . import weights as weight_files
from .command import run
from .data import DataError, read_json, read_picture
from .hcqnet import HCQNet
from .ochuman import SUBSETS, ochuman_to_coco
from .parallel import device
from .predict import ENGINE_BOUNDS, Found, engine_scaling, find_people, fitting_size

FLOOR = 0.01  # detections below this score are not scored
NOT_SMALL = [32**2, 1e10]  # pixels of the people that count without the small ones


def ground_truth(root: Path, sets: list[str], names: dict[str, list[str]], limit: int | None) -> tuple[COCO, dict[int, Path]]:
    """The validation pictures of several shards as one COCO truth, and where each picture lies."""
    images, annotations, paths = [], [], {}
    for name in sets:
        content = read_json(root / name / "annotations.json")
        wanted = set(names[name][:limit])
        ids = {}
        for image in content["images"]:
            if image["file_name"] in wanted:
                ids[image["id"]] = len(images) + 1
                images.append({"id": len(images) + 1, "width": image["width"], "height": image["height"]})
                paths[len(images)] = root / name / image["file_name"]
        for person in content["annotations"]:
            if person["image_id"] in ids:
                person = person | {"id": len(annotations) + 1, "image_id": ids[person["image_id"]]}
                person.setdefault("num_keypoints", 0)
                person["keypoints"] = person.get("keypoints") or [0] * 51
                if person.get("segmentation") is None:
                    person.pop("segmentation", None)
                annotations.append(person)
    coco = COCO()
    coco.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco, paths


def from_file(annotations: Path, images: Path, ochuman: str | None) -> tuple[COCO, dict[int, Path]]:
    """People of a COCO file, or of a part of OCHuman's own layout (`images` with `annotations` inside)."""
    content = read_json(annotations)
    try:
        if ochuman:
            content = ochuman_to_coco(content, ochuman)
        people = next((c["id"] for c in content.get("categories", []) if c["name"] == "person"), 1)
        labels = [a | {"category_id": 1} for a in content["annotations"] if a["category_id"] == people]
        for label in labels:
            label.setdefault("num_keypoints", sum(v > 0 for v in label.get("keypoints", [])[2::3]))
            label.setdefault("keypoints", [0] * 51)
            label.setdefault("iscrowd", 0)
            label.setdefault("area", label["bbox"][2] * label["bbox"][3])
    except KeyError as error:
        raise DataError(f"{annotations}: a picture or a person has no {error}") from error
    except ValueError as error:
        raise DataError(f"{annotations}: {error}") from error
    coco = COCO()
    coco.dataset = content | {"annotations": labels, "categories": [{"id": 1, "name": "person"}]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco, {i["id"]: images / i["file_name"] for i in content["images"]}


def results(image_id: int, found: Found) -> dict[str, list[dict]]:
    """COCO results by kind, each ranked by its own score: detection; x mean probability in the mask; x mean joint confidence."""
    boxes, masks, poses = [], [], []
    for i, score in enumerate(found.scores):
        x0, y0, x1, y1 = (float(v) for v in found.boxes[i])
        entry = {"image_id": image_id, "category_id": 1}
        boxes.append(entry | {"bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(score)})
        if found.joints.shape[1]:
            joints = [float(v) for v in found.joints[i].reshape(-1)]
            poses.append(entry | {"keypoints": joints, "score": float(score * found.joints[i, :, 2].mean())})
        if found.masks:
            code = rle.encode(np.asfortranarray(found.masks[i].astype(np.uint8)))
            masks.append(entry | {"segmentation": code, "score": float(found.mask_scores[i])})
    return {"bbox": boxes, "segm": masks, "keypoints": poses}


def average_precision(coco: COCO, entries: list[dict], kind: str, no_small: bool = False) -> np.ndarray:
    """pycocotools' summary numbers (AP, AP50, AP75, ...) for `bbox`, `segm` or `keypoints`; -1 where nothing can be said.

    no_small: people under 32x32 pixels do not count, neither as labels nor as detections.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        if entries:
            found = coco.loadRes([dict(e) for e in entries])
        else:  # which `loadRes` cannot take
            found = COCO()
            found.dataset = coco.dataset | {"annotations": []}
            found.createIndex()
        judge = COCOeval(coco, found, kind)
        if no_small:
            judge.params.areaRng[0] = NOT_SMALL
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats


# What finds the people of a picture, which comes as its file and decoded, RGB uint8.
Finder = Callable[[Path, np.ndarray], Found]


def read_labelled(coco: COCO, image_id: int, path: Path) -> np.ndarray:
    """A picture of the truth, as `read_picture`."""
    return read_picture(path, (coco.imgs[image_id]["height"], coco.imgs[image_id]["width"]))


def find_entries(coco: COCO, paths: dict[int, Path], finder: Finder) -> dict[str, list[dict]]:
    """COCO results of all pictures by kind."""
    entries: dict[str, list[dict]] = {"bbox": [], "segm": [], "keypoints": []}
    for image_id, path in paths.items():
        for kind, found in results(image_id, finder(path, read_labelled(coco, image_id, path))).items():
            entries[kind] += found
    return entries


def report(coco: COCO, paths: dict[int, Path], finder: Finder, kinds: tuple[str, ...], no_small: bool = False) -> dict[str, tuple]:
    """(AP, AP50, low, high) of every kind."""
    entries, out = find_entries(coco, paths, finder), {}
    for kind in kinds:
        stats = average_precision(coco, entries[kind], kind, no_small)
        out[kind] = (float(stats[0]), float(stats[1]), *bootstrap(coco, entries[kind], kind, no_small=no_small))
    return out


def bootstrap(
    coco: COCO, entries: list[dict], kind: str, rounds: int = 200, seed: int = 0, no_small: bool = False
) -> tuple[float, float]:
    """2.5 and 97.5 percentiles of AP50 when the pictures are drawn anew, with replacement."""
    if not entries:
        return -1.0, -1.0
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(coco, coco.loadRes([dict(e) for e in entries]), kind)
        judge.params.iouThrs = np.array([0.5])
        judge.params.areaRng, judge.params.areaRngLbl = [NOT_SMALL] if no_small else judge.params.areaRng[:1], judge.params.areaRngLbl[:1]
        judge.evaluate()
    pictures, rng, values = list(judge.evalImgs), np.random.default_rng(seed), []
    for _ in range(rounds):
        drawn = [pictures[i] for i in rng.integers(len(pictures), size=len(pictures))]
        values.append(_ap50([e for e in drawn if e is not None]))
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def _ap50(pictures: list[dict]) -> float:
    """COCO's 101-point AP at the only threshold of these per-picture matches."""
    people = sum(int((~np.array(e["gtIgnore"], bool)).sum()) for e in pictures)
    if not people:
        return 0.0
    scores = np.concatenate([e["dtScores"] for e in pictures])
    right = np.concatenate([e["dtMatches"][0] > 0 for e in pictures])
    skipped = np.concatenate([e["dtIgnore"][0] for e in pictures]).astype(bool)
    order = np.argsort(-scores, kind="stable")
    right, skipped = right[order], skipped[order]
    good, bad = np.cumsum(right & ~skipped), np.cumsum(~right & ~skipped)
    recall, precision = good / people, good / np.maximum(good + bad, 1e-12)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.mean([precision[i] if i < len(precision) else 0.0 for i in at]))


def _size(text: str) -> tuple[int, int] | None:
    """(H, W) of 384x640; None for fit."""
    if text == "fit":
        return None
    sides = tuple(int(side) if side.isdecimal() else 0 for side in text.split("x"))
    if len(sides) != 2 or not all(side > 0 and side % 32 == 0 for side in sides):
        raise argparse.ArgumentTypeError(f"{text}: expected fit or HEIGHTxWIDTH, multiples of 32, such as 384x640")
    return sides


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m hcqnet.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, help="unpacked shards")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--ochuman", choices=SUBSETS, nargs="?", const="all", help="the annotations are OCHuman's own file; which of its pictures (all)")
    parser.add_argument("--no-small", action="store_true", help="without people under 32x32 pixels")
    parser.add_argument("--teachers", type=Path)
    parser.add_argument("--validation", type=Path, default=Path(__file__).parent.parent / "validation.json")
    parser.add_argument("--truth", type=Path, help="write the validation part's labels into this folder")
    parser.add_argument(
        "--size", default="fit", type=_size, metavar="SIZE",
        help="HEIGHTxWIDTH of the input, multiples of 32 (the paper's networks: 1024x1024), or fit, the engine's default: "
        "every picture as large as fits into 480x640",
    )  # fmt: skip
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if not (arguments.data or (arguments.annotations and arguments.images)):
        parser.error("name the pictures: --data DIR, or --images DIR with --annotations A.json")
    if not (arguments.model or arguments.teachers or arguments.truth):
        parser.error("nothing to do: --model M.safetensors, --teachers DIR or --truth OUT")
    _evaluate(arguments)


def _evaluate(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    finders = {}
    if arguments.model:
        net = weight_files.load(arguments.model).to(device(0), memory_format=torch.channels_last)
        finders["hcqnet"] = network_finder(net, arguments.size)
        for told in weight_files.training(arguments.model):
            print(f"trained by: {told['command']}  (recipe {told['recipe']}, seed {told['seed']}, step {told['step']}, commit {told['commit']})")
    if arguments.teachers:
        finders["teachers"] = _teachers(arguments.teachers, arguments.threads)
    for part, (coco, paths), kinds in _parts(arguments):
        if arguments.truth:
            write_truth(coco, paths, arguments.data, arguments.truth / f"{part.split()[0]}.json")
        for name, finder in finders.items():
            figures = report(coco, paths, finder, kinds, arguments.no_small)
            text = "  ".join(f"{k} AP {a:.3f} AP50 {b:.3f} [{c:.3f}, {d:.3f}]" for k, (a, b, c, d) in figures.items())
            print(f"{part}, {len(paths)} pictures, {name}: {text}", flush=True)


def write_truth(coco: COCO, paths: dict[int, Path], root: Path, file: Path) -> None:
    """The labels as one COCO file; pictures are named from `root`."""
    images = [i | {"file_name": str(paths[i["id"]].relative_to(root))} for i in coco.dataset["images"]]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(coco.dataset | {"images": images}))


def labelled_kinds(people: list[dict]) -> tuple[str, ...]:
    """What can be judged with these labels: boxes, masks where everybody has one, joints where somebody has any."""
    has = {
        "bbox": bool(people), "segm": bool(people) and all("segmentation" in a for a in people),
        "keypoints": any(a["num_keypoints"] for a in people),
    }  # fmt: skip
    return tuple(kind for kind in has if has[kind])


def _parts(arguments: argparse.Namespace) -> list[tuple]:
    everything = ("bbox", "segm", "keypoints")
    if arguments.annotations:
        truth = from_file(arguments.annotations, arguments.images, arguments.ochuman)
        return [(arguments.annotations.name, truth, labelled_kinds(truth[0].dataset["annotations"]))]
    names = read_json(arguments.validation)
    sets = {
        "complete (coco-train)": (["coco-train-00"], everything),
        "joints (cocomore)": (["cocomore-train-00", "cocomore-train-01"], ("keypoints",)),
    }
    return [(k, ground_truth(arguments.data, s, names, arguments.limit), kinds) for k, (s, kinds) in sets.items()]


def network_finder(net: HCQNet, fixed: tuple[int, int] | None, bounds: tuple[int, int] = ENGINE_BOUNDS) -> Finder:
    """The network as hcqd would use it; it sees `fixed` (H, W), or every picture's own shape as large as fits into `bounds`."""

    def find(path: Path, picture: np.ndarray) -> Found:
        with Image.open(path) as stored:
            scaling = engine_scaling(path, upright=stored.size != picture.shape[1::-1])
        return find_people(net, picture, fixed or fitting_size(*picture.shape[:2], bounds), FLOOR, scaling=scaling)

    return find


def _teachers(directory: Path, threads: int) -> Finder:
    from .teachers import BoxTeacher, PoseTeacher

    boxes_of = BoxTeacher(directory / "picodet_s_416_coco.onnx")
    joints_of = PoseTeacher(directory / "pp_tinypose_256_192_fp16.xml", threads)

    def find(_: Path, picture: np.ndarray) -> Found:
        boxes, scores = boxes_of(picture, floor=FLOOR)
        return Found(scores, boxes, joints_of(picture, boxes), [], scores)

    return find


if __name__ == "__main__":
    run("evaluate", main)
