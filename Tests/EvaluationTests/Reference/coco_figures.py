"""What pycocotools says of COCO results.

python coco_figures.py cases N FOLDER    writes N random, awkward cases FOLDER/0/truth.json, FOLDER/0/results.json ...
    and prints JSON: a list of {task: [figures, figures without small people]}; "joints" are boxes by FOLDER/0/joints.json,
    the same results with nothing but joints
python coco_figures.py judge TRUTH RESULTS bbox|segm|keypoints [no-small]    prints JSON: the figures in COCOeval's order
"""

import contextlib
import copy
import io
import json
import pathlib
import sys

import numpy as np
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def judge(truth, results, task, without_small):
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO(truth)
        evaluation = COCOeval(dataset, dataset.loadRes(results), task)
        evaluation.params.catIds = [1]
        if without_small:
            evaluation.params.areaRng[0] = [32**2, 1e5**2]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def ellipse(width, height, x, y, w, h):
    rows, columns = np.mgrid[:height, :width]
    inside = ((columns - x - w / 2) / (w / 2 + 0.1)) ** 2 + ((rows - y - h / 2) / (h / 2 + 0.1)) ** 2 <= 1
    return masks.encode(np.asfortranarray(inside.astype(np.uint8)))


def text(mask):
    counts = mask["counts"]
    return {"size": mask["size"], "counts": counts.decode() if isinstance(counts, bytes) else counts}


def uncompressed(mask):
    pixels = masks.decode(mask).ravel(order="F")
    counts, current, length = [], 0, 0
    for pixel in pixels:
        if pixel != current:
            counts.append(length)
            current, length = pixel, 0
        length += 1
    return {"size": mask["size"], "counts": counts + [length]}


def polygons(random, x, y, w, h):
    parts = []
    for _ in range(random.integers(1, 4)):
        corners = random.integers(3, 12)
        angles = random.uniform(0, 2 * np.pi, corners)
        if random.random() < 0.7:
            angles.sort()
        reach = random.uniform(0.3, 1, (2, corners))
        part = np.stack([x + w / 2 * (1 + np.cos(angles) * reach[0]), y + h / 2 * (1 + np.sin(angles) * reach[1])], 1)
        parts.append((np.round(part) if random.random() < 0.3 else part).ravel().tolist())
    return parts


def person(random, image, number):
    width, height = image["width"], image["height"]
    w, h = random.uniform(4, width * 0.8), random.uniform(4, height * 0.8)
    x, y = random.uniform(-5, width - w / 2), random.uniform(-5, height - h / 2)
    kind = random.integers(3)
    if kind == 0:
        outline = polygons(random, x, y, w, h)
        mask = masks.merge(masks.frPyObjects(copy.deepcopy(outline), height, width))
    else:
        mask = ellipse(width, height, x, y, w, h)
        outline = text(mask) if kind == 1 else uncompressed(mask)
    joints, hidden = [], random.random() < 0.2
    for _ in range(17):
        v = 0 if hidden else int(random.integers(0, 3))
        joints += [float(x + random.random() * w), float(y + random.random() * h), v] if v else [0, 0, 0]
    return {
        "id": number, "image_id": image["id"], "category_id": 1 if random.random() < 0.9 else 2,
        "bbox": [float(v) for v in (x, y, w, h)], "segmentation": outline, "keypoints": joints,
        "area": float(masks.area(mask)) if random.random() < 0.8 else float(w * h),
        # Some tools write true and false.
        "iscrowd": (bool if number % 2 else int)(random.random() < 0.15), "num_keypoints": sum(v > 0 for v in joints[2::3])}


def found(random, image, people):
    width, height = image["width"], image["height"]
    like = people[random.integers(len(people))] if people and random.random() < 0.8 else None
    if like:
        blur = random.choice([0, 0.02, 0.1, 0.3])
        box = [float(v + random.normal() * blur * 20) for v in like["bbox"]]
        joints = np.array(like["keypoints"], float)
        joints[0::3] += random.normal(size=17) * blur * 30
        joints[1::3] += random.normal(size=17) * blur * 30
        joints = joints.tolist()
    else:
        box = [random.uniform(0, width), random.uniform(0, height), random.uniform(4, width), random.uniform(4, height)]
        joints = random.uniform(0, width, 51).tolist()
    box[2:] = [max(1.0, v) for v in box[2:]]
    if like and random.random() < 0.2:
        outline = copy.deepcopy(like["segmentation"])
        mask = masks.merge(masks.frPyObjects(outline, height, width)) if isinstance(outline, list) else (
            masks.frPyObjects(outline, height, width) if isinstance(outline["counts"], list) else outline)
    else:
        mask = ellipse(width, height, *box)
    return {
        "image_id": image["id"], "category_id": 1 if random.random() < 0.95 else 2, "bbox": box,
        "segmentation": text(mask), "keypoints": joints,
        # Few decimals, so that scores are often equal.
        "score": round(float(random.random()), 1 if random.random() < 0.6 else 6)}


def make(seed, folder):
    random = np.random.default_rng(seed)
    images, people, results = [], [], []
    # pycocotools takes an annotation with id 0 for no match.
    number = int(random.integers(0, 2))
    for _ in range(random.integers(1, 12)):
        image = {"id": int(random.integers(1, 10**6)), "file_name": "x.jpg", "width": int(random.integers(60, 300)),
                 "height": int(random.integers(60, 300))}
        here = []
        for _ in range(random.integers(0, 7)):
            here.append(person(random, image, number))
            number += 1
        many = random.integers(0, 9) if random.random() < 0.9 else 130
        results += [found(random, image, here) for _ in range(many)]
        images.append(image)
        people += here
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "cat"}]
    with open(f"{folder}/truth.json", "w") as file:
        json.dump({"images": images, "annotations": people, "categories": categories}, file)
    with open(f"{folder}/results.json", "w") as file:
        json.dump(results, file)
    with open(f"{folder}/joints.json", "w") as file:
        keys = ("image_id", "category_id", "keypoints", "score")
        json.dump([{key: result[key] for key in keys} for result in results], file)


def cases(count, folder):
    figures = []
    for seed in range(count):
        place = pathlib.Path(folder, str(seed))
        place.mkdir()
        make(seed, place)
        truth, results = str(place / "truth.json"), str(place / "results.json")
        figures.append({task: [judge(truth, results, task, small) for small in (False, True)]
                        for task in ("bbox", "segm", "keypoints")})
        joints = str(place / "joints.json")
        figures[-1]["joints"] = [judge(truth, joints, "bbox", small) for small in (False, True)]
    return figures


if __name__ == "__main__":
    if sys.argv[1] == "cases":
        print(json.dumps(cases(int(sys.argv[2]), sys.argv[3])))
    else:
        print(json.dumps(judge(*sys.argv[2:5], "no-small" in sys.argv)))
