"""Text that is typed and erased before your eyes, as tokens are drawn and taken back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from ..events import Drawn, Event, Released, Rollback
from ..matching import Decode, Detokenizer
from .layout import advance, printable

__all__ = ["LiveText"]

_STRUCK = "\x1b[31;9m"
_PLAIN = "\x1b[0m"


class LiveText:
    """A listener that keeps a terminal in step with a stream. Pass it as `on_event`.

    Held tokens are shown as they are drawn; a rollback strikes them out, waits a moment, and
    erases them.

    Args:
        out: the terminal.
        decode: token ids to text.
        pause: seconds that struck-out text stays.
        columns: asks how wide the terminal is now.
    """

    def __init__(
        self,
        out: TextIO,
        decode: Decode,
        pause: float = 0.25,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._out = out
        self._pause = pause
        self._columns = columns
        self._detokenizer = Detokenizer(decode)
        self._tail = ""  # shown, and may still be erased
        self._safe = 0  # characters of the whole text before the tail
        self._column = 0  # where the tail begins

    def __call__(self, event: Event) -> None:
        if isinstance(event, Drawn):
            new = printable(self._detokenizer.push(event.token), keep="\n")
            self._out.write(new)
            self._tail += new
        elif isinstance(event, Rollback):
            self._detokenizer.truncate(event.position)
            self._erase(self._detokenizer.length - self._safe)
        elif isinstance(event, Released):
            self._settle(event.position + len(event.tokens))
        self._out.flush()

    def finish(self) -> None:
        """The stream is over: show what is left of incomplete characters."""
        self._out.write(printable(self._detokenizer.finish(), keep="\n"))
        self._out.flush()

    def _settle(self, tokens: int) -> None:
        """The first so many tokens never change again: the tail begins after them."""
        settled = self._detokenizer.characters_before(tokens) - self._safe
        if settled > 0:
            _, self._column = advance(self._column, self._tail[:settled], self._columns())
            self._tail = self._tail[settled:]
            self._safe += settled

    def _erase(self, keep: int) -> None:
        """Strike out, then erase, all of the tail but its first `keep` characters."""
        kept, gone = self._tail[:keep], self._tail[keep:]
        if not gone:
            return
        if self._pause:
            self._go_back_to(kept, self._tail)
            self._out.write(_STRUCK + gone + _PLAIN)
            self._out.flush()
            time.sleep(self._pause)
        self._go_back_to(kept, self._tail)
        self._out.write("\x1b[J")
        self._tail = kept

    def _go_back_to(self, kept: str, shown: str) -> None:
        """Move the cursor from the end of `shown` to the end of `kept`, its beginning."""
        columns = self._columns()
        row, column = advance(self._column, kept, columns)
        last_row, _ = advance(self._column, shown, columns)
        if last_row > row:
            self._out.write(f"\x1b[{last_row - row}A")
        self._out.write("\r")
        if column < columns:
            if column:
                self._out.write(f"\x1b[{column}C")
            return
        # Past the last column: no movement leads there, but writing the last character again does.
        _, before = advance(self._column, kept[:-1], columns)
        if kept and before < columns:
            if before:
                self._out.write(f"\x1b[{before}C")
            self._out.write(kept[-1])
        else:  # the full line was settled before: the next character goes to a new one
            self._out.write("\n")
