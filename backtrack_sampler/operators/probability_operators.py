"""Operators that read how probable the drawn token was."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

from .base_operator import BaseOperator, Step, check_count, check_range

__all__ = [
    "EntropyThreshold",
    "LogitThreshold",
    "ProbabilityDrop",
    "ProbabilityMargin",
    "ProbabilityThreshold",
    "ProbabilityTrend",
]


class _Counted(BaseOperator):
    """Discards a fixed number of tokens."""

    def __init__(self, backtrack_count: int) -> None:
        super().__init__()
        self.backtrack_count = check_count("backtrack_count", backtrack_count)

    @property
    def lookback(self) -> int:
        return self.backtrack_count - 1


class ProbabilityThreshold(_Counted):
    """Discards a token whose probability is below a threshold.

    Args:
        min_probability: strictly between 0 and 1.
        backtrack_count: tokens to discard.
    """

    def __init__(self, min_probability: float = 0.05, backtrack_count: int = 1) -> None:
        self.min_probability = check_range("min_probability", min_probability, 0, 1, inside=True)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> bool:
        return step.probability < self.min_probability

    def judge(self, history: list[Any]) -> int:
        return self.backtrack_count if history[-1] else 0


class EntropyThreshold(_Counted):
    """Discards tokens where the distribution was too uncertain.

    Args:
        max_entropy: in nats, 0 or more.
        backtrack_count: tokens to discard.
    """

    def __init__(self, max_entropy: float = 0.2, backtrack_count: int = 2) -> None:
        self.max_entropy = check_range("max_entropy", max_entropy, 0, math.inf)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> bool:
        entropy = -math.fsum(p * math.log(p) for p in step.candidates.values() if p > 0)
        return entropy > self.max_entropy

    def judge(self, history: list[Any]) -> int:
        return self.backtrack_count if history[-1] else 0


class ProbabilityMargin(_Counted):
    """Discards a token drawn where the two best candidates were too close.

    Args:
        min_margin: least difference of their probabilities, between 0 and 1.
        backtrack_count: tokens to discard.
    """

    def __init__(self, min_margin: float = 0.05, backtrack_count: int = 1) -> None:
        self.min_margin = check_range("min_margin", min_margin, 0, 1)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> bool:
        best = list(islice(step.candidates.values(), 2))
        return len(best) == 2 and best[0] - best[1] < self.min_margin

    def judge(self, history: list[Any]) -> int:
        return self.backtrack_count if history[-1] else 0


class ProbabilityDrop(_Counted):
    """Discards a token much less probable than the one before it.

    Args:
        max_drop: 0.8 discards what has less than a fifth of the probability before; between 0 and 1.
        backtrack_count: tokens to discard.
    """

    def __init__(self, max_drop: float = 0.8, backtrack_count: int = 1) -> None:
        self.max_drop = check_range("max_drop", max_drop, 0, 1)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> float:
        return step.probability

    def judge(self, history: list[Any]) -> int:
        dropped = len(history) > 1 and history[-1] < history[-2] * (1 - self.max_drop)
        return self.backtrack_count if dropped else 0


class ProbabilityTrend(_Counted):
    """Discards a token whose probability is far below the average of the last ones.

    It waits until half a window has been seen.

    Args:
        window_size: tokens to average over, at least 2.
        drop_threshold: discard below this share of the average; strictly between 0 and 1.
        backtrack_count: tokens to discard.
    """

    def __init__(self, window_size: int = 10, drop_threshold: float = 0.5, backtrack_count: int = 1) -> None:
        self.window_size = check_count("window_size", window_size, 2)
        self.drop_threshold = check_range("drop_threshold", drop_threshold, 0, 1, inside=True)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> float:
        return step.probability

    def judge(self, history: list[Any]) -> int:
        window = history[-self.window_size - 1 : -1]
        if len(window) < self.window_size // 2:
            return 0
        mean = sum(window) / len(window)
        return self.backtrack_count if history[-1] < mean * self.drop_threshold else 0


class LogitThreshold(_Counted):
    """Discards a token whose logit is below a threshold.

    Args:
        min_logit: of the model, before temperature.
        backtrack_count: tokens to discard.
    """

    def __init__(self, min_logit: float = -20.0, backtrack_count: int = 1) -> None:
        self.min_logit = check_range("min_logit", min_logit, -math.inf, math.inf)
        super().__init__(backtrack_count)

    def measure(self, step: Step) -> bool:
        return step.logit < self.min_logit

    def judge(self, history: list[Any]) -> int:
        return self.backtrack_count if history[-1] else 0
