"""Many streams on one model at once, each with a strategy, a seed and an undo of its own.

Every row is a `Session`. One forward pass serves all of them; a row that has just gone back goes on from
remembered logits meanwhile, and one that has ended makes room for the next at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .errors import BacktrackError, BatchError, ContextFullError, ExhaustedError, InputError, StrategyError
from .events import Event
from .matching import Detokenizer
from .options import SessionOptions
from .provider.base_provider import BaseProvider
from .sampling import copy_of
from .session import Session
from .stats import Stats
from .strategy.base_strategy import BaseStrategy
from .strategy.v3_adapter import as_strategy

__all__ = ["Batch", "BatchListener", "BatchRow"]

BatchListener = Callable[[int, Event], None]

_REDRAW = 0.2  # seconds between two looks at the progress bar
_FROM_MEMORY = 8  # draws from remembered logits that a row may make while the others wait for the model


class BatchRow:
    """One stream of a batch.

    Attributes:
        index: its number in the batch.
        prompt: token ids.
        options: how it is drawn; `options.seed` is its own.
        tokens: what was streamed until now.
        stats: what it has cost; forward passes, evaluated tokens and seconds are the whole batch's.
        error: what has ended it, or None.
        done: whether it is over.
    """

    def __init__(self, index: int, prompt: list[int], options: SessionOptions, provider: BaseProvider) -> None:
        self.index = index
        self.prompt = prompt
        self.options = options
        self.tokens: list[int] = []
        self.stats = Stats()
        self.error: BacktrackError | None = None
        self.done = False
        self._provider = provider
        self._last_text = ""
        self.made: Any = None  # its strategy, while it runs
        self._session: Session | None = None
        self._asked = 0  # length of the longest sequence that the model was asked for

    @property
    def text(self) -> str:
        """What was streamed until now, without special tokens and without a stop string."""
        detokenizer = Detokenizer(self._provider.decode, context=self.prompt)
        text = "".join(map(detokenizer.push, self.tokens))
        return text + (self._last_text or detokenizer.finish())

    # -- for the batch ---------------------------------------------------------------------

    def begin(self, made: Any, on_event: BatchListener | None) -> None:
        self.made = made
        self._session = Session(
            as_strategy(made),
            self.options,
            decode=self._provider.decode,
            prompt=self.prompt,
            eos_token_ids=self._provider.eos_token_ids,
            listeners=[lambda event: on_event(self.index, event)] if on_event is not None else [],
        )
        self.stats = self._session.stats

    @property
    def sequence(self) -> list[int]:
        """Prompt and continuation, as they are now: what the model must be asked for next."""
        return self.prompt + self.tokens if self._session is None else self._session.sequence

    @property
    def went_back(self) -> bool:
        """Whether it wants logits that it may have had before."""
        return not self.done and len(self.sequence) <= self._asked

    def step(self, logits: Any) -> list[int]:
        """Draw a token; returns the tokens that are safe now. An error ends this row only."""
        assert self._session is not None
        session, limit = self._session, self._provider.context_size
        self._asked = max(self._asked, len(session.sequence))
        new: list[int] = []
        try:
            new = session.step(logits)
            if limit is not None and not session.finished and len(session.sequence) > limit:
                new += session.end("context")
                session.error = self._provider.context_full(session.stats.emitted)
        except BacktrackError as error:
            self.error = error
        self.tokens += new
        if session.finished:
            self.end(self.error or session.error)
        return new

    def end(self, error: BacktrackError | None = None) -> None:
        """It is over, for good or with an error: leave its strategy clean."""
        self.error, self.done = error, True
        if self._session is not None:
            self._last_text = self._session.last_text
            try:
                self._session.close()
            except BacktrackError as closing:
                self.error = error or closing
            self._session = self.made = None
        if isinstance(error, (ContextFullError, ExhaustedError)):
            error.text = self.text


class Batch(Iterator[tuple[int, int]]):
    """Streams that run together. Iterating gives `(index, token)` as tokens become safe.

    An error ends the row that it happens in, and nothing else. At the end, iterating raises one
    BatchError for all; `results` gives every row with its error instead. A batch runs once.

    Attributes:
        rows: all of them, by index; those that have not begun yet are empty.
        seconds: time spent in model and sessions, not in whoever reads.
        forward_passes: calls of the model.
        evaluated_tokens: tokens the model has evaluated.
    """

    def __init__(
        self,
        provider: BaseProvider,
        rows: Sequence[BatchRow],
        strategy: Callable[[], Any] | None,
        max_batch: int,
        on_event: BatchListener | None = None,
    ) -> None:
        self.rows = list(rows)
        self.seconds = 0.0
        self.forward_passes = self.evaluated_tokens = 0
        self._provider = provider
        self._factory = strategy
        self._max_batch = max_batch
        self._ended = Stats()  # of the rows that are over
        self._on_event = on_event
        self._active: list[BatchRow] = []
        # One is made now, so that what is wrong with it is said before the long work.
        self._made = [_made(strategy)] if rows else []
        self._chunks = self._run()
        self._tokens = self._each_token()

    def __next__(self) -> tuple[int, int]:
        return next(self._tokens)

    @property
    def errors(self) -> dict[int, BacktrackError]:
        """The rows that have failed until now."""
        return {row.index: row.error for row in self.rows if row.error is not None}

    @property
    def stats(self) -> Stats:
        """What all rows have cost until now."""
        total = replace(
            self._ended,
            forward_passes=self.forward_passes,
            evaluated_tokens=self.evaluated_tokens,
            seconds=self.seconds,
        )
        for row in self._active:
            if not row.done:
                _add(total, row.stats)
        return total

    def results(self, progress: bool = False) -> Iterator[BatchRow]:
        """Each row when it is over, in the order in which they end; raises for none of them.

        Args:
            progress: show a bar on stderr, where tqdm is installed.
        """
        bar = _bar(len(self.rows)) if progress else None
        shown = 0.0
        try:
            for row, _ in self._chunks:
                if bar is not None:
                    bar.update(row.done)
                    if time.monotonic() - shown > _REDRAW:
                        stats = self.stats
                        speed = stats.emitted / max(stats.seconds, 1e-9)
                        bar.set_postfix_str(f"{speed:.0f} tokens/s, {stats.rollbacks} rollbacks")
                        shown = time.monotonic()
                if row.done:
                    yield row
        finally:
            self.close()
            if bar is not None:
                bar.close()

    def close(self) -> None:
        """End all rows that still run; no strategy is left in the middle of a stream."""
        self._chunks.close()

    # -- the engine ------------------------------------------------------------------------

    def _each_token(self) -> Iterator[tuple[int, int]]:
        try:
            for row, new in self._chunks:
                for token in new:
                    yield row.index, token
        finally:
            self.close()
        if errors := self.errors:
            raise BatchError(errors, len(self.rows))

    def _run(self) -> Any:
        """Run all rows; yields (row, tokens that became safe), and each row once when it is over."""
        waiting = iter(self.rows)
        try:
            while True:
                for row in self._fill(waiting):  # those that fail at once
                    yield row, []
                if not self._active:
                    return
                started = time.perf_counter()
                counted = self._provider.forward_passes, self._provider.evaluated_tokens
                chunks = []
                with self._provider.lock:
                    rows = self._provider.peek_batch([row.sequence for row in self._active])
                    for row, logits in zip(self._active, rows, strict=True):
                        new = row.step(copy_of(logits))
                        for _ in range(_FROM_MEMORY):
                            known = self._provider.recall(row.sequence) if row.went_back else None
                            if known is None:
                                break
                            new += row.step(copy_of(known))
                        if row.done:
                            _add(self._ended, row.stats)
                        if new or row.done:
                            chunks.append((row, new))
                self.forward_passes += self._provider.forward_passes - counted[0]
                self.evaluated_tokens += self._provider.evaluated_tokens - counted[1]
                self.seconds += time.perf_counter() - started
                yield from chunks
        finally:
            for row in self._active:
                if not row.done:
                    row.end()
                    _add(self._ended, row.stats)
            self._active = []

    def _fill(self, waiting: Iterator[BatchRow]) -> list[BatchRow]:
        """Rows that have ended give up their places to the next ones; returns those that cannot begin."""
        places: list[BatchRow | None] = [None if row.done else row for row in self._active]
        places += [None] * (self._max_batch - len(places))
        failed = []
        for place, occupied in enumerate(places):
            while occupied is None and (row := next(waiting, None)) is not None:
                try:
                    made = self._made.pop() if self._made else _made(self._factory)
                    shared = any(other is not None and other.made is made for other in places)
                    if not shared:
                        row.begin(made, self._on_event)
                        places[place] = occupied = row
                except BacktrackError as error:
                    row.end(error)
                    failed.append(row)
                    continue
                if shared:  # no fault of this row's
                    raise InputError("strategy gave the same object to two streams: make a new one in each call")
        self._active = [row for row in places if row is not None]
        return failed


def _made(factory: Callable[[], Any] | None) -> Any:
    """A strategy for one row, as its author wrote it."""
    if factory is None:
        return BaseStrategy()
    if not callable(factory):
        raise InputError(
            f"each stream of a batch needs a strategy of its own: pass a function that makes one, "
            f"such as strategy=lambda: {type(factory).__name__}(...)"
        )
    try:
        made = factory()
        as_strategy(made)  # raises where it is none
        return made
    except BacktrackError:
        raise
    except Exception as error:
        called = error.__traceback__ is not None and error.__traceback__.tb_next is not None
        if isinstance(error, TypeError) and not called:  # its arguments are missing
            name = factory.__name__ if isinstance(factory, type) else "MyStrategy"
            raise InputError(
                f"{error}: pass a function without parameters that makes a strategy, such as "
                f"strategy=lambda: {name}(...)"
            ) from error
        raise StrategyError.of("strategy()", error) from error


def _add(total: Stats, stats: Stats) -> None:
    total.emitted += stats.emitted
    total.discarded += stats.discarded
    total.rollbacks += stats.rollbacks


def _bar(total: int) -> Any:
    with suppress(ImportError):
        from tqdm.auto import tqdm

        return tqdm(total=total, unit="row", disable=False)
    return None
