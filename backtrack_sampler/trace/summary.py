"""Who took back how much, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..events import Event, Rollback, Started
from .settings import parameters_of

__all__ = ["TakenBack", "by_whom", "everyone", "is_stop_string"]


@dataclass
class TakenBack:
    """What one strategy, or the session, took back.

    Attributes:
        who: its name.
        rollbacks: how often; a stop string that is cut off at the end is none.
        tokens: how many tokens in all.
        reasons: how often for each reason.
        parameters: what it was made with, to be read; empty where nothing says.
    """

    who: str
    rollbacks: int = 0
    tokens: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    parameters: list[str] = field(default_factory=list)


def by_whom(events: Iterable[Event]) -> list[TakenBack]:
    """One for each that asked, those with the most tokens first."""
    found: dict[str, TakenBack] = {}
    for event in events:
        if isinstance(event, Rollback):
            row = found.setdefault(event.who, TakenBack(event.who))
            row.rollbacks += not is_stop_string(event)
            row.tokens += len(event.tokens)
            row.reasons[event.why] += 1
    return sorted(found.values(), key=lambda row: -row.tokens)


def everyone(events: Iterable[Event], started: Started | None) -> list[TakenBack]:
    """As `by_whom`, with the parameters of each, and at the end those that took nothing back."""
    found = {row.who: row for row in by_whom(events)}
    for each in started.strategies if started is not None else ():
        # Events know names only, so that two of one name are one row.
        found.setdefault(each.name, TakenBack(each.name)).parameters += parameters_of(each)
    return list(found.values())


def is_stop_string(event: Rollback) -> bool:
    """Whether this is the session cutting a stop string off, and no rollback in the statistics."""
    return event.who == "session" and event.why == "stop string"
