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
from .proposals import CANDIDATES, pairwise_iou
from .weights import WeightsError, load

OPSET = 20
SUPPRESSION_ROUNDS = 16  # chains of 16 boxes that overlap each other one by one have not been seen


class _Outputs(nn.Module):
    """The network with its outputs as a tuple: ONNX names them by position."""

    def __init__(self, net: HCQNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        net = self.net
        if net.proposals is None:
            prediction = net(image)
        else:
            features = net.encode(image, chosen=torch.zeros(1, net.config.queries, dtype=torch.int64))
            found = features.proposals
            chosen = select_in_graph(found.logits[0], found.boxes[0], net.config.queries, net.config.proposal_nms)
            features.chosen = chosen[None]
            prediction = net.predict(net.decode(features)[-1], features)
        return tuple(value for value in prediction.outputs().values() if value.numel())


def select_in_graph(logits: Tensor, boxes: Tensor, count: int, threshold: float) -> Tensor:
    """`proposals.select` of one picture without loops over data: [T], [T, 4] -> [count].

    A box is kept when no better kept one overlaps it. Asked of all boxes at once, the answer of the n-th round is right
    for every box that hangs on a chain of fewer than n others.
    """
    candidates = min(CANDIDATES, logits.shape[0])
    order = logits.topk(candidates).indices
    overlaps = (pairwise_iou(boxes[order], boxes[order]) > threshold).to(logits.dtype).tril(-1)
    kept = torch.ones_like(logits[:candidates])
    for _ in range(SUPPRESSION_ROUNDS):
        kept = (overlaps @ kept == 0).to(logits.dtype)
    rank = torch.arange(candidates, dtype=logits.dtype) + candidates * (1 - kept)
    sequence = (-rank).topk(candidates).indices
    sequence = torch.where(kept[sequence] > 0, order[sequence], -1 - order[sequence])
    return sequence[torch.arange(count) % candidates]


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
