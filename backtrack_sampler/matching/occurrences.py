"""Where phrases and patterns stand in a text that is complete."""

from __future__ import annotations

from collections.abc import Iterable

from .token_matcher import Match, TokenMatcher

__all__ = ["occurrences"]


def occurrences(
    text: str,
    phrases: Iterable[str] = (),
    regexes: Iterable[str] = (),
    *,
    ignore_case: bool = True,
    whole_words: bool = False,
) -> list[Match]:
    """What a `TokenMatcher` finds in a whole text, earliest first, then longest; overlapping ones too."""
    matcher = TokenMatcher(lambda _: text, phrases, regexes, ignore_case=ignore_case, whole_words=whole_words)
    found = [*matcher.push(0), *matcher.finish()]  # all of it is one token
    return sorted(found, key=lambda match: (match.start, -match.end))
