"""How much room text takes in a terminal."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Line", "cells", "clip", "last_lines", "printable", "rewrap", "width", "wrap"]

_TAB = 8
_JOINER = "\u200d"  # makes one picture of the two emoji that it stands between

_SHOWN = {
    "\n": "\u23ce", "\t": "\u21e5", "\r": "\u240d", "\u2028": "\u23ce", "\u2029": "\u23ce",
    "\u00ad": "-",  # terminals disagree whether a soft hyphen takes room
}  # fmt: skip
#: These would turn the order of what is on the screen around.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def width(character: str) -> int:
    """Columns of one character: 2 for wide ones, 0 for those that combine with the one before."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0  # the range is Korean vowels and finals, which complete the syllable before them
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def printable(text: str, keep: str = "") -> str:
    """Control characters made visible, one for one, except those in `keep`: no text can move the cursor."""
    return "".join(c if c in keep else _SHOWN.get(c, "\ufffd" if _is_control(c) else c) for c in text)


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _DIRECTIONS or (category.startswith("C") and category != "Cf")


def clip(text: str, columns: int) -> str:
    """As much of one line as fits."""
    used = 0
    for index, character in enumerate(text):
        used += width(character)
        if used > columns:
            return text[:index]
    return text


class Line(NamedTuple):
    """A line of wrapped text, and the index of its first character in the whole."""

    start: int
    text: str


def wrap(text: str, columns: int, start: int = 0) -> list[Line]:
    """Lines of at most so many columns, broken between words where possible, else anywhere.

    Words end at spaces and tabs, which are dropped at a break, and take no room at the end of a line.
    Wide characters (Chinese, Japanese, emoji) are words by themselves, but for punctuation.

    Args:
        text: may have newlines and tabs; other control characters count as one column.
        columns: at least 2, or a wide character has no room.
        start: where the first line begins: 0, or the start of a line that was found before.
    """
    lines: list[Line] = []
    while (end := text.find("\n", start)) >= 0:
        # A carriage return before it is part of the newline.
        lines += _wrapped(text, start, end - (text[start:end][-1:] == "\r"), columns)
        start = end + 1
    lines += _wrapped(text, start, len(text), columns)
    return lines


def _wrapped(text: str, start: int, end: int, columns: int) -> Iterator[Line]:
    """The lines of one paragraph, `text[start:end]`."""
    used = 0  # columns of the line so far
    fits = start  # where they end, without spaces that have no room
    word, cell = start, start  # the last two places where the next line could begin; better the first of them
    for index in range(start, end):
        character = text[index]
        size = _size(character, used)
        if character in " \t":
            word = index + 1
            used += size
            fits = index + 1 if used <= columns else fits
            continue
        if size and text[index - 1 : index] != _JOINER:
            cell = index
            if index > start and _are_words(text[index - 1], character):
                word = index
        while used + size > columns and index > start:
            # A line of nothing but spaces would look like an empty one.
            cut = word if text[start:word].strip(" \t") else cell if cell > start else index
            yield Line(start, text[start:cut].rstrip(" \t"))
            start, word, cell = cut, cut, max(cut, cell)
            used = sum(map(width, text[cut:index]))
        used += size
        fits = index + 1
    yield Line(start, text[start : max(start, fits)])


def _size(character: str, column: int) -> int:
    return _TAB - column % _TAB if character == "\t" else width(character)


def _are_words(before: str, character: str) -> bool:
    """Whether a line can be broken between these two, none of which is a space."""
    if width(before) < 2 and width(character) < 2:
        return False
    closes = unicodedata.category(character) in ("Pe", "Pf", "Po", "Lm")
    return not closes and unicodedata.category(before) not in ("Ps", "Pi")


def rewrap(lines: list[Line], text: str, columns: int, same: int) -> int:
    """Bring the lines of a text that has changed up to date; returns the index of the first that may be new.

    Args:
        lines: of the text as it was; empty for none.
        text: as it is now.
        columns: as when the lines were made.
        same: how many characters at the beginning have not changed.
    """
    # A line may get back what went to the next one, and that decides where the one after begins.
    first = max(0, bisect_right(lines, same, key=lambda line: line.start) - 3)
    lines[first:] = wrap(text, columns, lines[first].start if lines else 0)
    return first


def last_lines(text: str, columns: int, count: int) -> str:
    """The end of a text, as much as has room in so many lines; where that is not all, the first is an ellipsis."""
    lines = wrap(text, columns)
    return text if len(lines) <= count else f"\u2026\n{text[lines[1 - count].start :]}" if count > 1 else "\u2026"


def cells(line: str) -> list[str]:
    """What a terminal is to be sent for each character of a line: tabs become spaces."""
    shown, column = [], 0
    for character in line:
        size = _size(character, column)
        column += size
        shown.append(" " * size if character == "\t" else printable(character))
    return shown
