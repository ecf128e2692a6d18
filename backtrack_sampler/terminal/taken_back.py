"""What was taken back, in words."""

from __future__ import annotations

from collections.abc import Iterable

from ..events import Event, Rollback
from ..stats import Stats
from ..trace.summary import is_stop_string
from .layout import wrap

__all__ = ["as_line", "summary"]

_MOST = 12  # rollbacks
_LONGEST = 60  # characters of one


def as_line(event: Rollback) -> str:
    """A rollback in one line, as it happens."""
    why = f"{event.who}: {event.why}" if event.why else event.who
    return f"taken back: {event.text!r} ({why})"


def summary(events: Iterable[Event], stats: Stats, columns: int, paused: float = 0.0) -> str:
    """How much was taken back in all, the first rollbacks, and what it has cost.

    Args:
        events: of the stream; only rollbacks matter.
        stats: of the stream.
        columns: where to break lines.
        paused: seconds of the stream's in which nothing was done: see `LiveText`.
    """
    taken = [event for event in events if isinstance(event, Rollback) and not is_stop_string(event)]
    times = "once" if stats.rollbacks == 1 else f"{stats.rollbacks} times"
    lines = [f"Taken back: {times}, {_tokens(stats.discarded)}, {stats.emitted} stand."]
    lines += [
        f"  after token {event.position:3d}: {_in_short(repr(event.text))}  ({event.why or event.who})"
        for event in taken[:_MOST]
    ]
    if len(taken) > _MOST:
        lines.append(f"  ... and {len(taken) - _MOST} more")
    seconds = stats.seconds - paused
    speed = stats.emitted / seconds if seconds > 0 else 0.0
    lines.append(f"({speed:.0f} tokens/s, {stats.forward_passes} forward passes)")
    return "\n".join(_folded(line, columns) for line in lines)


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"


def _in_short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\u2026"


def _folded(line: str, columns: int) -> str:
    """Broken at words; what goes on is indented."""
    if len(line) <= columns:
        return line
    return "\n      ".join(part.text for part in wrap(line, max(2, columns - 6)))
