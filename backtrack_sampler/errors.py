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
    "StrategyError",
]


class BacktrackError(Exception):
    """Base class: `except BacktrackError` catches everything below and nothing else."""


class InputError(BacktrackError, ValueError):
    """A parameter, a prompt or a file that cannot be used as given."""


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
        said = f"{who} raised {type(error).__name__}: {error}"
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _in_library(frame.filename)]
        if frames:
            said += f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})"
        return cls(said)


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


def _in_library(file: str) -> bool:
    """Whether a file is Python's own or an installed package's: no place to look for what is wrong."""
    return file.startswith((os.path.dirname(os.__file__), "<")) or "site-packages" in file
