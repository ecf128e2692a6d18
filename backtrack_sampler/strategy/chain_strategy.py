"""Chain: several strategies on one stream."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..errors import InputError
from ..operators import BaseOperator
from .base_strategy import BaseStrategy
from .operator_strategy import OperatorStrategy
from .v3_adapter import as_strategy

__all__ = ["ChainStrategy", "as_strategies", "memory_of"]


class ChainStrategy:
    """Applies strategies in order; a list of them means the same.

    Each sees what the ones before it made of logits and candidates. The first that asks for tokens
    back gets them; all of them hear of it. As much is pending as the most careful one says.

    Args:
        strategies: at least one; chains, operators and strategies of 3.x may be among them.
    """

    def __init__(self, strategies: Sequence[BaseStrategy | Any]) -> None:
        if not isinstance(strategies, Sequence):
            raise InputError(f"a chain needs a list of strategies, not {type(strategies).__name__}")
        self.strategies = as_strategies(list(strategies))
        if not strategies:
            raise InputError("a chain needs at least one strategy")


def as_strategies(given: Any) -> list[BaseStrategy]:
    """What a stream asks, in order: a strategy, an operator, a chain or a list of them, or None.

    An operator, or a plain function of a step, goes into an `OperatorStrategy`, a strategy of 3.x into an
    adapter.

    Raises:
        InputError: there is something else among them, or one object twice.
    """
    found = list(_flat(given))
    if len({id(memory_of(strategy)) for strategy in found}) < len(found):
        raise InputError("the same strategy object is there twice: make a second one")
    return found


def memory_of(strategy: BaseStrategy) -> object:
    """What remembers a stream for a strategy, and so may serve one at a time: what is wrapped, where it wraps."""
    wrapped = strategy.memory if isinstance(strategy, OperatorStrategy) else strategy
    return getattr(wrapped, "original", wrapped)


def _flat(given: Any) -> list[BaseStrategy]:
    if given is None or type(given) is BaseStrategy:
        return []  # nothing to ask
    if isinstance(given, (ChainStrategy, list, tuple)):
        parts = given.strategies if isinstance(given, ChainStrategy) else given
        return [strategy for part in parts for strategy in _flat(part)]
    if isinstance(given, BaseOperator) or inspect.isroutine(given) or isinstance(given, partial):
        _check_function(given)
        return [OperatorStrategy(given)]
    return [as_strategy(given)]


def _check_function(given: Any) -> None:
    """Refuse a function that makes a strategy, where one that judges a step is meant."""
    if isinstance(given, BaseOperator):
        return
    try:
        inspect.signature(given).bind(None)
    except TypeError:
        name = getattr(given, "__name__", given)
        raise InputError(
            f"{name} is no function of one step, which would be an operator: pass a strategy, or what {name} returns"
        ) from None
    except ValueError:  # a builtin that does not say what it takes
        pass
