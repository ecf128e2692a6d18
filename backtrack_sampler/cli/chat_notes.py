"""What a chat says of its answers: what the model was not given, and why one ended. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..chat import Turn
from ..provider.base_provider import BaseProvider
from .wording import in_options

__all__ = ["about_dropped", "about_end"]


def about_dropped(dropped: int, before: int, provider: BaseProvider, sampling: Mapping[str, Any]) -> str:
    """What to say where the model is not given so many of the oldest turns, and `before` it was others; or ""."""
    if dropped > before:
        turns, them = ("turn no longer fits", "it") if dropped == 1 else (f"{dropped} turns no longer fit", "them")
        return (
            f"(the oldest {turns} {_context(provider, sampling)}: the model does not see {them} any more; "
            f"/save still has {them})"
        )
    if dropped < before:
        return f"(the model sees {f'all but the oldest {dropped}' if dropped else 'all'} turns again)"
    return ""


def about_end(turn: Turn, provider: BaseProvider, sampling: Mapping[str, Any], *, stopped: bool) -> str:
    """What to say after an answer, and what one can do; or ""."""
    if stopped:
        return "(stopped; what is written stays)" if turn.answer else "(stopped; /retry asks again)"
    if not turn.answer:
        return "(no answer; /retry asks again)"
    reason = turn.stream.stats.finish_reason
    if reason == "length":
        name = "max_new_tokens" if len(turn.tokens) == sampling.get("max_new_tokens") else "max_length"
        option = f"--{name.replace('_', '-')} {sampling.get(name)}"
        return f"(cut off by {option}: ask to go on, or start with more)"
    if reason == "context":
        asked = sum(message["role"] == "user" for message in turn.history)
        older = asked - turn.dropped > 1  # than this one, and seen
        what = "ask to go on, and older turns make room" if older else f"ask for less{provider.larger_context}"
        return in_options(f"(cut off: {_context(provider, sampling)} is full; {what})")
    if reason == "exhausted":
        return "(cut off: nothing else was allowed here; /retry tries again, /strategy changes it)"
    return ""


def _context(provider: BaseProvider, sampling: Mapping[str, Any]) -> str:
    size, longest = provider.context_size, sampling.get("max_length")
    if longest is not None and (size is None or longest < size):
        return f"the {longest:,} tokens of --max-length"
    return f"the context of {size:,} tokens"
