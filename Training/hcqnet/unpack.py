"""Unpacks the shards of `DATA/train` beside each other: `python -m hcqnet.unpack --data ../../shared/data --output DIR`."""

from __future__ import annotations

import argparse
import tarfile
from pathlib import Path

from .command import run
from .data import DataError


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(prog="python -m hcqnet.unpack", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds train/*.tar")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    shards = sorted((options.data / "train").glob("*.tar"))
    if not shards:
        raise DataError(f"{options.data / 'train'}: holds no shards (*.tar)")
    for shard in shards:
        try:
            with tarfile.open(shard) as file:
                file.extractall(options.output / shard.stem, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise DataError(f"{shard}: {error}") from error
        print(f"{shard.stem}: {sum(1 for _ in (options.output / shard.stem / 'images').iterdir())} pictures")


if __name__ == "__main__":
    run("unpack", main)
