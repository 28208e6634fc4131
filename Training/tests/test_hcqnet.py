"""The network as a whole: shapes, variants, gradients."""

from __future__ import annotations

import pytest
import torch

from hcqnet import Config, HCQNet
from hcqnet.config import VARIANTS
from hcqnet.new import random_image, random_network

SMALL = {
    "backbone": "resnet18", "hidden_dim": 64, "queries": 12, "encoder_layers": 2, "encoder_ffn": 96,
    "decoder_layers": 2, "decoder_ffn": 96,
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_have_the_shapes_of_the_variant(variant: str) -> None:
    net = HCQNet(Config(**SMALL, variant=variant))
    outputs = net.infer(random_image(64, 96, seed=1, batch=2))
    keys, joints = (4, 0) if variant == "basenet-ds" else (38, 17)
    expected = {
        "class_logits": (2, 12, 2), "mask_logits": (2, 12, 16, 24), "keypoints": (2, 12, keys),
        "joints": (2, 12, joints, 2), "embeddings": (2, 12, 64), "box_sigma": (2, 12, 4),
    }  # fmt: skip
    if joints:
        expected["pose_sigma"] = (2, 12, 34)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == expected


def test_last_of_all_layers_is_the_forward_pass() -> None:
    net = random_network(Config(**SMALL), seed=2)
    image = random_image(64, 96, seed=2)
    with torch.no_grad():
        layers, final = net.all_layers(image), net(image).outputs()
    assert len(layers) == 3
    assert all(torch.equal(value, final[name]) for name, value in layers[-1].outputs().items())
    assert not torch.allclose(layers[0].keypoints, layers[1].keypoints)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant: str) -> None:
    net = random_network(Config(**SMALL, variant=variant), seed=3).train()
    layers = net.all_layers(random_image(64, 64, seed=3, batch=2))
    loss = sum(value.square().mean() for layer in layers for value in layer.outputs().values() if value.numel())
    loss.backward()
    without = [name for name, value in net.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    # A key's bias shifts all scores of a query alike, so softmax takes it away.
    assert [name for name in without if not name.endswith("self_attn.k.bias")] == []


def test_keypoints_are_detached_between_layers() -> None:
    net = random_network(Config(**SMALL), seed=4)
    net.all_layers(random_image(64, 64, seed=4))[-1].keypoints.sum().backward()
    assert net.decoder.query_key.grad is None or not net.decoder.query_key.grad.any()
