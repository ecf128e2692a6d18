"""Runs strategies written for backtrack_sampler 3.x, unmodified, on every backend.

They are recognised by `get_keep_index`. Their `logits` and `probs` are torch tensors of shape
(1, vocab) that they may change in place; their `backtrack` returns the shortened list.
"""

from __future__ import annotations

from typing import Any

from ..errors import InputError, MissingPackageError, StrategyError
from .base_strategy import BaseStrategy, Candidates, TakeBack

__all__ = ["V3Adapter", "as_strategy"]


def as_strategy(strategy: Any) -> BaseStrategy:
    """A strategy of ours as it is, one of 3.x in an adapter.

    Raises:
        InputError: it is neither.
    """
    if isinstance(strategy, type):
        raise InputError(f"{strategy.__name__} is a class: pass an instance, {strategy.__name__}(...)")
    if callable(getattr(strategy, "get_keep_index", None)):
        return V3Adapter(strategy)
    if isinstance(strategy, BaseStrategy):
        return strategy
    raise InputError(f"{type(strategy).__name__} is not a strategy: make it a subclass of BaseStrategy")


class V3Adapter(BaseStrategy):
    """One 3.x strategy behind the hooks of today.

    Args:
        strategy: has `on_logits`, `on_probs`, `on_next_token`, `backtrack`, `get_keep_index` and
            `reset` as in 3.x.
    """

    def __init__(self, strategy: Any) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingPackageError(
                f"{type(strategy).__name__} is written for backtrack_sampler 3.x, which needs torch: pip install torch"
            ) from error
        self._torch = torch
        self._strategy = strategy
        self._vocabulary = 0
        self._row: Any = None  # the probabilities its last on_probs returned

    def reset(self) -> None:
        self._row = None
        self._strategy.reset()

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        row = self._torch.as_tensor(logits).unsqueeze(0)  # shares the memory
        self._vocabulary = row.shape[-1]
        row = self._strategy.on_logits(row, tokens[:])
        return _like(logits, row[0])

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        torch = self._torch
        row = torch.zeros(1, self._vocabulary)
        row[0, list(probs)] = torch.tensor(list(probs.values()))
        self._row = self._strategy.on_probs(row, tokens[:])
        row = self._row[0]
        kept = row.nonzero()[:, 0]
        values, order = row[kept].sort(descending=True, stable=True)
        return dict(zip(kept[order].tolist(), values.tolist(), strict=True))

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        self._strategy.on_next_token(tokens[:], self._row)

    def backtrack(self, tokens: list[int]) -> int:
        left = self._strategy.backtrack(tokens[:])
        name = type(self._strategy).__name__
        if not isinstance(left, list):
            raise StrategyError(f"{name}.backtrack returned {left!r}: return the list of tokens that stay")
        count = len(tokens) - len(left)
        if count < 0 or list(left) != tokens[: len(left)]:
            raise StrategyError(f"{name}.backtrack must return the list shortened, and nothing else")
        return TakeBack(count, who=name)

    def pending(self, tokens: list[int]) -> int:
        return max(0, len(tokens) - int(self._strategy.get_keep_index()))


def _like(original: Any, row: Any) -> Any:
    """A torch row in the library the logits came in."""
    if isinstance(original, list):
        original[:] = row.tolist()
        return original
    return row.numpy() if type(original).__module__.startswith("numpy") else row
