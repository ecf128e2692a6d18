"""Who took back how much, and why."""

from __future__ import annotations

from backtrack_sampler import Drawn, Participant, Released, Rollback, SessionOptions, Started
from backtrack_sampler.trace.summary import TakenBack, by_whom, everyone


def test_by_whom() -> None:
    """One row for each that asked, those with the most tokens first; a stop string is no rollback."""
    events = [
        Drawn(0, 1, 1.0, {}),
        Rollback(0, (1,), "a", "First", "so"),
        Rollback(0, (1,), "a", "First", "so"),
        Rollback(0, (1, 2, 3), "abc", "Second", ""),
        Released(0, (1,)),
        Rollback(1, (4,), "d", "session", "stop string"),
    ]
    assert by_whom(events) == [
        TakenBack("Second", 1, 3, {"": 1}),
        TakenBack("First", 2, 2, {"so": 2}),
        TakenBack("session", 0, 1, {"stop string": 1}),
    ]
    assert by_whom([]) == []


def test_everyone() -> None:
    """All that took part, with their parameters; those that took nothing back stand at the end. Two of a name are one."""
    events = [Drawn(0, 1, 1.0, {}), Rollback(0, (1,), "a", "Second", "so"), Drawn(0, 1, 1.0, {}), Released(0, (1,))]
    taking = [Participant("First", {"a": 1}), Participant("Second", {"b": 2}), Participant("First", {"a": 3})]
    assert everyone(events, Started((), SessionOptions(), tuple(taking))) == [
        TakenBack("Second", 1, 1, {"so": 1}, ["b=2"]),
        TakenBack("First", 0, 0, {}, ["a=1", "a=3"]),
    ]
    assert everyone(events, None) == by_whom(events)
