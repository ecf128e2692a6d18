"""Chain: several strategies on one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from .base_strategy import BaseStrategy
from .v3_adapter import as_strategy

__all__ = ["ChainStrategy", "as_strategies"]


class ChainStrategy:
    """Applies strategies in order; a list of them means the same.

    Each sees what the ones before it made of logits and candidates. The first that asks for tokens
    back gets them; all of them hear of it. As much is pending as the most careful one says.

    Args:
        strategies: at least one; chains and strategies of 3.x may be among them.
    """

    def __init__(self, strategies: Sequence[BaseStrategy | Any]) -> None:
        if not isinstance(strategies, Sequence):
            raise InputError(f"a chain needs a list of strategies, not {type(strategies).__name__}")
        self.strategies = as_strategies(list(strategies))
        if not strategies:
            raise InputError("a chain needs at least one strategy")


def as_strategies(given: Any) -> list[BaseStrategy]:
    """What a stream asks, in order: a strategy, a chain or a list of them, or None; those of 3.x adapted.

    Raises:
        InputError: there is something else among them, or one object twice.
    """
    found = list(_flat(given))
    originals = [id(getattr(strategy, "original", strategy)) for strategy in found]
    if len(set(originals)) < len(found):
        raise InputError("the same strategy object is there twice: make a second one")
    return found


def _flat(given: Any) -> list[BaseStrategy]:
    if given is None or type(given) is BaseStrategy:
        return []  # nothing to ask
    if isinstance(given, (ChainStrategy, list, tuple)):
        parts = given.strategies if isinstance(given, ChainStrategy) else given
        return [strategy for part in parts for strategy in _flat(part)]
    return [as_strategy(given)]
