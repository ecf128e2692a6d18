"""Chain: several strategies on one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from .base_strategy import BaseStrategy, Candidates, Stream, TakeBack
from .v3_adapter import as_strategy

__all__ = ["ChainStrategy"]


class ChainStrategy(BaseStrategy):
    """Applies strategies in order.

    Each sees what the ones before it made of logits and candidates. The first that asks for tokens
    back gets them; all of them hear of it. What is held is what the most careful one holds.

    Args:
        strategies: at least one; strategies of 3.x among them are adapted.
    """

    def __init__(self, strategies: Sequence[BaseStrategy | Any]) -> None:
        self.strategies = [as_strategy(strategy) for strategy in strategies]
        if not self.strategies:
            raise InputError("a chain needs at least one strategy")
        if len(set(map(id, strategies))) < len(strategies):
            raise InputError("a chain holds the same strategy object twice: make a second one")

    def reset(self) -> None:
        for strategy in self.strategies:
            strategy.reset()

    def on_start(self, stream: Stream) -> None:
        for strategy in self.strategies:
            strategy.on_start(stream)

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        for strategy in self.strategies:
            logits = strategy.on_logits(logits, tokens)
        return logits

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        for strategy in self.strategies:
            if not probs:
                break
            probs = strategy.on_probs(probs, tokens)
        return probs

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        for strategy in self.strategies:
            strategy.on_next_token(tokens, probs)

    def backtrack(self, tokens: list[int]) -> int:
        for strategy in self.strategies:
            if asked := strategy.backtrack(tokens):
                return _signed(asked, strategy)
        return 0

    def at_end(self, tokens: list[int]) -> int:
        for strategy in self.strategies:
            if asked := strategy.at_end(tokens):
                return _signed(asked, strategy)
        return 0

    def on_rollback(self, tokens: list[int]) -> None:
        for strategy in self.strategies:
            strategy.on_rollback(tokens)

    def pending(self, tokens: list[int]) -> int:
        return max(strategy.pending(tokens) for strategy in self.strategies)


def _signed(asked: int, strategy: BaseStrategy) -> int:
    """Say who asked; what is not a number of tokens goes on for the session to refuse."""
    if type(asked) not in (int, TakeBack):
        return asked
    who = getattr(asked, "who", "") or type(strategy).__name__
    return TakeBack(asked, getattr(asked, "why", ""), who)
