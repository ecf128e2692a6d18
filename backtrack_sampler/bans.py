"""Bans that belong to a prefix.

A position alone is not enough: after an earlier rollback the same position follows another
text, and an old ban there would hit an innocent prefix. Bans are kept by position, and whoever
owns them calls `truncate` on every rollback, so that those deeper than the rollback point go
away with the tokens they depended on. What is left belongs to the prefix as it is now.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import Any

__all__ = ["Bans", "truncate_positions"]


class Bans:
    """Which tokens may not be drawn, or less likely, after the first `position` tokens."""

    def __init__(self) -> None:
        self._factors: dict[int, dict[int, float]] = {}

    def add(self, position: int, token: int, factor: float = 0.0) -> None:
        """Multiply the probability of `token` at `position` by `factor`; 0 bans it."""
        truncate_positions(self._factors, position)
        self._factors.setdefault(position, {})[token] = factor

    def factor(self, position: int, token: int) -> float:
        """The factor that stands for this token here; 1 where nothing was said."""
        return self._factors.get(position, {}).get(token, 1.0)

    def any_at(self, position: int) -> bool:
        """Whether anything was said of this position."""
        return position in self._factors

    def apply(self, logits: Any, position: int) -> Any:
        """Apply to logits of shape (vocab,), in place, and return them."""
        for token, factor in self._factors.get(position, {}).items():
            logits[token] = logits[token] + math.log(factor) if factor > 0 else -math.inf
        return logits

    def apply_to_probs(self, probs: MutableMapping[int, float], position: int) -> None:
        """The same on candidates, in place: a banned token is no candidate."""
        for token, factor in self._factors.get(position, {}).items():
            if token in probs:
                if factor > 0:
                    probs[token] *= factor
                else:
                    del probs[token]

    def truncate(self, length: int) -> None:
        """The stream is `length` tokens long again: forget what was said of longer prefixes."""
        truncate_positions(self._factors, length)

    def clear(self) -> None:
        """Forget everything."""
        self._factors.clear()

    def __len__(self) -> int:
        return sum(len(tokens) for tokens in self._factors.values())


def truncate_positions(entries: dict[int, Any], length: int) -> None:
    """Drop the entries behind a position, in a dict that is filled in rising order.

    The last entries are the deepest, so this costs what it drops, not what there is.
    """
    while entries and next(reversed(entries)) > length:
        entries.popitem()
