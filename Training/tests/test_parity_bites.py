"""The parity comparison finds what it is for: planted mistakes, and a change of any single tensor."""

from __future__ import annotations

import copy

import mistakes_in_layers  # noqa: F401, registers its mistakes
import pytest
import torch
from mistakes import MISTAKES

from hcqnet import Config
from hcqnet.new import random_image, random_network
from hcqnet.parity import ABSOLUTE, RELATIVE, compare
from hcqnet.weights import tensors_of

SMALL = {
    "hidden_dim": 96, "queries": 10, "encoder_layers": 2, "encoder_ffn": 48, "decoder_layers": 2, "decoder_ffn": 48,
}  # fmt: skip
IMAGE = random_image(64, 96, seed=9).double()


@pytest.fixture(scope="module")
def clean():
    """Networks of the backbones and their outputs, made once."""
    made = {}

    def get(backbone: str):
        if backbone not in made:
            net = random_network(Config(backbone=backbone, **SMALL), seed=9).double()
            made[backbone] = net, net.infer(IMAGE)
        return made[backbone]

    return get


@pytest.mark.parametrize("name", MISTAKES)
def test_finds_the_mistake(name: str, clean, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, plant = MISTAKES[name]
    net, expected = clean(backbone)
    net = copy.deepcopy(net)
    assert not compare(net.infer(IMAGE), expected).divergences
    plant(monkeypatch, net)
    divergences = compare(net.infer(IMAGE), expected).divergences
    assert divergences
    assert {"class_logits", "mask_logits", "keypoints"} & {divergence.name for divergence in divergences}


@pytest.mark.parametrize("backbone", ["resnet18", "swin_t"])
def test_every_tensor_matters(backbone: str, clean) -> None:
    net, expected = clean(backbone)
    generator = torch.Generator().manual_seed(9)
    unnoticed = []
    with torch.no_grad():
        for name, tensor in tensors_of(net).items():
            if backbone == "swin_t" and (not name.startswith("backbone.") or ".features.5." in name):
                continue  # the same as with the other backbone, and as in the other stages
            kept = tensor.clone()
            tensor.mul_(1 + 0.2 * torch.randn(tensor.shape, generator=generator))
            if not compare(net.infer(IMAGE), expected).divergences:
                unnoticed.append(name)
            tensor.copy_(kept)
    # The key's bias adds the same to all scores of a query: softmax takes it away, in any implementation.
    assert [name for name in unnoticed if not name.endswith("self_attn.k.bias")] == []


def test_tells_the_first_divergence_with_index_found_and_expected() -> None:
    expected = {"keypoints": torch.arange(12.0).reshape(1, 3, 4)}
    found = {"keypoints": expected["keypoints"].clone()}
    found["keypoints"][0, 1, 2] += 1
    found["keypoints"][0, 2, 3] += 1
    (divergence,) = compare(found, expected).divergences
    assert str(divergence) == "keypoints[0, 1, 2]: found 7, expected 6 (first of 16.7% of its elements)"


def test_accepts_up_to_the_tolerance_and_no_more() -> None:
    expected = {"x": torch.tensor([100.0, -50.0, 0.0], dtype=torch.float64)}
    limit = RELATIVE * expected["x"].abs() + ABSOLUTE * 100
    assert not compare({"x": expected["x"] + 0.99 * limit}, expected).divergences
    for i in range(3):
        wrong = expected["x"].clone()
        wrong[i] -= 1.01 * limit[i]
        assert [divergence.index for divergence in compare({"x": wrong}, expected).divergences] == [(i,)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_what_is_not_a_number(value: float) -> None:
    assert compare({"x": torch.tensor([value, 1.0])}, {"x": torch.tensor([1.0, 1.0])}).divergences


def test_refuses_missing_surplus_and_misshapen_outputs() -> None:
    x = torch.ones(2, 3)
    assert str(compare({}, {"x": x}).divergences[0]) == "x: missing"
    assert str(compare({"x": x, "y": x}, {"x": x}).divergences[0]) == "y: not an output of this network"
    assert str(compare({"x": x.T}, {"x": x}).divergences[0]) == "x: has shape [3, 2], expected [2, 3]"
