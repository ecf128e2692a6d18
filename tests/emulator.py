"""A terminal in Python: what a program writes to it, as a person would see it."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import termios
import time
from collections.abc import Callable
from typing import Any

import pexpect
import pyte
from wcwidth import wcwidth

#: llama.cpp's threads spin while they wait, which is very slow where something else runs beside them.
FAIR = {"OMP_WAIT_POLICY": "passive"}


class Emulator(pyte.Screen):
    """pyte, made like xterm where it differs at the right margin and with combining characters."""

    def draw(self, data: str) -> None:
        for character in data:
            size = wcwidth(character)
            if size == 0:
                self._combine(character)
                continue
            if size == 2 and self.cursor.x == self.columns - 1:  # no room for both halves
                self.carriage_return()
                self.linefeed()
            super().draw(character)

    def _combine(self, character: str) -> None:
        line, column = self.buffer[self.cursor.y], self.cursor.x - 1
        if column >= 0 and line[column].data == "":  # the second half of a wide character
            column -= 1
        if column >= 0:
            line[column] = line[column]._replace(data=line[column].data + character)

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        # After a full line the cursor of a real terminal still stands on the last cell.
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        super().erase_in_display(how, *args, **kwargs)

    def type(self, text: str) -> None:
        """What the terminal driver makes of text: a new line begins at the left."""
        pyte.Stream(self).feed(text.replace("\n", "\r\n"))

    @property
    def text(self) -> str:
        """Everything on the screen, without the empty cells at the ends."""
        return "\n".join(line.rstrip() for line in self.display).rstrip()

    def style(self, row: int, name: str) -> str:
        """The characters of a row that have a style, such as "reverse" or "bold"."""
        cells = [self.buffer[row][column] for column in range(self.columns)]
        return "".join(cell.data for cell in cells if getattr(cell, name))


class Terminal(io.StringIO):
    """A terminal that a part of a program writes to, as `sys.stdout`."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self.screen = Emulator(columns, rows)

    def write(self, text: str) -> int:
        self.screen.type(text)
        return super().write(text)

    def isatty(self) -> bool:
        return True

    def size(self) -> tuple[int, int]:
        return self.screen.columns, self.screen.lines


class Program:
    """`backtrack-sampler` in a pseudo terminal of its own."""

    def __init__(self, *arguments: str, rows: int = 24, columns: int = 80, term: str = "linux") -> None:
        self.screen = Emulator(columns, rows)
        self.raw = ""
        self._ended = False
        self._stream = pyte.Stream(self.screen)
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "backtrack_sampler", *arguments],
            dimensions=(rows, columns),
            env={**environment, **FAIR, "TERM": term, "LC_ALL": "C.UTF-8"},
            encoding="utf-8",
            codec_errors="replace",
            # A test run in the background ignores Ctrl-C, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._modes = termios.tcgetattr(self._child.child_fd)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(force=True)

    def send(self, keys: str) -> None:
        self._child.send(keys)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._child.sendintr()

    def resize(self, rows: int, columns: int) -> None:
        self.screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def until(self, condition: Callable[[], bool], *, quiet: bool = True, seconds: float = 60) -> None:
        """Wait until a condition holds (and, if `quiet`, nothing more comes); else fail with what is there."""
        deadline = time.monotonic() + seconds
        while (self._read() and quiet) or not condition():
            assert time.monotonic() < deadline, f"waited in vain; the screen is\n{self.screen.text}"
            assert not self._ended, f"the program ended; the screen is\n{self.screen.text}"

    def wait(self) -> int | None:
        """Wait for the end; returns the exit code."""
        deadline = time.monotonic() + 120
        while not self._ended:
            self._read()
            assert time.monotonic() < deadline, f"it did not end; the screen is\n{self.screen.text}"
        self._child.wait()
        code: int | None = self._child.exitstatus
        return code

    def is_restored(self) -> bool:
        """Whether the terminal's modes (echo, line by line) are what they were at the start."""
        return termios.tcgetattr(self._child.child_fd) == self._modes

    def _read(self) -> bool:
        """Whether anything came in a tenth of a second."""
        try:
            text = self._child.read_nonblocking(65536, 0.1)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            self._ended = True
            return False
        self.raw += text
        self._stream.feed(text)
        return True


_OPTION = re.compile(r"^ *(\d+) (.+?) +<?([\d.]+)%")


def options_on(screen: Emulator) -> list[tuple[str, float]]:
    """The options of the guidance screen: (text, percent)."""
    found = filter(None, map(_OPTION.match, screen.display))
    return [(match[2].replace("·", " "), float(match[3])) for match in found]
