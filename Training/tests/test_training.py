"""Training as a whole: recipes, resume, augmentation, starts from published checkpoints."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hcqnet import Config, HCQNet
from hcqnet.accuracy import Accuracy
from hcqnet.augment import Composer, Settings, Target, _hide_behind
from hcqnet.batches import Batch, StepBatches
from hcqnet.data import FLIP_JOINTS, load_sets, validation_names
from hcqnet.paper_losses import PaperWeights
from hcqnet.recipe import Recipe, RecipeError, load_recipe
from hcqnet.starts import StartError, load_backbone, load_mask2former, load_run, rename_mask2former, resize_bias_table
from hcqnet.train import batches_from, train
from hcqnet.trainer import NonFiniteLoss, Trainer
from hcqnet.weights import save

FOLDER = Path(__file__).parent.parent / "recipes"
RECIPES = sorted(FOLDER.rglob("*.json"))
COMPACT = {
    "backbone": "esnet_pan", "hidden_dim": 32, "queries": 8, "encoder_layers": 0, "decoder_layers": 1, "decoder_ffn": 32,
    "query_start": "proposals", "joint_grid": 4, "output_conv": "separable", "canonical_margin": 0.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of drawn pictures: coloured boxes are people, with a mask, joints at the box's thirds."""
    root = tmp_path_factory.mktemp("data")
    (root / "drawn" / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    from pycocotools import mask as rle

    for i in range(12):
        picture = rng.integers(0, 60, (80, 120, 3), dtype=np.uint8)
        x, y = int(rng.integers(5, 70)), int(rng.integers(5, 20))
        picture[y : y + 50, x : x + 30] = (220, 160, 40)
        cv2.imwrite(str(root / "drawn" / "images" / f"{i}.png"), picture)
        mask = np.zeros((80, 120), np.uint8, order="F")
        mask[y : y + 50, x : x + 30] = 1
        code = rle.encode(mask)
        joints = [v for j in range(17) for v in (x + 5 + j, y + 10 + 2 * j, 2)]
        flags = {"boxes_complete": True, "masks_complete": True, "keypoints_complete": True}
        images.append({"id": i, "width": 120, "height": 80, "file_name": f"images/{i}.png"} | flags)
        annotations.append({
            "id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": [x, y, 30, 50], "area": 1500,
            "segmentation": {"size": code["size"], "counts": code["counts"].decode()}, "keypoints": joints,
            "num_keypoints": 17, "has_bbox": "exact", "has_mask": True, "joints_labelled": list(range(17)),
        })
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (root / "drawn" / "annotations.json").write_text(json.dumps(content))
    return root


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
    assert len(accuracy.paths) == 2 and accuracy.kinds == ["bbox", "segm", "keypoints"]
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


def test_validation_rule(shard: Path) -> None:
    assert validation_names(shard) == {"drawn": ["images/0.png", "images/10.png"]}
    kept = load_sets(shard, None, validation_names(shard))
    assert len(kept) == 10 and all(s.path.name not in ("0.png", "10.png") for s in kept)


def test_recipes_refuse_unknown_fields(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    for content, message in (({"stepz": 1}, "stepz"), ({"network": {"heads": 7}}, "network"), ({"canvases": [[30, 32]]}, "30x32")):
        path.write_text(json.dumps(content))
        with pytest.raises(RecipeError, match=message):
            load_recipe(path)


def test_paper_schedule() -> None:
    recipe = load_recipe(FOLDER / "paper-r50.json")
    assert [recipe.rate(s) for s in (327777, 327778, 355092)] == pytest.approx([1, 0.1, 0.01])


def test_torchvision_resnet_is_taken_by_name(tmp_path: Path) -> None:
    net = HCQNet(Config(backbone="resnet18", hidden_dim=32, encoder_layers=0, decoder_layers=0))
    source = {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in net.backbone.state_dict().items()}
    torch.save(source | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, tmp_path / "r.pth")
    load_backbone(net, tmp_path / "r.pth")
    assert all(torch.equal(v, source[k]) for k, v in net.backbone.state_dict().items() if v.is_floating_point())
    torch.save({k: v for k, v in source.items() if k != "conv1.weight"}, tmp_path / "bad.pth")
    with pytest.raises(StartError, match="conv1.weight"):
        load_backbone(net, tmp_path / "bad.pth")


def test_a_network_whose_joint_maps_had_no_owner_is_taken(tmp_path: Path) -> None:
    before = HCQNet(Config(**COMPACT))
    save(before, tmp_path / "before.safetensors")
    net = HCQNet(Config(**(COMPACT | {"joint_owner": 1})))
    load_run(net, tmp_path / "before.safetensors")
    own, old = net.pixel_decoder.joint_maps, before.pixel_decoder.joint_maps
    assert torch.equal(own.weight[:17], old.weight) and torch.equal(own.bias[:17], old.bias)
    assert not own.weight[17:].any() and not own.bias[17:].any()


def test_torchvision_swin_takes_another_window(tmp_path: Path) -> None:
    make = lambda window: HCQNet(Config(backbone="swin_t", swin_window=window, hidden_dim=32, encoder_layers=0, decoder_layers=0))  # noqa: E731
    source = {k: torch.randn_like(v) for k, v in make(7).backbone.state_dict().items() if v.is_floating_point()}
    source = {k: v for k, v in source.items() if not k.startswith("norms.")}
    torch.save(source | {"head.weight": torch.zeros(1000, 768), "norm.weight": torch.zeros(768)}, tmp_path / "s.pth")
    net = make(12)
    load_backbone(net, tmp_path / "s.pth")
    name = next(k for k in source if k.endswith("relative_position_bias_table"))
    assert net.backbone.state_dict()[name].shape[0] == 23 * 23
    assert torch.equal(resize_bias_table(source[name], 169), source[name].float())


def test_mask2former_pixel_decoder_is_taken_by_name(tmp_path: Path) -> None:
    net = HCQNet(Config(backbone="resnet18", hidden_dim=32, encoder_layers=1, encoder_ffn=64, decoder_layers=0))
    own = net.pixel_decoder.state_dict()
    prefix = "sem_seg_head.pixel_decoder."
    # Detectron2's names, written out from the published file's layout.
    names = {
        "input_proj.0.0.weight": "input_proj.0.0.weight", "input_proj.2.1.bias": "input_proj.2.1.bias",
        "transformer.level_embed": "level_embed",
        "transformer.encoder.layers.0.self_attn.sampling_offsets.bias": "layers.0.self_attn.sampling_offsets.bias",
        "transformer.encoder.layers.0.norm1.weight": "layers.0.norm1.weight",
        "transformer.encoder.layers.0.linear2.weight": "layers.0.linear2.weight",
        "adapter_1.weight": "lateral.0.weight", "adapter_1.norm.bias": "lateral.1.bias",
        "layer_1.weight": "output.0.weight", "layer_1.norm.weight": "output.1.weight",
        "mask_features.bias": "mask_features.bias",
    }  # fmt: skip
    assert all(rename_mask2former(prefix + theirs) == ours for theirs, ours in names.items())
    assert rename_mask2former("backbone.stem.conv1.weight") is None
    back = {"level_embed": "transformer.level_embed", "lateral.0.weight": "adapter_1.weight", "output.0.weight": "layer_1.weight"}
    source = {}
    for ours, value in own.items():
        theirs = back.get(ours) or ours.replace("lateral.1", "adapter_1.norm").replace("output.1", "layer_1.norm")
        theirs = "transformer.encoder." + theirs if theirs.startswith("layers.") else theirs
        source[prefix + theirs] = torch.randn_like(value)
    torch.save({"model": source | {"backbone.x": torch.zeros(1)}}, tmp_path / "m.pth")
    load_mask2former(net, tmp_path / "m.pth")
    for theirs, value in source.items():
        assert torch.equal(net.pixel_decoder.state_dict()[rename_mask2former(theirs)], value)
