"""Recipe files: what is refused, in which words, and how an update is shared by processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hcqnet.recipe import RecipeError, load_recipe

FOLDER = Path(__file__).parent.parent / "recipes"


@pytest.mark.parametrize(
    "content, message",
    [
        ({"stepz": 1}, "unknown field stepz (did you mean steps?)"),
        ({"augment": {"mosiac": 0}}, "unknown field augment.mosiac (did you mean mosaic?)"),
        ({"network": {"hidden": 64}}, "unknown field network.hidden (did you mean hidden_dim?)"),
        ({"steps": "ten"}, 'steps is "ten", expected a whole number'),
        ({"steps": 1.5}, "steps is 1.5, expected a whole number"),
        ({"lr": None}, "lr is null, expected a number"),
        ({"bf16": 1}, "bf16 is 1, expected true or false"),
        ({"canvases": [64, 64]}, "canvases[0] is 64, expected a list of 2, each a whole number"),
        ({"canvases": []}, "canvases is empty"),
        ({"canvases": [[0, 64]]}, "canvases: 0x64"),
        ({"frozen": "backbone"}, 'frozen is "backbone", expected a list, each a text'),
        ({"augment": {"shares": {"coco": "all"}}}, 'augment.shares.coco is "all", expected a number'),
        ({"augment": {"scale": [2, 0.1]}}, "augment: scale is 2 to 0.1"),
        ({"paper": {"mask": -5}}, "paper.mask is -5, expected 0 or more"),
        ({"paper": {"importance": 2}}, "paper: expected points"),
        ({"network": {"heads": 7}}, "network: config: hidden_dim 256 does not divide by heads 7"),
        ({"network": 3}, "network: found int, expected a JSON object"),
        ({"lr": 0}, "lr is 0 and clip 0.01, expected both above 0"),
        ({"base": "r.json"}, "base leads back"),
        ([1], "found list, expected a JSON object"),
    ],
)
def test_a_mistake_is_named(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    assert str(raised.value).startswith(f"{path}: ") and message in str(raised.value)


def test_the_command_ends_with_the_mistake(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"stepz": 3}')
    command = [sys.executable, "-m", "hcqnet.train", "--recipe", path, "--data", tmp_path, "--output", tmp_path / "run"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=FOLDER.parent)
    assert ended.returncode == 1 and ended.stderr == f"hcqnet.train: {path}: unknown field stepz (did you mean steps?)\n"
    assert not (tmp_path / "run").exists()


def test_an_update_of_the_paper_is_sixteen_pictures_whatever_the_processes() -> None:
    for path in sorted([*FOLDER.glob("paper-*.json"), *FOLDER.glob("table*.json"), FOLDER / "finetune-larger.json"]):
        recipe = load_recipe(path)
        for processes in (1, 2, 8, 16):
            assert recipe.spread(processes).accumulate * recipe.batch * processes == 16
        with pytest.raises(RecipeError, match="3 processes with a batch of 1 cannot share"):
            recipe.spread(3)


PAPER = sorted([*FOLDER.glob("paper-*.json"), *FOLDER.glob("table*.json")])


@pytest.mark.parametrize("path", PAPER, ids=lambda p: p.stem)
def test_the_papers_recipes_have_the_papers_numbers(path: Path) -> None:
    """Sections 4.1, A.1, A.2, A.3; Mask2Former's where these are silent."""
    recipe = load_recipe(path)
    assert recipe.lr == 1e-4 and recipe.steps == 368750 and recipe.update == 16 and recipe.criterion == "paper"
    assert [recipe.rate(s) for s in (0, 1, 327777, 327778, 355091, 355092)] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])
    weights, costs = recipe.paper, recipe.match
    assert (weights.cls, weights.mask, weights.box, weights.pose) == (2, 5, 0.2, 0.2)
    assert (costs.cls, costs.mask_bce, costs.dice, costs.box, costs.giou) == (2, 5, 5, 0, 0)
    assert (weights.nothing, weights.points, weights.oversampling, weights.importance) == (0.1, 12544, 3, 0.75)
    assert recipe.canvases == ((1024, 1024),) and recipe.augment.scale == (0.1, 2.0) and recipe.augment.uniform
    assert recipe.weight_decay == 0.05 and recipe.clip == 0.01 and recipe.backbone_scale == 0.1 and recipe.average == 0
    network = recipe.network
    sizes = (network.hidden_dim, network.queries, network.decoder_layers, network.encoder_layers, network.heads, network.sine_dim)
    assert sizes == (256, 100, 8, 6, 8, 8) and (network.decoder_ffn, network.encoder_ffn, network.canonical_margin) == (2048, 1024, 0)
    if path.stem not in ("paper-r50", "paper-r152"):  # "using the Swin-B backbone"; Mask2Former's window and stochastic depth
        assert (network.backbone, network.swin_window, recipe.drop_path) == ("swin_b", 12, 0.3)


def test_every_row_of_the_papers_tables_has_a_recipe() -> None:
    rows = {
        (n.backbone, n.variant, n.head_condition, n.keypoint_space) for n in (load_recipe(path).network for path in PAPER)
    }  # fmt: skip
    swin = "swin_b"
    assert rows == {
        ("resnet50", "hcqnet", "canonical", "canonical"), ("resnet152", "hcqnet", "canonical", "canonical"), (swin, "hcqnet", "canonical", "canonical"),
        (swin, "basenet-ds", "canonical", "canonical"), (swin, "basenet-dps", "canonical", "canonical"),
        (swin, "hcqnet-alpha", "canonical", "canonical"), (swin, "hcqnet-beta", "canonical", "canonical"),
        (swin, "hcqnet", "image", "canonical"), (swin, "hcqnet", "embedding", "canonical"), (swin, "hcqnet", "canonical", "image"),
    }  # fmt: skip
    tuned, before = load_recipe(FOLDER / "finetune-larger.json"), load_recipe(FOLDER / "paper-swin-b.json")
    assert tuned.network == before.network and tuned.augment.least_area == 32**2 and tuned.augment.scale[0] > before.augment.scale[0]
