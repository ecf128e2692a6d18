"""What a person types or pastes in a terminal, a line at a time. Standard library only."""

from __future__ import annotations

import importlib
import select
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

__all__ = ["Keyboard"]

_PASTE = 0.05  # seconds in which the next piece of a pasted text comes


class Keyboard:
    """Lines from the terminal, with line editing where that is possible.

    A terminal that marks what is pasted (bracketed paste) hands it over as one line with newlines in
    it; from others its lines come one by one, and `is_more_waiting` says that they belong together.

    Args:
        prompts: writes a prompt where there is no line editing, which writes it itself.
        editing: whether the terminal can move its cursor.
        colours: whether it may show colours and the like.
    """

    def __init__(self, prompts: Callable[[str], None], *, editing: bool, colours: bool) -> None:
        self._prompts = prompts
        self._readline: Any = None
        if editing:
            with suppress(ImportError):
                self._readline = importlib.import_module("readline")
        if self._readline is None or "libedit" in (self._readline.__doc__ or ""):
            return  # which knows no bracketed paste, and other names for keys
        self._readline.parse_and_bind("set enable-bracketed-paste on")  # which Python turns off
        if not colours:
            self._readline.parse_and_bind("set enable-active-region off")

    def completes(self, complete: Callable[[str], Sequence[str]]) -> None:
        """Let Tab offer lines to go on with; where there are none, it is a character as others are."""
        if self._readline is None:
            return
        found: list[str] = []

        def nth(begun: str, number: int) -> str | None:
            if number == 0:
                found[:] = complete(begun) if begun.startswith("/") else [begun + "\t"]
            return found[number] if number < len(found) else None

        self._readline.set_completer_delims("\n")
        self._readline.set_completer(nth)
        libedit = "libedit" in (self._readline.__doc__ or "")
        self._readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")

    def line(self, prompt: str) -> str | None:
        """The next line, without its end; None where the input ends."""
        if self._readline is not None:
            try:
                return input(prompt)  # which makes use of it
            except EOFError:
                return None
        self._prompts(prompt)
        line = sys.stdin.readline()
        return line.removesuffix("\n") if line else None

    @property
    def edits(self) -> bool:
        """Whether lines can be edited, and earlier ones brought back."""
        return self._readline is not None

    @property
    def has_begun(self) -> bool:
        """Whether the line that was interrupted has anything in it."""
        return self._readline is not None and bool(self._readline.get_line_buffer())

    def is_more_waiting(self) -> bool:
        """Whether there is input already: more of what was pasted, be it only the beginning of a line."""
        try:
            import termios
        except ImportError:  # Windows
            return False
        with suppress(OSError, termios.error):
            if _is_ready(_PASTE):  # first, because what follows makes one of all lines that are there
                return True
            modes = termios.tcgetattr(sys.stdin)
            termios.tcsetattr(sys.stdin, termios.TCSANOW, [*modes[:3], modes[3] & ~termios.ICANON, *modes[4:]])
            try:
                return _is_ready(0)
            finally:
                termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
        return False


def _is_ready(seconds: float) -> bool:
    return bool(select.select([sys.stdin], [], [], seconds)[0])
