"""The ONNX export, run by ONNX Runtime, against the network it was made from."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch

from hcqnet import Config
from hcqnet.backbones import SWINS
from hcqnet.new import random_image, random_network
from hcqnet.onnx import export, select_in_graph
from hcqnet.parity import compare
from hcqnet.proposals import select

SMALL = {
    "backbone": "resnet18", "hidden_dim": 32, "queries": 8, "encoder_layers": 1, "encoder_ffn": 32, "decoder_layers": 1,
    "decoder_ffn": 32,
}  # fmt: skip
NETWORKS = {
    "paper": SMALL,
    "swin": SMALL | {"backbone": "swin_t", "head_condition": "embedding"},
    "proposals": SMALL | {
        "backbone": "esnet_pan", "query_start": "proposals", "output_conv": "separable", "canonical_margin": 0.25,
        "encoder_layers": 0, "joint_grid": 4,
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [pytest.param(fields, id=name) for name, fields in NETWORKS.items()])
def test_exported_network_gives_the_same_outputs(
    fields: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every kind of block once: exporting a whole Swin takes half a minute.
    monkeypatch.setitem(SWINS, "swin_t", (96, (2, 1, 1, 1), (3, 6, 12, 24)))
    net, image = random_network(Config(**fields), seed=21), random_image(96, 160, seed=21)
    expected = {name: value for name, value in net.double().infer(image.double()).items() if value.numel()}
    path = tmp_path / "net.onnx"
    export(net.float(), path, 96, 160)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert not any(axis.dim_param for value in model.graph.output for axis in value.type.tensor_type.shape.dim)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    values = session.run(None, {"image": image.numpy()})
    names = [output.name for output in session.get_outputs()]
    result = compare({name: torch.from_numpy(value) for name, value in zip(names, values)}, expected)
    assert not result.divergences, "\n".join(map(str, result.divergences))


@pytest.mark.parametrize("count", [10, 64, 400])
@pytest.mark.parametrize("positions", [40, 1000])
def test_choice_in_the_graph_is_the_choice_of_the_network(count: int, positions: int) -> None:
    generator = torch.Generator().manual_seed(count + positions)
    logits = torch.randn(positions, generator=generator)
    corner = torch.rand(positions, 2, generator=generator) * 0.5
    boxes = torch.cat([corner, corner + 0.3 + 0.2 * torch.rand(positions, 2, generator=generator)], -1)
    chosen = select(logits[None], boxes[None], count, 0.5)[0]
    assert torch.equal(select_in_graph(logits, boxes, count, 0.5), chosen)
    assert (chosen < 0).any() or count == 10
