"""Every error this package raises on purpose. Each message is one line that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    """The model's context is full. Everything generated until then has been streamed.

    Attributes:
        text: what `generate_text` had written when the context was full ("" from `generate`).
    """

    text: str = ""


class StrategyError(BacktrackError):
    """A strategy raised, or returned what a hook must not return. `__cause__` is the original error."""


class RollbackError(StrategyError):
    """A strategy asked for tokens back that were already streamed, or that never were."""


class ExhaustedError(BacktrackError):
    """Nothing is left to draw, or a rollback budget is used up, and `on_exhausted="raise"`.

    Attributes:
        text: what `generate_text` had written ("" from `generate`).
    """

    text: str = ""


class BatchError(BacktrackError):
    """Some streams of a batch have failed; the others went on to their ends.

    Attributes:
        errors: index -> what has ended that stream.
        texts: what `generate_texts` has of every stream ([] from `generate_batch`).
    """

    texts: Sequence[str] = ()

    def __init__(self, errors: Mapping[int, BacktrackError], count: int) -> None:
        self.errors = dict(errors)
        index, first = next(iter(self.errors.items()))
        super().__init__(f"{len(self.errors)} of {count} streams failed; the first, number {index}: {first}")
