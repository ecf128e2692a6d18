"""What a person sees of one menu, and what their keys do to it: everything but the terminal."""

from __future__ import annotations

from ..guidance import BACK, QUIT, Answer, Insert, Menu, RunOn
from .guidance_layout import Frame, Span, frame, lay_out

__all__ = ["View"]

_FAR = 30  # tokens that the marked option may lead to
_NEAR = 12  # and those with a digit, where they are seen side by side
_DIGITS = "123456789"
_MOST_WRITTEN = 1000  # characters


class View:
    """One menu on a screen of some size.

    Args:
        menu: what is asked.

    Attributes:
        marked: index of the marked option.
        offered: how many can be chosen; scrolling past the last brings more.
        line: what a person is writing; None where they choose.
    """

    def __init__(self, menu: Menu) -> None:
        self.menu = menu
        self.marked = 0
        self.offered = len(menu.options)
        self.line: str | None = None

    def spans(self, rows: int, columns: int) -> list[Span]:
        """What to show; see `guidance_layout.lay_out`."""
        return lay_out(self.menu, self.marked, rows, columns, self.offered, self.line)

    def press(self, key: str, rows: int, columns: int) -> Answer | None:
        """Do what a key says; an answer where that is one.

        Args:
            key: a character, or the name of a key: see `Keyboard`; or "newline", which ends no line.
            rows, columns: of the screen that is seen.
        """
        if self.line is not None:
            return self._write(key)
        shown = self._frame(rows, columns).options
        if key in ("q", "Q"):  # not Esc: it leaves the line of words, and one too many would end the tale
            return QUIT
        if key in ("left", "b", "\x7f", "\x08"):
            return BACK
        if key in ("\n", "\r", " ", "right"):
            return self.marked
        if not self.menu.options:
            return None
        if key in ("s", "S"):
            return RunOn(self.marked)
        if key in ("/", "i"):
            self.line = self._usual_space()
        elif len(key) == 1 and key in _DIGITS and (index := _DIGITS.index(key)) in shown:
            return index
        else:
            self._move(key, max(1, len(shown) - 1))
        return None

    def ahead(self, rows: int, columns: int) -> int | None:
        """The option after which the model should be asked what comes next; None: nothing is wanted.

        First the marked one; then those that have a digit, where they are seen.
        """
        ahead = self.menu.ahead
        if ahead is None or self.line is not None or not self.menu.options:
            return None
        f = self._frame(rows, columns)
        wanted = [(self.marked, _FAR)] if f.ahead or f.beside else []
        wanted += [(index, _NEAR) for index in f.options if f.beside and index < len(_DIGITS)]
        return next((index for index, most in wanted if ahead.wants(index, most)), None)

    def _frame(self, rows: int, columns: int) -> Frame:
        return frame(self.menu, self.marked, rows, columns, self.offered)

    def _move(self, key: str, page: int) -> None:
        total = len(self.menu.options) + len(self.menu.rest)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page, "home": -total}
        if key not in steps and key != "end":
            return
        wanted = self.offered - 1 if key == "end" else self.marked + steps[key]
        if wanted >= self.offered:
            self.offered = min(total, max(wanted, self.offered + page) + 1)
        self.marked = max(0, min(wanted, self.offered - 1))

    # -- writing ---------------------------------------------------------------------------

    def _usual_space(self) -> str:
        """What a word begins with after this text; it is seen, and can be taken away."""
        text = self.menu.prompt + self.menu.text
        return " " if text and not text[-1].isspace() else ""

    def _write(self, key: str) -> Answer | None:
        line = self.line or ""
        if key in ("\n", "\r"):
            self.line = None
            return Insert(line) if line.strip() else None
        if key == "\x1b":
            self.line = None
        elif key in ("left", "\x7f", "\x08"):
            self.line = line[:-1]
        elif key == "newline":  # in the middle of what is pasted
            self.line = f"{line}\n"
        elif key == "\x15":  # Ctrl-U
            self.line = ""
        elif line == key == self._usual_space():
            pass  # it is there already; hands type it from habit
        elif len(key) == 1 and key.isprintable() and len(line) < _MOST_WRITTEN:
            self.line = line + key
        return None
