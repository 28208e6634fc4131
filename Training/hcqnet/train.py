"""Trains a network from a recipe.

    python -m hcqnet.train --recipe recipes/compact-cpu.json --data DIR --output RUN [--pseudo DIR] [--resume]
    torchrun --nproc-per-node 8 -m hcqnet.train ...            several GPUs, or one CPU thread a process
    torchrun --nnodes 2 --rdzv-endpoint HOST:29500 ...         several machines

DIR holds unpacked shards (`python -m hcqnet.unpack`). Writes RUN/last.pt (everything needed to go on), RUN/average.safetensors
(averaged weights), RUN/curve.csv and RUN/curve.png (losses, and AP of the averaged weights on held-out pictures), RUN/runs.jsonl
(command, commit, seed and versions of every start); ends cleanly, resumable, on SIGTERM and Ctrl-C. Several machines need one RUN
that all of them see.
"""

from __future__ import annotations

import argparse
import atexit
import csv
import dataclasses
import itertools
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from . import parallel
from .accuracy import Accuracy
from .augment import Composer
from .batches import Batch, StepBatches
from .command import MISTAKES, progress, say
from .curve import draw_curve
from .data import DataError, Sample, held_out_names, load_sets
from .hcqnet import HCQNet
from .predict import ENGINE_BOUNDS
from .provenance import note_start, origin
from .recipe import Recipe, load_recipe
from .starts import StartError
from .trainer import NonFiniteLoss, Trainer

HEADER = "step,term,value"
VALIDATION = Path(__file__).parent.parent / "validation.json"


class Log:
    """Means of the terms since the last row, to a terminal and to curve.csv, which a resumed run goes on with."""

    def __init__(self, path: Path, trainer: Trainer) -> None:
        self.trainer, self.started, self.first, self.pictures = trainer, time.time(), trainer.done, 0
        # A killed run may have written more than it saved.
        lines = path.read_text().splitlines() if path.exists() else []
        kept = path.with_suffix(".tmp")
        rows = [line for line in lines if _is_row(line) and int(line.split(",")[0]) <= trainer.done]
        kept.write_text("".join(f"{line}\n" for line in [HEADER, *rows]))
        os.replace(kept, path)
        self.file = path.open("a", newline="")

    def add(self, terms: dict[str, float], pictures: int) -> None:
        """One step's terms."""
        sums = self.trainer.sums
        for name, value in (terms | {"loss": sum(terms.values())}).items():
            sums[name] = sums.get(name, 0) + value
        self.trainer.summed, self.pictures = self.trainer.summed + 1, self.pictures + pictures

    def write(self) -> None:
        """A progress line and the rows (step, term, mean)."""
        if not self.trainer.summed:
            return
        means = {k: v / self.trainer.summed for k, v in self.trainer.sums.items()}
        elapsed = time.time() - self.started
        left = (self.trainer.recipe.steps - self.trainer.done) * elapsed / max(self.trainer.done - self.first, 1) / 60
        progress(
            f"step {self.trainer.done}/{self.trainer.recipe.steps}  {self.pictures / elapsed:.1f} pictures/s  {left:.0f} min left  "
            + "  ".join(f"{k} {means[k]:.3f}" for k in sorted(means, key=lambda k: k != "loss"))
        )
        self._rows(means)
        self.trainer.sums, self.trainer.summed = {}, 0

    def judge(self, accuracy: dict[str, float]) -> None:
        """A line and the rows (step, AP_bbox and so on, value)."""
        say(f"step {self.trainer.done}/{self.trainer.recipe.steps}  " + "  ".join(f"{k} {v:.3f}" for k, v in accuracy.items()))
        self._rows(accuracy)

    def _rows(self, values: dict[str, float]) -> None:
        csv.writer(self.file, lineterminator="\n").writerows([self.trainer.done, k, f"{v:.6g}"] for k, v in values.items())
        self.file.flush()


def _is_row(line: str) -> bool:
    return line.count(",") == 2 and line.split(",")[0].isdecimal()


def train(
    trainer: Trainer, batches: Iterator[Batch], output: Path, save_every: int = 200, log_every: int = 20,
    accuracy: Callable[[HCQNet], dict[str, float]] | None = None, judge_every: int = 1000,
) -> None:  # fmt: skip
    """Runs to the recipe's last step or until a signal; saves on the way and at the end."""
    stop: list[int] = []
    previous = {name: signal.signal(name, lambda *_: stop.append(1)) for name in (signal.SIGTERM, signal.SIGINT)}
    log = Log(output / "curve.csv", trainer) if trainer.rank == 0 else None
    try:
        while trainer.done < trainer.recipe.steps:
            group = list(itertools.islice(batches, trainer.recipe.accumulate))
            terms = trainer.step(group)
            ending = parallel.any_of(bool(stop))
            if log is not None:
                log.add(terms, sum(len(b.pictures) for b in group) * trainer.world)
                last = trainer.done == trainer.recipe.steps
                if last or trainer.done % log_every == 0:
                    log.write()
                if accuracy and (last or trainer.done % judge_every == 0):
                    log.judge(accuracy(trainer.average))
                    draw_curve(output / "curve.csv", output / "curve.png")
                if trainer.done % save_every == 0:
                    trainer.save(output)
            if ending:
                break
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
    if log is not None:
        trainer.save(output)
        draw_curve(output / "curve.csv", output / "curve.png")
        ended = trainer.done == trainer.recipe.steps
        say(f"{output / 'average.safetensors'}: step {trainer.done}{'' if ended else '; stopped, --resume goes on'}")


def batches_from(trainer: Trainer, composer: Composer, workers: int) -> DataLoader:
    """The batches of the steps that are left, for this process."""
    r = trainer.recipe
    stride = r.accumulate * trainer.world
    data = StepBatches(composer, r.seed, r.batch, list(r.canvases), r.steps * stride, maps=r.network.joint_grid > 0)
    order = range(trainer.done * stride + trainer.rank, r.steps * stride, trainer.world)
    return DataLoader(
        data, batch_size=None, sampler=order, num_workers=workers, prefetch_factor=2 if workers else None,
        worker_init_fn=_end_with_parent,
    )  # fmt: skip


def _end_with_parent(_: int) -> None:
    """A signal to the whole group (Ctrl-C, a service manager) must not take the data from a step that is under way."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_children() -> None:
    """Processes that compose pictures heed no other signal, and Python waits for them when an error ends it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else PyTorch reports their end as an error
    for child in multiprocessing.active_children():
        child.kill()


def _recipe(options: argparse.Namespace) -> Recipe:
    """The recipe; published networks that it names are taken from `--teachers` where that is given."""
    recipe = load_recipe(options.recipe)
    names = [name for name in ("picodet_file", "tinypose_file") if options.teachers and getattr(recipe, name)]
    return dataclasses.replace(recipe, **{name: str(options.teachers / Path(getattr(recipe, name)).name) for name in names})


def _samples(options: argparse.Namespace, held_out: dict[str, list[str]]) -> list[Sample]:
    """The pictures to train on; `DataError` where one is not there, which else shows when it is drawn, hours later."""
    samples = load_sets(options.data, options.pseudo, held_out)
    gone = [s.path for s in samples if not s.path.exists()]
    if gone:
        raise DataError(f"{gone[0]}: is named in annotations.json but is not there ({len(gone)} of {len(samples)} pictures)")
    return samples


def _prepare(options: argparse.Namespace, trainer: Trainer) -> None:
    """The folder of the run: gone on with, or new."""
    options.output.mkdir(parents=True, exist_ok=True)
    if options.resume:
        trainer.load(options.output)
    elif (options.output / "last.pt").exists():
        raise StartError(f"{options.output}: holds a run; --resume goes on with it, another --output leaves it alone")
    if trainer.rank == 0:
        labels = sorted([*options.data.glob("*/annotations.json"), *(options.pseudo.glob("*.npz") if options.pseudo else ()), options.validation])
        trainer.origin = origin(options.recipe, trainer.recipe, trainer.world, labels, trainer.origin)
        note_start(options.output, trainer.origin, trainer.recipe, trainer.done)


def main() -> int:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m hcqnet.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="unpacked shards")
    parser.add_argument("--pseudo", type=Path, help="what the teachers saw (python -m hcqnet.pseudo_labels)")
    parser.add_argument("--teachers", type=Path, help="the folder of published networks that the recipe starts from (where the recipe says)")
    parser.add_argument("--validation", type=Path, default=VALIDATION, help="pictures never trained on")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from OUTPUT/last.pt")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--workers", type=int, help="processes that compose pictures, for each process (a GPU's share of the cores; else 1)")
    parser.add_argument("--save-every", type=int, default=200)
    parser.add_argument("--judge-every", type=int, default=1000, help="steps between two AP of held-out pictures; 0: none")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rank, world = parallel.start()
    atexit.register(_end_children)
    try:
        trainer = Trainer(_recipe(options), rank, world)
        held_out = held_out_names(options.validation, options.data)
        composer = Composer(_samples(options, held_out), trainer.recipe.augment)
        _prepare(options, trainer)
        bounds = max([ENGINE_BOUNDS, *trainer.recipe.canvases], key=math.prod)  # the paper's networks see more than the engine shows
        accuracy = Accuracy(options.data, held_out, bounds=bounds) if options.judge_every and rank == 0 else None
        workers = parallel.cores_each() if options.workers is None else options.workers
        loader = batches_from(trainer, composer, workers)
        train(trainer, iter(loader), options.output, options.save_every, accuracy=accuracy, judge_every=options.judge_every)
        parallel.end()
    except (*MISTAKES, NonFiniteLoss, parallel.ProcessError) as error:
        # What a process that composes pictures says ends with the error itself.
        print(f"hcqnet.train: {str(error).strip().splitlines()[-1]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
