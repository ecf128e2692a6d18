"""Text that is typed and erased before your eyes, as tokens are drawn and taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TextIO

from ..events import Drawn, Event, Rollback
from ..matching import Decode, Detokenizer
from .abilities import size_of
from .typewriter import Typewriter

__all__ = ["LiveText"]


class LiveText:
    """A listener that keeps a terminal in step with a stream. Pass it as `on_event`.

    Held tokens are shown as they are drawn; a rollback strikes them out, waits a moment, and
    erases them. Lines are broken at words. The first character goes to the beginning of a line.

    Args:
        out: the terminal.
        decode: token ids to text.
        context: tokens before the first one: see `Detokenizer`.
        pause: seconds that struck-out text stays.
        columns: asks how wide the terminal is now.
        rows: asks how high it is now.
        prompt: text to show, dimmed, before the first token's.

    Attributes:
        paused: seconds that all pauses have taken.
    """

    def __init__(
        self,
        out: TextIO,
        decode: Decode,
        context: Sequence[int] = (),
        pause: float = 0.25,
        columns: Callable[[], int] | None = None,
        rows: Callable[[], int] | None = None,
        prompt: str = "",
    ) -> None:
        def size() -> tuple[int, int]:
            return columns() if columns else size_of(out)[0], rows() if rows else size_of(out)[1]

        self.paused = 0.0
        self._pause = pause
        self._typewriter = Typewriter(out, prompt, size=size)
        self._detokenizer = Detokenizer(decode, context)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Drawn):
            self._typewriter.type(self._detokenizer.push(event.token))
        elif isinstance(event, Rollback):
            self._detokenizer.truncate(event.position)
            self._erase(self._detokenizer.length)

    def finish(self, text: str | None = None) -> None:
        """The stream is over: show what no event tells of.

        Args:
            text: all of the stream's text. A stop string leaves the part of its first token that
                stands before it, and only the text has that. None shows the rest of incomplete
                characters.
        """
        if text is None:
            self._typewriter.type(self._detokenizer.finish())
        else:
            self._typewriter.replace(text)

    def end_line(self) -> None:
        """After `finish`: the cursor goes to a new line, unless it is at the beginning of one."""
        self._typewriter.end_line()

    def _erase(self, keep: int) -> None:
        """Strike out, then erase, all but the first `keep` characters."""
        if self._pause and len(self._typewriter.text) > keep:
            self._typewriter.strike_out(keep)
            time.sleep(self._pause)
            self.paused += self._pause
        self._typewriter.erase(keep)
