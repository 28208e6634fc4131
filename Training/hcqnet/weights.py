"""Weight files: one `.safetensors` with the configuration in its metadata, refused by name where it does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from .config import Config, ConfigError
from .hcqnet import HCQNet

FORMAT, VERSION = "hcqnet", "1"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# Follows from the layout alone; no network needs it.
_LEFT_OUT = ".num_batches_tracked"


class WeightsError(ValueError):
    """A weight file that cannot be used; the message names the file and the tensor or key."""


def save(net: HCQNet, path: str | Path, dtype: torch.dtype = torch.float32, metadata: dict[str, str] | None = None) -> None:
    """Writes the network's tensors, as float32, float16 or bfloat16, its configuration and further metadata."""
    if dtype not in DTYPES:
        raise WeightsError(f"{path}: dtype {dtype}, expected one of {', '.join(map(str, DTYPES))}")
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in tensors_of(net).items()}
    # `save_file` would leave a file of an unknown name when it is killed, and the one it names to its owner alone.
    Path(path).write_bytes(serialise(tensors, {"format": FORMAT, "version": VERSION, "config": net.config.to_json()} | (metadata or {})))


def load(path: str | Path, dtype: torch.dtype = torch.float32) -> HCQNet:
    """The network of a weight file, in evaluation mode, its parameters converted to `dtype`.

    Raises `WeightsError` for a file that is no weight file or whose tensors are missing, unused or misshapen.
    """
    config, tensors = read(path)
    net = HCQNet(config)
    _drop_absent_sigma(net, tensors)
    expected = tensors_of(net)
    _refuse_mismatch(path, tensors, expected)
    net.to(dtype)
    with torch.no_grad():
        for name, value in tensors_of(net).items():
            value.copy_(tensors[name].to(dtype))
    return net.eval()


def read(path: str | Path) -> tuple[Config, dict[str, Tensor]]:
    """Configuration and raw tensors of a weight file."""
    try:
        with safe_open(path, "pt") as file:
            config = _config(path, file.metadata() or {})
            return config, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {error}") from error


def training(path: str | Path) -> list[dict]:
    """What a weight file says of the runs that it comes from (`provenance.origin`); empty where it says nothing."""
    with safe_open(path, "pt") as file:
        told = json.loads((file.metadata() or {}).get("training", "[]"))
    return told if isinstance(told, list) else [told]


def _config(path: str | Path, metadata: dict[str, str]) -> Config:
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        if metadata.get(key) != expected:
            raise WeightsError(f"{path}: metadata {key} is {metadata.get(key)}, expected {expected}")
    if "config" not in metadata:
        raise WeightsError(f"{path}: metadata has no config")
    try:
        return Config.from_json(metadata["config"])
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}") from error


def tensors_of(net: nn.Module) -> dict[str, Tensor]:
    """The tensors that a file holds, by name; they share memory with the network."""
    return {name: value for name, value in net.state_dict().items() if not name.endswith(_LEFT_OUT)}


def _drop_absent_sigma(net: HCQNet, tensors: dict[str, Tensor]) -> None:
    """Removes a sigma layer that the file has nothing of."""
    for name, head in (("box", net.heads.box), ("pose", net.heads.pose)):
        prefix = f"heads.{name}.sigma."
        if head is not None and not any(tensor.startswith(prefix) for tensor in tensors):
            head.sigma = None


def _refuse_mismatch(path: str | Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    problems = [f"tensor '{name}' is missing" for name in expected if name not in found]
    problems += [f"tensor '{name}' is not used by this configuration" for name in found if name not in expected]
    for name, value in expected.items():
        if name in found and found[name].shape != value.shape:
            shapes = f"has shape {list(found[name].shape)}, expected {list(value.shape)}"
            problems.append(f"tensor '{name}' {shapes}")
        elif name in found and found[name].dtype not in DTYPES:
            problems.append(f"tensor '{name}' is {found[name].dtype}, expected float32, float16 or bfloat16")
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise WeightsError(f"{path}: {'; '.join(problems[:5])}{more}")
