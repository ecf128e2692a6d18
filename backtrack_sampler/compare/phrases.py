"""How often phrases of a list stand in a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import InputError
from ..matching import TokenMatcher, occurrences

__all__ = ["PhraseCounter"]


class PhraseCounter:
    """Finds the phrases of a list in whole texts, as whole words, as anti-slop matches them.

    Args:
        phrases: texts; each counts once.

    Raises:
        InputError: one of them is empty.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        if isinstance(phrases, str):
            raise InputError(f"phrases must be a list of texts, not one text: write [{phrases!r}]")
        self.phrases = tuple(dict.fromkeys(phrases))
        # While this one lives, all that look for the same phrases share its automaton.
        self._shared = TokenMatcher(_no_text, self.phrases, whole_words=True)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Where phrases stand, each from its first character to after its last; of those that overlap, the
        earliest, then the longest."""
        places: list[tuple[int, int]] = []
        for match in occurrences(text, self.phrases, whole_words=True) if self.phrases else ():
            if not places or match.start >= places[-1][1]:
                places.append((match.start, match.end))
        return places


def _no_text(tokens: Sequence[int]) -> str:
    return ""
