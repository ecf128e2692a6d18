"""The screen on which a person chooses each token. What to show is a pure function; curses draws it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import InputError, MissingPackageError
from .layout import clip, printable, width, wrap

__all__ = ["BACK", "QUIT", "CursesScreen", "Menu", "Span", "lay_out"]

#: What `choose` returns besides an index.
BACK = -1
QUIT = -2

_KEYS = "\u2191\u2193 or 1-9 choose   Enter take   \u2190 back   q end"
_KEYS_AT_END = "Enter keep the text   \u2190 back   q end"


class Menu(NamedTuple):
    """What a person is asked.

    Attributes:
        prompt: text before the continuation.
        text: the continuation so far.
        options: (text, probability) of each token to choose from; none at the end of the stream.
    """

    prompt: str
    text: str
    options: Sequence[tuple[str, float]]


class Span(NamedTuple):
    """A piece of one line of the screen. `style` is "", "dim", "bold" or "chosen"."""

    row: int
    column: int
    text: str
    style: str


def lay_out(menu: Menu, chosen: int, rows: int, columns: int) -> list[Span]:
    """What to write where, for any size of terminal, down to a single cell.

    The text takes what the options leave, its end always in view. Where not even the options fit,
    those around the chosen one are shown.
    """
    spans: list[Span] = []
    usable = columns - 1  # writing the last cell of a screen scrolls it
    if rows < 1 or usable < 1:
        return spans
    footer = rows >= 4
    room = rows - footer
    count = min(len(menu.options), max(1, room - 1)) if menu.options else 0
    first = min(max(0, chosen - count // 2), len(menu.options) - count)
    text_rows = room - count - (1 if room - count >= 3 else 0)
    if text_rows > 0:
        prompt = printable(menu.prompt, keep="\n")
        text = printable(menu.text, keep="\n")
        lines = wrap(prompt + text, usable)
        spans += _text_spans(lines, len(prompt), text_rows, usable)
    top = room - count
    for row, index in enumerate(range(first, first + count)):
        style = "chosen" if index == chosen else ""
        spans.append(Span(top + row, 0, _option(menu, index, usable), style))
    if footer:
        keys = _KEYS if menu.options else _KEYS_AT_END
        spans.append(Span(rows - 1, 0, clip(keys, usable), "dim"))
    return spans


def _text_spans(lines: list[str], prompt: int, rows: int, columns: int) -> list[Span]:
    """The last lines; the prompt dim, the continuation bold."""
    spans = []
    position = 0
    skip = max(0, len(lines) - rows)
    for index, line in enumerate(lines):
        # Wrapping drops spaces at the ends of lines, so this is where the prompt ends give or take those.
        dim = line[: max(0, prompt - position)]
        position += len(line) + 1
        if index < skip:
            continue
        line = clip(line, columns)
        spans.append(Span(index - skip, 0, line[: len(dim)], "dim"))
        start = sum(map(width, line[: len(dim)]))
        spans.append(Span(index - skip, start, line[len(dim) :], "bold"))
    return [span for span in spans if span.text]


def _option(menu: Menu, index: int, columns: int) -> str:
    text, probability = menu.options[index]
    label = f"{index + 1} {probability:6.1%} "
    shown = "\u00b7" + printable(text[1:]) if text.startswith(" ") else printable(text)
    line = clip(label + (shown or "(end)"), columns)
    bar = round(probability * 20)
    free = columns - sum(map(width, line)) - 2
    if free >= 20 and columns >= 50:
        at = max(36, sum(map(width, line)) + 2)
        line += " " * (at - sum(map(width, line))) + "\u2588" * min(bar, columns - at)
    return line


class CursesScreen:
    """Asks on the whole terminal. It is taken over at the first question and given back by `close`."""

    def __init__(self) -> None:
        self._window: Any = None
        self._curses: Any = None

    def choose(self, menu: Menu) -> int:
        """Ask until a person decides: the index of an option, BACK or QUIT.

        At the end of the stream (no options) any index means "keep the text".

        Raises:
            InputError: there is no terminal.
            MissingPackageError: Python has no curses (Windows).
        """
        self._open()
        chosen = 0
        while True:
            self._draw(menu, chosen)
            key = self._key()
            if key in ("q", "Q", "\x1b"):
                return QUIT
            if key in ("left", "b", "\x7f", "\x08"):
                return BACK
            if key in ("\n", "\r", " ", "right"):
                return chosen
            if key in ("up", "k"):
                chosen = max(0, chosen - 1)
            elif key in ("down", "j"):
                chosen = min(max(0, len(menu.options) - 1), chosen + 1)
            elif key.isdigit() and 0 < int(key) <= len(menu.options):
                return int(key) - 1

    def close(self) -> None:
        """Give the terminal back. Can be called at any time."""
        if self._window is not None:
            self._window.keypad(False)
            self._curses.echo()
            self._curses.nocbreak()
            self._curses.endwin()
            self._window = None

    def _open(self) -> None:
        if self._window is not None:
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise InputError("human guidance needs a terminal: run it in one, without a pipe")
        try:
            import curses
        except ImportError as error:
            raise MissingPackageError(
                "this Python has no curses: pip install 'backtrack_sampler[tui]'"
            ) from error
        try:
            self._window = curses.initscr()
        except curses.error as error:
            raise InputError(f"this terminal cannot show the screen ({error}): set TERM") from error
        self._curses = curses
        curses.noecho()
        curses.cbreak()
        if hasattr(curses, "set_escdelay"):  # not on Windows
            curses.set_escdelay(25)
        self._window.keypad(True)
        try:
            curses.curs_set(0)
        except curses.error:
            pass  # some terminals always show it

    def _draw(self, menu: Menu, chosen: int) -> None:
        curses = self._curses
        styles = {
            "": curses.A_NORMAL, "dim": curses.A_DIM, "bold": curses.A_BOLD, "chosen": curses.A_REVERSE,
        }  # fmt: skip
        self._window.erase()
        rows, columns = self._window.getmaxyx()
        for span in lay_out(menu, chosen, rows, columns):
            try:
                self._window.addstr(span.row, span.column, span.text, styles[span.style])
            except curses.error:
                pass  # the terminal shrank in between; the resize key comes next
        self._window.refresh()

    def _key(self) -> str:
        """One key: a character, or "up", "down", "left", "right"; "" for what means nothing."""
        curses = self._curses
        try:
            key = self._window.get_wch()
        except curses.error:  # interrupted by a resize
            return ""
        names = {
            curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left",
            curses.KEY_RIGHT: "right", curses.KEY_BACKSPACE: "left", curses.KEY_ENTER: "\n",
        }  # fmt: skip
        if isinstance(key, str):
            return key
        if key == curses.KEY_RESIZE:
            curses.update_lines_cols()
        return names.get(key, "")
