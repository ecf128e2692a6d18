"""What `generate` shows: the text in a terminal; or in a pipe, where stdout has the text and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from ..events import Event, Rollback
from ..matching import Decode
from ..stats import Stats
from ..terminal.abilities import can_erase, has_colours, size_of
from ..terminal.layout import last_lines, printable
from ..terminal.live_text import LiveText
from ..terminal.taken_back import as_line, summary
from ..terminal.typewriter import MOST_PROMPT, Typewriter

__all__ = ["ShownText"]


class ShownText:
    """One text as it is written; a listener to its events, if rollbacks are to be seen.

    Args:
        prompt: what a terminal shows before the text.
        decode: token ids to text.
        tokens: what the text goes on from.
        rollbacks: whether to show what is taken back.
    """

    def __init__(self, prompt: str, decode: Decode, tokens: Sequence[int], rollbacks: bool) -> None:
        self._prompt = prompt
        self._decode = decode
        self._tokens = tokens
        self._rollbacks: list[Rollback] | None = [] if rollbacks else None
        self._live: LiveText | None = None
        self._writer: Typewriter | _Plain | None = None

    def begin(self) -> None:
        """Show the prompt. Without this it comes with the first piece of the text."""
        out = sys.stdout
        if self._rollbacks is not None and has_colours(out):
            self._live = LiveText(out, self._decode, self._tokens, prompt=self._prompt)
        elif can_erase(out):
            self._writer = Typewriter(out, self._prompt, has_colours(out))
        else:
            self._writer = _Plain(out, self._prompt)

    def __call__(self, event: Event) -> None:
        if self._live is not None:
            self._live(event)
        if isinstance(event, Rollback) and self._rollbacks is not None:
            self._rollbacks.append(event)
            if self._live is None:
                if self._writer is not None and sys.stdout.isatty() and sys.stderr.isatty():
                    self._writer.end_line()
                print(as_line(event), file=sys.stderr)

    def piece(self, text: str) -> None:
        """Some more of the text, which will never change."""
        if self._live is None and self._writer is None:
            self.begin()
        if self._writer is not None:
            self._writer.type(text)

    def end(self, text: str) -> None:
        """This was all of it; nothing that was pending will come."""
        if self._live is None and self._writer is None:
            self.begin()
        if self._live is not None:
            self._live.finish(text)
            self._live.end_line()
        elif self._writer is not None:
            self._writer.end_line()

    def sum_up(self, stats: Stats) -> None:
        """Say below the text what was taken back, where that could be seen."""
        if self._live is not None and self._rollbacks is not None and stats.drawn:
            columns, _ = size_of(sys.stdout)
            print("", summary(self._rollbacks, stats, columns, self.paused), sep="\n", flush=True)

    @property
    def paused(self) -> float:
        """Seconds in which nothing was done, so that struck-out text could be seen."""
        return self._live.paused if self._live is not None else 0.0


class _Plain:
    """A pipe, which gets the text and nothing else; or a terminal whose cursor cannot go back."""

    def __init__(self, out: TextIO, prompt: str) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._in_line = not self._is_terminal  # in a pipe every text ends with a newline, also an empty one
        if self._is_terminal:
            self.type(last_lines(prompt, size_of(out)[0], MOST_PROMPT))

    def type(self, text: str) -> None:
        if text:
            self._out.write(printable(text, keep="\n\t") if self._is_terminal else text)
            self._in_line = not (self._is_terminal and text.endswith("\n"))
            self._out.flush()

    def end_line(self) -> None:
        if self._in_line:
            self.type("\n")
