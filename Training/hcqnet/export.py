"""Writes the fixture that the engine's tests read: every block of a tiny network with its input and output.

    python -m hcqnet.export ../Tests/Fixtures/tiny.safetensors

One safetensors file, float32 rounded from a float64 run; metadata `config` is the network's. A backbone weighs tens of
megabytes, so the network starts after it and the backbone's blocks come one by one, narrow. Names:

    pixel_decoder.* decoder.* heads.*   the network's tensors, named as in a weight file
    input.map.{0..3}                    the backbone's maps at strides 4, 8, 16, 32: [1, C, h, w]
    activation.<module>                 what that module returned, in the layout of PyTorch:
      pixel_decoder.input_proj.{0..2}   [1, D, h, w], strides 32, 16, 8
      pixel_decoder.position            [T, D], sine + level embedding, T = tokens of the strides 32, 16, 8
      pixel_decoder.layers.{i}.self_attn  .norm1  .norm2 (the layer's result)          [1, T, D]
      pixel_decoder.lateral             [1, D, H/4, W/4], after GroupNorm
      pixel_decoder.output              the same shape, after GroupNorm, before ReLU
      pixel_decoder.mask_features       the same shape
      decoder.layers.{i}.self_attn  .norm1  .cross_attn  .norm2  .norm3 (the result)   [1, Q, D]
    decoder.{l} with l = 0 for the initial queries, then one per layer:
      decoder.{l}.embedding             E', [1, Q, D]
      decoder.{l}.keys                  K after the refinement, [1, Q, 4 + 2 joints]
      decoder.{l}.position              P of those keys, [1, Q, D]
    output.<name>                       the outputs, named as `hcqd forward` names them
    block.<kind>.weight.<tensor>  block.<kind>.input  block.<kind>.output
      basic       ResNet basic block, 8 -> 8 channels, stride 1, no shortcut weights      [1, C, h, w]
      bottleneck  ResNet bottleneck, 12 -> 4 x 4 channels, stride 2 in the 3x3, with shortcut  [1, C, h, w]
      swin        shifted Swin block, 2 heads, window 4, shift 2, on a map that needs padding  [1, h, w, C]
      merging     Swin patch merging, 8 -> 16 channels                                    [1, h, w, C]
      es_down     ESNet block of stride 2, 8 -> 16 channels, 12 inside                    [1, C, h, w]
      es_same     ESNet block of stride 1, 16 channels, 24 inside                         [1, C, h, w]
      separable   depthwise 5x5 of stride 2, 1x1, hard-swish after each, 8 channels       [1, C, h, w]
      csp         cross-stage-partial block, 16 -> 8 channels                             [1, C, h, w]
      separable_output  the pixel decoder's separable convolution, 32 channels, with ReLU [1, C, h, w]
    choice.logits [300]  choice.boxes [300, 4]  choice.chosen [280]   what starts the queries, at an IoU of 0.5;
                                        -1 - index for those set aside (whole numbers, as float32 like all others)
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from . import init
from .backbones.esnet_pan import CSPBlock, DownBlock, SameBlock, SeparableBlock
from .backbones.resnet import BasicBlock, Bottleneck
from .backbones.swin import PatchMerging, SwinBlock
from .config import Config
from .hcqnet import HCQNet
from .new import random_network
from .pixel_decoder import SeparableOutput
from .proposals import select
from .weights import tensors_of

TINY = Config(
    backbone="resnet18", hidden_dim=32, queries=6, joints=5, heads=4, points=2, encoder_layers=2, encoder_ffn=40,
    encoder_points=3, decoder_layers=2, decoder_ffn=48, sine_dim=4,
)  # fmt: skip
SIZE = (32, 96)  # of the picture that the maps stand for
SEED = 2023

# The modules whose results are worth comparing, in every implementation.
BLOCKS = re.compile(
    r"pixel_decoder\.(input_proj\.\d|lateral|output|mask_features)"
    r"|(pixel_decoder|decoder)\.layers\.\d+\.(self_attn|cross_attn|norm\d)"
)


@contextmanager
def captured(net: HCQNet) -> Iterator[dict[str, Tensor]]:
    """Within the context: what each of `BLOCKS` returned in its latest call, by module name."""
    results: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _module, _inputs, output: results.__setitem__(name, output)

    modules = [(name, module) for name, module in net.named_modules() if BLOCKS.fullmatch(name)]
    hooks = [module.register_forward_hook(keep(name)) for name, module in modules]
    try:
        yield results
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def fixture() -> dict[str, Tensor]:
    """All tensors of the fixture, float32."""
    net = random_network(TINY, SEED).double()
    weights = {name: value for name, value in tensors_of(net).items() if not name.startswith("backbone.")}
    generator = torch.Generator().manual_seed(SEED)
    maps = [
        torch.randn(1, channels, SIZE[0] // stride, SIZE[1] // stride, generator=generator, dtype=torch.float64)
        for channels, stride in zip(net.backbone.channels, (4, 8, 16, 32))
    ]
    maps = [x.float().double() for x in maps]  # the fixture's rounding must not count as an error
    tensors = {f"input.map.{i}": x for i, x in enumerate(maps)}
    with captured(net) as activations:
        features = net.pixel_decoder(maps)
        outputs = net.decode(features)
        tensors |= {f"activation.{name}": value for name, value in activations.items()}
    tensors["activation.pixel_decoder.position"] = net.pixel_decoder.position(features.shapes, features.tokens)
    for layer, output in enumerate(outputs):
        tensors[f"decoder.{layer}.embedding"] = output.embedding
        tensors[f"decoder.{layer}.keys"] = output.refined.keys
        tensors[f"decoder.{layer}.position"] = net.decoder.position(output.refined.keys)
    final = net.predict(outputs[-1], features).outputs()
    tensors |= {f"output.{name}": value for name, value in final.items()} | _blocks(generator) | _choice(generator)
    return {name: value.float().contiguous() for name, value in (weights | tensors).items()}


def _blocks(generator: torch.Generator) -> dict[str, Tensor]:
    blocks = {  # kind: block, shape of its input
        "basic": (BasicBlock(8, 8, stride=1), (1, 8, 5, 7)),
        "bottleneck": (Bottleneck(12, 4, stride=2), (1, 12, 6, 10)),
        "swin": (SwinBlock(8, heads=2, window=4, shift=2), (1, 6, 9, 8)),
        "merging": (PatchMerging(8), (1, 4, 6, 8)),
        "es_down": (DownBlock(8, 16, 12), (1, 8, 6, 10)),
        "es_same": (SameBlock(16, 24), (1, 16, 5, 7)),
        "separable": (SeparableBlock(8, stride=2), (1, 8, 5, 8)),
        "csp": (CSPBlock(16, 8), (1, 16, 5, 7)),
        "separable_output": (SeparableOutput(32, activate=True), (1, 32, 5, 7)),
    }
    tensors = {}
    for kind, (block, shape) in blocks.items():
        init.fill_at_random(block, generator)
        block.eval()
        tensors |= {f"block.{kind}.weight.{name}": value.clone() for name, value in tensors_of(block).items()}
        x = torch.randn(shape, generator=generator)
        tensors[f"block.{kind}.input"] = x
        tensors[f"block.{kind}.output"] = block.double()(x.double())
    return tensors


def _choice(generator: torch.Generator) -> dict[str, Tensor]:
    logits = torch.randn(300, generator=generator)
    corner = torch.rand(300, 2, generator=generator)
    boxes = torch.cat([corner, corner + 0.2 + 0.1 * torch.rand(300, 2, generator=generator)], -1)
    chosen = select(logits[None], boxes[None], 280, 0.5)[0]
    return {"choice.logits": logits, "choice.boxes": boxes, "choice.chosen": chosen}


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(prog="python -m hcqnet.export", description="Writes the engine's test fixture.")
    parser.add_argument("output", type=Path)
    save_file(fixture(), parser.parse_args().output, {"config": TINY.to_json()})


if __name__ == "__main__":
    main()
