"""Text that is typed and erased before your eyes, as tokens are drawn and taken back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from ..events import Drawn, Event, Released, Rollback
from ..matching import Decode, Detokenizer
from .layout import advance, last_cell, printable, width

__all__ = ["LiveText"]

_STRUCK = "\x1b[31;9m"
_PLAIN = "\x1b[0m"


class LiveText:
    """A listener that keeps a terminal in step with a stream. Pass it as `on_event`.

    Held tokens are shown as they are drawn; a rollback strikes them out, waits a moment, and
    erases them. The first character goes to the beginning of a line.

    Args:
        out: the terminal.
        decode: token ids to text.
        context: tokens before the first one: see `Detokenizer`.
        pause: seconds that struck-out text stays.
        columns: asks how wide the terminal is now.
    """

    def __init__(
        self,
        out: TextIO,
        decode: Decode,
        context: Sequence[int] = (),
        pause: float = 0.25,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._out = out
        self._pause = pause
        self._columns = columns
        self._detokenizer = Detokenizer(decode, context)
        # Shown last: what may still be erased, and before it the last cell of what may not.
        self._tail = ""
        self._start = 0  # characters of the whole text before the tail
        self._column = 0  # where the tail begins

    def __call__(self, event: Event) -> None:
        if isinstance(event, Drawn):
            self._write(self._detokenizer.push(event.token))
        elif isinstance(event, Rollback):
            self._detokenizer.truncate(event.position)
            self._erase(self._detokenizer.length - self._start)
        elif isinstance(event, Released):
            self._settle(event.position + len(event.tokens))
        self._out.flush()

    def finish(self, text: str | None = None) -> None:
        """The stream is over: show what no event tells of.

        Args:
            text: all of the stream's text. A stop string leaves the part of its first token that
                stands before it, and only the text has that. None shows the rest of incomplete
                characters.
        """
        shown = self._start + len(self._tail)
        self._write(self._detokenizer.finish() if text is None else text[shown:])
        self._out.flush()

    def _write(self, text: str) -> None:
        text = printable(text, keep="\n")
        self._out.write(text)
        self._tail += text

    def _settle(self, tokens: int) -> None:
        """The first so many tokens never change again: of their text only the last cell is kept."""
        settled = self._detokenizer.characters_before(tokens) - self._start
        done = last_cell(self._tail[: max(0, settled)])
        _, self._column = advance(self._column, self._tail[:done], self._columns())
        self._tail = self._tail[done:]
        self._start += done

    def _erase(self, keep: int) -> None:
        """Strike out, then erase, all of the tail but its first `keep` characters.

        The last cell that stays is written again. So what combined with it goes away too, and the
        cursor gets to the end of a full line, where no movement leads and erasing takes a cell too many.
        """
        kept, gone = self._tail[:keep], self._tail[keep:]
        if not gone:
            return
        cell = last_cell(kept)
        if self._pause:
            self._go_back_to(cell)
            self._out.write(kept[cell:] + _STRUCK + gone + _PLAIN)
            self._out.flush()
            time.sleep(self._pause)
        self._go_back_to(cell)
        self._out.write("\x1b[J" + kept[cell:])
        self._tail = kept

    def _go_back_to(self, index: int) -> None:
        """Move the cursor from the end of the tail to where its character at `index` stands."""
        columns = self._columns()
        # The end of a line is not where the next character stands, so ask for the end of that one.
        character = self._tail[index : index + 1].strip("\n")
        row, end = advance(self._column, self._tail[:index] + character, columns)
        column = end - sum(map(width, character))
        last_row, _ = advance(self._column, self._tail, columns)
        if last_row > row:
            self._out.write(f"\x1b[{last_row - row}A")
        self._out.write("\r")
        if column:
            self._out.write(f"\x1b[{column}C")
