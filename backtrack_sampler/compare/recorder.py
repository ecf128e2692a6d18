"""The model's own view of what was drawn, noted while it is drawn: no second evaluation is needed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from ..strategy.base_strategy import BaseStrategy, Candidates, Stream

__all__ = ["Record", "Recorder"]


class Record:
    """What the streams of a batch were worth to the model, and what it took to find out.

    Attributes:
        log_probabilities: seed -> log-probability of each token of its stream that stands, in nats.
        endings: seed -> the same of the tokens that its stop string has cut off, where one has ended it.
        forwards: seed -> places that its stream has drawn at, each once: what a model must be asked for that
            remembers this stream and no other.
        seconds: spent here, and not by the sampler.
    """

    def __init__(self) -> None:
        self.log_probabilities: dict[int | None, list[float]] = {}
        self.endings: dict[int | None, list[float]] = {}
        self.forwards: dict[int | None, int] = {}
        self.seconds = 0.0

    def observing(self, make_strategy: Callable[[], Any] | None) -> Callable[[], list[Any]]:
        """Makes the same strategies, with somebody before them who only takes notes."""
        return lambda: [Recorder(self), make_strategy() if make_strategy is not None else None]


class Recorder(BaseStrategy):
    """Notes for each token how probable the model itself found it, before all filters and strategies.

    It asks for nothing and changes nothing, so a stream is the same with it and without.

    Args:
        record: where to; its streams differ in their seeds.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._of: Callable[[int], float] = lambda token: math.nan
        self._stops_at: Callable[[], int | None] = lambda: None
        self._seed: int | None = None
        self._found: list[float] = []
        self._stopped = False  # by a stop string that is the end of the text as it is now
        self._is_known = False  # whether the next draw is at a place that something was drawn at before

    def on_start(self, stream: Stream) -> None:
        self._of, self._stops_at, self._seed = stream.log_probability, stream.stops_at, stream.options.seed
        self._record.log_probabilities[self._seed] = self._found = []
        self._record.forwards[self._seed] = 0
        self._stopped = self._is_known = False

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        started = time.perf_counter()
        self._found.append(self._of(tokens[-1]))
        self._record.endings[self._seed] = []
        self._stopped = self._stops_at() is not None
        self._record.forwards[self._seed] += not self._is_known
        self._is_known = False
        self._record.seconds += time.perf_counter() - started

    def on_rollback(self, tokens: list[int]) -> None:
        if self._stopped:
            self._record.endings[self._seed] = self._found[len(tokens) :]
        del self._found[len(tokens) :]
        self._is_known = True
