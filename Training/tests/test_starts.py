"""Published checkpoints, in the layouts of those who publish them, land where they belong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torchvision_beside_cpu import torchvision  # first: transformers imports torchvision too

# isort: split
from conftest import COMPACT
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import Mask2FormerPixelDecoder

from hcqnet import Config, HCQNet
from hcqnet.new import random_image
from hcqnet.starts import StartError, load_backbone, load_mask2former, load_run, rename_mask2former, resize_bias_table
from hcqnet.weights import save


def backbone_alone(name: str, **fields: object) -> HCQNet:
    return HCQNet(Config(backbone=name, hidden_dim=32, encoder_layers=0, decoder_layers=0, **fields))


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """The module in evaluation with other values than a fresh one's, normalisation and all."""
    g = torch.Generator().manual_seed(1)
    for value in module.state_dict().values():
        if value.is_floating_point():
            value.mul_(1 + 0.1 * torch.rand(value.shape, generator=g)).add_(0.01 * torch.rand(value.shape, generator=g))
    return module.eval()


@torch.no_grad()
def test_torchvisions_resnet_gives_torchvisions_maps(tmp_path: Path) -> None:
    source, net = shaken(torchvision.models.resnet18()), backbone_alone("resnet18")
    torch.save(source.state_dict(), tmp_path / "r.pth")
    load_backbone(net, tmp_path / "r.pth")
    image = random_image(64, 96, seed=1)
    x = source.maxpool(source.relu(source.bn1(source.conv1(image))))
    # In training too: the statistics are those of the checkpoint.
    for found, stage in zip(net.train().backbone(image), (source.layer1, source.layer2, source.layer3, source.layer4)):
        x = stage(x)
        torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net.backbone.bn1.running_mean, source.bn1.running_mean, rtol=0, atol=0)


def test_a_checkpoint_that_lacks_a_tensor_or_has_another_is_refused(tmp_path: Path) -> None:
    net, path = backbone_alone("resnet18"), tmp_path / "r.pth"
    state = torchvision.models.resnet18().state_dict()
    wrong = {
        "'conv1.weight' is missing": {k: v for k, v in state.items() if k != "conv1.weight"},
        "'layer9.0.x' is not used": state | {"layer9.0.x": torch.zeros(1)},
        r"'conv1.weight' has shape \[64, 3, 5, 5\], expected \[64, 3, 7, 7\]": state | {"conv1.weight": torch.zeros(64, 3, 5, 5)},
    }
    with pytest.raises(StartError, match=r"r\.pth: is not there \(torchvision's lie under https://"):
        load_backbone(net, path)
    for message, content in wrong.items():
        torch.save(content, path)
        with pytest.raises(StartError, match=rf"r\.pth: tensor {message}"):
            load_backbone(net, path)


def swins_own_name(name: str) -> str:
    """torchvision's name of a tensor as Swin's authors have it."""
    name = name.replace("features.0.0.", "patch_embed.proj.").replace("features.0.2.", "patch_embed.norm.")
    name = name.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")
    name = re.sub(r"^features\.([1357])\.(\d+)\.", lambda m: f"layers.{int(m[1]) // 2}.blocks.{m[2]}.", name)
    return re.sub(r"^features\.([246])\.", lambda m: f"layers.{int(m[1]) // 2 - 1}.downsample.", name)


@pytest.mark.parametrize("layout", ["torchvision", "authors", "mask2former"])
@torch.no_grad()
def test_swin_gives_torchvisions_maps(layout: str, tmp_path: Path) -> None:
    source, net, path = shaken(torchvision.models.swin_t()), backbone_alone("swin_t"), tmp_path / "s.pth"
    state = source.state_dict()
    if layout != "torchvision":
        state = {swins_own_name(k): v for k, v in state.items()} | {"layers.0.blocks.1.attn_mask": torch.zeros(1)}
        assert "layers.2.blocks.5.mlp.fc2.bias" in state and "layers.1.downsample.reduction.weight" in state
    if layout == "mask2former":
        state = {f"backbone.{k}": v for k, v in state.items() if not k.startswith(("norm.", "head."))}
        state |= {f"backbone.norm{i}.weight": torch.full((96 << i,), 2.0 + i) for i in range(4)}
        state |= {"sem_seg_head.predictor.x": torch.zeros(1)}
    torch.save({"model": state} if layout != "torchvision" else state, path)
    load_backbone(net, path)
    image = random_image(64, 96, seed=2)
    x, maps = image, net.eval().backbone(image)
    for place, layer in enumerate(source.features):
        x = layer(x)
        if place % 2:
            weight = 2.0 + place // 2 if layout == "mask2former" else 1.0
            expected = weight * F.layer_norm(x, x.shape[-1:]).permute(0, 3, 1, 2)
            torch.testing.assert_close(maps[place // 2], expected, rtol=1e-3, atol=1e-4)


def test_torchvision_swin_takes_another_window(tmp_path: Path) -> None:
    state = torchvision.models.swin_t().state_dict()
    torch.save(state, tmp_path / "s.pth")
    net = backbone_alone("swin_t", swin_window=12)
    load_backbone(net, tmp_path / "s.pth")
    name = "features.1.0.attn.relative_position_bias_table"
    table = net.backbone.state_dict()[name]
    assert table.shape[0] == 23 * 23 and torch.equal(resize_bias_table(state[name], 169), state[name])
    # The middle stays the middle, and a table that rises along x still does.
    assert resize_bias_table(state[name], 529)[264] == pytest.approx(state[name][84].tolist(), abs=1e-4)
    rising = torch.arange(13.0).repeat(13)[:, None]
    assert (resize_bias_table(rising, 529).view(23, 23).diff(dim=1)[:, 2:-2] > 0).all()


def test_mask2former_pixel_decoder_is_taken_by_name(tmp_path: Path) -> None:
    net = HCQNet(Config(backbone="resnet18", hidden_dim=32, encoder_layers=1, encoder_ffn=64, decoder_layers=0))
    own = net.pixel_decoder.state_dict()
    prefix = "sem_seg_head.pixel_decoder."
    # Detectron2's names, written out from the published file's layout.
    names = {
        "input_proj.0.0.weight": "input_proj.0.0.weight", "input_proj.2.1.bias": "input_proj.2.1.bias",
        "transformer.level_embed": "level_embed",
        "transformer.encoder.layers.0.self_attn.sampling_offsets.bias": "layers.0.self_attn.sampling_offsets.bias",
        "transformer.encoder.layers.0.norm1.weight": "layers.0.norm1.weight",
        "transformer.encoder.layers.0.linear2.weight": "layers.0.linear2.weight",
        "adapter_1.weight": "lateral.0.weight", "adapter_1.norm.bias": "lateral.1.bias",
        "layer_1.weight": "output.0.weight", "layer_1.norm.weight": "output.1.weight",
        "mask_features.bias": "mask_features.bias",
    }  # fmt: skip
    assert all(rename_mask2former(prefix + theirs) == ours for theirs, ours in names.items())
    assert rename_mask2former("backbone.stem.conv1.weight") is None
    back = {"level_embed": "transformer.level_embed", "lateral.0.weight": "adapter_1.weight", "output.0.weight": "layer_1.weight"}
    source = {}
    for ours, value in own.items():
        theirs = back.get(ours) or ours.replace("lateral.1", "adapter_1.norm").replace("output.1", "layer_1.norm")
        theirs = "transformer.encoder." + theirs if theirs.startswith("layers.") else theirs
        source[prefix + theirs] = torch.randn_like(value)
    torch.save({"model": source | {"backbone.x": torch.zeros(1)}}, tmp_path / "m.pth")
    load_mask2former(net, tmp_path / "m.pth")
    for theirs, value in source.items():
        assert torch.equal(net.pixel_decoder.state_dict()[rename_mask2former(theirs)], value)


@torch.no_grad()
def test_transformers_pixel_decoder_gives_its_maps(tmp_path: Path) -> None:
    net = HCQNet(Config(backbone="resnet18", hidden_dim=64, encoder_layers=2, encoder_ffn=48, decoder_layers=0))
    source = Mask2FormerPixelDecoder(
        Mask2FormerConfig(
            feature_size=64, mask_feature_size=64, encoder_layers=2, encoder_feedforward_dim=48,
            num_attention_heads=8, dropout=0.0, feature_strides=[4, 8, 16, 32], common_stride=4,
        ),
        net.backbone.channels,
    )  # fmt: skip
    g = torch.Generator().manual_seed(4)
    for value in source.eval().state_dict().values():
        value.copy_(0.2 * torch.randn(value.shape, generator=g))  # as made, some hold whatever memory held
    state = {f"model.pixel_level_module.decoder.{k}": v.contiguous() for k, v in source.state_dict().items()}
    save_file(state | {"class_predictor.bias": torch.zeros(1)}, tmp_path / "m.safetensors")
    load_mask2former(net, tmp_path / "m.safetensors")
    maps = net.eval().backbone(random_image(64, 96, seed=3))
    expected = source(maps, output_attentions=False, output_hidden_states=False, return_dict=True)
    torch.testing.assert_close(net.pixel_decoder(maps).mask_features, expected.mask_features, rtol=1e-4, atol=1e-4)
    save_file({"class_predictor.bias": torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(StartError, match=r"m.safetensors: no tensor named sem_seg_head.pixel_decoder.\* or model.pixel_level"):
        load_mask2former(net, tmp_path / "m.safetensors")


def test_what_an_earlier_run_lacks_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(HCQNet(Config(**COMPACT)), tmp_path / "before.safetensors")
    load_run(HCQNet(Config(**(COMPACT | {"queries": 9}))), tmp_path / "before.safetensors")
    assert capsys.readouterr().err == ""
    wider = HCQNet(Config(**(COMPACT | {"decoder_ffn": 48})))
    load_run(wider, tmp_path / "before.safetensors")
    assert "before.safetensors: lacks 'decoder.layers.0.linear1.weight' in this shape; 3 of " in capsys.readouterr().err


def test_a_network_whose_joint_maps_had_no_owner_is_taken(tmp_path: Path) -> None:
    before = HCQNet(Config(**COMPACT))
    save(before, tmp_path / "before.safetensors")
    net = HCQNet(Config(**(COMPACT | {"joint_owner": 1})))
    load_run(net, tmp_path / "before.safetensors")
    own, old = net.pixel_decoder.joint_maps, before.pixel_decoder.joint_maps
    assert torch.equal(own.weight[:17], old.weight) and torch.equal(own.bias[:17], old.bias)
    assert not own.weight[17:].any() and not own.bias[17:].any()
