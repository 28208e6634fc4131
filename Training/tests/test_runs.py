"""A run as its command: what it leaves behind, what it refuses to lose, and several processes that are as good as one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hcqnet import parallel
from hcqnet import train as train_module
from hcqnet.augment import Composer
from hcqnet.data import DataError, load_sets
from hcqnet.recipe import load_recipe
from hcqnet.train import batches_from, train
from hcqnet.trainer import Trainer
from hcqnet.weights import training

TRAINING = Path(__file__).parent.parent
RECIPE = {
    "network": {"backbone": "resnet18", "hidden_dim": 32, "queries": 6, "encoder_layers": 1, "encoder_ffn": 32, "decoder_layers": 1, "decoder_ffn": 32},
    "paper": {"points": 64}, "canvases": [[64, 96]], "batch": 1, "update": 2, "steps": 4, "average": 0.5, "seed": 5,
}  # fmt: skip


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(RECIPE))
    return path


def command(monkeypatch: pytest.MonkeyPatch, recipe: Path, data: Path, output: Path, *more: str) -> int:
    """`python -m hcqnet.train` in this process."""
    arguments = ["--recipe", recipe, "--data", data, "--output", output, "--workers", "0", "--judge-every", "0", *more]
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
    return train_module.main()


def test_weights_tell_the_command_the_commit_and_the_seed(
    recipe: Path, shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert command(monkeypatch, recipe, shard, run) == 0
    (told,) = training(run / "average.safetensors")
    head = subprocess.run(["git", "-C", TRAINING, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert told["seed"] == 5 and told["step"] == 4 and told["recipe"] == "own" and told["processes"] == 1
    assert told["commit"] == (head or "unknown") and told["versions"]["torch"] == torch.__version__
    assert told["command"].startswith("python -m hcqnet.train --recipe ") and str(recipe) in told["command"]
    assert command(monkeypatch, recipe, shard, run, "--resume") == 0
    first, second = (json.loads(line) for line in (run / "runs.jsonl").read_text().splitlines())
    assert first["step"] == 0 and second["step"] == 4 and first["values"]["accumulate"] == 2
    (told,) = training(run / "average.safetensors")
    assert [(r["step"], r["command"]) for r in told["resumed"]] == [(4, first["command"])] and told["command"].endswith("--resume")
    # A run that is there is gone on with, or left alone.
    before = (run / "last.pt").read_bytes()
    capsys.readouterr()
    assert command(monkeypatch, recipe, shard, run) == 1
    assert capsys.readouterr().err == f"hcqnet.train: {run}: holds a run; --resume goes on with it, another --output leaves it alone\n"
    assert (run / "last.pt").read_bytes() == before


def test_weights_tell_what_they_started_from_and_which_labels_they_saw(recipe: Path, shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none.json").write_text("{}")
    more = ("--validation", str(tmp_path / "none.json"))
    assert command(monkeypatch, recipe, shard, tmp_path / "a", *more) == 0
    for number, start in enumerate(("last.pt", "average.safetensors")):
        recipe.write_text(json.dumps(RECIPE | {"seed": 6, "start_file": str(tmp_path / "a" / start)}))
        output = tmp_path / f"b{number}"
        assert command(monkeypatch, recipe, shard, output, *(more if number else ())) == 0
        (told,), (before,) = training(output / "average.safetensors"), training(tmp_path / "a" / "average.safetensors")
        assert told["seed"] == 6 and told["start"] == [before] and before["seed"] == 5 and before["step"] == 4
        assert len(told["labels"]) == 16 and (told["labels"] == before["labels"]) == bool(number)


def test_a_run_in_a_pipe_says_where_its_weights_are_and_nothing_else(
    recipe: Path, shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_module.train, "__defaults__", (200, 1, None, 1000))  # a row at every step
    assert command(monkeypatch, recipe, shard, tmp_path / "run") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run' / 'average.safetensors'}: step 4\n"
    rows = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert rows[0] == "step,term,value" and [r.split(",")[0] for r in rows if ",loss," in r] == ["1", "2", "3", "4"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert command(monkeypatch, recipe, shard, tmp_path / "terminal") == 0
    lines = capsys.readouterr().out.split("\r\x1b[K")
    assert len(lines) == 6 and lines[1].startswith("step 1/4  ") and "  loss " in lines[4] and lines[5].endswith("step 4\n")


def test_published_networks_are_taken_from_the_folder_given(
    recipe: Path, shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(json.dumps(RECIPE | {"picodet_file": "elsewhere/p.onnx"}))
    assert command(monkeypatch, recipe, shard, tmp_path / "run", "--teachers", str(tmp_path / "here")) == 1
    assert str(tmp_path / "here" / "p.onnx") in capsys.readouterr().err


def test_a_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert parallel.device(5) == torch.device("cuda", 1) and chosen == [1] and parallel.cores_each() == 8
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(parallel.ProcessError, match=r"process 3 of a machine with 2 GPUs; start one for each GPU \(make train PROCESSES=2\)"):
        parallel.device(6)


def test_a_picture_that_is_not_there_is_named_before_the_first_step(
    recipe: Path, shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "drawn").mkdir()
    (tmp_path / "data" / "drawn" / "annotations.json").write_text((shard / "drawn" / "annotations.json").read_text())
    assert command(monkeypatch, recipe, tmp_path / "data", tmp_path / "run") == 1
    assert "drawn/images/0.png: is named in annotations.json but is not there (12 of 12 pictures)" in capsys.readouterr().err
    assert command(monkeypatch, recipe, tmp_path / "nowhere", tmp_path / "run") == 1
    assert "nowhere" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_full_disk_leaves_the_state_before(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(load_recipe(recipe))
    trainer.save(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in ("last.pt", "average.safetensors")}

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")

    monkeypatch.setattr(torch, "save", full)
    trainer.done = 3
    with pytest.raises(OSError, match=r"last\.pt: cannot be written \(PytorchStreamWriter .*; \d+ MB were free there\); what was saved before is kept"):
        trainer.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path != recipe} == before


def test_two_processes_are_one_with_twice_the_batches(recipe: Path, shard: Path, tmp_path: Path) -> None:
    """Losses, gradients and with them weights; the curve is that of all processes."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "hcqnet.train"]
    arguments = ["--recipe", recipe, "--data", shard, "--output", tmp_path / "two", "--workers", "0", "--judge-every", "0"]
    no_validation = tmp_path / "none.json"
    no_validation.write_text("{}")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*torchrun, *arguments, "--validation", no_validation], capture_output=True, text=True, cwd=TRAINING, timeout=300, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    alone = Trainer(load_recipe(recipe))
    (tmp_path / "one").mkdir()
    samples = load_sets(shard, None, {})
    train(alone, iter(batches_from(alone, Composer(samples, alone.recipe.augment), 0)), tmp_path / "one")
    one, two = (load_file(tmp_path / name / "average.safetensors") for name in ("one", "two"))
    # Sums in another order are all that differs: rounding, far below the steps of 1e-4 that the weights made.
    assert one.keys() == two.keys() and all(torch.allclose(value, two[name], rtol=0, atol=5e-6) for name, value in one.items())
    first, second = (dict(line.rsplit(",", 1) for line in (tmp_path / name / "curve.csv").read_text().splitlines()[1:]) for name in ("one", "two"))
    assert {k: float(v) for k, v in second.items()} == pytest.approx({k: float(v) for k, v in first.items()}, rel=1e-4)
    (told,) = training(tmp_path / "two" / "average.safetensors")
    assert told["processes"] == 2


def test_a_process_that_is_left_alone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: torch.Tensor) -> None:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer")

    monkeypatch.setattr(parallel.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(parallel.dist, "all_reduce", closed)
    with pytest.raises(parallel.ProcessError, match="another process of this run has ended"):
        parallel.total(1.0)


@pytest.mark.parametrize("bf16", [False, True])
def test_pictures_of_nobody_and_of_more_people_than_queries_take_a_step(bf16: bool, recipe: Path, shard: Path) -> None:
    base = dataclasses.replace(load_recipe(recipe), bf16=bf16)
    crowd = dataclasses.replace(base, network=dataclasses.replace(base.network, queries=1))
    for used, people in ((base, 0), (crowd, 3)):
        trainer = Trainer(used)
        sample = load_sets(shard, None, {})[0]
        sample.people = [*sample.people * 3][:people]
        batches = list(batches_from(trainer, Composer([sample], dataclasses.replace(used.augment, scale=(1.0, 1.0), paste=0.0, mosaic=0.0)), 0))
        terms = trainer.step(batches[:2])
        assert all(np.isfinite(v) for v in terms.values()) and (terms["mask_dice"] > 0) == (people > 0)
        norms = [p.grad.norm() for p in trainer.net.parameters() if p.grad is not None]
        assert all(torch.isfinite(n) for n in norms) and sum(norms) > 0


def test_a_damaged_label_file_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "annotations.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="annotations.json"):
        load_sets(tmp_path, None, {})
