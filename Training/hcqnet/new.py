"""Seeded networks and inputs for comparing implementations.

    python -m hcqnet.new --config C.json --seed 7 -o M.safetensors --image X.safetensors --size 224x160
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from . import init
from .config import Config, ConfigError
from .hcqnet import HCQNet
from .weights import save


def random_network(config: Config, seed: int, sigma: bool = True) -> HCQNet:
    """A network in evaluation mode in which every tensor matters; `sigma` false leaves the sigma layers out."""
    net = HCQNet(config)
    init.at_random(net, seed)
    if not sigma:
        net.heads.box.sigma = None
        if net.heads.pose is not None:
            net.heads.pose.sigma = None
    return net.eval()


def random_image(height: int, width: int, seed: int, batch: int = 1) -> Tensor:
    """A normalised picture, [batch, 3, height, width]: smooth shapes under noise, so that every stride sees structure."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.zeros(batch, 3, height, width)
    for cell in (32, 8, 2):
        size = (max(height // cell, 1), max(width // cell, 1))
        noise = torch.randn(batch, 3, *size, generator=generator)
        image += torch.nn.functional.interpolate(noise, (height, width), mode="bilinear", align_corners=False)
    return image


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(prog="python -m hcqnet.new", description="Writes a seeded network.")
    parser.add_argument("--config", type=Path, help="JSON; absent fields have the paper's values")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the network goes, .safetensors")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--no-sigma", action="store_true", help="leave the sigma layers out")
    parser.add_argument("--image", type=Path, help="also write a seeded input here, tensor `image`")
    parser.add_argument("--size", default="640x384", help="width x height of that input (%(default)s)")
    options = parser.parse_args()
    try:
        config = Config.from_json(options.config.read_text() if options.config else "{}")
        width, height = (int(side) for side in options.size.split("x"))
    except (ConfigError, OSError, ValueError) as error:
        parser.error(str(error))
    save(random_network(config, options.seed, not options.no_sigma), options.output, getattr(torch, options.dtype))
    if options.image:
        save_file({"image": random_image(height, width, options.seed)}, options.image)


if __name__ == "__main__":
    main()
