"""Multiply-accumulates of every module, counted as the paper's Table 5 counts them.

    python -m hcqnet.macs --config C.json --size 1024x1024

Counted: products of convolutions, linear layers and matrix products, attention's two and the padding of windows among
them. Not counted: sampling, normalisation, activations, the sigma layers. No number is computed on the way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from .command import run
from .config import Config
from .hcqnet import HCQNet


@torch.no_grad()
def count(config: Config, height: int, width: int) -> dict[str, int]:
    """MACs of one picture by module; `mask product` is mask embeddings times mask features."""
    with torch.device("meta"):
        net = HCQNet(config).requires_grad_(False).eval()
        image = torch.empty(1, 3, height, width)
    for head in (net.heads.box, net.heads.pose):
        if head is not None:
            head.sigma = None
    # Which proposals start the queries does not change the count, and is not to be found without numbers.
    chosen = None if net.proposals is None else torch.zeros(1, config.queries, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        prediction = net(image, chosen)
    macs = {name: sum(ops.values()) // 2 for name, ops in counter.get_flop_counts().items()}
    with FlopCounterMode(display=False) as product:
        _ = prediction.mask_logits
    heads = {name: macs.get(f"HCQNet.heads.{name}", 0) for name in ("box", "pose")}
    rows = {
        "backbone": macs["HCQNet.backbone"],
        "tower": macs.get("HCQNet.tower", 0),
        "pixel decoder": macs["HCQNet.pixel_decoder"],
        # The refinements run inside the decoder.
        "transformer decoder": macs["HCQNet.decoder"] - sum(heads.values()),
        "proposals": macs.get("HCQNet.proposals", 0),
        "query start": sum(macs.get(f"HCQNet.decoder.proposal_{part}", 0) for part in ("embed", "pose")),
        "class": macs["HCQNet.heads.cls"],
        "mask": macs["HCQNet.heads.mask"],
        "mask product": product.get_total_flops() // 2,
        **heads,
    }
    rows = {name: value for name, value in rows.items() if value or name not in ("tower", "proposals", "query start")}
    return rows | {"total": sum(rows.values())}


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(prog="python -m hcqnet.macs", description="Counts multiply-accumulates.")
    parser.add_argument("--config", type=Path, help="JSON; absent fields have the paper's values")
    parser.add_argument("--size", default="640x384", help="width x height (%(default)s)")
    options = parser.parse_args()
    config = Config.from_json(options.config.read_text() if options.config else "{}")
    width, height = (int(side) for side in options.size.split("x"))
    for name, macs in count(config, height, width).items():
        print(f"{name:20} {macs / 1e9:12.6f} G")


if __name__ == "__main__":
    run("macs", main)
