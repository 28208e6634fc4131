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


@pytest.mark.parametrize("backbone", ["resnet18", "swin_t"])
def test_autocast_keeps_keypoints_in_float32_and_near_the_exact_ones(backbone: str) -> None:
    net = random_network(Config(**SMALL | {"backbone": backbone}), seed=5)
    image = random_image(64, 96, seed=5)
    with torch.no_grad():
        exact = net(image)
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(image)
    assert rough.keypoints.dtype == torch.float32
    assert (rough.keypoints - exact.keypoints).abs().mean() < 0.02


def test_masked_queries_do_not_touch_the_others() -> None:
    net = random_network(Config(**SMALL), seed=6)
    with torch.no_grad():
        features = net.encode(random_image(64, 64, seed=6))
        embedding, keys = net.decoder.start(1)
        alone = net.decoder(embedding, keys, features, net.heads)
        # Five more queries, as denoising adds them, which the learned ones must not see.
        generator = torch.Generator().manual_seed(6)
        more = torch.randn(1, 5, embedding.shape[2], generator=generator), torch.rand(1, 5, 38, generator=generator)
        mask = torch.zeros(17, 17, dtype=torch.bool)
        mask[:12, 12:] = True
        both = net.decoder(
            torch.cat([embedding, more[0]], 1), torch.cat([keys, more[1]], 1), features, net.heads, mask
        )
    torch.testing.assert_close(both[-1].refined.keys[:, :12], alone[-1].refined.keys)
    torch.testing.assert_close(both[-1].embedding[:, :12], alone[-1].embedding, atol=1e-5, rtol=1e-5)


def test_a_batch_is_its_pictures_one_by_one() -> None:
    net = random_network(Config(**SMALL), seed=7).double()
    images = random_image(64, 96, seed=7, batch=3).double()
    together = net.infer(images)
    for i in range(3):
        for name, value in net.infer(images[i : i + 1]).items():
            torch.testing.assert_close(together[name][i : i + 1], value, msg=name)


@pytest.mark.parametrize("shape", [(1, 3, 64, 65), (1, 3, 33, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_refuses_pictures_of_the_wrong_shape(shape: tuple[int, ...]) -> None:
    net = HCQNet(Config(**SMALL))
    with pytest.raises(ValueError, match=r"image has shape .*, expected \[B, 3, H, W\] with sides multiples of 32"):
        net(torch.zeros(shape))
