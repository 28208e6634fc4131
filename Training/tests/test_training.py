"""Training as a whole: every recipe, resume, an update, the accuracy curve."""

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
from hcqnet.augment import Composer, Settings
from hcqnet.batches import Batch, StepBatches
from hcqnet.data import load_sets, validation_names
from hcqnet.paper_losses import PaperWeights
from hcqnet.recipe import Recipe, RecipeError, load_recipe
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
        assert value.dtype == torch.float32 and value.item() == pytest.approx(exact[name].item(), rel=0.15)


def test_the_curve_tells_the_accuracy_on_held_out_pictures(shard: Path, tmp_path: Path) -> None:
    trainer = Trainer(Recipe(network=Config(**COMPACT), criterion="compact", canvases=((64, 64),), batch=1, steps=2))
    accuracy = Accuracy(shard, validation_names(shard))
    assert len(accuracy.paths) == 2 and accuracy.kinds == ("bbox", "segm", "keypoints")
    train(trainer, iter(batches_from(trainer, composer(shard), 0)), tmp_path, accuracy=accuracy)
    rows = [line.split(",") for line in (tmp_path / "curve.csv").read_text().splitlines()]
    found = {name: float(value) for step, name, value in rows if step == "2" and name.startswith("AP")}
    assert found.keys() == {"AP_bbox", "AP_segm", "AP_keypoints"} and all(0 <= v <= 1 for v in found.values())


def test_blocks_of_a_swin_are_left_out_the_more_often_the_later_they_come(shard: Path) -> None:
    network = Config(backbone="swin_t", hidden_dim=32, queries=6, encoder_layers=0, decoder_layers=1, decoder_ffn=32)
    recipe = Recipe(network=network, canvases=((64, 64),), batch=1, paper=PaperWeights(points=64), drop_path=0.44)
    trainers = [Trainer(recipe), Trainer(recipe), Trainer(dataclasses.replace(recipe, drop_path=0.0))]
    rates = [m.drop_path for m in trainers[0].net.modules() if hasattr(m, "drop_path")]
    assert rates == pytest.approx([0.04 * i for i in range(12)])
    # By chance, but by the same in the run and in the one resumed.
    batch = StepBatches(composer(shard), 1, 1, [(64, 64)], 1)[0]
    first, again, whole = (t.step([batch]) for t in trainers)
    assert first == again != whole
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    trainers[0].net.backbone.eval(), trainers[2].net.backbone.load_state_dict(trainers[0].net.backbone.state_dict())
    with torch.no_grad():
        maps = [t.net.backbone.eval()(image) for t in (trainers[0], trainers[2])]
    assert all(torch.equal(a, b) for a, b in zip(*maps))


def test_a_network_without_joints_is_judged_without_them(shard: Path) -> None:
    network = Config(backbone="resnet18", hidden_dim=32, queries=6, encoder_layers=0, decoder_layers=1, decoder_ffn=32, variant="basenet-ds")
    accuracy = Accuracy(shard, validation_names(shard))
    assert accuracy(Trainer(Recipe(network=network)).average).keys() == {"AP_bbox", "AP_segm"}


def test_masks_as_labelled_teach_the_same_as_their_coverage_where_they_are_smooth(shard: Path) -> None:
    terms = []
    for stride in (1, 4):
        network = Config(backbone="resnet18", hidden_dim=32, queries=6, encoder_layers=0, decoder_layers=1, decoder_ffn=32)
        settings = Settings(mask_stride=stride, mosaic=0.0, paste=0.0, uniform=True, scale=(1.0, 1.0))
        recipe = Recipe(network=network, canvases=((64, 96),), batch=2, augment=settings, paper=PaperWeights(points=4000))
        batch = StepBatches(Composer(load_sets(shard, None, {}), settings), 1, 2, [(64, 96)], 1)[0]
        terms.append(Trainer(recipe).step([batch]))
    assert terms[0] == pytest.approx(terms[1], rel=0.02) and terms[0]["mask_bce"] != terms[1]["mask_bce"]
    with pytest.raises(RecipeError, match="mask_stride is 1, expected 4 with criterion compact"):
        Recipe(network=Config(**COMPACT), criterion="compact", augment=Settings(mask_stride=1))
