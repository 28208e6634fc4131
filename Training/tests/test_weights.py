"""Weight files: what is written comes back, and what does not fit is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hcqnet import Config, HCQNet, WeightsError, load, save
from hcqnet.new import main, random_image, random_network
from hcqnet.weights import tensors_of

TINY = Config(
    backbone="resnet18", hidden_dim=32, queries=4, encoder_layers=1, encoder_ffn=16, decoder_layers=1, decoder_ffn=16
)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor], dict[str, str]]:
    """A weight file, its tensors and its metadata."""
    path = tmp_path / "model.safetensors"
    save(random_network(TINY, seed=1), path)
    with safe_open(path, "pt") as file:
        return path, load_file(path), file.metadata()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_comes_back_as_written(dtype: torch.dtype, tmp_path: Path) -> None:
    net, path = random_network(TINY, seed=2), tmp_path / "model.safetensors"
    save(net, path, dtype)
    loaded = load(path, torch.float64)
    assert loaded.config == TINY
    assert not loaded.training
    for name, value in tensors_of(net).items():
        assert torch.equal(tensors_of(loaded)[name], value.to(dtype).double()), name


def test_file_says_what_network_it_holds(written) -> None:
    _, tensors, metadata = written
    assert metadata["format"] == "hcqnet"
    assert metadata["version"] == "1"
    assert Config.from_json(metadata["config"]) == TINY
    assert not any("num_batches_tracked" in name or "relative_position_index" in name for name in tensors)


@pytest.mark.parametrize("backbone", ["resnet50", "swin_t"])
def test_tensors_have_the_names_of_the_format(backbone: str) -> None:
    listed = (Path(__file__).parent / f"tensor_names_{backbone}.txt").read_text().split()
    with torch.device("meta"):
        assert set(tensors_of(HCQNet(Config(backbone=backbone)))) == set(listed)


def test_sigma_is_optional(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save(random_network(TINY, seed=3, sigma=False), path)
    assert not any("sigma" in name for name in load_file(path))
    outputs = load(path).infer(random_image(32, 32, seed=3))
    assert not {"box_sigma", "pose_sigma"} & outputs.keys()


def test_half_a_sigma_is_refused(written) -> None:
    path, tensors, metadata = written
    del tensors["heads.pose.sigma.bias"]
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match="tensor 'heads.pose.sigma.bias' is missing"):
        load(path)


def test_refuses_missing_unused_and_misshapen_tensors_by_name(written) -> None:
    path, tensors, metadata = written
    tensors["decoder.extra"] = tensors.pop("decoder.norm.weight")
    tensors["heads.cls.weight"] = torch.zeros(3, 32)
    tensors["heads.cls.bias"] = torch.zeros(2, dtype=torch.int32)
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: tensor 'decoder.norm.weight' is missing; tensor 'decoder.extra' is not used by this configuration; "
        "tensor 'heads.cls.weight' has shape [3, 32], expected [2, 32]; "
        "tensor 'heads.cls.bias' is torch.int32, expected float32, float16 or bfloat16"
    )


def test_says_how_many_more_problems_there_are(written) -> None:
    path, tensors, metadata = written
    save_file({name: value for name, value in tensors.items() if "backbone" not in name}, path, metadata)
    with pytest.raises(WeightsError, match=r"tensor 'backbone.conv1.weight' is missing; .* \(and \d+ more\)"):
        load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": "other"}, "metadata format is other, expected hcqnet"),
        ({"version": "2"}, "metadata version is 2, expected 1"),
        ({"config": '{"heads": 7}'}, "config: hidden_dim 256 does not divide by heads 7"),
        ({"config": None}, "metadata has no config"),
    ],
)
def test_refuses_other_metadata(written, change: dict, message: str) -> None:
    path, tensors, metadata = written
    metadata = {name: value for name, value in (metadata | change).items() if value is not None}
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError) as error:
        load(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 64, None])
def test_refuses_what_is_no_weight_file(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match="model.safetensors: not a readable safetensors file"):
        load(path)


def test_refuses_a_truncated_file(written) -> None:
    path, _, _ = written
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load(path)


def test_command_line_writes_a_network_and_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, model, image = (tmp_path / name for name in ("c.json", "m.safetensors", "x.safetensors"))
    config.write_text(TINY.to_json())
    monkeypatch.setattr("sys.argv", [
        "new", "--config", str(config), "--seed", "7", "-o", str(model), "--image", str(image), "--size", "96x64",
        "--dtype", "float16",
    ])  # fmt: skip
    main()
    assert load_file(image)["image"].shape == (1, 3, 64, 96)
    assert load_file(model)["decoder.query_feat"].dtype == torch.float16
    assert torch.equal(load(model).decoder.query_feat, random_network(TINY, 7).decoder.query_feat.half().float())
