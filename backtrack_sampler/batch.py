"""Many streams on one model at once, each with strategies, a seed and an undo of its own.

One forward pass serves all of them; a row that has just been taken back goes on from remembered logits
meanwhile, and one that has ended makes room for the next at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import repeat
from typing import Any
from weakref import WeakValueDictionary

from .arrays import on_device, top_of_rows
from .errors import BacktrackError, BatchError, InputError, StrategyError
from .progress import Progress
from .prompts import OUTCOME
from .provider.base_provider import BaseProvider
from .stats import Stats
from .strategy.base_strategy import BaseStrategy
from .strategy.chain_strategy import as_strategies, memory_of
from .stream import TokenStream

__all__ = ["Batch", "StrategyMaker", "outcome"]

_FROM_MEMORY = 8  # draws from remembered logits that rows may make while the others wait for the model


class Batch(Iterator[tuple[int, int]]):
    """Streams that run together. Iterating gives `(index, token)` as tokens become safe.

    An error ends the row that it happens in, and nothing else. At the end, iterating raises one
    BatchError for all; `results` gives every row with its error instead. A batch runs once; dropped or
    closed (`with ... as batch:`) before its end, it leaves nothing behind.

    Args:
        provider: the model.
        rows: streams that have not begun.
        max_batch: most of them at once.
        given: for each prompt, what `dicts` repeats; its rows follow each other.

    Attributes:
        rows: all of them, by index; those that have not begun yet are empty.
    """

    def __init__(
        self,
        provider: BaseProvider,
        rows: Sequence[TokenStream],
        max_batch: int,
        given: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.rows = list(rows)
        self._given = given or [{}] * len(self.rows)
        self._cost = Stats()  # of the rows that are over, and of all forward passes
        # Nothing in it refers to this object: where the last reference to that goes, it is closed at once.
        self._chunks = _run(provider, self.rows, min(max_batch, len(self.rows)), self._cost)
        self._safe: deque[tuple[int, int]] = deque()

    def __next__(self) -> tuple[int, int]:
        while not self._safe:
            for row, new in self._chunks:
                self._safe.extend((row.index, token) for token in new)
                break
            else:
                if errors := self.errors:
                    raise BatchError(errors, self.rows)
                raise StopIteration
        return self._safe.popleft()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def errors(self) -> dict[int, BacktrackError]:
        """The rows that have failed until now."""
        return {row.index: row.error for row in self.rows if row.error is not None}

    @property
    def stats(self) -> Stats:
        """What all rows have cost until now."""
        total = replace(self._cost)
        for row in self.rows:
            if not row.done:
                _add(total, row.stats)
        return total

    def results(self, progress: bool = False, done: int = 0) -> Iterator[TokenStream]:
        """Each row when it is over, in the order in which they end; raises for none of them.

        Args:
            progress: show a bar on stderr, where tqdm is installed.
            done: rows that were over before this batch, where it goes on with a larger work: the bar
                begins there.
        """
        bar = Progress(done + len(self.rows), done) if progress else None
        try:
            for row, _ in self._chunks:
                if bar is not None:
                    if row.done:
                        bar.row(failed=row.error is not None)
                    if bar.is_due:
                        bar.show(self.stats)
                if row.done:
                    yield row
        finally:
            self.close()
            if bar is not None:
                bar.show(self.stats)
                bar.close()

    def texts(self, return_exceptions: bool = False, progress: bool = False) -> list[Any]:
        """Run to the end; the text of each row, by index.

        Args:
            return_exceptions: put what has ended a row in the place of its text, and raise nothing.
            progress: show a bar on stderr, where tqdm is installed.

        Raises:
            BatchError: rows have failed; its `rows` hold what all have written.
        """
        for _ in self.results(progress):
            pass
        if self.errors and not return_exceptions:
            raise BatchError(self.errors, self.rows)
        return [row.error or row.text for row in self.rows]

    def dicts(self, progress: bool = False) -> list[dict[str, Any]]:
        """Run to the end; a dict for each row, by index: that of its prompt, and what has come of it.

        It is what `backtrack-sampler generate --prompts` writes: "index" and what was given, and then
        "sample", "seed", "text", "tokens" (how many), "discarded", "rollbacks", "finish_reason" and
        "error", which is None where nothing went wrong. A prompt that was no dict stands in "prompt".

        Args:
            progress: show a bar on stderr, where tqdm is installed.
        """
        for _ in self.results(progress):
            pass
        n = len(self.rows) // max(len(self._given), 1)
        return [outcome(row, row.index, self._given[row.index // n], row.index % n) for row in self.rows]

    def close(self) -> None:
        """End all rows that still run; no strategy is left in the middle of a stream."""
        self._chunks.close()


_BROKEN_OFF = "broken off: the batch was closed before this row was over"


def outcome(row: TokenStream, index: int, given: Mapping[str, Any], sample: int) -> dict[str, Any]:
    """What has come of a row, and what was given for it: strings, numbers and None, besides what was given.

    Args:
        row: one that is over.
        index, sample: its number, and that among the rows of its prompt.
        given: what is repeated of its prompt.
    """
    stats, error = row.stats, row.error
    return {
        "index": index,
        **{name: value for name, value in given.items() if name not in OUTCOME},
        "sample": sample,
        "seed": row.options.seed,
        "text": row.text,
        "tokens": stats.emitted,
        "discarded": stats.discarded,
        "rollbacks": stats.rollbacks,
        "finish_reason": stats.finish_reason,
        "error": " ".join(str(error).split()) if error is not None else None if stats.finish_reason else _BROKEN_OFF,
    }


def _run(
    provider: BaseProvider, rows: Sequence[TokenStream], max_batch: int, cost: Stats
) -> Generator[tuple[TokenStream, list[int]]]:
    """Run all rows; yields each with the tokens that became safe, and once when it is over."""
    waiting = iter(rows)
    active: list[TokenStream] = []
    try:
        while True:
            for row in _fill(active, waiting, max_batch):
                yield row, []
            if not active:
                return
            yield from _step(provider, active, cost)
    finally:
        for row in active:
            if not row.done:
                row.end()
                _add(cost, row.stats)


def _step(provider: BaseProvider, active: list[TokenStream], cost: Stats) -> list[tuple[TokenStream, list[int]]]:
    """Draw a token for each row; what became safe, of those rows where something has happened."""
    started = time.perf_counter()
    with provider.lock:
        forwards, evaluated = provider.forward_passes, provider.evaluated_tokens
        rows = provider.peek_batch([row.sequence for row in active])
        cost.forward_passes += provider.forward_passes - forwards
        cost.evaluated_tokens += provider.evaluated_tokens - evaluated
    best = None
    if on_device(rows[0]):
        with suppress(BacktrackError):  # a strategy's: it will be said when its row is drawn
            best = top_of_rows(rows, max(row.reach(len(rows[0])) for row in active))
    new: dict[TokenStream, list[int]] = {row: [] for row in active}
    drawing = list(zip(active, rows, best or repeat(None), strict=False))
    for _ in range(1 + _FROM_MEMORY):
        # All draw before any settles, so that those who decide for all rows together are asked once.
        for row, logits, top in drawing:
            row.draw(logits, top)
        for row, _, _ in drawing:
            new[row] += row.settle()
        drawing = [
            (row, known, None)
            for row, _, _ in drawing
            if _may_be_known(provider, row) and (known := provider.recall(row.sequence)) is not None
        ]
        if not drawing:
            break
    chunks = []
    for row in active:
        if row.done:
            _add(cost, row.stats)
        if new[row] or row.done:
            chunks.append((row, new[row]))
    cost.seconds += time.perf_counter() - started
    return chunks


def _may_be_known(provider: BaseProvider, row: TokenStream) -> bool:
    """Whether it is worth asking for remembered logits."""
    return row.went_back or (provider.remembers_all and not row.done)


def _fill(active: list[TokenStream], waiting: Iterator[TokenStream], max_batch: int) -> list[TokenStream]:
    """Rows that have ended give up their places to the next ones; returns those that cannot begin."""
    places: list[TokenStream | None] = [None if row.done else row for row in active]
    places += [None] * (max_batch - len(places))
    failed = []
    try:
        for place, row in enumerate(places):
            while row is None and (row := next(waiting, None)) is not None:
                try:
                    row.begin()
                    places[place] = row
                except _SharedError:  # no fault of this row's
                    raise
                except BacktrackError as error:
                    row.end(error)
                    failed.append(row)
                    row = None
    finally:  # whoever has begun is to be ended, whatever happens
        active[:] = [row for row in places if row is not None]
    return failed


class _SharedError(InputError):
    """One strategy object for two streams at once."""


class StrategyMaker:
    """Makes the strategies of each stream of a batch.

    The first are made at once, so that what is wrong with them is said before the long work.

    Args:
        make: returns a strategy or an operator, or a list of them; None where nobody is to be asked.

    Raises:
        InputError, StrategyError: it cannot be called, has failed, or has returned something else.
    """

    def __init__(self, make: Callable[[], Any] | None) -> None:
        if make is not None and not callable(make):
            raise InputError(
                "each stream of a batch needs a strategy of its own: pass a function that makes one, "
                f"such as make_strategy=lambda: {type(make).__name__}(...)"
            )
        self._make = make
        self._first = [self._made()]
        self._taken: WeakValueDictionary[int, TokenStream] = WeakValueDictionary()

    def __call__(self, stream: TokenStream) -> list[BaseStrategy]:
        strategies = self._first.pop() if self._first else self._made()
        for strategy in strategies:
            key = id(memory_of(strategy))
            other = self._taken.get(key)
            if other is not None and not other.done:
                raise _SharedError("make_strategy gave the same object to two streams: make a new one in each call")
            self._taken[key] = stream
        return strategies

    def _made(self) -> list[BaseStrategy]:
        make = self._make
        if make is None:
            return []
        try:
            return as_strategies(make())
        except BacktrackError:
            raise
        except Exception as error:
            called = error.__traceback__ is not None and error.__traceback__.tb_next is not None
            if isinstance(error, TypeError) and not called:  # its arguments are missing
                name = make.__name__ if isinstance(make, type) else "MyStrategy"
                raise InputError(
                    f"{error}: pass a function without parameters that makes a strategy, such as "
                    f"make_strategy=lambda: {name}(...)"
                ) from error
            raise StrategyError.of("make_strategy()", error) from error


def _add(total: Stats, stats: Stats) -> None:
    total.emitted += stats.emitted
    total.discarded += stats.discarded
    total.rollbacks += stats.rollbacks
