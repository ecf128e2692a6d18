"""What a chat shows: prompts, notes and answers in a terminal, or answers and nothing else in a pipe."""

from __future__ import annotations

import shutil
import sys

from ..chat import Turn
from ..errors import BacktrackError, InputError
from ..events import Event, Rollback
from ..matching import Decode
from ..terminal.abilities import can_erase, has_colours
from ..terminal.layout import printable, wrap
from ..terminal.live_text import LiveText
from ..terminal.taken_back import as_line
from ..terminal.typewriter import Typewriter
from .keyboard import Keyboard
from .wording import in_commands

__all__ = ["ChatScreen", "ShownAnswer"]

_PROMPT = "> "
_GOES_ON = "... "


class ChatScreen:
    """A terminal with prompts and notes; or a pipe, where stdout has the answers and nothing else."""

    def __init__(self) -> None:
        if sys.stdin is None or sys.stdout is None:
            raise InputError("a chat needs an input and an output")
        shown = sys.stdout.isatty()
        self.is_terminal = shown and sys.stdin.isatty()
        capable = can_erase(sys.stdout)
        self.has_colours = has_colours(sys.stdout)
        self.keeps_controls = not shown
        self.keyboard = Keyboard(self.write, editing=self.is_terminal and capable, colours=self.has_colours)
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="surrogateescape")  # what is no text is refused line by line

    def read(self) -> str | None:
        """What a person says, a line or several; in a pipe a line. None where the input ends, or to leave."""
        if not self.is_terminal:
            return sys.stdin.readline() or None
        interrupted = False
        while True:
            self.write("\n")
            lines: list[str] = []
            try:
                prompt: str | None = _PROMPT
                while prompt is not None:
                    line = self.keyboard.line(prompt)
                    if line is None:
                        self.write("\n")  # an error where that was no Ctrl-D, but the terminal is gone
                        return "\n".join(lines) or None
                    lines.append(line)
                    prompt = self._going_on(lines)
                return "\n".join(lines)
            except KeyboardInterrupt:
                self.write("\n")
                if lines or self.keyboard.has_begun:
                    continue  # that only clears what was typed
                if interrupted:
                    return None
                interrupted = True
                self.hint("(Ctrl-C again, Ctrl-D or /exit leaves)")

    def _going_on(self, lines: list[str]) -> str | None:
        """The prompt for more that belongs to these lines; None where they are all. A backslash that says so goes."""
        if lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            return _GOES_ON
        first = lines[0].lstrip()
        if (first.startswith("/") and not first.startswith("//")) or not self.keyboard.is_more_waiting():
            return None
        return _GOES_ON if self.keyboard.edits else ""  # the terminal has shown it already

    def write(self, text: str) -> None:
        sys.stdout.write(text if self.keeps_controls else printable(text, keep="\n\t"))
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """What was asked for, and is no answer."""
        if self.is_terminal:
            self._styled("2", text)
        else:
            print(text, file=sys.stderr)

    def hint(self, text: str) -> None:
        """What a person may like to know."""
        if self.is_terminal:
            self._styled("2", text)

    def error(self, error: BacktrackError) -> None:
        text = in_commands(" ".join(str(error).split()))
        if self.is_terminal:
            self._styled("31", text)
        else:
            print("backtrack-sampler:", text, file=sys.stderr)

    def alarm(self, text: str) -> None:
        """The last thing that is said, wherever the cursor is."""
        print("\n" if self.is_terminal else "", text, sep="", file=sys.stderr)

    def _styled(self, style: str, text: str) -> None:
        columns = shutil.get_terminal_size().columns
        text = "\n".join(line.text for line in wrap(printable(text, keep="\n"), columns))
        sys.stdout.write(f"\x1b[{style}m{text}\x1b[0m\n" if self.has_colours else f"{text}\n")
        sys.stdout.flush()


class ShownAnswer:
    """One answer on the screen, as it is written; a listener to its events."""

    def __init__(self, screen: ChatScreen, verbose: bool) -> None:
        self._screen = screen
        self._verbose = verbose
        self._live: LiveText | None = None
        self._typewriter = Typewriter(sys.stdout) if not verbose and can_erase(sys.stdout) else None
        self._turn: Turn | None = None
        self._written = 0  # characters of the answer
        self._in_line = False

    def begin(self, turn: Turn, decode: Decode) -> None:
        self._turn = turn
        if self._verbose and self._screen.has_colours:
            self._live = LiveText(sys.stdout, decode, turn.prompt)

    def __call__(self, event: Event) -> None:
        if self._live is not None:
            self._live(event)
        elif self._verbose and isinstance(event, Rollback):
            if self._in_line and sys.stdout.isatty():
                self._write("\n")
            print(as_line(event), file=sys.stderr)

    def piece(self, text: str) -> None:
        self._written += len(text)
        if self._live is None:
            self._write(text)

    def end(self) -> None:
        """Show the whole answer, and nothing that was pending and will not come."""
        if self._turn is None:
            return
        answer = self._turn.answer
        if self._live is not None:
            self._live(Rollback(len(self._turn.tokens), (), "", "", ""))
            self._live.finish(answer)
            self._in_line = answer[-1:] not in ("", "\n")
        else:
            self._write(answer[self._written :])
        if self._in_line:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            (self._screen.write if self._typewriter is None else self._typewriter.type)(text)
            self._in_line = not text.endswith("\n")
