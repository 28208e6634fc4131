"""What of a label file becomes a target: COCO's own layout, partial labels, pictures that cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from hcqnet.accuracy import Accuracy
from hcqnet.data import DataError, Sample, decode_mask, held_out_names, load_sets, read_picture
from hcqnet.predict import engine_scaling

SIZE = (60, 80)
SMALL = {
    "backbone": "resnet18", "hidden_dim": 32, "queries": 6, "encoder_layers": 1, "encoder_ffn": 32, "decoder_layers": 1, "decoder_ffn": 32,
}  # fmt: skip
SQUARE = [[10, 10, 30, 10, 30, 40, 10, 40]]


def labels(root: Path, annotations: list[dict], **image: object) -> Sample:
    """The only sample of a COCO file with these people."""
    (root / "set").mkdir(exist_ok=True)
    picture = {"id": 1, "file_name": "a.png", "width": SIZE[1], "height": SIZE[0]} | image
    categories = [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}]
    annotations = [{"id": n, "image_id": 1, "category_id": 1} | a for n, a in enumerate(annotations)]
    content = {"images": [picture], "annotations": annotations, "categories": categories}
    (root / "set" / "annotations.json").write_text(json.dumps(content))
    return load_sets(root, None, {})[0]


def test_cocos_own_files_teach_people_with_masks_of_every_form(tmp_path: Path) -> None:
    drawn = rle.decode(rle.frPyObjects(SQUARE, *SIZE))[..., 0]
    runs = np.flatnonzero(np.diff(np.r_[0, drawn.ravel(order="F"), 1 - drawn[-1, -1]]))
    uncompressed = {"size": list(SIZE), "counts": np.diff(np.r_[0, runs]).tolist()}
    code = rle.encode(np.asfortranarray(drawn))
    compressed = {"size": code["size"], "counts": code["counts"].decode()}
    two_parts = [SQUARE[0], [50, 10, 60, 10, 60, 20, 50, 20]]
    bbox = {"bbox": [10, 10, 20, 30], "area": 600, "iscrowd": 0}
    people = labels(tmp_path, [bbox | {"segmentation": s} for s in (SQUARE, uncompressed, compressed, two_parts)]).people
    for person in people[:3]:
        assert np.array_equal(decode_mask(person.mask), drawn)
    assert decode_mask(people[3].mask).sum() == drawn.sum() + 100


def test_other_categories_are_nobody_and_crowds_are_ignored(tmp_path: Path) -> None:
    bbox = {"bbox": [10, 10, 20, 30], "segmentation": SQUARE}
    crowd = {"bbox": [40, 10, 20, 20], "iscrowd": 1, "segmentation": {"size": list(SIZE), "counts": [SIZE[0] * SIZE[1]]}}
    sample = labels(tmp_path, [bbox, bbox | {"category_id": 3}, crowd])
    assert len(sample.people) == 1 and [b.tolist() for b in sample.ignored] == [[40, 10, 60, 30]]


def test_what_is_not_labelled_is_unknown(tmp_path: Path) -> None:
    joints = [0] * 51
    joints[:6] = [20, 20, 2, 30, 40, 1]
    only_box, only_mask, only_joints = labels(
        tmp_path, [{"bbox": [10, 10, 20, 30]}, {"segmentation": SQUARE}, {"keypoints": joints, "num_keypoints": 2}]
    ).people
    assert only_box.mask is None and not only_box.joints[:, 2].any() and only_box.box_weight == 1
    assert only_mask.box.tolist() == [10, 10, 30, 40] and only_mask.area == 600 and not only_mask.joints[:, 2].any()
    assert only_joints.box_weight == 0 and only_joints.mask is None and only_joints.joints[:, 2].tolist() == [1, 1] + [0] * 15
    assert (only_joints.box[:2] < 20).all() and (only_joints.box[2:] > (30, 40)).all()


def test_pictures_are_taken_as_stored_unless_only_upright_they_have_the_stated_size(tmp_path: Path) -> None:
    height, width = SIZE
    stored = np.zeros((height, width, 3), np.uint8)
    stored[:, : width // 2] = 255
    for orientation, stated, bright in ((6, SIZE, np.s_[:, :30]), (3, SIZE, np.s_[:, :30]), (6, SIZE[::-1], np.s_[:30])):
        exif = Image.Exif()
        exif[0x112] = orientation
        Image.fromarray(stored).save(tmp_path / "a %d.jpg", exif=exif)
        for picture in (read_picture(tmp_path / "a %d.jpg", stated), engine_scaling(tmp_path / "a %d.jpg", stated != SIZE)(*stated)):
            assert picture.shape[:2] == stated
            assert picture[bright].min() > 240 and picture.mean() < 135


def test_where_not_everybody_is_labelled_nobody_is_no_negative(tmp_path: Path) -> None:
    person = {"bbox": [10, 10, 20, 30]}
    assert [b.tolist() for b in labels(tmp_path, [person], boxes_complete=False).ignored] == [[0, 0, 80, 60]]
    assert not labels(tmp_path, [person], boxes_complete=True).ignored and not labels(tmp_path, [person]).ignored
    # Teachers know better: regions without a box of theirs are empty.
    teacher = {"annotation": [0], "joints": np.zeros((1, 17, 3)), "boxes": [[50, 10, 70, 50, 0.3]], "box_image": [1], "box_joints": np.zeros((1, 17, 3))}
    np.savez(tmp_path / "set.npz", **teacher)
    assert [b.tolist() for b in load_sets(tmp_path, tmp_path, {})[0].ignored] == []
    labels(tmp_path, [person], boxes_complete=False)
    assert [b.tolist() for b in load_sets(tmp_path, tmp_path, {})[0].ignored] == [[50, 10, 70, 50]]


def test_pictures_and_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    sample = labels(tmp_path, [])
    with pytest.raises(DataError, match="a.png: cannot be read"):
        sample.picture()
    cv2.imwrite(str(sample.path), np.zeros((80, 60, 3), np.uint8))
    with pytest.raises(DataError, match="a.png: is 60x80 pixels, the labels say 80x60"):
        sample.picture()
    with pytest.raises(DataError, match="annotations.json: a picture or a person has no 'bbox'"):
        labels(tmp_path, [{}])
    (tmp_path / "set" / "annotations.json").write_text("{")
    with pytest.raises(DataError, match="annotations.json: is not JSON"):
        load_sets(tmp_path, None, {})
    (tmp_path / "set" / "annotations.json").unlink()
    with pytest.raises(DataError, match="holds no pictures"):
        load_sets(tmp_path, None, {})


@pytest.mark.parametrize(
    "person, message",
    [
        ({"keypoints": [1, 2, 2] * 16}, "keypoints holds 48 values, expected 51 finite numbers"),
        ({"keypoints": [float("nan")] * 51}, "keypoints holds 51 values, expected 51 finite"),
        ({"bbox": [1, 2, 3]}, "bbox holds 3 values, expected 4"),
        ({"bbox": [1, 2, None, 4]}, "bbox holds 4 values, expected 4 finite"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "segmentation has a polygon with an odd count"),
        ({"segmentation": {"size": [80, 60], "counts": [4800]}}, "segmentation is of [80, 60] pixels, the picture of [60, 80]"),
        ({"segmentation": {"size": [60, 80], "counts": [4000]}}, "segmentation's runs cover 4000 pixels, the picture has 4800"),
        ({"segmentation": {"size": [60, 80], "counts": "garbage"}}, "Invalid RLE mask"),
        ({"segmentation": {"size": [60, 80], "counts": [4810, -10]}}, "-10 out of bounds"),
        ({"segmentation": {"size": [60, 80]}}, "segmentation is neither a list of polygons nor runs"),
        ({"segmentation": "mask.png"}, "segmentation is neither a list of polygons nor runs"),
    ],
)
def test_a_label_that_is_none_names_file_and_person(person: dict, message: str, tmp_path: Path) -> None:
    usable = {"bbox": [10, 10, 20, 30]}
    with pytest.raises(DataError) as raised:
        labels(tmp_path, [usable, usable | person])
    assert "annotations.json: person 1: " in str(raised.value) and message in str(raised.value)


def test_polygons_of_two_points_are_no_mask_and_boxes_without_area_nobody(tmp_path: Path) -> None:
    people = [{"bbox": [10, 10, 20, 30], "segmentation": s} for s in ([[10, 10, 30, 40]], [], [[10, 10, 30, 40], *SQUARE])]
    flat = {"bbox": [10, 10, 20, 0], "keypoints": [20, 20, 2] * 17}
    sample = labels(tmp_path, [*people, flat])
    assert [p.mask is not None for p in sample.people] == [False, False, True] and decode_mask(sample.people[2].mask).sum() == 600
    assert [b.tolist() for b in sample.ignored] == [[10, 10, 30, 10]]


def test_pseudo_labels_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    labels(tmp_path, [{"bbox": [10, 10, 20, 30]}])
    with pytest.raises(DataError, match="nowhere: is no folder"):
        load_sets(tmp_path, tmp_path / "nowhere", {})
    (tmp_path / "set.npz").write_bytes(b"PK\x03\x04half")
    with pytest.raises(DataError, match=r"set.npz: is damaged"):
        load_sets(tmp_path, tmp_path, {})


def test_sets_for_validation_are_never_trained_on(tmp_path: Path) -> None:
    labels(tmp_path, [{"bbox": [10, 10, 20, 30]}])
    (tmp_path / "set").rename(tmp_path / "val2017")
    labels(tmp_path, [{"bbox": [10, 10, 20, 30]}])
    (tmp_path / "list.json").write_text("{}")
    held_out = held_out_names(tmp_path / "list.json", tmp_path)
    assert held_out == {"val2017": ["a.png"]} and [s.set_name for s in load_sets(tmp_path, None, held_out)] == ["set"]
    assert Accuracy(tmp_path, held_out).paths == {1: tmp_path / "val2017" / "a.png"}
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match=r"list.json: holds a list"):
        held_out_names(tmp_path / "list.json", tmp_path)


def test_a_run_over_a_broken_picture_ends_and_names_it(tmp_path: Path) -> None:
    labels(tmp_path, [{"bbox": [10, 10, 20, 30]}]).path.write_text("no picture")
    recipe = {"network": SMALL, "canvases": [[32, 32]], "batch": 1, "steps": 2}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    command = [sys.executable, "-m", "hcqnet.train", "--recipe", tmp_path / "recipe.json", "--data", tmp_path, "--output", tmp_path / "run"]
    # The process that composes pictures is still there when the error ends the run, which must not wait for it.
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parent.parent)
    assert ended.returncode == 1 and ended.stderr.strip().endswith("set/a.png: cannot be read as a picture")
