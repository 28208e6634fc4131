"""Averages the weights of several stages of one training (Wortsman et al., "Model soups", ICML 2022).

    python -m hcqnet.soup runs/a/average.safetensors runs/b/average.safetensors --output M.safetensors
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from . import weights
from .command import run
from .hcqnet import HCQNet
from .weights import WeightsError


@torch.no_grad()
def soup(files: list[Path]) -> HCQNet:
    """The network whose every tensor is the mean of the files' tensors, taken in float64.

    Raises `WeightsError` when the files' configurations differ.
    """
    nets = [weights.load(file, torch.float64) for file in files]
    mean = nets[0]
    for file, net in zip(files, nets):
        if net.config != mean.config:
            raise WeightsError(f"{file}: another configuration than {files[0]}; only weights of one network can be averaged")
    states = [net.state_dict() for net in nets]
    mean.load_state_dict(
        {
            name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
            for name, value in states[0].items()
        }
    )
    return mean


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(
        prog="python -m hcqnet.soup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="weights of the same network")
    parser.add_argument("--output", type=Path, required=True, help="written in float16")
    options = parser.parse_args()
    mean = soup(options.files)
    told = [one for file in options.files for one in weights.training(file)]
    weights.save(mean, options.output, torch.float16, {"training": json.dumps(told)} if told else None)


if __name__ == "__main__":
    run("soup", main)
