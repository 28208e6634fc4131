"""Evaluation: teachers' heat maps, masks that end at boxes, protocols, bootstrap."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO

from hcqnet.command import run
from hcqnet.data import DataError
from hcqnet.detection_check import match_boxes
from hcqnet.evaluate import _size, average_precision, bootstrap, find_entries, from_file, labelled_kinds
from hcqnet.evaluate import main as evaluate_main
from hcqnet.ochuman import COCO_JOINTS, main, ochuman_to_coco
from hcqnet.predict import OUTSIDE, cut_to_box, fitting_size
from hcqnet.teachers import decode_heatmaps


def truth_and_results(seed: int = 0) -> tuple[COCO, list[dict]]:
    """Twelve pictures, two people each; results near the labels, some wrong."""
    rng = np.random.default_rng(seed)
    images = [{"id": i, "width": 200, "height": 200} for i in range(1, 13)]
    annotations, results = [], []
    for i in range(1, 13):
        for n in range(2):
            side = 20 if n else 80
            x, y = rng.uniform(0, 100, 2)
            joints = np.c_[rng.uniform(x, x + side, 17), rng.uniform(y, y + side, 17), np.full(17, 2)]
            annotations.append({
                "id": len(annotations) + 1, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": [x, y, side, side],
                "area": side * side, "keypoints": joints.reshape(-1).tolist(), "num_keypoints": 17,
            })
            shift = rng.normal(0, side * 0.15, 2)
            found = joints + np.array([*shift * 1.5, 0])
            results.append({
                "image_id": i, "category_id": 1, "bbox": [x + shift[0], y + shift[1], side, side],
                "score": float(rng.random()), "keypoints": found.reshape(-1).tolist(),
            })
    coco = COCO()
    coco.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    coco.createIndex()
    return coco, results


@pytest.mark.parametrize("kind", ["bbox", "keypoints"])
def test_bootstrap_surrounds_the_judges_figure(kind: str) -> None:
    coco, results = truth_and_results()
    ap50 = average_precision(coco, results, kind)[1]
    low, high = bootstrap(coco, results, kind, rounds=100)
    assert low - 0.02 <= ap50 <= high + 0.02 and high > low


def test_small_people_can_be_left_out() -> None:
    coco, results = truth_and_results()
    # Small ones are found badly: without them the figure rises.
    for r in results[1::2]:
        r["bbox"][0] += 15
    assert average_precision(coco, results, "bbox", no_small=True)[1] > average_precision(coco, results, "bbox")[1] + 0.1


def test_the_interval_without_small_people_is_that_of_its_figure() -> None:
    coco, results = truth_and_results()
    for r in results[1::2]:
        r["bbox"][0] += 15
    ap50 = average_precision(coco, results, "bbox", no_small=True)[1]
    low, high = bootstrap(coco, results, "bbox", rounds=100, no_small=True)
    assert low <= ap50 <= high and high > bootstrap(coco, results, "bbox", rounds=100)[1]


def test_a_size_is_fit_or_two_multiples_of_32(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _size("fit") is None and _size("1024x640") == (1024, 640)
    for text in ("640", "384x600", "0x64", "axb", "64x64x64"):
        monkeypatch.setattr("sys.argv", ["evaluate", "--data", "d", "--model", "m", "--size", text])
        with pytest.raises(SystemExit):
            evaluate_main()
        assert f"argument --size: {text}: expected fit or HEIGHTxWIDTH, multiples of 32" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bbox", "keypoints"])
def test_nobody_found_is_zero_and_nobody_there_is_unknown(kind: str) -> None:
    coco, _ = truth_and_results()
    assert average_precision(coco, [], kind)[0] == 0
    coco.dataset["annotations"] = []
    coco.createIndex()
    assert average_precision(coco, [], kind)[0] == -1


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    coco = COCO()
    coco.imgs = {1: {"height": 8, "width": 8}}
    with pytest.raises(DataError, match="gone.jpg"):
        find_entries(coco, {1: tmp_path / "gone.jpg"}, lambda path, picture: None)


def test_a_matched_box_is_used_once_and_ignored_regions_do_not_count() -> None:
    truth = np.array([[0.0, 0, 10, 10]])
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60], [80, 80, 90, 90]])
    right, counts = match_boxes(boxes, np.array([0.5, 0.9, 0.8, 0.7]), truth, np.array([[50.0, 50, 60, 60]]))
    assert right.tolist() == [False, True, False, False] and counts.tolist() == [True, True, False, True]


def test_heat_map_peaks_come_back_below_the_cell() -> None:
    y, x = np.mgrid[0:64, 0:48]
    places = np.array([[10.3, 20.6], [30.8, 40.2]])
    heat = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 2.0**2)) for a, b in places])[None]
    found = decode_heatmaps(heat.astype(np.float32))[0]
    assert np.allclose(found[:, :2] / 4, places, atol=0.1)


def test_masks_end_at_the_box() -> None:
    logits = torch.full((1, 4, 8), 3.0)
    logits[0, 0, 0] = -9
    cut = cut_to_box(logits, torch.tensor([[0.25, 0.25, 0.5, 0.75]]))
    inside = torch.zeros(4, 8, dtype=torch.bool)
    inside[1:3, 2:4] = True
    assert (cut[0, inside] == 3).all() and cut[0, 0, 0] == -9 and (cut[0, ~inside] <= OUTSIDE).all()


def test_ochuman_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["neck", *reversed(COCO_JOINTS), "head"]
    joints = [v for i in range(19) for v in (i, 10 * i, i % 4)]
    ring = {"outer": [[2, 2, 12, 2, 12, 12, 2, 12], [1, 1]], "inner": [[4, 4, 8, 4, 8, 8, 4, 8]]}
    whole = {"bbox": [1, 2, 11, 22], "keypoints": joints, "segms": ring}
    people = [whole | {"keypoints": None}, whole, whole | {"segms": None}]
    image = {"file_name": "a.jpg", "width": 30, "height": 40, "annotations": people}
    nobody = image | {"file_name": "b.jpg", "annotations": people[::2], "image_id": "1"}
    source = {"keypoint_names": names, "images": [image | {"image_id": "2"}, nobody]}
    found = ochuman_to_coco(source)
    # As its authors count: only who has joints and a mask, and only pictures that show such a person.
    assert [i["file_name"] for i in found["images"]] == ["a.jpg"] and len(found["annotations"]) == 1
    label = found["annotations"][0]
    mask = rle.decode(label["segmentation"])
    assert mask.shape == (40, 30) and mask.sum() == 100 - 16 and mask[3, 3] and not mask[5, 5]
    assert label["bbox"] == [1, 2, 10, 20] and labelled_kinds(found["annotations"]) == ("bbox", "segm", "keypoints")
    many = {"keypoint_names": names, "images": [image | {"image_id": f"{i:04}", "file_name": f"{i}.jpg"} for i in reversed(range(2503))]}
    monkeypatch.setattr("hcqnet.ochuman._runs", lambda *_: {})
    first, last = (ochuman_to_coco(many, subset)["images"] for subset in ("val", "test"))
    assert len(first) == 2500 and first[0]["file_name"] == "0.jpg" and [i["file_name"] for i in last] == ["2500.jpg", "2501.jpg", "2502.jpg"]
    monkeypatch.undo()
    nose, ankle = label["keypoints"][:3], label["keypoints"][-3:]
    assert nose == [17, 170, 2] and ankle == [1, 10, 2]
    assert label["num_keypoints"] == sum(i % 4 > 0 for i in range(1, 18))
    (tmp_path / "o.json").write_text(json.dumps(source))
    monkeypatch.setattr("sys.argv", ["ochuman", str(tmp_path / "o.json"), "--output", str(tmp_path / "a.json")])
    main()
    assert json.loads((tmp_path / "a.json").read_text()) == ochuman_to_coco(source)
    (tmp_path / "o.json").write_text("{}")
    with pytest.raises(SystemExit, match="hcqnet.ochuman: .*o.json: has no 'keypoint_names'"):
        run("ochuman", main)


def test_what_a_label_file_leaves_out_is_not_judged(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    image, categories = {"id": 1, "file_name": "a.jpg", "width": 30, "height": 40}, [{"id": 1, "name": "person"}]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 10, 20]}
    for person, kinds in (
        (box, ("bbox",)), (box | {"segmentation": [[0, 0, 5, 0, 5, 5]]}, ("bbox", "segm")), (box | {"keypoints": [3, 4, 2] * 17}, ("bbox", "keypoints")),
    ):  # fmt: skip
        file.write_text(json.dumps({"images": [image], "annotations": [person], "categories": categories}))
        coco, _ = from_file(file, tmp_path, None)
        assert labelled_kinds(coco.dataset["annotations"]) == kinds
        found = {"image_id": 1, "category_id": 1, "bbox": box["bbox"], "score": 0.5}
        assert average_precision(coco, [found], "bbox")[0] == pytest.approx(1)
    for content, message in (("{", "a.json: "), ('{"images": []}', "a.json: a picture or a person has no 'annotations'")):
        file.write_text(content)
        with pytest.raises(DataError, match=message):
            from_file(file, tmp_path, None)


def test_a_picture_is_shown_as_large_as_fits() -> None:
    """The same table as the engine's test of `fittingInputSize`."""
    table = {(480, 640): (480, 640), (640, 480): (480, 384), (427, 640): (448, 640), (1080, 1920): (384, 640),
             (100, 100): (480, 480), (10, 2000): (32, 640)}  # fmt: skip
    for (height, width), expected in table.items():
        assert fitting_size(height, width) == expected
