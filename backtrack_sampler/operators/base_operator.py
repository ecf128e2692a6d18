"""What an operator is: a judgement on one drawn token, and a memory that can go back.

The idea and the names of the eight heuristics are those of backtracking-llm (Molnár and Tajti).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InputError

__all__ = ["BaseOperator", "Never", "Step", "check_count", "check_range"]


class Step(NamedTuple):
    """One drawn token, as an operator sees it.

    Attributes:
        token: its id.
        text: its text; "" for special tokens.
        probability: after temperature and filters, among `candidates`.
        logit: the model's own, before temperature and bans.
        candidates: what was drawn from, highest first, summing to one.
    """

    token: int
    text: str
    probability: float
    logit: float
    candidates: Mapping[int, float]


class BaseOperator(ABC):
    """Judges each step, and remembers one value a step.

    What it knows is a function of these values alone, so forgetting the last ones leaves it exactly
    as it was at that length. Subclasses say what to remember (`measure`) and what to make of it
    (`judge`).
    """

    def __init__(self) -> None:
        self._history: list[Any] = []

    def __call__(self, step: Step) -> int:
        """How many tokens to discard, this one included; 0 to keep it."""
        self._history.append(self.measure(step))
        return self.judge(self._history)

    def backtrack(self, n_tokens: int) -> None:
        """The last so many tokens are gone, whoever asked for it."""
        del self._history[max(0, len(self._history) - n_tokens) :]

    def reset(self) -> None:
        """A new text begins."""
        self.backtrack(len(self._history))

    @property
    def lookback(self) -> int:
        """How many tokens that were kept so far the next judgement may still discard."""
        return 0

    @abstractmethod
    def measure(self, step: Step) -> Any:
        """The value to remember of a step."""

    @abstractmethod
    def judge(self, history: list[Any]) -> int:
        """How many tokens to discard, given the values of all steps, the newest last."""

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({arguments})"


class Never(BaseOperator):
    """Keeps everything; the baseline to compare with."""

    def measure(self, step: Step) -> None:
        return None

    def judge(self, history: list[Any]) -> int:
        return 0


def check_count(name: str, value: int, least: int = 1) -> int:
    """A whole number, at least so much; raises InputError with the parameter's name."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be a whole number, at least {least}, not {value!r}")
    return value


def check_range(name: str, value: float, low: float, high: float, *, inside: bool = False) -> float:
    """A number from low to high (`inside`: strictly between); raises InputError with the parameter's name."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{name} must be a number, not {value!r}")
    if not (low < value < high if inside else low <= value <= high):
        between = "strictly between" if inside else "between"
        raise InputError(f"{name} must be {between} {low} and {high}, not {value}")
    return value
