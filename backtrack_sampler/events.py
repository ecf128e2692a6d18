"""What happens in a stream, as it happens.

Statistics, the command line's live display and any trace listen to the same four events:
`sampler.generate(..., on_event=listener)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Drawn", "Event", "Finished", "Listener", "Released", "Rollback"]


@dataclass(frozen=True)
class Drawn:
    """A token was drawn.

    Attributes:
        position: its index in the continuation.
        token: its id.
        probability: among the candidates, after everything a strategy did to them, summing to one.
        candidates: what was drawn from, highest first, as the strategy left it; may not sum to one.
    """

    position: int
    token: int
    probability: float
    candidates: Mapping[int, float]


@dataclass(frozen=True)
class Rollback:
    """Tokens were taken back.

    Attributes:
        position: the length of the continuation afterwards.
        tokens: what was taken back, oldest first.
        text: those tokens decoded.
        who: the name of the strategy that asked, or "session".
        why: its reason in a few words; may be empty.
    """

    position: int
    tokens: tuple[int, ...]
    text: str
    who: str
    why: str


@dataclass(frozen=True)
class Released:
    """Tokens became safe and were handed to the caller. They never change from here on."""

    position: int
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Finished:
    """The stream is over.

    Attributes:
        reason: "end" (an end token), "stop" (a stop string), "length" (a limit that the caller
            set), "exhausted" (nothing that the strategies allow was left to draw) or "context" (the
            model's context is full).
        text: what a stop string leaves of the token that it begins in: the end of the stream's text,
            and of none of its tokens.
    """

    reason: str
    text: str = ""


Event: TypeAlias = Drawn | Rollback | Released | Finished
Listener: TypeAlias = Callable[[Event], None]
