"""Several processes that train one network: `torchrun` starts them, gradients are averaged once a step."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import nn


def start() -> tuple[int, int]:
    """Joins the group that torchrun describes in the environment; returns (rank, world size), (0, 1) without one."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    # Gradients lie on the GPUs, counts and flags on the CPUs.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


def total(value: float) -> float:
    """The sum of a number over all processes."""
    if not dist.is_initialized():
        return value
    tensor = torch.tensor([value], dtype=torch.float64)
    dist.all_reduce(tensor)
    return float(tensor)


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replaces every gradient by the mean over all processes; one that is missing counts as zero."""
    if not dist.is_initialized():
        return
    parameters = [p for p in parameters if p.requires_grad]
    flat = torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1) for p in parameters])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad = part.view(p.shape)


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    return total(float(flag)) > 0

