"""Runs strategies written for backtrack_sampler 3.x, unmodified, on every backend.

They are recognised by `get_keep_index`. Their `logits` and `probs` are torch tensors of shape
(1, vocab) that they may change in place; their `backtrack` returns the shortened list.
"""

from __future__ import annotations

from typing import Any

from ..errors import InputError, MissingPackageError, StrategyError
from .base_strategy import BaseStrategy, Candidates

__all__ = ["V3Adapter", "as_strategy"]


def as_strategy(given: Any) -> BaseStrategy:
    """A strategy of ours as it is, one of 3.x in an adapter.

    Raises:
        InputError: it is neither.
    """
    if isinstance(given, type):
        raise InputError(f"{given.__name__} is a class: pass an instance, {given.__name__}(...)")
    if callable(getattr(given, "get_keep_index", None)):
        return V3Adapter(given)
    if isinstance(given, BaseStrategy):
        return given
    raise InputError(
        f"{type(given).__name__} is not a strategy: make it a subclass of BaseStrategy, or of BaseOperator"
    )


class V3Adapter(BaseStrategy):
    """One 3.x strategy behind the hooks of today.

    Args:
        original: has `on_logits`, `on_probs`, `on_next_token`, `backtrack`, `get_keep_index` and
            `reset` as in 3.x.
    """

    def __init__(self, original: Any) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingPackageError(
                f"{type(original).__name__} is written for backtrack_sampler 3.x, which needs torch: pip install torch"
            ) from error
        self._arguments = getattr(original, "_arguments", {})
        self._torch = torch
        self.original = original
        self._vocabulary = 0
        self._row: Any = None  # the probabilities its last on_probs returned

    def __str__(self) -> str:
        return type(self.original).__name__

    def reset(self) -> None:
        self._row = None
        self.original.reset()

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        row = self._torch.as_tensor(logits).unsqueeze(0)  # shares the memory
        self._vocabulary = row.shape[-1]
        row = self.original.on_logits(row, tokens[:])
        return _like(logits, row[0])

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        torch = self._torch
        row = torch.zeros(1, self._vocabulary)
        row[0, list(probs)] = torch.tensor(list(probs.values()))
        self._row = self.original.on_probs(row, tokens[:])
        row = self._row[0]
        kept = row.nonzero()[:, 0]
        values, order = row[kept].sort(descending=True, stable=True)
        return dict(zip(kept[order].tolist(), values.tolist(), strict=True))

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        self.original.on_next_token(tokens[:], self._row)

    def backtrack(self, tokens: list[int]) -> int:
        left = self.original.backtrack(tokens[:])
        if not isinstance(left, list):
            raise StrategyError(f"{self}.backtrack returned {left!r}: return the list of tokens that stay")
        if len(left) > len(tokens) or left != tokens[: len(left)]:
            raise StrategyError(f"{self}.backtrack must return the list shortened, and nothing else")
        return len(tokens) - len(left)

    def pending(self, tokens: list[int]) -> int:
        return max(0, len(tokens) - int(self.original.get_keep_index()))


def _like(original: Any, row: Any) -> Any:
    """A torch row in the library the logits came in."""
    if isinstance(original, list):
        original[:] = row.tolist()
        return original
    return row.numpy() if type(original).__module__.startswith("numpy") else row
