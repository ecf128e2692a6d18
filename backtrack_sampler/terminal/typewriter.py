"""Text in a terminal that is broken at words as it grows, and can be erased as far as it is on the screen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TextIO

from .abilities import size_of
from .layout import Line, cells, last_lines, printable, rewrap

__all__ = ["MOST_PROMPT", "Typewriter"]

_DIM = "\x1b[2m"
_STRUCK = "\x1b[31;9m"
_PLAIN = "\x1b[0m"
#: Columns that stay free: for what a terminal draws wider than others do, and for the ^C that it writes by itself.
_MARGIN = 2
#: Lines of it that are shown.
MOST_PROMPT = 6


class Typewriter:
    """Writes to a terminal, from the beginning of a line on.

    It knows all lines that it has written, and writes those again that change: a word that turns out
    too long for its line moves to the next one. Where one of them is no longer on the screen, and
    where the terminal has got another size, the screen is cleared and filled with the last lines.

    Args:
        out: the terminal.
        prompt: what the text goes on from, shown dimmed before it; of a long one, the end.
        colours: whether the prompt is dimmed, and what goes away struck out.
        size: asks how many columns and rows there are now.
    """

    def __init__(
        self,
        out: TextIO,
        prompt: str = "",
        colours: bool = True,
        size: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        self._out = out
        self._colours = colours
        self._ask_size = size or (lambda: size_of(out))
        self._size = self._ask_size()
        self._begin()
        columns, rows = self._size
        prompt = printable(prompt, keep="\n\t\r")
        self._prompt = last_lines(prompt, _room(columns), max(1, min(MOST_PROMPT, rows // 3)))
        self._show(self._prompt, 0)

    def _begin(self) -> None:
        """Nothing is written yet, and the cursor is at the beginning of a line."""
        self._prompt = ""
        self._text = ""  # with the prompt
        self._struck = 0  # from where on it is struck out
        self._lines: list[Line] = []  # of the text
        self._rows = [""]  # what was written for them
        self._top = 0  # the first of them that is on the screen for sure

    @property
    def text(self) -> str:
        """What stands, without the prompt; control characters are visible ones."""
        return self._text[len(self._prompt) :]

    def type(self, text: str) -> None:
        """Write on."""
        if text:
            self._show(self._text + printable(text, keep="\n\t\r"), len(self._text))

    def strike_out(self, keep: int) -> None:
        """Strike all out but the first `keep` characters."""
        self._struck = len(self._prompt) + keep
        self._draw(bisect_right(self._lines, self._struck, key=lambda line: line.start) - 1)

    def erase(self, keep: int) -> None:
        """Erase all but the first `keep` characters."""
        keep += len(self._prompt)
        self._show(self._text[:keep], keep)

    def replace(self, text: str) -> None:
        """Make it this text: erase what is not in it, write what is missing."""
        text = self._prompt + printable(text, keep="\n\t\r")
        same = next((n for n, (a, b) in enumerate(zip(self._text, text, strict=False)) if a != b), None)
        self._show(text, min(len(self._text), len(text)) if same is None else same)

    def end_line(self) -> None:
        """Go to the beginning of a line, and forget what stands above it."""
        if self._rows[-1]:
            # Once more, without the ^C that the terminal has put behind it.
            self._out.write(f"\r\x1b[J{self._rows[-1]}\n")
        self._begin()
        self._out.flush()

    def _show(self, text: str, same: int) -> None:
        """Make the screen that of this text, of which the first `same` characters are there."""
        self._text, self._struck = text, len(text)
        self._draw(rewrap(self._lines, text, _room(self._size[0]), same))

    def _draw(self, first: int) -> None:
        """Write the lines that have changed, of which this is the first that may have."""
        if (size := self._ask_size()) != self._size:
            self._size, self._lines = size, []
            first = rewrap(self._lines, self._text, _room(size[0]), 0)
            if self._rows != [""]:
                self._begin_again()
                return
        before, rows = self._rows, self._rows[:first] + list(map(self._styled, self._lines[first:]))
        last = min(len(before), len(rows)) - 1
        while first < last and before[first] == rows[first]:
            first += 1
        if first < self._top:
            self._fill_screen(rows, "\x1b[H\x1b[J")
            return
        if first == len(before) - 1 and rows[first].startswith(before[first]):
            change = [rows[first][len(before[first]) :], *rows[first + 1 :]]
        else:
            up = len(before) - 1 - first
            self._out.write(f"\x1b[{up}A\r\x1b[J" if up else "\r\x1b[J")
            change = rows[first:]
        self._out.write("\n".join(change))
        self._rows, self._top = rows, max(self._top, len(rows) - self._size[1])
        self._out.flush()

    def _begin_again(self) -> None:
        """After a resize terminals differ in where lines and cursor are: begin again on an empty screen."""
        rows = self._size[1]
        # What is on it is not ours alone: it scrolls away rather than being lost.
        self._fill_screen(list(map(self._styled, self._lines)), f"\x1b[{rows}H" + "\n" * rows + "\x1b[H")

    def _fill_screen(self, rows: list[str], clear: str) -> None:
        """Write the last lines to the top of the screen."""
        top = max(0, len(rows) - self._size[1])
        self._out.write(clear + "\n".join(rows[top:]))
        self._rows, self._top = rows, top
        self._out.flush()

    def _styled(self, line: Line) -> str:
        """What to write for a line."""
        shown = cells(line.text)
        if not self._colours:
            return "".join(shown)
        dim = max(0, len(self._prompt) - line.start)
        struck = max(dim, self._struck - line.start)
        parts = ((_DIM, shown[:dim]), ("", shown[dim:struck]), (_STRUCK, shown[struck:]))
        return "".join(f"{style}{''.join(part)}{style and _PLAIN}" for style, part in parts if part)


def _room(columns: int) -> int:
    return max(2, columns - _MARGIN)
