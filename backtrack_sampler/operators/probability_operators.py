"""Operators that read how probable the drawn token was.

Probabilities are those after temperature, top-k and the other filters, among what was left to draw
from, as in backtracking-llm: with `top_k=1` every token has probability one, and at temperature 0,
where nothing is scaled, they are the model's own.
"""

from __future__ import annotations

import math
from itertools import islice

from ..candidates import entropy_of
from ..checks import check_count, check_number
from ..rollback import TakeBack
from .base_operator import HistoryOperator, Step

__all__ = [
    "EntropyThreshold",
    "LogitThreshold",
    "ProbabilityDrop",
    "ProbabilityMargin",
    "ProbabilityThreshold",
    "ProbabilityTrend",
]


class _Measured(HistoryOperator):
    """Remembers a number a step, and takes a fixed count of tokens back."""

    def __init__(self, backtrack_count: int) -> None:
        super().__init__()
        self.backtrack_count = check_count("backtrack_count", backtrack_count)

    @property
    def lookback(self) -> int:
        return self.backtrack_count - 1

    def measure(self, step: Step) -> float:
        return step.probability

    def _discard(self, history: list[float], why: str) -> int:
        """The count, or what there is."""
        return TakeBack(min(self.backtrack_count, len(history)), why)


class ProbabilityThreshold(_Measured):
    """Takes back a token whose probability is below a threshold.

    Args:
        min_probability: strictly between 0 and 1.
        backtrack_count: tokens to take back.

    Example:
        probability-threshold:min_probability=0.02
    """

    def __init__(self, min_probability: float = 0.05, backtrack_count: int = 1) -> None:
        self.min_probability = check_number("min_probability", min_probability, 0, 1, inside=True)
        super().__init__(backtrack_count)

    def judge(self, history: list[float]) -> int:
        if history[-1] >= self.min_probability:
            return 0
        return self._discard(history, f"probability {history[-1]:.2g} is below {self.min_probability:g}")


class EntropyThreshold(_Measured):
    """Takes back tokens where the distribution was too uncertain.

    Args:
        max_entropy: in nats, 0 or more.
        backtrack_count: tokens to take back.

    Example:
        entropy-threshold:max_entropy=2
    """

    def __init__(self, max_entropy: float = 0.2, backtrack_count: int = 2) -> None:
        self.max_entropy = check_number("max_entropy", max_entropy, 0, math.inf)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> float:
        return entropy_of(step.candidates)

    def judge(self, history: list[float]) -> int:
        if history[-1] <= self.max_entropy:
            return 0
        return self._discard(history, f"entropy {history[-1]:.2f} is above {self.max_entropy:g}")


class ProbabilityMargin(_Measured):
    """Takes back a token drawn where the two best candidates were too close.

    Args:
        min_margin: least difference of their probabilities, between 0 and 1.
        backtrack_count: tokens to take back.

    Example:
        probability-margin:min_margin=0.1
    """

    def __init__(self, min_margin: float = 0.05, backtrack_count: int = 1) -> None:
        self.min_margin = check_number("min_margin", min_margin, 0, 1)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> float:
        first, second = [*islice(step.candidates.values(), 2), 0.0, 0.0][:2]
        return first - second

    def judge(self, history: list[float]) -> int:
        if history[-1] >= self.min_margin:
            return 0
        return self._discard(history, f"the two best are {history[-1]:.2g} apart, less than {self.min_margin:g}")


class ProbabilityDrop(_Measured):
    """Takes back a token much less probable than the one before it.

    Args:
        max_drop: 0.8 takes back what has less than a fifth of the probability before; between 0 and 1.
        backtrack_count: tokens to take back.

    Example:
        probability-drop:max_drop=0.9
    """

    def __init__(self, max_drop: float = 0.8, backtrack_count: int = 1) -> None:
        self.max_drop = check_number("max_drop", max_drop, 0, 1)
        super().__init__(backtrack_count)

    def judge(self, history: list[float]) -> int:
        if len(history) < 2 or history[-1] >= history[-2] * (1 - self.max_drop):
            return 0
        return self._discard(history, f"probability fell from {history[-2]:.2g} to {history[-1]:.2g}")


class ProbabilityTrend(_Measured):
    """Takes back a token whose probability is far below the average of the last ones.

    It waits until half a window has been seen.

    Args:
        window_size: tokens to average over, at least 2.
        drop_threshold: take back below this share of the average; strictly between 0 and 1.
        backtrack_count: tokens to take back.

    Example:
        probability-trend:backtrack_count=3
    """

    def __init__(self, window_size: int = 10, drop_threshold: float = 0.5, backtrack_count: int = 1) -> None:
        self.window_size = check_count("window_size", window_size, 2)
        self.drop_threshold = check_number("drop_threshold", drop_threshold, 0, 1, inside=True)
        super().__init__(backtrack_count)

    def judge(self, history: list[float]) -> int:
        window = history[-self.window_size - 1 : -1]
        if len(window) < self.window_size // 2:
            return 0
        mean = math.fsum(window) / len(window)
        if history[-1] >= mean * self.drop_threshold:
            return 0
        return self._discard(history, f"probability {history[-1]:.2g} after {mean:.2g} on average")


class LogitThreshold(_Measured):
    """Takes back a token whose logit is below a threshold.

    Args:
        min_logit: of the model, before temperature.
        backtrack_count: tokens to take back.

    Example:
        logit-threshold:min_logit=5
    """

    def __init__(self, min_logit: float = -20.0, backtrack_count: int = 1) -> None:
        self.min_logit = check_number("min_logit", min_logit, -math.inf, math.inf)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> float:
        return step.logit

    def judge(self, history: list[float]) -> int:
        if history[-1] >= self.min_logit:
            return 0
        return self._discard(history, f"logit {history[-1]:.1f} is below {self.min_logit:g}")
