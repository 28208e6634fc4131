"""How a command speaks: progress on a terminal alone, and a mistake in a file is one line, not a trace."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import NoReturn

from .config import ConfigError
from .data import DataError
from .recipe import RecipeError
from .starts import StartError
from .weights import WeightsError

MISTAKES = (OSError, ConfigError, DataError, RecipeError, StartError, WeightsError)


def progress(text: str) -> None:
    """A line that gives way to the next one; nothing in a pipe or a file."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)


def say(text: str) -> None:
    """A line that stays."""
    print(f"\r\x1b[K{text}" if sys.stdout.isatty() else text, flush=True)


def run(name: str, main: Callable[[], int | None]) -> NoReturn:
    """Ends with what `main` returns, or with 1 and a line that says which file is wrong and how."""
    try:
        sys.exit(main())
    except MISTAKES as error:
        sys.exit(f"hcqnet.{name}: {error}")
