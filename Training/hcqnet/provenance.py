"""Where weights come from: command, commit, seed and versions, kept beside a run and in its weight files."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .recipe import Recipe
from .starts import checkpoint
from .weights import training

LIBRARIES = ("torch", "numpy", "opencv-python-headless", "pycocotools")


def origin(recipe_file: Path, recipe: Recipe, processes: int, labels: list[Path], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a run can be repeated from.

    `changed` tells that the working tree differed from the commit, `labels` is a digest of the files named; `start` is where the weights
    of `start_file` come from, `resumed` the earlier starts of the same run, `before` being what the last of them said.
    """
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in LIBRARIES}
    module = Path(sys.argv[0]).stem
    return {
        "command": shlex.join(["python", "-m", f"hcqnet.{module}", *sys.argv[1:]]), "processes": processes, "recipe": recipe_file.stem,
        "seed": recipe.seed, "commit": _git("rev-parse", "HEAD") or "unknown",
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no", "--", ".")), "versions": versions, "labels": _digest(labels),
    } | ({"start": _ancestors(Path(recipe.start_file))} if recipe.start_file else {}) | ({"resumed": _earlier(before)} if before else {})  # fmt: skip


def _ancestors(file: Path) -> list[dict[str, Any]]:
    """What a weight file or a run's last.pt says of where it comes from."""
    if file.suffix == ".safetensors":
        return training(file)
    told = checkpoint(file).get("origin")
    return [told] if told else []


def _earlier(before: dict[str, Any]) -> list[dict[str, Any]]:
    last = {name: before[name] for name in ("command", "commit", "changed", "processes", "step") if name in before}
    return [*before.get("resumed", []), last]


def _digest(files: list[Path]) -> str:
    """The first 16 digits of a SHA-256 of the files' names and contents."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            whole.update(f"{file.parent.name}/{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


def note_start(directory: Path, told: dict[str, Any], recipe: Recipe, step: int) -> None:
    """Adds a line to runs.jsonl: this start, the step it goes on from, and the recipe with everything that its bases say."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    line = json.dumps({"at": now, "step": step} | told | {"values": asdict(recipe)})
    with (directory / "runs.jsonl").open("a") as file:
        file.write(f"{line}\n")


def _git(*arguments: str) -> str:
    """What git says of this code; nothing where it is no checkout."""
    folder = Path(__file__).parent.parent
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=30, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
