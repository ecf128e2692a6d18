"""What taking tokens back needs: how to ask for it, and bans that belong to a prefix.

A position alone is not enough for a ban: after an earlier rollback the same position follows another
text, and an old ban there would hit an innocent prefix. Bans are kept by position, and whoever owns
them calls `truncate` on every rollback, so that those deeper than the rollback point go away with
the tokens they depended on. What is left belongs to the prefix as it is now.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import Any, Self

__all__ = ["Bans", "TakeBack", "truncate_positions"]

_NOTHING: Mapping[int, float] = {}


class TakeBack(int):
    """A number of tokens to take back, with a reason for those who watch. Just an int otherwise."""

    why: str

    def __new__(cls, count: int, why: str = "") -> Self:
        self = super().__new__(cls, count)
        self.why = why
        return self


class Bans:
    """Which tokens may not be drawn, or less likely, after the first `position` tokens."""

    def __init__(self) -> None:
        self._biases: dict[int, dict[int, float]] = {}

    def add(self, position: int, token: int, factor: float = 0.0) -> None:
        """Multiply the probability of `token` at `position` by `factor`; 0 bans it."""
        truncate_positions(self._biases, position)
        self._biases.setdefault(position, {})[token] = math.log(factor) if factor > 0 else -math.inf

    def factor(self, position: int, token: int) -> float:
        """The factor that stands for this token here; 1 where nothing was said."""
        return math.exp(self.at(position).get(token, 0.0))

    def at(self, position: int) -> Mapping[int, float]:
        """What to add to the logits here, `{token: bias}`; see `BaseStrategy.logit_bias`."""
        return self._biases.get(position, _NOTHING)

    def apply(self, probs: MutableMapping[int, float], position: int) -> None:
        """The same on candidates, in place: a banned token is no candidate."""
        for token, bias in self.at(position).items():
            if token in probs:
                if bias > -math.inf:
                    probs[token] *= math.exp(bias)
                else:
                    del probs[token]

    def truncate(self, length: int) -> None:
        """The stream is `length` tokens long again: forget what was said of longer prefixes."""
        truncate_positions(self._biases, length)

    def clear(self) -> None:
        """Forget everything."""
        self._biases.clear()

    def __len__(self) -> int:
        return sum(len(tokens) for tokens in self._biases.values())


def truncate_positions(entries: dict[int, Any], length: int) -> None:
    """Drop the entries behind a position, in a dict that is filled in rising order.

    The last entries are the deepest, so this costs what it drops, not what there is.
    """
    while entries and next(reversed(entries)) > length:
        entries.popitem()
