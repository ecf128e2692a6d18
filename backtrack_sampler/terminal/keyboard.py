"""One key after the other from a curses window, by name."""

from __future__ import annotations

from typing import Any

from ..errors import InputError

__all__ = ["Keyboard"]

_MOST_SILENT = 100
_SLOW = 50  # milliseconds that a key may take on its way through a network
#: Keys of terminals that do not switch to the form that curses asks for.
_SEQUENCES = {
    "[A": "up", "[B": "down", "[C": "right", "[D": "left", "OA": "up", "OB": "down", "OC": "right", "OD": "left",
    "[5~": "page up", "[6~": "page down", "[H": "home", "[F": "end", "OH": "home", "OF": "end",
    "[1~": "home", "[4~": "end",
}  # fmt: skip


class Keyboard:
    """Reads keys: a character, or "up", "down", "left", "right", "page up", "page down", "home", "end".

    Args:
        curses: the module.
        window: the screen.
    """

    def __init__(self, curses: Any, window: Any) -> None:
        self._curses = curses
        self._window = window
        self._silent = 0  # times in a row that no key came, though it was waited for
        self._names = {
            curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left", curses.KEY_RIGHT: "right",
            curses.KEY_BACKSPACE: "\x7f", curses.KEY_ENTER: "\n", curses.KEY_PPAGE: "page up",
            curses.KEY_NPAGE: "page down", curses.KEY_HOME: "home", curses.KEY_END: "end",
        }  # fmt: skip

    def key(self, seconds: float | None = None) -> str | None:
        """The next key, "" for one that has no name, None where none came, or the window has another size.

        Args:
            seconds: how long to wait for it; None: as long as it takes.

        Raises:
            InputError: nobody is there any more.
        """
        curses = self._curses
        self._window.timeout(-1 if seconds is None else round(seconds * 1000))
        try:
            key = self._window.get_wch()
        except curses.error as error:  # in time, interrupted by a resize, or the terminal is gone
            self._silent += seconds is None
            if self._silent > _MOST_SILENT:
                raise InputError("the terminal is gone: start again in a new one") from error
            return None
        self._silent = 0
        if key == "\x1b":
            return self._escape()
        if isinstance(key, str):
            return key
        if key == curses.KEY_RESIZE:
            curses.update_lines_cols()
            self._window.clearok(True)  # terminals differ in what they keep on the screen: draw all of it
            return None
        return self._names.get(key, "")

    def has_more(self) -> bool:
        """Whether another key is there already, faster than a person types: what comes is pasted."""
        self._window.timeout(0)
        try:
            key = self._window.get_wch()
        except self._curses.error:
            return False
        (self._curses.unget_wch if isinstance(key, str) else self._curses.ungetch)(key)
        return True

    def _escape(self) -> str:
        """The Esc key, or a key that curses does not know, which begins with the same character."""
        sequence = self._following(_SLOW)
        if sequence in ("[", "O"):
            while following := self._following(0):
                sequence += following
                if "@" <= following <= "~":
                    break
        return _SEQUENCES.get(sequence, "" if sequence else "\x1b")

    def _following(self, milliseconds: int) -> str:
        """The next character of a key; "" where there is none."""
        self._window.timeout(milliseconds)
        try:
            key = self._window.get_wch()
        except self._curses.error:
            return ""
        if isinstance(key, str):
            return key
        self._curses.ungetch(key)  # another key
        return ""
