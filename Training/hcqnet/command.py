"""How a command ends: a mistake in a file is one line, not a trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from .config import ConfigError
from .data import DataError
from .recipe import RecipeError
from .starts import StartError
from .weights import WeightsError

MISTAKES = (OSError, ConfigError, DataError, RecipeError, StartError, WeightsError)


def run(name: str, main: Callable[[], int | None]) -> NoReturn:
    """Ends with what `main` returns, or with 1 and a line that says which file is wrong and how."""
    try:
        sys.exit(main())
    except MISTAKES as error:
        sys.exit(f"hcqnet.{name}: {error}")
