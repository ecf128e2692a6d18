"""A row of a memory: what it holds of one stream, and what is to be evaluated after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

__all__ = ["Owner", "Row", "Work", "common_prefix", "least_missed"]


class Owner(Protocol):
    """The provider whose memory it is, as far as a memory knows it."""

    context_size: int | None
    piece: int
    forward_passes: int
    evaluated_tokens: int

    def check_vocabulary(self, tokens: Sequence[int]) -> None: ...

    def _overwrite(self, array: Any, raw: Any) -> None: ...


@dataclass(eq=False)
class Row:
    """What the memory holds of one stream.

    Attributes:
        place: where in the backend's memory; changes when rows move together.
        tokens: what it holds.
        recent: length -> raw logits after that many of them.
        prompt: the last length that a prompt has led to; its logits are remembered longest, because the
            next stream often begins there. What follows was evaluated a token at a time.
        whole: so many tokens at its beginning are whole pieces of a prompt (see `BaseProvider.piece`).
        asked: the lengths that were asked for since it last grew.
        used: when it was last asked for.
    """

    place: int
    tokens: list[int] = field(default_factory=list)
    recent: dict[int, Any] = field(default_factory=dict)
    prompt: int = 0
    whole: int = 0
    asked: set[int] = field(default_factory=set)
    used: int = 0

    def knows(self, tokens: list[int]) -> bool:
        """Whether the logits after these tokens are remembered here."""
        length = len(tokens)
        return length in self.recent and self.tokens[:length] == tokens


class Work(NamedTuple):
    """Tokens to evaluate after the first `start` of a row."""

    row: Row
    tokens: list[int]
    start: int


def common_prefix(a: list[int], b: list[int]) -> int:
    """Length of the common beginning; by halving, so that the comparing is done in C."""
    shorter = min(len(a), len(b))
    # Same objects compare by identity: about 3 ns a token.
    if (a if len(a) == shorter else a[:shorter]) == (b if len(b) == shorter else b[:shorter]):
        return shorter
    low, high = 0, shorter  # the first difference is in [low, high)
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def least_missed(lengths: Collection[int], end: int) -> int:
    """Of saved states at some lengths, the one to drop: the rest stay dense near the end, sparse far back.

    Going back far is rare and may cost a longer replay: the hole that a state would leave counts
    in proportion to its distance from `end`.
    """
    ordered = [0, *sorted(lengths), end]
    holes = {
        here: (after - before) / (end - here + 1)
        for before, here, after in zip(ordered, ordered[1:], ordered[2:], strict=False)
    }
    return min(holes, key=holes.__getitem__)
