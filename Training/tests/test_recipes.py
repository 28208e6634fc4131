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
