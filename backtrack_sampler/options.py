"""How to draw, and when to end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .checks import check_count, check_number, check_seed
from .errors import InputError

__all__ = ["SessionOptions"]

_GREEDY = 1e-5  # a lower temperature gives all but the best nothing, and soon overflows


@dataclass(frozen=True)
class SessionOptions:
    """How to draw and when to end.

    Attributes:
        temperature: logits are divided by it; 0, or less than 0.00001, takes the most probable candidate.
        top_k: keep so many of the most probable tokens; None or 0 keeps all.
        top_p: keep the smallest set with at least this probability.
        min_p: keep tokens at least this fraction as probable as the best.
        max_new_tokens: end after so many tokens; those taken back do not count. None: no limit.
        stop: strings that end the stream; neither they nor what follows is part of it.
        seed: same seed and same logits, same stream. None or -1: a random one.
        max_retries: rollbacks that may land on the same prefix before the session goes further back.
        max_discarded: tokens that may be taken back in all. None: 1,000, and 50 for each that stands.
        on_exhausted: when nothing is left to draw or a budget is used up: "stop" ends the stream
            without what was rejected, "accept" keeps it, "raise" raises ExhaustedError.
        on_context_full: "stop" ends the stream, "raise" raises ContextFullError after its last token.
    """

    temperature: float = 1.0
    top_k: int | None = 50
    top_p: float | None = None
    min_p: float | None = None
    max_new_tokens: int | None = None
    stop: str | Sequence[str] | None = ()
    seed: int | None = None
    max_retries: int = 100
    max_discarded: int | None = None
    on_exhausted: str = "stop"
    on_context_full: str = "stop"

    def __post_init__(self) -> None:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or ()
        if not isinstance(stop, (list, tuple)) or not all(isinstance(text, str) and text for text in stop):
            raise InputError("stop must be strings that are not empty")
        temperature = check_number("temperature, 0 for greedy,", self.temperature, 0)
        if temperature == math.inf:
            raise InputError("temperature must be a finite number: 0 is greedy, 1 leaves the model as it is")
        checked = {
            "temperature": temperature if temperature >= _GREEDY else 0.0,
            "top_k": self.top_k if self.top_k is None else check_count("top_k, 0 for no limit,", self.top_k, 0),
            "top_p": self.top_p if self.top_p is None else check_number("top_p", self.top_p, 0, 1),
            "min_p": self.min_p if self.min_p is None else check_number("min_p", self.min_p, 0, 1),
            "stop": tuple(stop),
            "seed": check_seed("seeds", self.seed),
            "max_retries": check_count("max_retries", self.max_retries),
        }
        if checked["top_p"] == 0:
            raise InputError("top_p must be more than 0 and at most 1, not 0")
        for name, least in (("max_new_tokens", 1), ("max_discarded", 0)):
            if (value := getattr(self, name)) is not None:
                checked[name] = check_count(name, value, least)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        for name, known in (("on_exhausted", ("stop", "accept", "raise")), ("on_context_full", ("stop", "raise"))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be {' or '.join(map(repr, known))}, not {getattr(self, name)!r}")
