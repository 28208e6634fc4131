"""Decoder, heads and both deformable attentions against plain loops."""

from __future__ import annotations

import numpy as np
import plain
import pytest
import torch
import torch.nn.functional as F

from hcqnet import Config
from hcqnet.layers import inverse_sigmoid, sample_levels, sine_code
from hcqnet.new import random_image, random_network
from hcqnet.parity import cases
from hcqnet.weights import tensors_of

TINY = {
    "backbone": "resnet18", "hidden_dim": 32, "queries": 4, "joints": 5, "heads": 4, "points": 2, "encoder_layers": 1,
    "encoder_ffn": 24, "encoder_points": 3, "decoder_layers": 2, "decoder_ffn": 24, "sine_dim": 4,
}  # fmt: skip
CHOICES = [{}] + [
    {name: getattr(case.config, name) for name in ("variant", "head_condition", "keypoint_space", "canonical_margin")}
    for name, case in cases().items()
    if name.startswith(("hcqnet", "basenet"))
]


def _setting(**fields):
    """A random network in float64, its weights for NumPy, and the features of a picture as planes [H, W, D]."""
    net = random_network(Config(**(TINY | fields)), seed=5).double()
    with torch.no_grad():
        features = net.encode(random_image(64, 96, seed=5).double())
    weights = {name: value.detach().numpy() for name, value in tensors_of(net).items()}
    sizes = [height * width for height, width in features.shapes]
    planes = [
        part.reshape(*shape, -1).numpy() for part, shape in zip(features.tokens[0].split(sizes), features.shapes)
    ]
    return net, features, weights, planes


@pytest.mark.parametrize("fields", CHOICES, ids=lambda fields: "-".join(map(str, fields.values())) or "default")
def test_decoder_and_heads_equal_the_definition(fields: dict) -> None:
    net, features, weights, planes = _setting(**fields)
    mask_features = features.mask_features[0].permute(1, 2, 0).numpy()
    expected = plain.Decoder(weights, net.config, planes, mask_features).run()
    with torch.no_grad():
        found = net.predict(net.decode(features)[-1], features).outputs()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name][0].numpy(), value, rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("heads, points, dim", [(8, 4, 96), (2, 16, 32), (3, 8, 96)])
def test_decoder_equals_the_definition_for_other_heads_and_points(heads: int, points: int, dim: int) -> None:
    net, features, weights, planes = _setting(
        heads=heads, points=points, hidden_dim=dim, joints=heads * points // 2 + 1, sine_dim=5
    )
    expected = plain.Decoder(weights, net.config, planes, features.mask_features[0].permute(1, 2, 0).numpy()).run()
    with torch.no_grad():
        found = net.predict(net.decode(features)[-1], features).outputs()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name][0].numpy(), value, rtol=1e-9, atol=1e-10, err_msg=name)


def test_encoder_attention_equals_the_definition() -> None:
    net, features, weights, planes = _setting()
    attention = net.pixel_decoder.layers[0].self_attn
    position = net.pixel_decoder.position(features.shapes, features.tokens)
    with torch.no_grad():
        found = attention(features.tokens + position, features.tokens, features.shapes)[0].numpy()
    sizes = [height * width for height, width in features.shapes]
    positions = [p.reshape(*shape, -1).detach().numpy() for p, shape in zip(position.split(sizes), features.shapes)]
    expected = plain.encoder_attention(weights, "pixel_decoder.layers.0.self_attn", planes, positions, heads=4)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sampling_equals_one_grid_sample_per_head_and_level(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    shapes, heads, points, queries, dim = [(2, 3), (4, 6), (7, 12)], 2, 3, 5, 4
    tokens = sum(height * width for height, width in shapes)
    value = torch.randn(2, tokens, heads, dim, generator=generator, dtype=dtype)
    locations = torch.rand(2, queries, heads, 3, points, 2, generator=generator, dtype=dtype) * 1.6 - 0.3
    weights = torch.rand(2, queries, heads, 3, points, generator=generator, dtype=dtype)
    expected = torch.zeros(2, queries, heads, dim, dtype=dtype)
    start = 0
    for level, (height, width) in enumerate(shapes):
        for head in range(heads):
            plane = value[:, start : start + height * width, head].transpose(1, 2).unflatten(2, (height, width))
            grid = locations[:, :, head, level] * 2 - 1
            sampled = F.grid_sample(plane, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
            expected[:, :, head] += torch.einsum("bdqp,bqp->bqd", sampled, weights[:, :, head, level])
        start += height * width
    torch.testing.assert_close(sample_levels(value, shapes, locations, weights), expected.flatten(2))


def test_a_point_at_a_pixels_centre_takes_that_pixel() -> None:
    value = torch.arange(6.0).reshape(1, 6, 1, 1)  # 2 rows of 3
    location = torch.tensor([2.5 / 3, 1.5 / 2]).reshape(1, 1, 1, 1, 1, 2)
    assert sample_levels(value, [(2, 3)], location, torch.ones(1, 1, 1, 1, 1)).item() == pytest.approx(5)


@pytest.mark.parametrize("dim", [1, 4, 5, 8])
def test_sine_code_equals_its_formula(dim: int) -> None:
    values = torch.tensor([[0.0, 0.3], [0.71, 1.0]], dtype=torch.float64)
    code = sine_code(values, dim)
    assert code.shape == (2, 2, dim)
    for index in np.ndindex(2, 2, dim):
        angle = 2 * np.pi * values[index[:2]].item() / 10000 ** (2 * (index[2] // 2) / dim)
        assert code[index].item() == pytest.approx(np.sin(angle) if index[2] % 2 == 0 else np.cos(angle))


def test_inverse_sigmoid_undoes_sigmoid_and_stays_finite_at_the_ends() -> None:
    x = torch.linspace(-9, 9, 19, dtype=torch.float64)
    torch.testing.assert_close(inverse_sigmoid(x.sigmoid()), x)
    limit = np.log(1e5)
    ends = inverse_sigmoid(torch.tensor([-1.0, 0.0, 1.0, 2.0], dtype=torch.float64))
    torch.testing.assert_close(ends, torch.tensor([-limit, -limit, limit, limit], dtype=torch.float64))
