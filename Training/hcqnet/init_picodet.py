"""Reads the published PicoDet-S (ONNX, BatchNorm folded) into `ESNetPAN` and `ProposalHead`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .backbones.esnet_pan import NECK_CHANNELS, ESNetPAN
from .proposals import BINS, ProposalHead

if TYPE_CHECKING:
    import onnx

CLASSES = 80
PERSON = 0


def load_picodet(path: str | Path) -> tuple[ESNetPAN, ProposalHead]:
    """Both modules with the file's weights; of the 80 classes only the person stays.

    The file's convolutions, in execution order, are matched with the modules' own execution order; a difference in count
    or shape raises ValueError naming the position.
    """
    import onnx

    graph = onnx.load(str(path)).graph
    weights = _convolutions(graph)
    backbone, head = ESNetPAN().eval(), ProposalHead(NECK_CHANNELS).eval()
    modules = _execution_order(backbone, head)
    if len(modules) != len(weights):
        raise ValueError(f"{path}: {len(weights)} convolutions, PicoDet-S has {len(modules)}")
    for position, (module, (weight, bias)) in enumerate(zip(modules, weights)):
        if weight.shape[0] == CLASSES + 4 * BINS:
            rows = [PERSON, *range(CLASSES, CLASSES + 4 * BINS)]
            weight, bias = weight[rows], bias[rows]
        if weight.shape != module.weight.shape:
            raise ValueError(
                f"{path}: convolution {position} has shape {list(weight.shape)}, expected {list(module.weight.shape)}"
            )
        module.weight.data.copy_(weight)
        module.bias.data.copy_(bias)
    return backbone, head


def _convolutions(graph: onnx.GraphProto) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of every convolution, in file order."""
    from onnx import numpy_helper

    values = {i.name: i for i in graph.initializer}
    values |= {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant"}

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(numpy_helper.to_array(values[name]).copy())

    return [(tensor(n.input[1]), tensor(n.input[2])) for n in graph.node if n.op_type == "Conv"]


def _execution_order(backbone: nn.Module, head: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of both modules as a forward pass meets them."""
    order: list[nn.Conv2d] = []
    hooks = [
        m.register_forward_hook(lambda module, *_: order.append(module))
        for root in (backbone, head)
        for m in root.modules()
        if isinstance(m, nn.Conv2d)
    ]
    with torch.no_grad():
        head(backbone(torch.zeros(1, 3, 64, 64))[1:], (64, 64))
    for hook in hooks:
        hook.remove()
    return order
