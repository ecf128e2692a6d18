"""What was taken back, in words."""

from __future__ import annotations

import pytest

from backtrack_sampler.events import Drawn, Event, Rollback
from backtrack_sampler.stats import Stats
from backtrack_sampler.terminal.taken_back import as_line, summary


@pytest.mark.parametrize(
    ("why", "line"), [("found 'x'", "taken back: ' x\\n' (Anti: found 'x')"), ("", "taken back: ' x\\n' (Anti)")]
)
def test_a_rollback_in_a_line(why: str, line: str) -> None:
    """What, by whom, and why if that is known; whatever the text is, it is one line."""
    assert as_line(Rollback(3, (1, 2), " x\n", "Anti", why)) == line


def test_summary() -> None:
    """How much in all, each rollback with its place and reason, and what it has cost."""
    events: list[Event] = [
        Drawn(0, 1, 1.0, {}),
        Rollback(14, (1, 2), " there was a", "AntiSlopStrategy", "found 'there was a'"),
        Rollback(120, (1,), "\n", "Mine", ""),
        Rollback(130, (1,), "END", "session", "stop string"),  # no rollback
    ]
    stats = Stats(emitted=160, discarded=4, rollbacks=2, forward_passes=170, seconds=4.0)
    assert summary(events, stats, 80, paused=2.0) == (
        "Taken back: 2 times, 4 tokens, 160 stand.\n"
        "  after token  14: ' there was a'  (found 'there was a')\n"
        "  after token 120: '\\n'  (Mine)\n"
        "(80 tokens/s, 170 forward passes)"
    )


def test_summary_of_one_and_of_none() -> None:
    """Numbers and their nouns agree; a stream that took no time has no speed."""
    once = summary([Rollback(0, (1,), "x", "A", "b")], Stats(emitted=1, discarded=1, rollbacks=1), 80)
    assert once.startswith("Taken back: once, 1 token, 1 stand.\n  after token   0: 'x'  (b)\n(0 tokens/s")
    assert summary([], Stats(emitted=5), 80).startswith("Taken back: 0 times, 0 tokens, 5 stand.\n(")


def test_summary_of_many() -> None:
    """A dozen are shown, and how many more there are; a long one in short."""
    events = [Rollback(n, (1,), "word " * 40, "A", "b") for n in range(15)]
    lines = summary(events, Stats(rollbacks=15), 200).split("\n")
    assert len(lines) == 15
    assert lines[1] == f"  after token   0: '{('word ' * 40)[:58]}…  (b)"
    assert lines[-2] == "  ... and 3 more"


def test_summary_is_broken_at_words() -> None:
    """In a narrow terminal lines go on below, indented."""
    text = summary([Rollback(7, (1,), " there was a", "A", "found 'there was a'")], Stats(rollbacks=1), 40)
    assert all(len(line) <= 40 for line in text.split("\n"))
    assert "  after token   7: ' there was a'\n      (found 'there was a')\n" in text
