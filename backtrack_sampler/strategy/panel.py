"""The strategies of one stream, asked in order; whatever is wrong with an answer names who gave it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from ..errors import BacktrackError, RollbackError, StrategyError
from ..rollback import TakeBack
from ..sampling import total
from .base_strategy import BaseStrategy, Candidates

__all__ = ["Panel"]

_HOOKS = [name for name in vars(BaseStrategy) if not name.startswith("_")]
_COUNT = "return a number of tokens, 0 for none"


class Panel:
    """Strategies that are asked together. One that leaves a hook as it is costs nothing there.

    Args:
        strategies: in the order in which they are asked.

    All methods raise StrategyError where a strategy raises, or answers what it must not.
    """

    def __init__(self, strategies: Sequence[BaseStrategy]) -> None:
        self.strategies = list(strategies)
        self._hooks = {name: _overridden(name, self.strategies) for name in _HOOKS}
        self.changes_logits = bool(self._hooks["on_logits"])

    def tell(self, name: str, *args: Any) -> None:
        """Call a hook of all, whatever it returns."""
        for strategy, hook in self._hooks[name]:
            _call(strategy, name, hook, *args)

    def reset(self) -> None:
        """Reset all of them, also where one fails."""
        failed = []
        for strategy, hook in self._hooks["reset"]:
            try:
                _call(strategy, "reset", hook)
            except BacktrackError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def on_logits(self, row: Any, tokens: list[int]) -> Any:
        """The row as all have left it."""
        size = len(row)
        for strategy, hook in self._hooks["on_logits"]:
            row = _call(strategy, "on_logits", hook, row, tokens)
            if not hasattr(row, "__len__") or len(row) != size:
                raise StrategyError(f"{strategy}.on_logits must return the logits, shape (vocab,)")
        return row

    def logit_bias(self, tokens: list[int], bias: Mapping[int, float], size: int) -> Mapping[int, float]:
        """A bias, and what all say to that: token -> the sum. Token ids are below `size`."""
        for strategy, hook in self._hooks["logit_bias"]:
            more = _call(strategy, "logit_bias", hook, tokens)
            try:
                if not more:
                    continue
                added = {operator.index(token): value + bias.get(token, 0.0) for token, value in more.items()}
                wrong = any(value != value for value in more.values())
            except (TypeError, ValueError, AttributeError):
                wrong = True
            if wrong:
                raise StrategyError(f"{strategy}.logit_bias must return {{token: number to add}}")
            if not all(0 <= token < size for token in added):
                raise StrategyError(f"{strategy}.logit_bias must hold token ids from 0 to {size - 1}")
            # Forced by one and banned by another is neither a number nor allowed.
            bias = {**bias, **{token: value if value == value else -math.inf for token, value in added.items()}}
        return bias

    def on_probs(self, probs: Candidates, tokens: list[int], size: int) -> tuple[Candidates, float]:
        """The candidates as all have left them, and their sum."""
        whole = 1.0
        for strategy, hook in self._hooks["on_probs"]:
            said = _call(strategy, "on_probs", hook, probs, tokens)
            try:
                probs, whole = _candidates(said, size)
            except (TypeError, ValueError) as error:
                what = "must return the candidates, {token: probability}"
                raise StrategyError(f"{strategy}.on_probs {what}: {error}") from error
            if whole == 0.0:
                break
        return probs, whole

    def requests(self, name: str, tokens: list[int], released: int) -> Iterator[tuple[TakeBack, str]]:
        """Ask one after the other how many tokens to take back: those that want some, and their names.

        Args:
            name: "backtrack" or "at_end".
            tokens: the continuation.
            released: so many at its beginning are streamed already.

        Raises:
            RollbackError: more are wanted than may be.
        """
        for strategy, ask in self._hooks[name]:
            asked = _call(strategy, name, ask, tokens)
            if asked.__class__ is int and asked == 0:
                continue
            count = _index(strategy, name, asked)
            if count < 0:
                raise StrategyError(f"{strategy}.{name} returned {asked!r}: {_COUNT}")
            if count > len(tokens) - released:
                there = f"only {len(tokens) - released} are not streamed yet: let pending() name what you may want back"
                if count > len(tokens):
                    there = f"the stream has only {len(tokens)}"
                raise RollbackError(f"{strategy} asked for {count} tokens back, but {there}")
            if count:
                yield TakeBack(count, getattr(asked, "why", "")), str(strategy)

    def pending(self, tokens: list[int]) -> int:
        """How many at the end the most careful one wants to keep."""
        pending = 0
        for strategy, hook in self._hooks["pending"]:
            said = _call(strategy, "pending", hook, tokens)
            pending = max(pending, said if said.__class__ is int else _index(strategy, "pending", said))
        return pending


def _overridden(name: str, strategies: Sequence[BaseStrategy]) -> list[tuple[BaseStrategy, Callable[..., Any]]]:
    """Those that have something to say at a hook, each with its own."""
    hooks = [(strategy, getattr(strategy, name)) for strategy in strategies]
    neutral = getattr(BaseStrategy, name)
    return [(strategy, hook) for strategy, hook in hooks if getattr(hook, "__func__", None) is not neutral]


def _call(strategy: BaseStrategy, name: str, hook: Callable[..., Any], *args: Any) -> Any:
    try:
        return hook(*args)
    except BacktrackError:
        raise
    except Exception as error:
        raise StrategyError.of(f"{strategy}.{name}", error) from error


def _index(strategy: BaseStrategy, name: str, value: Any) -> int:
    """A count: anything that Python can use as an index."""
    try:
        return operator.index(value)
    except TypeError:
        raise StrategyError(f"{strategy}.{name} returned {value!r}: {_COUNT}") from None


def _candidates(probs: Any, size: int) -> tuple[Candidates, float]:
    """What `on_probs` has returned, with plain token ids, and its sum."""
    if isinstance(probs, dict):
        if set(map(type, probs)) - {int}:
            probs = {operator.index(token): weight for token, weight in probs.items()}
        if probs and not 0 <= min(probs) <= max(probs) < size:
            raise ValueError(f"the vocabulary has {size} tokens")
    elif not isinstance(probs, MutableMapping):
        raise TypeError(f"not {type(probs).__name__}")
    return probs, total(probs)
