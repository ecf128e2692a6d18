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
        seconds: spent here, and not by the sampler.
    """

    def __init__(self) -> None:
        self.log_probabilities: dict[int | None, list[float]] = {}
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
        self._found: list[float] = []

    def on_start(self, stream: Stream) -> None:
        self._of = stream.log_probability
        self._record.log_probabilities[stream.options.seed] = self._found = []

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        started = time.perf_counter()
        self._found.append(self._of(tokens[-1]))
        self._record.seconds += time.perf_counter() - started

    def on_rollback(self, tokens: list[int]) -> None:
        del self._found[len(tokens) :]
