"""Every error this package raises on purpose. Each message is one line that says what to do."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "BacktrackError",
    "BatchError",
    "ContextFullError",
    "ExhaustedError",
    "InputError",
    "MissingPackageError",
    "ModelError",
    "RollbackError",
    "StorageError",
    "StrategyError",
]


class BacktrackError(Exception):
    """Base class: `except BacktrackError` catches everything below and nothing else."""


class InputError(BacktrackError, ValueError):
    """A parameter, a prompt or a file that cannot be used as given."""


class StorageError(InputError):
    """What was to be kept cannot be written: a full disk, a folder that is gone. It is nobody's text that is wrong."""


class ModelError(BacktrackError):
    """A model that cannot be loaded, or that gives no usable logits."""


class MissingPackageError(BacktrackError, ImportError):
    """A package is needed that is not installed; the message names the command that installs it."""


class ContextFullError(BacktrackError):
    """The model's context is full, and `on_context_full="raise"`. Everything until then has been streamed."""


class StrategyError(BacktrackError):
    """A strategy or a listener raised, or returned what it must not. `__cause__` is the original error."""

    @classmethod
    def of(cls, who: str, error: Exception) -> StrategyError:
        """What to raise from an error in somebody's code: who, what, and where."""
        where = place_of(error)
        return cls(f"{who} raised {type(error).__name__}: {error}" + (f" ({where})" if where else ""))


class RollbackError(StrategyError):
    """A strategy asked for tokens back that were already streamed, or that never were."""


class ExhaustedError(BacktrackError):
    """Nothing is left to draw, or a rollback budget is used up, and `on_exhausted="raise"`."""


class BatchError(BacktrackError):
    """Some streams of a batch have failed; the others went on to their ends.

    Attributes:
        errors: index -> what has ended that stream.
        first: one of them, which is also the `__cause__`.
        rows: all streams of the batch, those that are complete too.
    """

    def __init__(self, errors: Mapping[int, BacktrackError], rows: Sequence[Any]) -> None:
        self.errors = dict(errors)
        self.rows = rows
        index, self.first = next(iter(self.errors.items()))
        super().__init__(f"{len(self.errors)} of {len(rows)} streams failed; the first, number {index}: {self.first}")
        self.__cause__ = self.first  # so that a traceback shows where


def place_of(error: BaseException, ours: bool = True) -> str:
    """File and line that an error is from, of those that somebody may mend; "" where there are none.

    Args:
        ours: this package's files are among them.
    """
    own = os.path.dirname(__file__)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not _in_library(frame.filename) and (ours or not frame.filename.startswith(own)):
            return f"{os.path.basename(frame.filename)}, line {frame.lineno}"
    return ""


def _in_library(file: str) -> bool:
    """Whether a file is Python's own or an installed package's: no place to look for what is wrong."""
    return file.startswith((os.path.dirname(os.__file__), "<")) or "site-packages" in file
