"""How much room text takes in a terminal."""

from __future__ import annotations

import unicodedata

__all__ = ["advance", "clip", "printable", "width", "wrap"]

_SHOWN = {"\n": "\u23ce", "\t": "\u21e5", "\r": "\u240d"}


def width(character: str) -> int:
    """Columns of one character: 2 for wide ones, 0 for those that combine with the one before."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def printable(text: str, keep: str = "") -> str:
    """Control characters made visible, except those in `keep`: no text can move the cursor."""
    return "".join(
        c if c in keep or not unicodedata.category(c).startswith("C") or width(c) == 0
        else _SHOWN.get(c, "\ufffd")
        for c in text
    )  # fmt: skip


def clip(text: str, columns: int) -> str:
    """As much of one line as fits."""
    used = 0
    for index, character in enumerate(text):
        used += width(character)
        if used > columns:
            return text[:index]
    return text


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most so many columns, broken at spaces where possible, else anywhere."""
    lines = []
    for paragraph in text.split("\n"):
        line, used, space = "", 0, -1
        for character in paragraph:
            size = width(character)
            if used + size > columns and line:
                if character == " ":
                    lines.append(line)
                    line, used, space = "", 0, -1
                    continue
                cut = space + 1 if space >= 0 else len(line)
                lines.append(line[:cut].rstrip(" ") if space >= 0 else line)
                line, space = line[cut:], -1
                used = sum(map(width, line))
            if character == " ":
                space = len(line)
            line += character
            used += size
        lines.append(line)
    return lines


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
        if column + size > columns:
            row, column = row + 1, 0
        column += size
    return row, column
