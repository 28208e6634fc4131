"""Training as a whole: recipes, resume, augmentation, starts from published checkpoints."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import COMPACT

from hcqnet import Config
from hcqnet.accuracy import Accuracy
from hcqnet.augment import Composer, Settings, Target, _hide_behind
from hcqnet.batches import Batch, StepBatches
from hcqnet.data import FLIP_JOINTS, load_sets, validation_names
from hcqnet.paper_losses import PaperWeights
from hcqnet.recipe import Recipe, load_recipe
from hcqnet.starts import StartError
from hcqnet.train import batches_from, train
from hcqnet.trainer import NonFiniteLoss, Trainer

FOLDER = Path(__file__).parent.parent / "recipes"
RECIPES = sorted(FOLDER.rglob("*.json"))


def composer(shard: Path, **settings: object) -> Composer:
    return Composer(load_sets(shard, None, {}), Settings(**settings))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(FOLDER)))
def test_every_recipe_builds_and_takes_a_step(path: Path, shard: Path) -> None:
    recipe = load_recipe(path)
    # As it is but for size: a small backbone of its family, small pictures, no files.
    small = {"resnet": "resnet18", "swin_b": "swin_t", "esnet_": "esnet_pan"}[recipe.network.backbone[:6]]
    network = dataclasses.replace(
        recipe.network, backbone=small, hidden_dim=64, swin_window=4, encoder_layers=min(recipe.network.encoder_layers, 1),
        decoder_layers=1, encoder_ffn=32, decoder_ffn=32,
    )  # fmt: skip
    changes = {"backbone_file": "", "picodet_file": "", "start_file": "", "mask2former_file": ""}
    weights = dataclasses.replace(recipe.weights, distillation=0.0)
    recipe = dataclasses.replace(
        recipe, network=network, canvases=((64, 96),), batch=2, weights=weights,
        paper=dataclasses.replace(recipe.paper, points=128), **changes,
    )  # fmt: skip
    trainer = Trainer(recipe)
    before = {k: v.clone() for k, v in trainer.net.state_dict().items()}
    terms = trainer.step([StepBatches(composer(shard), 1, 2, [(64, 96)], 1)[0]])
    assert all(np.isfinite(v) for v in terms.values())
    changed = [k for k, v in trainer.net.state_dict().items() if not torch.equal(v, before[k])]
    assert changed and not any(k.startswith(tuple(f"{n}." for n in recipe.frozen)) for k in changed)


@pytest.mark.parametrize("criterion", ["paper", "compact"])
def test_a_resumed_run_is_the_unbroken_run(criterion: str, shard: Path, tmp_path: Path) -> None:
    network = Config(**COMPACT) if criterion == "compact" else Config(
        backbone="resnet18", hidden_dim=32, queries=6, encoder_layers=1, encoder_ffn=32, decoder_layers=1, decoder_ffn=32
    )  # fmt: skip
    recipe = Recipe(
        network=network, criterion=criterion, canvases=((64, 96), (64, 64)), batch=2, accumulate=2, steps=6, average=0.9
    )
    recipe = dataclasses.replace(recipe, paper=dataclasses.replace(recipe.paper, points=128))
    whole, first = tmp_path / "whole", tmp_path / "first"
    for folder in (whole, first):
        folder.mkdir()
    unbroken = Trainer(recipe)
    train(unbroken, iter(batches_from(unbroken, composer(shard), 0)), whole, log_every=2)

    class Killed(Exception):
        pass

    def killed_after_five() -> Iterator[Batch]:
        yield from itertools.islice(batches_from(broken, composer(shard), 0), 10)
        raise Killed

    broken = Trainer(recipe)
    with pytest.raises(Killed):
        train(broken, killed_after_five(), first, save_every=3, log_every=2)
    with (first / "curve.csv").open("a") as file:
        file.write("5,los")  # cut off by the kill
    resumed = Trainer(recipe)
    resumed.load(first)
    assert resumed.done == 3
    train(resumed, iter(batches_from(resumed, composer(shard), 0)), first, log_every=2)
    for a, b in ((unbroken.net, resumed.net), (unbroken.average, resumed.average), (unbroken.criterion, resumed.criterion)):
        assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
    assert (whole / "curve.csv").read_text() == (first / "curve.csv").read_text()
    assert (whole / "curve.png").stat().st_size > 1000


def test_a_loss_that_is_not_a_number_names_the_pictures(shard: Path) -> None:
    trainer = Trainer(Recipe(network=Config(**COMPACT), criterion="compact", canvases=((64, 64),), batch=1))
    batch = StepBatches(composer(shard, mosaic=0.0), 1, 1, [(64, 64)], 1)[0]
    with torch.no_grad():
        trainer.net.heads.pose.layers[2].bias.fill_(float("nan"))
    with pytest.raises(NonFiniteLoss, match=r"step 0: .*drawn/\d+\.png"):
        trainer.step([batch])


def test_a_gradient_that_is_not_a_number_names_the_pictures(shard: Path) -> None:
    trainer = Trainer(Recipe(network=Config(**COMPACT), criterion="compact", canvases=((64, 64),), batch=1))
    batch = StepBatches(composer(shard, mosaic=0.0), 1, 1, [(64, 64)], 1)[0]
    before = trainer.net.heads.pose.layers[2].bias.clone()
    trainer.net.heads.pose.layers[2].bias.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NonFiniteLoss, match=r"step 0: .*gradient.*drawn/\d+\.png"):
        trainer.step([batch])
    assert torch.equal(trainer.net.heads.pose.layers[2].bias, before)


def test_a_state_that_cannot_be_resumed_is_named(tmp_path: Path) -> None:
    recipe = Recipe(network=Config(**COMPACT), criterion="compact")
    trainer = Trainer(recipe)
    trainer.save(tmp_path)
    whole, path = (tmp_path / "last.pt").read_bytes(), tmp_path / "last.pt"
    for content in (whole[: len(whole) // 2], b"", b"something else"):
        path.write_bytes(content)
        with pytest.raises(StartError, match="last.pt: is damaged"):
            trainer.load(tmp_path)
    for foreign in ({"net": {}}, torch.zeros(3)):
        torch.save(foreign, path)
        with pytest.raises(StartError, match="last.pt"):
            trainer.load(tmp_path)
    path.write_bytes(whole)
    wider = Trainer(dataclasses.replace(recipe, network=Config(**(COMPACT | {"hidden_dim": 64}))))
    with pytest.raises(StartError, match="last.pt: is no state of this recipe"):
        wider.load(tmp_path)


def test_an_update_of_two_batches_is_the_mean_of_their_class_losses(shard: Path) -> None:
    network = Config(backbone="resnet18", hidden_dim=32, queries=6, encoder_layers=1, encoder_ffn=32, decoder_layers=1, decoder_ffn=32)
    recipe = Recipe(network=network, canvases=((64, 64),), batch=2, paper=PaperWeights(points=64))
    batch = StepBatches(composer(shard), 1, 2, [(64, 64)], 1)[0]
    for t in batch.targets:  # no masks, so that nothing is drawn at random
        t.has_mask[:] = False
    once, twice = Trainer(recipe).step([batch]), Trainer(dataclasses.replace(recipe, accumulate=2)).step([batch, batch])
    for name in ("cls", "aux_cls", "box", "pose"):
        assert twice[name] == pytest.approx(once[name], rel=1e-5)


def test_losses_are_float32_where_the_network_runs_in_bfloat16(shard: Path) -> None:
    recipe = Recipe(network=Config(**COMPACT), criterion="compact", canvases=((64, 64),), batch=2)
    batch = StepBatches(composer(shard), 1, 2, [(64, 64)], 1)[0]
    exact, rough = ({k: v for k, v in Trainer(dataclasses.replace(recipe, bf16=b)).losses(batch, 2.0).items()} for b in (False, True))
    assert exact.keys() == rough.keys() and "proposals" in rough
    for name, value in rough.items():
        assert value.dtype == torch.float32 and value.item() == pytest.approx(exact[name].item(), rel=0.1)


def test_the_curve_tells_the_accuracy_on_held_out_pictures(shard: Path, tmp_path: Path) -> None:
    trainer = Trainer(Recipe(network=Config(**COMPACT), criterion="compact", canvases=((64, 64),), batch=1, steps=2))
    accuracy = Accuracy(shard, validation_names(shard))
    assert len(accuracy.paths) == 2 and accuracy.kinds == ("bbox", "segm", "keypoints")
    train(trainer, iter(batches_from(trainer, composer(shard), 0)), tmp_path, accuracy=accuracy)
    rows = [line.split(",") for line in (tmp_path / "curve.csv").read_text().splitlines()]
    found = {name: float(value) for step, name, value in rows if step == "2" and name.startswith("AP")}
    assert found.keys() == {"AP_bbox", "AP_segm", "AP_keypoints"} and all(0 <= v <= 1 for v in found.values())


def test_the_same_index_gives_the_same_batch(shard: Path) -> None:
    batches = StepBatches(composer(shard), 7, 2, [(64, 96), (96, 64)], 100)
    a, b, other = batches[5], batches[5], batches[6]
    assert torch.equal(a.pictures, b.pictures) and all(torch.equal(s.boxes, t.boxes) for s, t in zip(a.targets, b.targets))
    assert a.pictures.shape != other.pictures.shape or not torch.equal(a.pictures, other.pictures)


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


def test_paper_schedule() -> None:
    recipe = load_recipe(FOLDER / "paper-r50.json")
    assert [recipe.rate(s) for s in (327777, 327778, 355092)] == pytest.approx([1, 0.1, 0.01])
