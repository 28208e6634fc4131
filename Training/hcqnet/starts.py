"""What a network starts from: published checkpoints by name mapping, or an earlier run.

torchvision's ResNets and Swins have this project's names below `backbone.`; its Swin has no LayerNorm per stage, its
classifier is left out. Renamed are Swin as its authors and Mask2Former publish it (`layers.*.blocks.*`) and Mask2Former's
pixel decoder, as its authors (`sem_seg_head.pixel_decoder.*`) and transformers (`model.pixel_level_module.decoder.*`) do.
"""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .hcqnet import HCQNet
from .init_picodet import load_picodet
from .init_tinypose import HEAT_TO_LOGIT, load_tinypose

if TYPE_CHECKING:
    from .recipe import Recipe


class StartError(ValueError):
    """A checkpoint that does not fit; the message names the file and the tensor."""


def apply(net: HCQNet, recipe: Recipe) -> None:
    """Everything that the recipe names, in the order backbone, pixel decoder, detector, tower, earlier run."""
    if recipe.backbone_file:
        load_backbone(net, Path(recipe.backbone_file))
    if recipe.mask2former_file:
        load_mask2former(net, Path(recipe.mask2former_file))
    if recipe.picodet_file:
        backbone, head = load_picodet(recipe.picodet_file)
        net.backbone.load_state_dict(backbone.state_dict())
        net.proposals.load_state_dict(head.state_dict())
    if recipe.tinypose_file:
        load_tower(net, recipe.tinypose_file)
    if recipe.start_file:
        load_run(net, Path(recipe.start_file), recipe.fresh)


def read(path: Path) -> dict[str, Tensor]:
    """Tensors by name of a `.safetensors`, `.pth` or `.pkl` file (Detectron2's pickles hold arrays under `model`)."""
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise StartError(f"{path}: is damaged, or no safetensors file ({in_short(error)})") from error
    if path.suffix == ".pkl":
        import numpy

        class Arrays(pickle.Unpickler):
            """Arrays, numbers and names only: a checkpoint is data."""

            def find_class(self, module: str, name: str) -> object:
                if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype", "scalar"):
                    return super().find_class(module, name)
                raise StartError(f"{path}: holds a {module}.{name}, expected arrays only")

        try:
            with path.open("rb") as file:
                content = Arrays(file).load()
        except (pickle.UnpicklingError, EOFError) as error:
            raise StartError(f"{path}: is damaged, or no pickle ({in_short(error)})") from error
        model = content.get("model", content)
        return {k: torch.from_numpy(v) for k, v in model.items() if isinstance(v, numpy.ndarray)}
    content = checkpoint(path)
    return content.get("model", content.get("state_dict", content))


def checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    """What `torch.save` wrote, tensors and plain values only."""
    try:
        content = torch.load(path, weights_only=True, map_location=device)
    except OSError:
        raise
    except Exception as error:  # what damaged pickles raise has no common kind
        raise StartError(f"{path}: is damaged, or no checkpoint of PyTorch ({in_short(error)})") from error
    if not isinstance(content, dict):
        raise StartError(f"{path}: holds a {type(content).__name__}, expected tensors by name")
    return content


def in_short(error: Exception, length: int = 160) -> str:
    """What went wrong, on one line and without the hints that follow."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= length else f"{text[:length]}..."


def load_backbone(net: HCQNet, path: Path) -> None:
    """torchvision's ResNet or Swin checkpoint, or Swin's own; a Swin's bias tables are interpolated to another window."""
    if not path.exists():
        where = "torchvision's lie under https://download.pytorch.org/models/; the recipe's names count from the current folder"
        raise StartError(f"{path}: is not there ({where})")
    found = read(path)
    inside = {k.removeprefix("backbone."): v for k, v in found.items() if k.startswith("backbone.")}  # of a whole Mask2Former
    found = {rename_swin(k): v for k, v in (inside or found).items() if not k.startswith(("fc.", "head.", "norm."))}
    found = {k: v for k, v in found.items() if not k.endswith(("relative_position_index", "num_batches_tracked", "attn_mask"))}
    own = net.backbone.state_dict()
    for name, value in found.items():
        if name.endswith("relative_position_bias_table") and name in own and value.shape != own[name].shape:
            found[name] = resize_bias_table(value, own[name].shape[0])
    expected = {
        k for k in own
        if not k.startswith("norms.") and not k.endswith(("num_batches_tracked", "relative_position_index"))
    }  # fmt: skip
    _copy(net.backbone, found, expected, path)


def rename_swin(name: str) -> str:
    """A tensor of Swin's own checkpoints by torchvision's name; any other name as it is."""
    if match := re.fullmatch(r"layers\.(\d)\.(?:blocks\.(\d+)|downsample)\.(.*)", name):
        stage, block, rest = int(match[1]), match[2], match[3].replace("mlp.fc1.", "mlp.0.").replace("mlp.fc2.", "mlp.3.")
        return f"features.{2 * stage + 2}.{rest}" if block is None else f"features.{2 * stage + 1}.{block}.{rest}"
    name = re.sub(r"^norm(\d)\.", r"norms.\1.", name)
    return name.replace("patch_embed.proj.", "features.0.0.").replace("patch_embed.norm.", "features.0.2.")


def resize_bias_table(table: Tensor, rows: int) -> Tensor:
    """[(2w - 1)^2, heads] for one window size to [rows, heads] for another, bicubic."""
    old, new = round(table.shape[0] ** 0.5), round(rows**0.5)
    square = table.T.reshape(1, -1, old, old).float()
    return F.interpolate(square, (new, new), mode="bicubic", align_corners=False).reshape(-1, rows).T.contiguous()


def load_mask2former(net: HCQNet, path: Path) -> None:
    """The pixel decoder of a Mask2Former checkpoint (D = 256, 6 layers), by name."""
    found = {}
    for name, value in read(path).items():
        own = rename_mask2former(name)
        if own:
            found[own] = value
    if not found:
        raise StartError(f"{path}: no tensor named {' or '.join(f'{prefix}*' for prefix in _PIXEL_DECODERS)}")
    _copy(net.pixel_decoder, found, set(net.pixel_decoder.state_dict()), path)


@torch.no_grad()
def load_tower(net: HCQNet, path: str) -> None:
    """PP-TinyPose as the tower; its heat maps are the joint maps, to which `fine` adds nothing yet."""
    if net.tower is None or net.pixel_decoder.joint_maps is None:
        raise StartError(f"{path}: the network has no tower with joint maps (tower lite_hrnet, joint_grid above 0)")
    tower, weight, bias = load_tinypose(path)
    slope, start = HEAT_TO_LOGIT
    net.tower.load_state_dict(tower.state_dict())
    joints = net.config.joints
    for layer in (net.pixel_decoder.tower.joint_maps, net.pixel_decoder.joint_maps):
        layer.weight.zero_()
    net.pixel_decoder.tower.joint_maps.weight[:joints] = slope * weight[:, :, None, None]
    net.pixel_decoder.joint_maps.bias[:joints] = slope * bias + start


# Below the first prefix as Mask2Former's authors name them, below the second as transformers does.
_PIXEL_DECODERS = {
    "sem_seg_head.pixel_decoder.": (
        (r"input_proj\.(\d)\.(\d)\.(.*)", r"input_proj.\1.\2.\3"),
        (r"transformer\.level_embed", r"level_embed"),
        (r"transformer\.encoder\.layers\.(\d+)\.self_attn\.(.*)", r"layers.\1.self_attn.\2"),
        (r"transformer\.encoder\.layers\.(\d+)\.(norm1|norm2|linear1|linear2)\.(.*)", r"layers.\1.\2.\3"),
        (r"adapter_1\.norm\.(.*)", r"lateral.1.\1"),
        (r"adapter_1\.(weight)", r"lateral.0.\1"),
        (r"layer_1\.norm\.(.*)", r"output.1.\1"),
        (r"layer_1\.(weight)", r"output.0.\1"),
        (r"mask_features\.(.*)", r"mask_features.\1"),
    ),
    "model.pixel_level_module.decoder.": (
        (r"input_projections\.(\d)\.(\d)\.(.*)", r"input_proj.\1.\2.\3"),
        (r"level_embed", r"level_embed"),
        (r"encoder\.layers\.(\d+)\.self_attn\.(.*)", r"layers.\1.self_attn.\2"),
        (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.(.*)", r"layers.\1.norm1.\2"),
        (r"encoder\.layers\.(\d+)\.final_layer_norm\.(.*)", r"layers.\1.norm2.\2"),
        (r"encoder\.layers\.(\d+)\.fc([12])\.(.*)", r"layers.\1.linear\2.\3"),
        (r"adapter_1\.(\d)\.(.*)", r"lateral.\1.\2"),
        (r"layer_1\.(\d)\.(.*)", r"output.\1.\2"),
        (r"mask_projection\.(.*)", r"mask_features.\1"),
    ),
}


def rename_mask2former(name: str) -> str | None:
    """A tensor of Mask2Former's pixel decoder to its name below `pixel_decoder.`; None for everything else."""
    for prefix, patterns in _PIXEL_DECODERS.items():
        for pattern, own in patterns if name.startswith(prefix) else ():
            if match := re.fullmatch(pattern, name[len(prefix) :]):
                return match.expand(own)
    return None


def load_run(net: HCQNet, path: Path, fresh: tuple[str, ...] = ()) -> None:
    """An earlier run's averaged weights (`last.pt`) or a weight file, where names and shapes agree; modules `fresh` stay.

    Joint maps of a network without `joint_owner` are taken; the owner's four rows then start at 0.
    """
    state = checkpoint(path).get("average") if path.suffix == ".pt" else read(path)
    if state is None:
        raise StartError(f"{path}: holds no averaged weights, expected a run's last.pt")
    own = net.state_dict()
    for name, value in state.items():
        if name.startswith("pixel_decoder.") and ".joint_maps." in name and name in own and len(value) == net.config.joints < len(own[name]):
            state[name] = torch.cat([value, value.new_zeros(len(own[name]) - len(value), *value.shape[1:])])
    kept = tuple(f"{name}." for name in fresh)
    taken = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape and not f"{k}.".startswith(kept)}
    if not taken:
        raise StartError(f"{path}: no tensor fits this network")
    anew = [k for k in own if k not in taken and not f"{k}.".startswith(kept) and not k.endswith("num_batches_tracked")]
    if anew:
        print(f"{path}: lacks '{anew[0]}' in this shape; {len(anew)} of {len(own)} tensors start anew", file=sys.stderr)
    net.load_state_dict(own | {k: v.to(own[k].dtype) for k, v in taken.items()})


def _copy(module: torch.nn.Module, found: dict[str, Tensor], expected: set[str], path: Path) -> None:
    own = module.state_dict()
    missing, unused = sorted(expected - found.keys()), sorted(found.keys() - own.keys())
    if missing or unused:
        problem = f"tensor '{missing[0]}' is missing" if missing else f"tensor '{unused[0]}' is not used"
        raise StartError(f"{path}: {problem} ({len(missing)} missing, {len(unused)} unused)")
    for name, value in found.items():
        if own[name].shape != value.shape:
            raise StartError(f"{path}: tensor '{name}' has shape {list(value.shape)}, expected {list(own[name].shape)}")
        own[name].copy_(value)
