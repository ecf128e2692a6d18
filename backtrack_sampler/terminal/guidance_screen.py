"""The screen on which a person chooses each token, in a terminal, through curses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..errors import InputError, MissingPackageError
from ..guidance import BACK, QUIT, Answer, Menu
from .abilities import has_colours
from .guidance_layout import Span, lay_out
from .guidance_view import View
from .keyboard import Keyboard

__all__ = ["BACK", "QUIT", "CursesScreen", "Span", "check_terminal", "lay_out"]

_HESITATION = 0.1  # seconds without a key, before the model is asked what comes next


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
    """Asks on the whole terminal. It is taken over at the first question and given back by `close`.

    While the person thinks, the model is asked what the options would lead to; a key is answered after
    one forward pass at the most.

    Args:
        looks_ahead: whether to do that.
    """

    def __init__(self, looks_ahead: bool = True) -> None:
        self._looks_ahead = looks_ahead
        self._window: Any = None
        self._curses: Any = None
        self._keyboard: Any = None
        self._styles: dict[str, int] = {}
        self._raw = False  # whether Ctrl-C is a key like others

    def choose(self, menu: Menu) -> Answer:
        """Ask until a person decides.

        At the end of the stream (no options) any index means "keep the text".

        Raises:
            InputError, MissingPackageError: see `check_terminal`.
        """
        self._open()
        self._let_interrupt(True)
        view = View(menu if self._looks_ahead else menu._replace(ahead=None))
        patience = _HESITATION
        while True:
            rows, columns = self._window.getmaxyx()
            self._draw(view.spans(rows, columns))
            index = view.ahead(rows, columns)
            key = self._keyboard.key(None if index is None else patience)
            if key in ("\r", "\n") and view.line is not None and self._keyboard.has_more():
                key = "newline"
            if key is not None:
                patience = _HESITATION
                if (answer := view.press(key, rows, columns)) is not None:
                    return answer
            elif index is not None and view.menu.ahead is not None:
                patience = 0
                view.menu.ahead.grow(index)

    def watch(self, menu: Menu) -> bool:
        """Show the text while the model goes on by itself; False where a key was pressed, be it Ctrl-C."""
        self._open()
        self._let_interrupt(False)
        rows, columns = self._window.getmaxyx()
        self._draw(lay_out(menu, 0, rows, columns, running=True))
        return self._keyboard.key(0) is None

    def close(self) -> None:
        """Give the terminal back. Can be called at any time."""
        window, self._window = self._window, None
        if window is None:
            return
        with suppress(self._curses.error):  # the terminal is gone
            self._let_interrupt(True)
            window.keypad(False)
            self._curses.echo()
            self._curses.nocbreak()
            self._curses.endwin()

    def _open(self) -> None:
        if self._window is not None:
            return
        check_terminal()
        import curses

        self._window = curses.initscr()
        self._curses = curses
        self._raw = False
        curses.noecho()
        curses.cbreak()
        if hasattr(curses, "set_escdelay"):  # not on Windows
            curses.set_escdelay(25)
        self._window.keypad(True)
        self._keyboard = Keyboard(curses, self._window)
        self._styles = _styles(curses)
        try:
            curses.curs_set(0)
        except curses.error:
            pass  # some terminals always show it

    def _let_interrupt(self, wanted: bool) -> None:
        """Whether Ctrl-C interrupts the program."""
        if wanted == (not self._raw):
            return
        self._raw = not wanted
        if wanted:
            self._curses.noraw()
            self._curses.cbreak()
        else:
            self._curses.raw()

    def _draw(self, spans: Sequence[Span]) -> None:
        self._window.erase()
        for span in spans:
            try:
                self._window.addstr(span.row, span.column, span.text, self._styles[span.style])
            except self._curses.error:
                pass  # the terminal shrank in between; the resize key comes next
        self._window.refresh()


def _styles(curses: Any) -> dict[str, int]:
    """What the styles of `Span` look like: in colours where the terminal has them and the person does not mind."""
    styles = {
        "": curses.A_NORMAL, "dim": curses.A_DIM, "bold": curses.A_BOLD, "chosen": curses.A_REVERSE,
        "ahead": curses.A_DIM, "bar": curses.A_NORMAL, "notice": curses.A_BOLD,
    }  # fmt: skip
    if not has_colours(sys.stdout):
        return styles
    try:
        curses.start_color()
        curses.use_default_colors()
        for number, (style, colour) in enumerate(
            (("ahead", curses.COLOR_CYAN), ("bar", curses.COLOR_BLUE), ("notice", curses.COLOR_YELLOW)), 1
        ):
            curses.init_pair(number, colour, -1)
            styles[style] = curses.color_pair(number)
    except curses.error:
        pass  # it has none
    return styles
