"""One network in training: losses of a batch, an update, averaged weights, and a state that goes on bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from . import parallel, starts
from . import weights as weight_files
from .backbones.swin import SwinBlock
from .batches import Batch, normalise
from .dense import distillation_loss, joint_map_loss, owner_loss, proposal_loss
from .hcqnet import HCQNet, Prediction
from .init_picodet import load_picodet
from .losses import Criterion
from .paper_losses import PaperCriterion
from .pixel_decoder import Features
from .proposals import Proposals
from .recipe import Recipe
from .targets import Targets

SAVED = ("net", "criterion", "average", "optimiser")
Record = TypeVar("Record", Features, Prediction, Proposals)


class NonFiniteLoss(RuntimeError):
    """A loss that is not a number; names the step, the terms and the pictures."""


class Trainer:
    """Network, criterion, optimiser and averages of one run."""

    def __init__(self, recipe: Recipe, rank: int = 0, world: int = 1) -> None:
        recipe = recipe.spread(world)
        self.recipe, self.rank, self.world = recipe, rank, world
        self.origin: dict[str, Any] = {}  # of the weights: what `provenance.origin` tells
        torch.manual_seed(recipe.seed)
        self.device = parallel.device(rank)
        self.net = HCQNet(recipe.network)
        starts.apply(self.net, recipe)
        self.net.to(self.device, memory_format=torch.channels_last)
        if self.net.tower is not None:
            self.net.tower.to(memory_format=torch.contiguous_format)
        self.compact = recipe.criterion == "compact"
        criterion = Criterion(recipe.weights) if self.compact else PaperCriterion(recipe.paper, recipe.match)
        self.criterion = criterion.to(self.device)
        blocks = [m for m in self.net.backbone.modules() if isinstance(m, SwinBlock)]
        for i, block in enumerate(blocks):
            block.drop_path = recipe.drop_path * i / (len(blocks) - 1)
        self.average = copy.deepcopy(self.net).eval().requires_grad_(False)
        if recipe.train_queries:  # with proposals the number of queries is free
            self.net.config = dataclasses.replace(self.net.config, queries=recipe.train_queries)
        norms = [m for m in self.net.backbone.modules() if isinstance(m, nn.BatchNorm2d)]  # of a ResNet: as published
        for part in (*(self.net.get_submodule(name) for name in recipe.frozen), *norms):
            part.requires_grad_(False)
        self.never = {id(p) for p in self.net.parameters() if not p.requires_grad}
        self.optimiser = self._optimiser()
        self.teacher = None
        if self.compact and recipe.weights.distillation:
            self.teacher = [m.to(self.device, memory_format=torch.channels_last) for m in load_picodet(recipe.picodet_file)]
        self.done = 0
        self.sums: dict[str, float] = {}  # of the terms since the curve's last row
        self.summed = 0  # steps in them

    def _optimiser(self) -> torch.optim.Optimizer:
        """AdamW with three groups: everything else, pixel decoder and tower, backbone and proposal head.

        The paper's criterion has them twice, the second time with what Mask2Former does not let decay: norms, queries, bias tables.
        """
        slow = list(self.net.backbone.parameters())
        slow += [] if self.net.proposals is None else list(self.net.proposals.parameters())
        maps = list(self.net.pixel_decoder.parameters())
        maps += [] if self.net.tower is None else list(self.net.tower.parameters())
        known = {id(p) for p in [*slow, *maps]}
        rest = [p for m in (self.net, self.criterion) for p in m.parameters() if id(p) not in known]
        self.scales = (1.0, self.recipe.maps_scale, self.recipe.backbone_scale)
        betas = (0.9, 0.99) if self.compact else (0.9, 0.999)
        groups: list[dict[str, Any]] = [{"params": p} for p in (rest, maps, slow)]
        if not self.compact:
            kept = _never_decaying(self.net)
            still = [{"params": [p for p in g["params"] if id(p) in kept], "weight_decay": 0.0} for g in groups]
            groups = [{"params": [p for p in g["params"] if id(p) not in kept]} for g in groups] + still
        return torch.optim.AdamW(groups, self.recipe.lr, betas=betas, weight_decay=self.recipe.weight_decay)

    def _set_rates(self) -> None:
        r, step = self.recipe, self.done
        for i, group in enumerate(self.optimiser.param_groups):
            group["lr"] = r.lr * r.rate(step) * self.scales[i % 3]
        for p in (p for group in self.optimiser.param_groups[2::3] for p in group["params"]):
            p.requires_grad_(step >= r.frozen_steps and id(p) not in self.never)

    def step(self, batches: list[Batch]) -> dict[str, float]:
        """One update from `accumulate` batches; the weighted terms, per person, of all processes."""
        self._set_rates()
        self.net.train()
        self.optimiser.zero_grad(set_to_none=True)
        people = max(parallel.total(sum(len(t.boxes) for b in batches for t in b.targets)), 1.0) / self.world
        sums: dict[str, float] = {}
        for batch in batches:
            # Points of masks are drawn anew every step, and the same ones whichever process takes the batch, before or after a resume.
            torch.manual_seed(int(np.random.SeedSequence((self.recipe.seed, self.done, batch.index)).generate_state(1, np.uint64)[0]))
            terms = self.losses(batch, people, len(batches))
            loss = sum(terms.values())
            values = {k: float(v.detach()) for k, v in terms.items()}
            if not torch.isfinite(loss):
                raise NonFiniteLoss(f"step {self.done}: loss is {sum(values.values())}; terms {values}; pictures {', '.join(batch.names)}")
            loss.backward()
            for k, v in values.items():
                sums[k] = sums.get(k, 0) + v
        everything = [p for group in self.optimiser.param_groups for p in group["params"]]
        parallel.average_gradients(everything)
        # Mask2Former clips the whole network's gradient at once, the compact recipe each group's own.
        clipped = [group["params"] for group in self.optimiser.param_groups] if self.compact else [everything]
        norms = [nn.utils.clip_grad_norm_(parameters, self.recipe.clip) for parameters in clipped]
        if not all(torch.isfinite(norm) for norm in norms):
            names = ", ".join(name for batch in batches for name in batch.names)
            raise NonFiniteLoss(f"step {self.done}: loss is finite, its gradient is not; terms {sums}; pictures {names}")
        self.optimiser.step()
        self._average()
        self.done += 1
        return parallel.mean_of(sums)

    def losses(self, batch: Batch, people: float, parts: int = 1) -> dict[str, Tensor]:
        """All weighted terms of one of `parts` batches of an update, divided by the people of all of them.

        The network runs in bfloat16 where the recipe says so, the losses in float32.
        """
        config = self.net.config
        image = normalise(batch.pictures.to(self.device), config.image_mean, config.image_std)
        targets = [t.to(self.device) for t in batch.targets]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16):
            features = self.net.encode(image, masks=not self.compact)
            outputs = self.net.decode(features)
            features = _in_float32(features)
            layers = [_in_float32(self.net.predict(output, features)) for output in outputs]
        if not self.compact:
            return self.criterion(layers, targets, people, parts)
        terms = self._compact(layers, features, targets, people)
        if features.joint_maps is not None:
            joints, sides = features.joint_maps.split((config.joints, config.joint_channels - config.joints), 1)
            terms["joint_maps"] = joint_map_loss(joints, targets) / people
            if config.joint_owner:
                terms["owner"] = self.recipe.weights.owner * owner_loss(sides, targets) / people
        if self.teacher is not None:
            with torch.no_grad():
                truth = self.teacher[1](self.teacher[0](image)[1:], image.shape[2:])
            terms["distillation"] = self.recipe.weights.distillation * distillation_loss(features.proposals, truth) / parts
        elif features.proposals is not None and self.recipe.weights.proposals:
            terms["proposals"] = self.recipe.weights.proposals * proposal_loss(features.proposals, targets) / people
        return terms

    def _compact(self, layers: list[Prediction], features: Features, targets: list[Targets], people: float) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for i, prediction in enumerate(layers):
            last = i == len(layers) - 1
            found, matches = self.criterion.layer(prediction, targets)
            for name, value in found.items():
                weight = getattr(self.criterion.weights, name)
                if weight:
                    name = name if last else f"aux_{name}"
                    terms[name] = terms.get(name, 0) + weight * value / people
            if i >= len(layers) - self.recipe.mask_layers and any(len(q) for q, _ in matches):
                terms["mask"] = terms.get("mask", 0) + self._masks(prediction, features, matches, targets) / people
        return terms

    def _masks(self, prediction: Prediction, features: Features, matches: list, targets: list[Targets]) -> Tensor:
        """`mask_features`' 1x1 convolution folded into the mask embeddings of the matched queries (same function)."""
        conv = self.net.pixel_decoder.mask_features
        logits, boxes = [], []
        fine_maps = features.fine.unbind()  # one gradient for all pictures, not one of full size for each
        for i, (query, person) in enumerate(matches):
            embedding = prediction.mask_embeddings[i, query]
            folded, bias = embedding @ conv.weight[:, :, 0, 0], embedding @ conv.bias
            fine = fine_maps[i]
            logits.append((folded @ fine.flatten(1) + bias[:, None]).unflatten(1, fine.shape[1:]))
            boxes.append(targets[i].boxes[person])
        return self.criterion.masks(torch.cat(logits), matches, targets, boxes)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.average, (1 + self.done) / (10 + self.done)) if self.recipe.average else 0.0
        for a, p in zip(self.average.state_dict().values(), self.net.state_dict().values()):
            a.lerp_(p, 1 - decay) if a.dtype.is_floating_point else a.copy_(p)

    def save(self, directory: Path) -> None:
        """`last.pt`, everything needed to go on, and `average.safetensors`; each replaced atomically."""
        state = {name: getattr(self, name).state_dict() for name in SAVED}
        told = self.origin | {"step": self.done} if self.origin else {}
        state |= {"done": self.done, "sums": self.sums, "summed": self.summed, "origin": told}
        metadata = {"training": json.dumps(told)} if told else {}
        _replace(directory / "last.pt", lambda path: torch.save(state, path))
        _replace(directory / "average.safetensors", lambda path: weight_files.save(self.average, path, metadata=metadata))

    def load(self, directory: Path) -> None:
        """Goes on where `save` was; `StartError` where last.pt is damaged or of another recipe."""
        path = directory / "last.pt"
        state = starts.checkpoint(path, self.device)
        try:
            for name in SAVED:
                getattr(self, name).load_state_dict(state[name])
            self.done, self.sums, self.summed = state["done"], state.get("sums", {}), state.get("summed", 0)
            self.origin = state.get("origin", {})
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise starts.StartError(f"{path}: is no state of this recipe's run ({starts.in_short(error)}); name another --output") from error


def _never_decaying(net: HCQNet) -> set[int]:
    """The ids of parameters of normalisations, learned queries and Swin's bias tables."""
    norms = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)
    found = {id(p) for m in net.modules() if isinstance(m, norms) for p in m.parameters()}
    names = ("query_feat", "query_key", "relative_position_bias_table")
    return found | {id(p) for name, p in net.named_parameters() if name.endswith(names)}


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside `path` that then takes its place: after a kill or on a full disk the one before is whole."""
    new = path.with_suffix(".tmp")
    try:
        write(new)
        with new.open("rb") as file:
            os.fsync(file.fileno())
    except Exception as error:  # PyTorch and safetensors have errors of their own for a full disk
        free = shutil.disk_usage(path.parent).free // 1_000_000
        new.unlink(missing_ok=True)
        reason = f"{starts.in_short(error)}; {free} MB were free there"
        raise OSError(f"{path}: cannot be written ({reason}); what was saved before is kept") from error
    os.replace(new, path)


def _in_float32(record: Record) -> Record:
    """The same with every number in float32."""
    values = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    for name, value in values.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            values[name] = value.float()
        elif isinstance(value, Proposals):
            values[name] = _in_float32(value)
    return dataclasses.replace(record, **values)
