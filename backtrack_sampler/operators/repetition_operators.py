"""Operators that read whether the text repeats itself."""

from __future__ import annotations

from collections import Counter

from ..checks import check_count
from ..rollback import TakeBack
from .base_operator import HistoryOperator, Step

__all__ = ["NGramOverlap", "Repetition"]


class Repetition(HistoryOperator):
    """Takes back a run of one token that is repeated too often, all of it.

    Args:
        max_repetitions: how often a token may stand in a row.

    Example:
        repetition:max_repetitions=2
    """

    def __init__(self, max_repetitions: int = 3) -> None:
        super().__init__()
        self.max_repetitions = check_count("max_repetitions", max_repetitions)

    @property
    def lookback(self) -> int:
        return self._history[-1][1] if self._history else 0

    def measure(self, step: Step) -> tuple[int, int]:
        token, run = self._history[-1] if self._history else (-1, 0)
        return (step.token, run + 1 if token == step.token else 1)

    def judge(self, history: list[tuple[int, int]]) -> int:
        run = history[-1][1]
        return TakeBack(run, f"the same token {run} times") if run > self.max_repetitions else 0


class NGramOverlap(HistoryOperator):
    """Takes back a token that completes a sequence of tokens that was there before.

    Args:
        ngram_size: tokens in a sequence, at least 2.
        backtrack_count: tokens to take back.

    Example:
        ngram-overlap:ngram_size=5
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

    def judge(self, history: list[int]) -> int:
        if len(history) < self.ngram_size:
            return 0
        ngram = tuple(history[-self.ngram_size :])
        self._seen[ngram] += 1
        if self._seen[ngram] == 1:
            return 0
        return TakeBack(min(self.backtrack_count, len(history)), f"the same {self.ngram_size} tokens as before")

    def backtrack(self, n_tokens: int) -> None:
        for _ in range(min(n_tokens, len(self._history))):
            if len(self._history) >= self.ngram_size:
                ngram = tuple(self._history[-self.ngram_size :])
                self._seen[ngram] -= 1
                if not self._seen[ngram]:
                    del self._seen[ngram]
            self._history.pop()
