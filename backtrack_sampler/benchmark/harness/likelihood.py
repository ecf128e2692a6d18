"""How probable continuations are: many at once, what they have in common evaluated once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...arrays import scores
from ...errors import InputError
from ...provider.base_provider import BaseProvider

__all__ = ["Continuation", "log_likelihoods"]


class Continuation(NamedTuple):
    """Tokens whose probability is asked, after others.

    Attributes:
        tokens: context and continuation.
        start: where the continuation begins; 1 at the least.
    """

    tokens: list[int]
    start: int

    def within(self, size: int | None) -> Continuation:
        """The same, without the beginning of a context that a model of this size does not hold.

        A last token is not evaluated, so it may be one beyond the size.

        Raises:
            InputError: the continuation alone is too long.
        """
        over = 0 if size is None else len(self.tokens) - (size + 1)
        if over <= 0:
            return self
        if self.start - over < 1:
            raise InputError(
                f"a continuation has {len(self.tokens) - self.start} tokens, and the model's context holds {size}"
            )
        return Continuation(self.tokens[over:], self.start - over)


def log_likelihoods(
    provider: BaseProvider,
    continuations: Sequence[Continuation],
    max_batch: int = 16,
    on_done: Callable[[int], None] | None = None,
) -> list[tuple[float, bool]]:
    """The log-probability of each continuation, in nats, and whether it is what greedy decoding would write.

    Equal ones are evaluated once, and continuations of one token after the same context (the letters of a
    multiple choice) are read from the same logits. The rest is in the order of their tokens, so that
    whoever begins alike is evaluated together.

    Args:
        provider: the model.
        continuations: each within the model's context; see `Continuation.within`. An empty one is certain.
        max_batch: most of them at once.
        on_done: called with how many more are known.
    """
    found: list[tuple[float, bool]] = [(0.0, True)] * len(continuations)
    rows: dict[tuple[int, ...], dict[tuple[int, ...], list[int]]] = {}  # what is evaluated -> what is asked of it
    for index, (tokens, start) in enumerate(continuations):
        rest = tuple(tokens[start:])
        if rest:
            row = tuple(tokens[:start]) if len(rest) == 1 else tuple(tokens)
            rows.setdefault(row, {}).setdefault(rest, []).append(index)
    empty = sum(start == len(tokens) for tokens, start in continuations)
    if on_done is not None and empty:
        on_done(empty)
    ordered = sorted(rows)
    for first in range(0, len(ordered), max_batch):
        some = ordered[first : first + max_batch]
        answers = [*_of_one_token(provider, some, rows), *_of_several(provider, some, rows)]
        for index, answer in answers:
            found[index] = answer
        if on_done is not None:
            on_done(len(answers))
    return found


_Rows = dict[tuple[int, ...], dict[tuple[int, ...], list[int]]]
_Answer = tuple[int, tuple[float, bool]]


def _of_one_token(provider: BaseProvider, some: list[tuple[int, ...]], rows: _Rows) -> list[_Answer]:
    """Continuations of one token: all that are asked of a context, from its logits."""
    asked = [(row, [rest for rest in rows[row] if len(rest) == 1]) for row in some]
    asked = [(row, rests) for row, rests in asked if rests]
    logits = provider.peek_batch([row for row, _ in asked])
    return [
        (index, answer)
        for (row, rests), raw in zip(asked, logits, strict=True)
        for rest, answer in zip(rests, scores([raw] * len(rests), [rest[0] for rest in rests]), strict=True)
        for index in rows[row][rest]
    ]


def _of_several(provider: BaseProvider, some: list[tuple[int, ...]], rows: _Rows) -> list[_Answer]:
    """Longer continuations: all that are asked of a row, from the scores of its tokens."""
    asked = [(row, [rest for rest in rows[row] if len(rest) > 1]) for row in some]
    asked = [(row, rests) for row, rests in asked if rests]
    starts = [len(row) - max(map(len, rests)) for row, rests in asked]
    scored = provider.score_batch([row for row, _ in asked], starts)
    return [
        (index, (sum(value for value, _ in each[-len(rest) :]), all(best for _, best in each[-len(rest) :])))
        for (row, rests), each in zip(asked, scored, strict=True)
        for rest in rests
        for index in rows[row][rest]
    ]
