"""What a model has evaluated: which row holds which stream, who begins alike, what is remembered.

A stream is known by its tokens alone: nobody opens, closes or takes back a row. What has been evaluated is
found out by comparing; what no longer agrees is dropped; only what is new is evaluated. Streams that are
asked for keep their rows; all other rows are free to be taken, and until then they serve whoever begins
as they do. A single stream is a memory of one row.
"""

from __future__ import annotations

import logging
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from ..arrays import copy_of, scores
from .row import Owner, Row, Work, common_prefix

__all__ = ["Memory"]

_log = logging.getLogger(__name__)

REMEMBERED_BYTES = 80 << 20  # raw logits of all rows together
_UNUSED = 2  # references to an array: a function's own, and one while they are counted
_SCORED_BYTES = 128 << 20  # raw logits of all positions that are looked at together
_WORTH_SHARING = 16  # so many tokens must be spared for copying to be better than evaluating


class Memory(ABC):
    """Base class of all memories.

    A backend implements `_evaluate`, `_keep` and `_share`, and `_make_room` where rows are made in
    advance. Rows in use always have the lowest places, so that a backend may work on a slice.

    Memory: a row remembers the logits of `remember` positions, its last and its prompt's longest, and all
    together at most 80 MB of them, though each at least its last. There are as many rows as streams were
    ever asked for at once.

    Args:
        owner: counts forward passes and evaluated tokens. It is not kept alive.
        remember: logits to remember in each row.

    Attributes:
        requests: how often it was asked.
    """

    def __init__(self, owner: Owner, remember: int) -> None:
        # No cycle: a model is large, and goes with its last user.
        self._owner: Owner = owner if isinstance(owner, weakref.ProxyType) else weakref.proxy(owner)
        self._remember = remember
        self._rows: list[Row] = []
        self._spare: list[Any] = []  # arrays to write to again: fresh memory costs more than the copying
        self._size = 0  # of the vocabulary; known from the first logits on
        self._last: list[Row] = []  # the rows of the last request, in its order
        self.requests = 0

    def logits(self, sequences: list[list[int]]) -> list[Any]:
        """Raw logits after each sequence. Nobody may change them; they stay what they are while anybody holds them.

        Each step costs one forward pass for all rows that need one. Prompts that begin alike cost more,
        one after the other, but what they share is evaluated once.
        """
        held = [row.tokens for row in self._last[: len(sequences)]]
        shared = [common_prefix(tokens, other) for tokens, other in zip(sequences, held, strict=False)]
        for index, tokens in enumerate(sequences):
            self._owner.check_vocabulary(tokens[shared[index] if index < len(shared) else 0 :])
        self.requests += 1
        complete = False
        try:
            self._make_rows(max(len(sequences), len(self._rows)), max(map(len, sequences), default=0))
            rows = self._assigned(sequences, shared)
            self._move_together(rows)
            waiting = [(row, tokens) for row, tokens in zip(rows, sequences, strict=True) if not row.knows(tokens)]
            while waiting:
                waiting = self._evaluate_some(waiting)
            complete = True
        finally:
            if not complete:  # an error or Ctrl-C in the middle: nobody knows what the rows hold
                self.reset()
        self._last = rows
        for row, tokens in zip(rows, sequences, strict=True):
            row.asked = {len(tokens)}
        return [row.recent[len(tokens)] for row, tokens in zip(rows, sequences, strict=True)]

    def scores(self, sequences: list[list[int]], starts: Sequence[int]) -> list[list[tuple[float, bool]]]:
        """Log-probability of each token from a sequence's start on, and whether it is the most probable one.

        What comes before the starts is evaluated as for `logits`, and stays; what follows goes again.
        """
        found: list[list[tuple[float, bool]]] = [[] for _ in sequences]
        some = [index for index, tokens in enumerate(sequences) if starts[index] < len(tokens)]
        begun = self.logits([sequences[index][: starts[index]] for index in some]) if some else []
        for index, raw in zip(some, begun, strict=True):
            found[index] = scores([raw], [sequences[index][starts[index]]])
        # Nothing evaluates a last token: what would follow it is not asked.
        last = zip(some, self._last, strict=False)
        rows = {row: index for index, row in last if len(sequences[index]) - starts[index] > 1}
        if rows and not self._score_together(rows, sequences, starts, found):
            some = list(rows.values())
            while some:  # a token at a time
                after = [sequences[index][: starts[index] + len(found[index])] for index in some]
                for index, tokens, raw in zip(some, after, self.logits(after), strict=True):
                    found[index] += scores([raw], [sequences[index][len(tokens)]])
                some = [index for index in some if len(found[index]) < len(sequences[index]) - starts[index]]
        return found

    def _score_together(
        self,
        rows: dict[Row, int],
        sequences: list[list[int]],
        starts: Sequence[int],
        found: list[list[tuple[float, bool]]],
    ) -> bool:
        """The rest of the scores, many tokens in a pass; False where the backend cannot.

        Args:
            rows: which hold a sequence up to its start, and its number.
            sequences, starts: of all.
            found: what is known of each, which grows.
        """
        width = max(1, _SCORED_BYTES // (4 * max(1, self._size) * len(rows)))
        complete = False
        try:
            self._make_rows(len(self._rows), max(len(sequences[index]) for index in rows.values()))
            self._drop_scored(rows, sequences, starts)
            while work := [
                Work(row, sequences[index][len(row.tokens) : -1][:width], len(row.tokens))
                for row, index in rows.items()
                if len(row.tokens) < len(sequences[index]) - 1
            ]:
                blocks = self._evaluate_all(work)
                if blocks is None:
                    complete = True
                    return False
                for row, length, block in blocks:
                    index = rows[row]
                    known = max(0, starts[index] + len(found[index]) - length)
                    told = sequences[index][length + known : length + len(block)]
                    found[index] += scores(block[known:], told)
                for row, tokens, _ in work:
                    row.tokens += tokens
            self._drop_scored(rows, sequences, starts)
            complete = True
        finally:
            if not complete:
                self.reset()
        return True

    def _drop_scored(self, rows: dict[Row, int], sequences: list[list[int]], starts: Sequence[int]) -> None:
        for row, index in rows.items():
            self._agree(row, sequences[index][: starts[index]], starts[index])

    def recall(self, tokens: list[int]) -> Any | None:
        """Raw logits after these tokens where they are remembered, or None."""
        length = len(tokens)
        found = None
        for row in self._rows:
            if row.tokens[:length] == tokens:
                row.asked.add(length)
                found = row.recent.get(length, found)
        return found

    def reset(self) -> None:
        """Forget everything."""
        self._rows = []
        self._spare = []
        self._last = []

    # -- which row -------------------------------------------------------------------------

    def _make_rows(self, count: int, length: int) -> None:
        self._make_room(count, length)
        if count > len(self._rows):
            self._rows += map(Row, range(len(self._rows), count))
            for row in self._rows:  # each may remember less now
                self._trim(row, self._most())
            self._spare = []

    def _assigned(self, sequences: list[list[int]], shared: list[int]) -> list[Row]:
        """A row for each sequence: the one that holds most of it."""
        found: dict[int, Row] = {}
        # Nearly always the same streams are asked for in the same order, each a token further or back.
        for index, (row, length) in enumerate(zip(self._last, shared, strict=False)):
            if self._spares(row, sequences[index], length) >= len(sequences[index]) - 1:
                found[index] = row
                row.used = self.requests
        if len(found) < len(sequences):
            self._assign_rest(sequences, found)
        return [found[index] for index in range(len(sequences))]

    def _assign_rest(self, sequences: list[list[int]], found: dict[int, Row]) -> None:
        shared = [
            (self._spares(row, tokens, common_prefix(tokens, row.tokens)), index, row)
            for index, tokens in enumerate(sequences)
            if index not in found
            for row in self._rows
            if row.used != self.requests
        ]
        shared.sort(key=lambda each: each[0], reverse=True)  # the longest first
        for length, index, row in shared:
            worth = length >= _WORTH_SHARING or 2 * length >= len(sequences[index])
            if worth and index not in found and row.used != self.requests:
                found[index] = row
                row.used = self.requests
        # The others take what is empty, or was not asked for longest.
        free = [row for row in self._rows if row.used != self.requests]
        # High places last: a row there has to move down, which costs what a lower one still holds.
        free.sort(key=lambda row: (bool(row.tokens), row.place >= len(sequences), row.used))
        for index in range(len(sequences)):
            if index not in found:
                found[index] = row = free.pop(0)
                row.used = self.requests

    def _move_together(self, rows: list[Row]) -> None:
        """Give the rows in use the lowest places."""
        count = len(rows)
        high = [row for row in rows if row.place >= count]
        if not high:
            return
        free = [row for row in self._rows if row.place < count and row.used != self.requests]
        for row, other in zip(high, free, strict=True):
            self._forget(other, 0)
            shared = self._share(row, other, len(row.tokens)) if row.tokens else 0
            self._forget(row, shared)
            row.place, other.place = other.place, row.place

    # -- evaluating ------------------------------------------------------------------------

    def _evaluate_some(self, waiting: list[tuple[Row, list[int]]]) -> list[tuple[Row, list[int]]]:
        """Evaluate all but those that had better wait for what another row has in common with them."""
        work: list[Work] = []
        leaders: list[tuple[Row, list[int]]] = []
        later = []
        for row, tokens in waiting:
            shared = common_prefix(tokens, row.tokens)
            usable = self._usable(row, tokens, shared)
            new = len(tokens) - shared
            prompt = new > _WORTH_SHARING or (new > 1 and shared <= row.prompt) or usable < min(shared, len(tokens) - 1)
            length = len(tokens) if prompt else min(row.prompt, shared)
            kept = self._agree(row, tokens, usable)
            if len(tokens) - kept > _WORTH_SHARING:
                kept = self._borrow(row, tokens, kept)
            row.prompt = max(row.prompt, length)
            if kept <= row.whole:
                row.whole = self._pieces(length)
            if row.knows(tokens):
                continue
            if len(tokens) - kept > _WORTH_SHARING:
                if any(common_prefix(tokens, other) - kept >= _WORTH_SHARING for _, other in leaders):
                    later.append((row, tokens))
                    continue
                leaders.append((row, tokens))
            work.append(Work(row, tokens[kept:], kept))
        if work:
            for (row, tokens, _), raw in zip(work, self._evaluate(work), strict=True):
                row.tokens += tokens
                self._remember_logits(row, raw)
        return later

    def _usable(self, row: Row, tokens: list[int], shared: int) -> int:
        """Of the tokens that a row has in common with these, how many are not evaluated again.

        Not all: their logits are not known. How an engine rounds depends on how many tokens it is given at
        once, so a prompt goes on from its last whole piece, and is then cut as if nothing were held. A
        stream goes on from wherever it is; so does a prompt that begins with much that was not cut so.
        """
        last = len(tokens) - 1
        # A token after the prompt may be a longer prompt, where nobody has asked for this one.
        goes_on = shared >= last >= row.prompt and (shared > last or last > row.prompt or last in row.asked)
        shared = min(shared, last)
        whole = self._pieces(min(shared, row.whole))
        piece = self._owner.piece
        return shared if goes_on or piece == 1 or shared - whole > piece else whole

    def _spares(self, row: Row, tokens: list[int], shared: int) -> int:
        """The same, but all of them where their logits are remembered."""
        known = shared == len(tokens) and shared in row.recent
        return shared if known else self._usable(row, tokens, shared)

    def _pieces(self, length: int) -> int:
        """How much of a length is whole pieces."""
        return length - length % self._owner.piece

    def _agree(self, row: Row, tokens: list[int], usable: int) -> int:
        """Drop what the row holds beyond these tokens; returns how many of them are left."""
        held = len(row.tokens)
        if usable < held or usable == 0:
            self._forget(row, self._keep(row, usable, tokens))
            if held:  # never where a stream simply goes on
                kept = len(row.tokens)
                _log.debug(
                    "row %d: of %d tokens held %d stay, %d to evaluate", row.place, held, kept, len(tokens) - kept
                )
        return len(row.tokens)

    def _borrow(self, row: Row, tokens: list[int], kept: int) -> int:
        """Take over what another row holds of the same beginning; returns how many tokens are there now."""
        donor, most = None, kept + _WORTH_SHARING - 1
        for other in self._rows:
            if other is not row:
                shared = self._spares(other, tokens, common_prefix(tokens, other.tokens))
                if shared > most:
                    donor, most = other, shared
        if donor is None:
            return kept
        shared = self._share(donor, row, most)
        known = donor.recent.get(shared)
        self._forget(row, 0)
        row.tokens = tokens[:shared]
        row.prompt, row.whole = min(donor.prompt, shared), self._pieces(min(donor.whole, shared))
        if known is not None:
            self._remember_logits(row, known)
        return shared

    def _remember_logits(self, row: Row, raw: Any) -> None:
        """Keep a copy of the logits after what the row holds, and none that are too old."""
        self._size = len(raw)
        self._trim(row, self._most() - 1)
        if self._spare:
            row.recent[len(row.tokens)] = kept = self._spare.pop()
            self._owner._overwrite(kept, raw)
        else:
            row.recent[len(row.tokens)] = copy_of(raw)

    def _most(self) -> int:
        """How many logits each row may remember."""
        return max(1, min(self._remember, REMEMBERED_BYTES // (4 * max(1, self._size) * len(self._rows))))

    def _trim(self, row: Row, most: int) -> None:
        precious = (row.prompt, len(row.tokens))  # what goes last, in this order
        while len(row.recent) > most:
            others = (length for length in row.recent if length not in precious)  # the oldest was inserted first
            length = next(chain(others, filter(row.recent.__contains__, precious)))
            self._drop(row.recent.pop(length))

    def _forget(self, row: Row, length: int) -> None:
        """A row holds only its first `length` tokens now: note it."""
        del row.tokens[length:]
        row.prompt = min(row.prompt, length)
        row.whole = self._pieces(min(row.whole, length))
        for longer in [n for n in row.recent if n > length]:
            self._drop(row.recent.pop(longer))

    def _drop(self, raw: Any) -> None:
        """Write to it again, unless somebody still reads it: a hook that asks the model, or another thread."""
        if sys.getrefcount(raw) <= _UNUSED:
            self._spare.append(raw)

    # -- for backends ----------------------------------------------------------------------

    @abstractmethod
    def _evaluate(self, work: list[Work]) -> Iterable[Any]:
        """Evaluate all of it, in as few forward passes as possible, and count passes and tokens.

        Whatever a row still holds after `start` is to be dropped.

        Returns:
            For each, the logits after its last token: float32, shape (vocab,), valid until the next is taken.
        """

    @abstractmethod
    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        """Keep only the first `length` tokens of a row; returns how many are left: fewer where it cannot.

        `tokens` are what will be asked for; a memory that has saved states may restore a longer beginning
        of them instead, and note it in the row.
        """

    @abstractmethod
    def _share(self, source: Row, target: Row, length: int) -> int:
        """Let `target` hold the first `length` tokens of `source` and nothing else.

        Returns:
            How many it holds: fewer where that many cannot be had; 0: what it held is gone as well.
        """

    def _evaluate_all(self, work: list[Work]) -> Iterator[tuple[Row, int, Any]] | None:
        """Evaluate all of it, as `_evaluate`; None where a backend gives no logits but the last ones.

        Returns:
            In any order, (row, length, logits): float32, shape (tokens, vocab), the first after `length` tokens
            of the row, and so on; valid until the next are taken.
        """
        return None

    def _make_room(self, rows: int, length: int) -> None:
        """There will be rows in the places 0 to `rows`, of up to `length` tokens. What is there stays."""
