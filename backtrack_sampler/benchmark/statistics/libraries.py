"""Libraries that are imported where they are used, so that the rest works without them."""

from __future__ import annotations

import importlib
from typing import Any

from ...errors import MissingPackageError

__all__ = ["library"]


def library(name: str) -> Any:
    """A module of an installed package.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f'{name.split(".")[0]} is not installed: pip install "backtrack_sampler[benchmark]"'
        ) from error
