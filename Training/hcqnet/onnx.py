"""Exports a weight file to ONNX, for other engines to run.

    python -m hcqnet.onnx M.safetensors -o M.onnx --size 640x384

One input, `image` [1, 3, H, W] of the given size; the outputs of `hcqd forward` by the same names. The shapes are
constants of the graph and every level is sampled on its own, so that ONNX Runtime and OpenVINO take it as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from .hcqnet import HCQNet
from .weights import WeightsError, load

OPSET = 20


class _Outputs(nn.Module):
    """The network with its outputs as a tuple: ONNX names them by position."""

    def __init__(self, net: HCQNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(value for value in self.net(image).outputs().values() if value.numel())


def export(net: HCQNet, path: str | Path, height: int, width: int) -> None:
    """Writes the network for one size of picture, as one file. Outputs without elements are left out."""
    image = torch.zeros(1, 3, height, width)
    names = [name for name, value in net.infer(image).items() if value.numel()]
    torch.onnx.export(
        _Outputs(net).eval(),
        (image,),
        str(path),
        opset_version=OPSET,
        input_names=["image"],
        output_names=names,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(prog="python -m hcqnet.onnx", description="Exports a weight file to ONNX.")
    parser.add_argument("model", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--size", default="640x384", help="width x height (%(default)s)")
    options = parser.parse_args()
    try:
        width, height = (int(side) for side in options.size.split("x"))
        export(load(options.model), options.output, height, width)
    except (WeightsError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
