"""What happens in a stream, as it happens.

Statistics, the command line's live display and any trace listen to the same events:
`sampler.generate(..., on_event=listener)`. In a batch, `row` says which stream an event is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .options import SessionOptions

__all__ = ["Drawn", "Event", "Finished", "Listener", "Participant", "Released", "Rollback", "Started"]


@dataclass(frozen=True)
class Participant:
    """A strategy that takes part in a stream.

    Attributes:
        name: as in `Rollback.who`.
        parameters: what it was made with, but for the provider.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Started:
    """A stream begins.

    Attributes:
        prompt: its token ids.
        options: how it is drawn; with its seed, also where none was given.
        strategies: in the order in which they are asked.
        model: the model's name; "" where nothing says.
    """

    prompt: tuple[int, ...]
    options: SessionOptions
    strategies: tuple[Participant, ...] = ()
    model: str = ""
    row: int = 0


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
    row: int = 0


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
    row: int = 0


@dataclass(frozen=True)
class Released:
    """Tokens became safe and were handed to the caller. They never change from here on."""

    position: int
    tokens: tuple[int, ...]
    row: int = 0


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
    row: int = 0


Event: TypeAlias = Started | Drawn | Rollback | Released | Finished
Listener: TypeAlias = Callable[[Event], None]
