"""Trains a network from a recipe.

    python -m hcqnet.train --recipe recipes/compact-cpu.json --data DIR --pseudo DIR --output RUN [--resume]

Writes RUN/last.pt (everything needed to go on), RUN/ema.safetensors (averaged weights, fp32) and RUN/curve.csv.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from . import parallel
from . import weights as weight_files
from .augment import Composer, Settings
from .batches import StepBatches, normalise
from .config import Config
from .data import load_sets
from .dense import joint_map_loss, proposal_loss
from .hcqnet import HCQNet
from .init_picodet import load_picodet
from .losses import Criterion, Targets, Weights


class NonFiniteLoss(RuntimeError):
    """A loss that is not a number; names the step and the terms."""


class Trainer:
    """Network, training-only heads, optimiser, averages; one `step` per batch."""

    def __init__(self, recipe: dict, world: int = 1) -> None:
        self.recipe, self.world = recipe, world
        torch.manual_seed(recipe["seed"])
        self.net = HCQNet(Config(**recipe["network"]))
        if recipe.get("picodet"):
            backbone, head = load_picodet(recipe["picodet"])
            self.net.backbone.load_state_dict(backbone.state_dict())
            self.net.proposals.load_state_dict(head.state_dict())
        self.net.to(memory_format=torch.channels_last)
        self.criterion = Criterion(Weights(**recipe.get("weights", {})))
        self.average = copy.deepcopy(self.net).eval()
        self.slow = [*self.net.backbone.parameters(), *self.net.proposals.parameters()]
        known = {id(p) for p in self.slow}
        fast = [p for m in (self.net, self.criterion) for p in m.parameters() if id(p) not in known]
        self.optimiser = torch.optim.AdamW(
            [{"params": fast, "scale": 1.0}, {"params": self.slow, "scale": recipe["slow_scale"]}],
            lr=recipe["lr"], weight_decay=recipe["weight_decay"], betas=(0.9, 0.99),
        )
        self.done = 0

    def set_rates(self, step: int) -> bool:
        """Warm-up, constant, linear decay to 0 over the last `decay_steps`; returns whether the backbone learns."""
        r = self.recipe
        factor = min(1.0, (step + 1) / r["warmup"]) * min(1.0, (r["steps"] - step) / max(r["decay_steps"], 1))
        thawed = step >= r["frozen_steps"]
        ramp = min(1.0, (step - r["frozen_steps"] + 1) / r["warmup"]) if thawed else 0.0
        for group in self.optimiser.param_groups:
            group["lr"] = r["lr"] * factor * group["scale"] * (ramp if group["scale"] != 1 else 1)
        for p in self.slow:
            p.requires_grad_(thawed)
        return thawed

    def step(self, number: int, pictures: Tensor, targets: list[Targets]) -> dict[str, float]:
        """One update; the terms as they were weighted, per person."""
        thawed = self.set_rates(number)
        self.net.train()
        terms = self.losses(pictures, targets, number % self.recipe["mask_every"] == 0, thawed)
        loss = sum(terms.values())
        if not torch.isfinite(loss):
            raise NonFiniteLoss(f"step {number}: loss is {float(loss)}: { {k: float(v) for k, v in terms.items()} }")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parallel.average_gradients([p for group in self.optimiser.param_groups for p in group["params"]])
        for group in self.optimiser.param_groups:
            nn.utils.clip_grad_norm_(group["params"], self.recipe["clip"])
        self.optimiser.step()
        self._average(number)
        self.done = number + 1
        return {k: float(v.detach()) for k, v in terms.items()}

    def losses(self, pictures: Tensor, targets: list[Targets], with_masks: bool, thawed: bool) -> dict[str, Tensor]:
        """All terms of one batch, weighted, per person in it."""
        w = self.criterion.weights
        scale = {"cls": w.cls, "box_l1": w.box_l1, "giou": w.giou, "box_rle": w.box_rle, "pose_rle": w.pose_rle, "oks": w.oks}
        config = self.net.config
        features = self.net.encode(normalise(pictures, config.image_mean, config.image_std), masks=False)
        layers = [self.net.predict(output, features) for output in self.net.decode(features)]
        # The mean over all processes, so that their averaged gradients are those of one large batch.
        people = max(parallel.total(sum(len(t.boxes) for t in targets)) / self.world, 1.0)
        terms: dict[str, Tensor] = {}
        for i, prediction in enumerate(layers):
            found, matches = self.criterion.layer(prediction, targets)
            for name, value in found.items():
                name = name if i == len(layers) - 1 else f"aux_{name}"
                key = name.removeprefix("aux_")
                terms[name] = terms.get(name, 0) + scale[key] * value / people
            if with_masks and i >= len(layers) - 2 and any(len(t.boxes) for t in targets):
                terms[f"mask{i}"] = self.masks(prediction, features, matches, targets) / people
        if features.joint_maps is not None:
            terms["joint_maps"] = joint_map_loss(features.joint_maps, targets) / people
        if thawed:
            terms["proposals"] = proposal_loss(features.proposals, targets) / people
        return terms

    def masks(self, prediction, features, matches, targets: list[Targets]) -> Tensor:
        """`mask_features`' 1x1 convolution folded into the mask embeddings of the matched queries (same function)."""
        conv = self.net.pixel_decoder.mask_features
        logits, boxes = [], []
        for i, (query, person) in enumerate(matches):
            embedding = prediction.mask_embeddings[i, query]
            folded, bias = embedding @ conv.weight[:, :, 0, 0], embedding @ conv.bias
            fine = features.fine[i]
            logits.append((folded @ fine.flatten(1) + bias[:, None]).unflatten(1, fine.shape[1:]))
            boxes.append(targets[i].boxes[person])
        return self.criterion.masks(torch.cat(logits), matches, targets, boxes)

    @torch.no_grad()
    def _average(self, number: int) -> None:
        decay = min(self.recipe["average"], (1 + number) / (10 + number))
        for a, p in zip(self.average.state_dict().values(), self.net.state_dict().values()):
            a.lerp_(p, 1 - decay) if a.dtype.is_floating_point else a.copy_(p)

    def save(self, directory: Path) -> None:
        """Everything needed to go on; replaced atomically."""
        parts = {k: getattr(self, k).state_dict() for k in ("net", "criterion", "average", "optimiser")}
        torch.save(parts | {"done": self.done, "recipe": self.recipe}, directory / "last.tmp")
        os.replace(directory / "last.tmp", directory / "last.pt")
        weight_files.save(self.average, directory / "ema.tmp")
        os.replace(directory / "ema.tmp", directory / "ema.safetensors")

    def load(self, directory: Path) -> None:
        """Goes on where `save` was."""
        state = torch.load(directory / "last.pt", weights_only=True)
        for k in ("net", "criterion", "average", "optimiser"):
            getattr(self, k).load_state_dict(state[k])
        for group, scale in zip(self.optimiser.param_groups, (1.0, self.recipe["slow_scale"])):
            group["scale"] = scale
        self.done = state["done"]


def train(trainer: Trainer, loader: DataLoader, output: Path, save_every: int, rank: int) -> None:
    """Runs until the recipe's last step; saves on the way, on SIGTERM and on Ctrl-C."""
    stop = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.append(1))
    started, first, sums, count, people = time.time(), trainer.done, {}, 0, 0
    with (output / "curve.csv").open("a", newline="") as file:
        log = csv.writer(file)
        for index, pictures, targets in loader:
            number = index // trainer.world
            for name, value in trainer.step(number, pictures, targets).items():
                sums[name] = sums.get(name, 0) + value
            count += 1
            if trainer.done % 20 == 0 and rank == 0:
                means = {k: v / (count / (trainer.recipe["mask_every"] if k.startswith("mask") else 1)) for k, v in sums.items()}
                together = len(pictures) * trainer.world
                speed = (trainer.done - first) * together / (time.time() - started)
                left = (trainer.recipe["steps"] - trainer.done) * together / speed / 60
                print(f"step {trainer.done} {speed:.1f} pictures/s, {left:.0f} min left: "
                      + " ".join(f"{k} {v:.3f}" for k, v in means.items()), flush=True)
                for k, v in means.items():
                    log.writerow([trainer.done, k, f"{v:.5f}"])
                file.flush()
                sums, count = {}, 0
            ending = trainer.done % 5 == 0 and parallel.any_of(bool(stop))
            if rank == 0 and (trainer.done % save_every == 0 or ending):
                trainer.save(output)
            if ending:
                return
    if rank == 0:
        trainer.save(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pseudo", type=Path)
    parser.add_argument("--validation", type=Path, default=Path(__file__).parent.parent / "validation.json")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = json.loads(arguments.recipe.read_text())
    arguments.output.mkdir(parents=True, exist_ok=True)
    rank, world = parallel.start()
    trainer = Trainer(recipe, world)
    if arguments.resume:
        trainer.load(arguments.output)
    samples = load_sets(arguments.data, arguments.pseudo, json.loads(arguments.validation.read_text()))
    composer = Composer(samples, Settings(**recipe.get("augment", {})))
    print(f"{len(samples)} pictures, {sum(len(s.people) for s in samples)} people, {len(composer.cutouts)} cut-outs", flush=True)
    batches = StepBatches(composer, recipe["seed"], recipe["batch"], [tuple(c) for c in recipe["canvases"]], recipe["steps"] * world)
    loader = DataLoader(
        batches, batch_size=None, sampler=range(trainer.done * world + rank, recipe["steps"] * world, world), num_workers=arguments.workers,
        prefetch_factor=4 if arguments.workers else None,
    )
    train(trainer, loader, arguments.output, arguments.save_every, rank)


if __name__ == "__main__":
    main()
