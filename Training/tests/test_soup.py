"""Weights of several stages in one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hcqnet import weights
from hcqnet.export import TINY
from hcqnet.new import random_network
from hcqnet.soup import soup
from hcqnet.weights import WeightsError


def test_every_tensor_is_the_mean(tmp_path: Path) -> None:
    files = [tmp_path / f"{seed}.safetensors" for seed in range(3)]
    nets = [random_network(TINY, seed) for seed in range(3)]
    for net, file in zip(nets, files):
        weights.save(net, file)
    mean = soup(files).state_dict()
    for name, value in nets[0].state_dict().items():
        if value.is_floating_point():
            expected = sum(net.state_dict()[name].double() for net in nets) / 3
            torch.testing.assert_close(mean[name], expected, rtol=1e-12, atol=1e-12)


def test_another_network_is_refused_by_name(tmp_path: Path) -> None:
    for name, config in {"a": TINY, "b": replace(TINY, queries=7)}.items():
        weights.save(random_network(config, 1), tmp_path / f"{name}.safetensors")
    with pytest.raises(WeightsError, match="b.safetensors: another configuration"):
        soup([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])
