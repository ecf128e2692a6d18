"""Who took back how much, and why."""

from __future__ import annotations

from backtrack_sampler import Drawn, Released, Rollback
from backtrack_sampler.trace.summary import TakenBack, by_whom


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
