"""The screen on which a person chooses each token. What to show is a pure function; curses draws it."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from ..errors import InputError, MissingPackageError
from ..guidance import BACK, QUIT, Menu
from .layout import clip, printable, width, wrap

__all__ = ["CursesScreen", "Span", "check_terminal", "lay_out"]

_MOST_SILENT = 100

_USUAL_WIDTH = 12  # of an option: so that the probabilities seldom move
_DIGITS = list("123456789")
#: Arrow keys of terminals that do not switch to the form that curses asks for.
_SEQUENCES = {"[A": "up", "[B": "down", "[C": "right", "[D": "left"}
_SEQUENCES |= {"OA": "up", "OB": "down", "OC": "right", "OD": "left"}


class Span(NamedTuple):
    """A piece of one line of the screen. `style` is "", "dim", "bold" or "chosen"."""

    row: int
    column: int
    text: str
    style: str


def lay_out(menu: Menu, chosen: int, rows: int, columns: int) -> list[Span]:
    """What to write where, for any size of terminal, down to a single cell.

    The text stands at the top, its end always in view and followed by the chosen option; the
    options below it; the keys in the last row. What does not fit goes in this order: the keys, the
    beginning of the text, the options far from the chosen one, the text.
    """
    usable = columns - 1  # writing the last cell of a screen scrolls it
    if rows < 1 or usable < 1:
        return []
    footer = rows >= 4
    room = rows - footer
    count = min(len(menu.options), max(1, room - 1))
    first = min(max(0, chosen - count // 2), len(menu.options) - count)
    gap = 1 if room - count >= 3 else 0
    text = _text_spans(menu, chosen, room - count - gap, usable)
    top = 1 + text[-1].row + gap if text else 0
    options = _option_spans(menu, range(first, first + count), chosen, top, usable)
    keys = [Span(rows - 1, 0, clip(_keys(menu), usable), "dim")] if footer else []
    return [span for span in text + options + keys if span.text]


def _keys(menu: Menu) -> str:
    if not menu.options:
        return "the text ends here:   Enter keep it   \u2190 back   q end"
    count = min(9, len(menu.options))
    return f"\u2191\u2193 or 1-{count} choose   Enter take   \u2190 back   q end"


def _text_spans(menu: Menu, chosen: int, rows: int, columns: int) -> list[Span]:
    """The last lines of the prompt (dim) and the continuation (bold), and the chosen option where it fits."""
    prompt = printable(menu.prompt, keep="\n")
    lines = wrap(prompt + printable(menu.text, keep="\n"), columns)
    lines = lines[max(0, len(lines) - rows) :]
    spans = []
    column = 0
    for row, (start, text) in enumerate(lines):
        dim = text[: max(0, len(prompt) - start)]
        column = sum(map(width, dim))
        bold = clip(text[len(dim) :], columns - column)
        spans += [Span(row, 0, clip(dim, columns), "dim"), Span(row, column, bold, "bold")]
        column += sum(map(width, bold))
    option = printable(menu.options[chosen][0]) if menu.options else ""
    if lines and column + sum(map(width, option)) <= columns:  # wrapping it would move the text about
        spans.append(Span(len(lines) - 1, column, option, "chosen"))
    return spans


def _option_spans(menu: Menu, shown: range, chosen: int, top: int, columns: int) -> list[Span]:
    """One row for each option: number, text, probability, and a bar where there is room."""
    texts = {index: _option_text(menu.options[index][0]) for index in shown}
    widths = {index: sum(map(width, text)) for index, text in texts.items()}
    digits = len(str(len(menu.options)))
    least = digits + 2 + 8  # number and probability, with the spaces between
    pad = max(0, min(max(_USUAL_WIDTH, *widths.values()), columns - least)) if widths else 0
    spans = []
    for row, index in enumerate(shown, top):
        probability = menu.options[index][1]
        line = f"{index + 1:>{digits}} {texts[index]}{' ' * (pad - widths[index])}  {probability:6.1%}"
        spans.append(Span(row, 0, clip(line, columns), "chosen" if index == chosen else ""))
        bar_at = least + pad + 1
        length = min(round(probability * 20), columns - bar_at)
        if widths[index] <= pad and columns - bar_at >= 20:
            spans.append(Span(row, bar_at, "\u2588" * length, ""))
    return spans


def _option_text(text: str) -> str:
    """With the spaces at its ends made visible."""
    start = len(text) - len(text.lstrip(" "))
    end = max(start, len(text.rstrip(" ")))
    shown = "\u00b7" * start + printable(text[start:end]) + "\u00b7" * (len(text) - end)
    return shown or "(end)"


def check_terminal() -> None:
    """Raise where no screen can be shown.

    Raises:
        InputError: there is no terminal, or none that can move its cursor.
        MissingPackageError: Python has no curses (Windows).
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("human guidance needs a terminal: run it in one, without a pipe")
    try:
        import curses
    except ImportError as error:
        raise MissingPackageError("this Python has no curses: pip install 'backtrack_sampler[tui]'") from error
    if hasattr(curses, "setupterm"):  # not on Windows
        try:
            curses.setupterm()
        except curses.error as error:
            raise InputError("this terminal is unknown here: set TERM, for example to xterm") from error
        if not curses.tigetstr("cup"):
            raise InputError("this terminal cannot move its cursor: set TERM, for example to xterm")


class CursesScreen:
    """Asks on the whole terminal. It is taken over at the first question and given back by `close`."""

    def __init__(self) -> None:
        self._window: Any = None
        self._silent = 0  # times in a row that no key came
        self._curses: Any = None

    def choose(self, menu: Menu) -> int:
        """Ask until a person decides: the index of an option, BACK or QUIT.

        At the end of the stream (no options) any index means "keep the text".

        Raises:
            InputError, MissingPackageError: see `check_terminal`.
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
            elif key in _DIGITS[: len(menu.options)]:
                return _DIGITS.index(key)

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
        check_terminal()
        import curses

        self._window = curses.initscr()
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
        except curses.error as error:  # interrupted by a resize, or nobody is there any more
            self._silent += 1
            if self._silent > _MOST_SILENT:
                raise InputError("the terminal is gone: start again in a new one") from error
            return ""
        self._silent = 0
        names = {
            curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left",
            curses.KEY_RIGHT: "right", curses.KEY_BACKSPACE: "left", curses.KEY_ENTER: "\n",
        }  # fmt: skip
        if key == "\x1b":
            return self._escape()
        if isinstance(key, str):
            return key
        if key == curses.KEY_RESIZE:
            curses.update_lines_cols()
            self._window.clearok(True)  # terminals differ in what they keep on the screen: draw all of it
        return names.get(key, "")

    def _escape(self) -> str:
        """The Esc key, or the first character of a key that curses does not know, which ends nothing."""
        sequence = ""
        self._window.nodelay(True)
        try:
            while True:
                sequence += str(self._window.get_wch())
        except self._curses.error:
            pass  # that was all
        finally:
            self._window.nodelay(False)
        return _SEQUENCES.get(sequence, "" if sequence else "\x1b")
