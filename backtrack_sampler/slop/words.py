"""Words, and which of them stand next to each other.

A word is a run of letters with the marks on them; apostrophes and hyphens inside it belong to it, digits and
underscores inside spoil it. Words are compared in composed form and lower case, with plain apostrophes and
hyphens. Two stand next to each other where only white space is between them, at most one line break, and
Markdown's emphasis.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Word", "Written", "parts_of", "same_subject", "words_of"]

_JOINERS = {"'": "'", "\u2019": "'", "\u02bc": "'", "\uff07": "'", "-": "-", "\u2010": "-", "\u2011": "-"}
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060"  # they are in words without being of them
_PLAIN = str.maketrans({**_JOINERS, **dict.fromkeys(_INVISIBLE, "")})


class Written(NamedTuple):
    """A text, and what it was written to."""

    text: str
    prompt: str = ""


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        text: as it is compared; "" where it is none, as with digits.
        start: index of its first character, in the text's composed form (NFC).
        end: index after its last.
        joined: whether the word before it stands next to it.
    """

    text: str
    start: int
    end: int
    joined: bool


class _Kind(dict[str, str]):
    """Of each character a letter that says what it is; remembered."""

    def __missing__(self, character: str) -> str:
        category = unicodedata.category(character)
        if character in _JOINERS:
            kind = "-"
        elif category[0] in "LM" or character in _INVISIBLE:
            kind = "a"
        elif category[0] == "N":
            kind = "0"
        elif character in "*_":
            kind = character
        elif character in "\n\u2028\x0b\x0c":
            kind = "n"
        elif character == "\u2029":
            kind = "."
        else:
            kind = "s" if character.isspace() else "."
        self[character] = kind
        return kind


_kind = _Kind()
_WORD = re.compile(r"[a0]+(?:(?:-|_+)[a0]+)*")
_BETWEEN = re.compile(r"[*_]*(?:s+(?:ns*)?|ns*)[*_]*")


def words_of(text: str) -> Iterator[Word]:
    """The words of a text in composed form (NFC), in order."""
    kinds = "".join(map(_kind.__getitem__, text))
    end = 0
    for match in _WORD.finditer(kinds):
        start, between = match.start(), kinds[end : match.start()]
        joined = between == "s" or (end > 0 and _BETWEEN.fullmatch(between) is not None)
        end = match.end()
        if "0" in match.group() or "_" in match.group():
            yield Word("", start, end, False)
            continue
        word = text[start:end]
        yield Word((word if word.isascii() else word.translate(_PLAIN)).lower(), start, end, joined)


def same_subject(one: str, other: str) -> bool:
    """Whether two words are forms of one, as far as their letters tell: key, keys; dragon, dragon's; write, writing.

    They begin with the same four letters or more, and at most three of either follow; or one of them is the other
    one's beginning, and at most two follow. (That start is then a form of star does no harm: see `counting`.)
    """
    one, other = sorted((one.removesuffix("'s"), other.removesuffix("'s")), key=len)
    if one == other:
        return True
    least = max(4, len(other) - 3)
    return one[:least] == other[:least] or (len(one) >= 3 and other.startswith(one) and len(other) <= len(one) + 2)


def parts_of(phrase: str) -> Iterator[str]:
    """All phrases and words that a phrase is made of, and itself."""
    words = phrase.split(" ")
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            yield " ".join(words[start:end])
