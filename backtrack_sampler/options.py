"""How to draw, and when to end."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import InputError
from .sampling import check_filters

__all__ = ["SessionOptions"]


@dataclass
class SessionOptions:
    """How to draw and when to end.

    Attributes:
        temperature: logits are divided by it; 0 takes the most probable candidate.
        top_k: keep so many of the most probable tokens; None or 0 keeps all.
        top_p: keep the smallest set with at least this probability.
        min_p: keep tokens at least this fraction as probable as the best.
        max_new_tokens: end after so many tokens; those taken back do not count. None: no limit.
        stop: strings that end the stream; neither they nor what follows is part of it.
        seed: same seed and same logits, same stream. None: a random one.
        max_retries: rollbacks that may land on the same prefix before the session goes further back.
        max_discarded: tokens that may be taken back in all. None: 1,000, and 50 for each that stands.
        on_exhausted: when nothing is left to draw or a budget is used up: "stop" ends the stream
            without what was rejected, "accept" keeps it, "raise" raises ExhaustedError.
    """

    temperature: float = 1.0
    top_k: int | None = 50
    top_p: float | None = None
    min_p: float | None = None
    max_new_tokens: int | None = None
    stop: Sequence[str] = ()
    seed: int | None = None
    max_retries: int = 100
    max_discarded: int | None = None
    on_exhausted: str = "stop"

    def __post_init__(self) -> None:
        check_filters(self.temperature, self.top_k, self.top_p, self.min_p)
        if isinstance(self.stop, str):
            self.stop = [self.stop]
        if not isinstance(self.stop, (list, tuple)) or not all(isinstance(text, str) and text for text in self.stop):
            raise InputError("stop must be strings that are not empty")
        for name, least in (("max_new_tokens", 1), ("max_retries", 1), ("max_discarded", 0)):
            value = getattr(self, name)
            if value is None and name != "max_retries":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number, at least {least}, not {value!r}")
        if self.seed is not None:
            try:
                self.seed = operator.index(self.seed)
            except TypeError:
                raise InputError(f"seed must be a whole number or None, not {self.seed!r}") from None
        if self.on_exhausted not in ("stop", "accept", "raise"):
            raise InputError(f"on_exhausted must be 'stop', 'accept' or 'raise', not {self.on_exhausted!r}")
