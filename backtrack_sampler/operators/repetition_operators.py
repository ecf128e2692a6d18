"""Operators that read whether the text repeats itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .base_operator import BaseOperator, Step, check_count

__all__ = ["NGramOverlap", "Repetition"]


class Repetition(BaseOperator):
    """Discards a run of one token that is repeated too often, all of it.

    Args:
        max_repetitions: how often a token may stand in a row.
    """

    def __init__(self, max_repetitions: int = 3) -> None:
        super().__init__()
        self.max_repetitions = check_count("max_repetitions", max_repetitions)

    @property
    def lookback(self) -> int:
        return self._run(self._history)

    def measure(self, step: Step) -> int:
        return step.token

    def judge(self, history: list[Any]) -> int:
        run = self._run(history)
        return run if run > self.max_repetitions else 0

    def _run(self, history: list[Any]) -> int:
        """Length of the run at the end; it is never much longer than what is allowed."""
        run = 0
        for token in reversed(history):
            if token != history[-1] or run > self.max_repetitions:
                break
            run += 1
        return run


class NGramOverlap(BaseOperator):
    """Discards a token that completes a sequence of tokens that was there before.

    Args:
        ngram_size: tokens in a sequence, at least 2.
        backtrack_count: tokens to discard.
    """

    def __init__(self, ngram_size: int = 4, backtrack_count: int = 1) -> None:
        super().__init__()
        self.ngram_size = check_count("ngram_size", ngram_size, 2)
        self.backtrack_count = check_count("backtrack_count", backtrack_count)
        # A count, not a set: where a sequence stands twice, losing one leaves the other.
        self._seen: Counter[tuple[int, ...]] = Counter()

    @property
    def lookback(self) -> int:
        return self.backtrack_count - 1

    def measure(self, step: Step) -> int:
        return step.token

    def judge(self, history: list[Any]) -> int:
        if len(history) < self.ngram_size:
            return 0
        ngram = tuple(history[-self.ngram_size :])
        self._seen[ngram] += 1
        return self.backtrack_count if self._seen[ngram] > 1 else 0

    def backtrack(self, n_tokens: int) -> None:
        for _ in range(min(n_tokens, len(self._history))):
            if len(self._history) >= self.ngram_size:
                ngram = tuple(self._history[-self.ngram_size :])
                self._seen[ngram] -= 1
                if not self._seen[ngram]:
                    del self._seen[ngram]
            self._history.pop()
