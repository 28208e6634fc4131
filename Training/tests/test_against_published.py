"""Backbones and pixel decoder against torchvision's and transformers', with weights copied by name."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torchvision_beside_cpu import torchvision  # first: transformers imports torchvision too

# isort: split
from transformers import Mask2FormerConfig
from transformers.models.dab_detr.modeling_dab_detr import encode_sinusoidal_position_embedding
from transformers.models.mask2former.modeling_mask2former import Mask2FormerPixelDecoder

from hcqnet import Config
from hcqnet.backbones import RESNETS, SWINS, make_backbone
from hcqnet.init import fill_at_random
from hcqnet.layers import sine_code
from hcqnet.new import random_image, random_network


def _close(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * other.abs().max().item())


def _random_backbone(name: str, **fields: object) -> torch.nn.Module:
    backbone = make_backbone(Config(backbone=name, **fields))
    fill_at_random(backbone, torch.Generator().manual_seed(11))
    return backbone.double().eval()


@pytest.mark.parametrize("name", RESNETS)
@torch.no_grad()
def test_resnet_equals_torchvision(name: str) -> None:
    backbone = _random_backbone(name)
    reference = getattr(torchvision.models, name)(weights=None).double().eval()
    missing, unused = reference.load_state_dict(backbone.state_dict(), strict=False)
    assert (missing, unused) == (["fc.weight", "fc.bias"], [])
    image = random_image(64, 96, seed=11).double()
    x = reference.maxpool(reference.relu(reference.bn1(reference.conv1(image))))
    expected = []
    for stage in (reference.layer1, reference.layer2, reference.layer3, reference.layer4):
        x = stage(x)
        expected.append(x)
    _close(backbone(image), expected)
    assert backbone.channels == tuple(x.shape[1] for x in expected)


# 96x160 needs padding in every stage of window 7; at 256x224 the shift acts in three stages.
@pytest.mark.parametrize(
    "name, window, size",
    [("swin_t", 7, (256, 224)), ("swin_s", 7, (96, 160)), ("swin_b", 12, (96, 160)), ("swin_t", 8, (64, 288)),
     ("swin_t", 12, (224, 448)), ("swin_t", 3, (32, 96))],
)  # fmt: skip
@torch.no_grad()
def test_swin_equals_torchvision(name: str, window: int, size: tuple[int, int]) -> None:
    backbone = _random_backbone(name, swin_window=window)
    dim, depths, heads = SWINS[name]
    reference = torchvision.models.swin_transformer.SwinTransformer(
        patch_size=[4, 4], embed_dim=dim, depths=list(depths), num_heads=list(heads), window_size=[window, window],
        stochastic_depth_prob=0.2,
    )  # fmt: skip
    reference = reference.double().eval()
    state = {name: value for name, value in backbone.state_dict().items() if not name.startswith("norms.")}
    missing, unused = reference.load_state_dict(state, strict=False)
    assert unused == []
    assert {name for name in missing if "relative_position_index" not in name} == {
        "norm.weight", "norm.bias", "head.weight", "head.bias"
    }  # fmt: skip
    image = random_image(*size, seed=12).double()
    x, expected = image, []
    for place, layer in enumerate(reference.features):
        x = layer(x)
        if place % 2:
            norm = backbone.norms[place // 2]
            expected.append(F.layer_norm(x, (x.shape[-1],), norm.weight, norm.bias, 1e-5).permute(0, 3, 1, 2))
    _close(backbone(image), expected)


def test_swin_b_of_the_paper_has_window_12() -> None:
    assert Config(backbone="swin_b").swin_window == 12
    assert Config(backbone="swin_s").swin_window == 7
    assert Config(backbone="swin_b", swin_window=7).swin_window == 7


def _mask2former_name(name: str) -> str:
    """A tensor of ours by the name it has in transformers' pixel decoder."""
    for ours, theirs in (
        ("input_proj.", "input_projections."), ("layers.", "encoder.layers."), ("norm1.", "self_attn_layer_norm."),
        ("norm2.", "final_layer_norm."), ("linear1.", "fc1."), ("linear2.", "fc2."), ("lateral.", "adapter_1."),
        ("output.", "layer_1."), ("mask_features.", "mask_projection."),
    ):  # fmt: skip
        if name.startswith(ours) or f".{ours}" in name and not name.startswith("input_proj"):
            name = name.replace(ours, theirs)
    return name


@pytest.mark.parametrize("dim, heads, size", [(256, 8, (160, 224)), (64, 4, (192, 64))])
@torch.no_grad()
def test_pixel_decoder_equals_transformers(dim: int, heads: int, size: tuple[int, int]) -> None:
    config = Config(
        backbone="resnet18", hidden_dim=dim, heads=heads, points=32 // heads, encoder_layers=3, encoder_ffn=80
    )
    net = random_network(config, seed=13).double()
    reference = Mask2FormerPixelDecoder(
        Mask2FormerConfig(
            feature_size=dim, mask_feature_size=dim, encoder_layers=3, encoder_feedforward_dim=80,
            num_attention_heads=heads, dropout=0.0, feature_strides=[4, 8, 16, 32], common_stride=4,
        ),
        net.backbone.channels,
    )  # fmt: skip
    reference = reference.double().eval()
    state = {_mask2former_name(name): value for name, value in net.pixel_decoder.state_dict().items()}
    reference.load_state_dict(state)
    maps = net.backbone(random_image(*size, seed=13).double())
    found = net.pixel_decoder(maps)
    expected = reference(maps, output_attentions=False, output_hidden_states=False, return_dict=True)
    levels = [x.flatten(2).transpose(1, 2) for x in expected.multi_scale_features]
    # transformers computes in float32 here and there.
    torch.testing.assert_close(found.tokens, torch.cat(levels, 1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.mask_features, expected.mask_features, rtol=1e-6, atol=1e-6)
    assert found.shapes == [tuple(x.shape[2:]) for x in expected.multi_scale_features]


@pytest.mark.parametrize("dim", [8, 64])
def test_sine_code_equals_dab_detr(dim: int) -> None:
    keys = torch.rand(2, 5, 1, generator=torch.Generator().manual_seed(14))
    torch.testing.assert_close(
        sine_code(keys, dim).flatten(-2), encode_sinusoidal_position_embedding(keys, num_pos_feats=dim)
    )
