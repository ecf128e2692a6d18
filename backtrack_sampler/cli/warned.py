"""Warnings as a person at a terminal should see them: one line, above the bar. Standard library only."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["warnings_in_one_line"]


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, (ResourceWarning, DeprecationWarning, PendingDeprecationWarning)):
            return  # for those who write programs; one may come from anything that is thrown away meanwhile
        line = " ".join(["backtrack-sampler:", *str(message).split()])
        write: Callable[..., None] = print
        if sys.stderr.isatty():
            with suppress(ImportError):  # without it there is no bar
                write = importlib.import_module("tqdm").tqdm.write  # above the bar
        write(line, file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
