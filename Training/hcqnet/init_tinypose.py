"""Reads the published PP-TinyPose (OpenVINO IR, BatchNorm folded) into `LiteHRNet` and a map of 17 joints."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from .backbones.lite_hrnet import LiteHRNet

HEAT_TO_LOGIT = (12.0, -5.0)  # a heat map's 0 ... 1 as the logit of a joint: slope, start


def load_tinypose(path: str | Path) -> tuple[LiteHRNet, Tensor, Tensor]:
    """The network with the file's weights, and weight [17, 40] and bias [17] that make heat maps of its stride-4 map.

    The file numbers its convolutions as they were built; the modules here are in that order. A difference in count or shape
    raises ValueError naming the position.
    """
    found, last = _convolutions(path)
    net = LiteHRNet().eval()
    modules = _as_built(net)
    if len(modules) != len(found):
        raise ValueError(f"{path}: {len(found)} convolutions before the last, PP-TinyPose has {len(modules)}")
    for position, (module, (weight, bias)) in enumerate(zip(modules, found)):
        if weight.shape != module.weight.shape:
            raise ValueError(
                f"{path}: convolution {position} has shape {list(weight.shape)}, expected {list(module.weight.shape)}"
            )
        module.weight.data.copy_(weight)
        module.bias.data.copy_(bias)
    for stage in net.stages:
        for module in stage:
            for name, down in module.fuse.items():
                if name.startswith("0_"):  # counts twice there
                    down[-1].pointwise.weight.data.mul_(2)
                    down[-1].pointwise.bias.data.mul_(2)
    return net, last[0][:, :, 0, 0], last[1]


def _as_built(net: LiteHRNet) -> list[nn.Conv2d]:
    """The convolutions in the file's order: a stage's new branch before its modules, the head last."""
    parts: list[nn.Module] = [net.stem, net.transition[0], net.transition[1], net.stages[0]]
    for number in (1, 2):
        parts += [net.transition[number + 1], net.stages[number]]
    parts.append(net.head)
    return [m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d)]


def _convolutions(path: str | Path) -> tuple[list[tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]:
    """Weight and bias of every convolution by its normalisation's number; the last one, which has none, apart."""
    import openvino

    numbered, last = {}, None
    for node in openvino.Core().read_model(str(path)).get_ordered_ops():
        if node.get_type_name() != "Add":
            continue
        convolution, bias = (node.input_value(i).get_node() for i in range(2))
        if convolution.get_type_name() not in ("Convolution", "GroupConvolution"):
            continue
        weight = _constant(convolution.input_value(1).get_node())
        if convolution.get_type_name() == "GroupConvolution":
            weight = weight.flatten(0, 1)
        pair = weight, _constant(bias).flatten()
        if match := re.fullmatch(r"batch_norm2d_(\d+)\.w_1", node.get_friendly_name()):
            numbered[int(match[1])] = pair
        else:
            last = pair
    if last is None:
        raise ValueError(f"{path}: no convolution without normalisation, PP-TinyPose ends in one")
    return [numbered[i] for i in sorted(numbered)], last


def _constant(node) -> Tensor:
    """A constant, perhaps behind a conversion to float."""
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return torch.from_numpy(node.get_data().astype("float32"))
