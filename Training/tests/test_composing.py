"""Training pictures: what is drawn, how labels move with it, which people are left."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from hcqnet.augment import Composer, Settings, Target, _hide_behind
from hcqnet.batches import StepBatches
from hcqnet.data import FLIP_JOINTS, DataError, Person, load_sets, validation_names
from hcqnet.recipe import load_recipe

FOLDER = Path(__file__).parent.parent / "recipes"


def composer(shard: Path, **settings: object) -> Composer:
    return Composer(load_sets(shard, None, {}), Settings(**settings))


def test_the_same_index_gives_the_same_batch(shard: Path) -> None:
    batches = StepBatches(composer(shard), 7, 2, [(64, 96), (96, 64)], 100)
    a, b, other = batches[5], batches[5], batches[6]
    assert torch.equal(a.pictures, b.pictures) and all(torch.equal(s.boxes, t.boxes) for s, t in zip(a.targets, b.targets))
    assert a.pictures.shape != other.pictures.shape or not torch.equal(a.pictures, other.pictures)


@pytest.mark.parametrize("maps, stride", [(False, 1), (False, 4), (True, 4)])
def test_a_batch_travels_in_a_few_pieces(maps: bool, stride: int, shard: Path) -> None:
    """Every tensor that goes to another process takes an open file, of which it may have 1,024: 64 canvases had 576 tensors."""
    batch = StepBatches(composer(shard, mask_stride=stride), 7, 8, [(64, 96)], 100, maps)[3]
    assert len({len(t.boxes) for t in batch.targets}) > 1
    batch.targets[5] = batch.targets[5].to(torch.device("cpu"))
    again = pickle.loads(pickle.dumps(batch))
    pieces = [v for v in batch.__getstate__()["columns"].values() if isinstance(v, tuple)]
    assert len(pieces) == 8 + 5 * maps and again.names == batch.names and again.index == 3
    assert torch.equal(again.pictures, batch.pictures) and len(again.targets) == 8
    for a, b in zip(batch.targets, again.targets):
        for one, other in ((a, b), (a.maps, b.maps)):
            for name, value in vars(one).items() if one else ():
                found = getattr(other, name)
                if isinstance(value, torch.Tensor):
                    assert torch.equal(value, found) and value.dtype == found.dtype, name
                elif name != "maps":
                    assert value == found
        assert (b.maps is not None) == maps


@pytest.mark.parametrize("settings", [{"mosaic": 0.5, "scale": (0.8, 1.5)}, {"packed": 1.0, "person_size": (24, 60)}], ids=["mosaic", "packed"])
def test_labels_move_with_the_pixels(settings: dict, shard: Path) -> None:
    """People are the only blue pixels: boxes, masks and joints must lie on them, flipped or not."""
    batches = StepBatches(composer(shard, paste=0.0, colour=0.0, **settings), 3, 4, [(96, 128)], 40)
    seen = 0
    for index in range(10):
        batch = batches[index]
        for picture, t in zip(batch.pictures, batch.targets):
            person = (picture[2].int() - picture[0].int()) > 90
            for n in range(len(t.boxes)):
                x0, y0, x1, y1 = (t.boxes[n] * torch.tensor([128, 96, 128, 96])).tolist()
                inner = person[int(y0) + 3 : int(y1) - 2, int(x0) + 3 : int(x1) - 2]
                assert inner.numel() == 0 or inner.float().mean() > 0.95
                cells = t.masks[n] == 1
                assert person.view(24, 4, 32, 4).float().mean((1, 3))[cells].mean() > 0.9
                x = t.joints[n, :, 0][t.joint_weight[n] > 0]
                # Drawn from left to right in the order 0 ... 16, so a flip shows in the order of pairs.
                if len(x) == 17:
                    order = x if x[0] < x[16] else x[FLIP_JOINTS].flip(0)
                    assert (order.diff() > 0).all() or (x[FLIP_JOINTS].diff() < 0).all()
                    seen += 1
    assert seen > 10


def test_packed_canvases_are_full_of_people_of_the_sizes_asked_for(shard: Path) -> None:
    fill = composer(shard, packed=1.0, person_size=(20, 40), paste=0.0, colour=0.0, aspect=0.0)
    sizes, pictures = [], []
    for seed in range(20):
        canvas, targets, _, names = fill(np.random.default_rng(seed), 192, 256)
        pictures.append(len(names))
        whole = [t for t in targets if (t.joints[:, 2] > 0).all()]
        sizes += [np.sqrt(t.area) for t in whole]
        # No two people share pixels: tiles lie side by side.
        assert sum((t.mask > 0.99).astype(int) for t in targets).max() <= 1
        assert (canvas == (124, 116, 104)).all(-1).mean() < 0.35
    assert min(sizes) > 19 and max(sizes) < 41 and np.ptp(sizes) > 12
    assert max(pictures) <= 16 and np.mean(pictures) > 6


def test_plain_jitter_is_uniform(shard: Path) -> None:
    """Mask2Former's: half of the scales lie above the middle, and crops do not look for people."""
    for uniform, middle in ((True, 1.05), (False, 0.1 * 20**0.5)):
        draw = composer(shard, uniform=uniform, scale=(0.1, 2.0))._draw_scale
        rng = np.random.default_rng(0)
        scales = [draw(rng) for _ in range(2000)]
        assert min(scales) >= 0.1 and max(scales) <= 2 and np.median(scales) == pytest.approx(middle, rel=0.1)
    assert load_recipe(FOLDER / "finetune-larger.json").augment.uniform


def test_a_person_half_hidden_behind_another_is_half_as_large(shard: Path) -> None:
    mask, front = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30], front[:, 20:] = 1, 1
    person = Target(np.array([10, 10, 30, 30], np.float32), np.zeros((17, 3), np.float32), 1.0, None, 400.0, mask)
    _hide_behind(person, front, [person], [])
    assert person.area == 200 and person.box.tolist() == [10, 10, 20, 30]


def test_a_person_without_a_pixel_left_is_ignored(shard: Path) -> None:
    sample = load_sets(shard, None, {})[0]
    settings = Settings(mosaic=0.0, paste=0.0, colour=0.0, aspect=0.0, uniform=True, scale=(0.01, 0.01))
    _, targets, ignored, _ = Composer([sample], settings)(np.random.default_rng(0), 64, 64)
    assert not targets and len(ignored) == 1


def test_validation_rule(shard: Path) -> None:
    assert validation_names(shard) == {"drawn": ["images/0.png", "images/10.png"]}
    kept = load_sets(shard, None, validation_names(shard))
    assert len(kept) == 10 and all(s.path.name not in ("0.png", "10.png") for s in kept)


def test_pictures_of_nobody_can_be_left_out(shard: Path) -> None:
    samples = load_sets(shard, None, {})
    for sample in samples[3:]:
        sample.people = []
    for empty in (0.0, 1.0):
        fill = Composer(samples, Settings(empty=empty, paste=0.0))
        shown = {name for seed in range(20) for name in fill(np.random.default_rng(seed), 64, 64)[3]}
        assert (shown <= {f"drawn/{i}.png" for i in range(3)}) == (empty == 0)
    with pytest.raises(DataError, match="none of 9 pictures is ever drawn"):
        Composer(samples[3:], Settings(empty=0.0))


def test_a_person_who_is_cut_has_the_box_of_what_is_left(shard: Path) -> None:
    """As Mask2Former: however little is left counts, and its box is around the mask's pixels."""
    (sample,) = load_sets(shard, None, {})[:1]
    mask = np.zeros((80, 120), np.uint8, order="F")
    mask[20:60, 40:44], mask[56:60, 40:90] = 1, 1  # an L
    sample.people = [Person(np.array([40, 20, 90, 60], np.float32), np.zeros((17, 3), np.float32), 1.0, rle.encode(mask), 344.0)]
    settings = {"mosaic": 0.0, "paste": 0.0, "colour": 0.0, "aspect": 0.0, "uniform": True, "scale": (3.75, 3.75), "mask_stride": 1}
    seen = 0
    for seed in range(40):
        for least in (0.0, 0.3):
            fill = Composer([sample], Settings(**settings, least_visible=least))
            _, targets, ignored, _ = fill(np.random.default_rng(seed), 48, 32)
            assert len(targets) + len(ignored) <= 1 and (not len(ignored) or least)
            for t in targets:
                assert t.mask.shape == (48, 32) and t.mask.dtype == np.uint8
                y, x = np.nonzero(t.mask)
                around = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
                whole = t.mask.sum() >= 340
                assert np.abs(t.box - around).max() <= (1 if whole else 0)
                seen += not whole and least == 0
    assert seen > 5
