"""How much room text takes in a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Line", "advance", "clip", "last_cell", "printable", "width", "wrap"]

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


def wrap(text: str, columns: int) -> list[Line]:
    """Lines of at most so many columns, broken at spaces where possible, else anywhere.

    Spaces at a break are dropped.
    """
    lines: list[Line] = []
    start = 0
    for paragraph in text.split("\n"):
        lines += _wrapped(text, start, start + len(paragraph), columns)
        start += len(paragraph) + 1
    return lines


def _wrapped(text: str, start: int, end: int, columns: int) -> Iterator[Line]:
    """The lines of one paragraph, `text[start:end]`."""
    used, space = 0, start  # columns of the line so far; where it can be broken
    for index in range(start, end):
        size = width(text[index])
        if text[index] == " " and used + size > columns:
            yield Line(start, text[start:index])
            start, used, space = index + 1, 0, index + 1
            continue
        while used + size > columns and index > start:
            # A line of nothing but spaces would look like an empty one.
            cut = space + 1 if text[start:space].strip(" ") else index
            yield Line(start, text[start:cut].rstrip(" "))
            start, used, space = cut, sum(map(width, text[cut:index])), cut
        if text[index] == " ":
            space = index
        used += size
    yield Line(start, text[start:end])


def advance(column: int, text: str, columns: int) -> tuple[int, int]:
    """Where a terminal's cursor is after writing text from a column: (rows further down, column).

    A full line leaves the cursor past the last column (`columns`); it wraps with the next character.
    """
    row = 0
    for character in text:
        if character == "\n":
            row, column = row + 1, 0
            continue
        size = width(character)
        if column + size > columns and size:
            row, column = row + 1, 0
        column += size
    return row, column


def last_cell(text: str) -> int:
    """Where the last character that takes room begins; after a newline, the end of that."""
    index = len(text)
    while index and text[index - 1] != "\n":
        index -= 1
        if width(text[index]):
            break
    return index
