"""A policy that looks at nothing: what going back so often is worth by itself."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from ...checks import check_number
from ...errors import InputError
from ...rollback import TakeBack
from ...strategy.base_strategy import Stream
from ..deciding_strategy import DecidingStrategy
from ..features import Features
from ..observer import Observer

__all__ = ["RandomPolicyStrategy"]


class _Chance(Observer):
    """Decides by chance."""

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__(Features(), max(1, len(rates) - 1))
        self.rates = list(rates)
        self.rng = random.Random()

    def on_start(self, stream: Stream) -> None:
        super().on_start(stream)
        self.rng = random.Random(f"random policy {stream.options.seed}")

    def decide(self) -> int:
        action = self.rng.choices(range(len(self.rates)), self.rates)[0]
        return TakeBack(action, "by chance") if action else 0


def _number(rate: Any) -> Any:
    """A rate, which a command line gives as text where it is written 0.95|0.05."""
    try:
        return float(rate) if isinstance(rate, str) else rate
    except ValueError:
        return rate


class RandomPolicyStrategy(DecidingStrategy):
    """Takes back at random: the control for a policy that goes back as often.

    Args:
        rates: how often nothing is taken back, one token, two, ...; they need not sum to one.
        max_retries, max_discarded: see `OperatorStrategy`.
    """

    sources = ("backtrack_sampler.rl.observer",)

    operator: _Chance

    def __init__(self, rates: list[float], max_retries: int = 10, max_discarded: int | None = None) -> None:
        checked = [check_number("rates", _number(rate), 0) for rate in rates]
        if len(checked) < 2 or not math.fsum(checked):
            raise InputError("rates must be at least two numbers, such as 0.95|0.05: keep, and take one token back")
        super().__init__(_Chance(checked), max_retries=max_retries, max_discarded=max_discarded)

    def __str__(self) -> str:
        return "RandomPolicyStrategy"
