"""Where phrases and patterns stand in a text that is complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """What a `TokenMatcher` finds in a whole text, earliest first, then longest; overlapping ones too.

    `token` of each match is the same as its `start`.
    """
    matcher = TokenMatcher(_decode, phrases, regexes, ignore_case=ignore_case, whole_words=whole_words)
    found = [match for character in text for match in matcher.push(ord(character))]
    return sorted([*found, *matcher.finish()], key=lambda match: (match.start, -match.end))


def _decode(tokens: Sequence[int]) -> str:
    return "".join(map(chr, tokens))
