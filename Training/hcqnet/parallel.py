"""Several processes that train one network: `torchrun` starts them, gradients are averaged once a step."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import nn

PATIENCE = datetime.timedelta(hours=2)  # all wait while one judges; a process that ends is noticed at once


def start() -> tuple[int, int]:
    """Joins the group that torchrun describes in the environment; returns (rank, world size), (0, 1) without one."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    # Gradients lie on the GPUs, counts and flags on the CPUs.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    return dist.get_rank(), dist.get_world_size()


def end() -> None:
    """Leaves the group in good order."""
    if dist.is_initialized():
        dist.destroy_process_group()


class ProcessError(RuntimeError):
    """There are more processes than GPUs, or another process of the run has ended, whose own message says why."""


@contextlib.contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ProcessError("another process of this run has ended; its own message says why") from error


def device(rank: int) -> torch.device:
    """The GPU of this process on its machine, from now on the current one, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number, here = int(os.environ.get("LOCAL_RANK", str(rank))), torch.cuda.device_count()
    if number >= here:
        raise ProcessError(f"process {number + 1} of a machine with {here} GPUs; start one for each GPU (make train PROCESSES={here})")
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def cores_each() -> int:
    """How many cores a process has for composing pictures: its share where GPUs do the rest, else one."""
    if not torch.cuda.is_available():
        return 1
    return max(len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)


def total(value: float) -> float:
    """The sum of a number over all processes."""
    if not dist.is_initialized():
        return value
    tensor = torch.tensor([value], dtype=torch.float64)
    with _together():
        dist.all_reduce(tensor)
    return float(tensor)


def mean_of(values: dict[str, float]) -> dict[str, float]:
    """The mean over all processes of every value; what a process does not have counts as 0 there."""
    if not dist.is_initialized():
        return values
    everybody: list[dict[str, float]] = [{}] * dist.get_world_size()
    with _together():
        dist.all_gather_object(everybody, values)
    names = dict.fromkeys(name for one in everybody for name in one)
    return {name: sum(one.get(name, 0.0) for one in everybody) / len(everybody) for name in names}


def average_gradients(parameters: list[nn.Parameter]) -> None:
    """Replaces every gradient by the mean over all processes; where one has none it counts as zero, where nobody has one it stays None."""
    if not dist.is_initialized():
        return
    parameters = [p for p in parameters if p.requires_grad]
    has = torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)
    flat = torch.cat([has, *((p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1) for p in parameters)])
    with _together():
        dist.all_reduce(flat)
    has, flat = flat[: len(parameters)].tolist(), flat[len(parameters) :] / dist.get_world_size()
    for p, part, one in zip(parameters, flat.split([p.numel() for p in parameters]), has):
        p.grad = part.view(p.shape) if one else None


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    return total(float(flag)) > 0

