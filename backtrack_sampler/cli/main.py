"""`backtrack-sampler chat | compare | generate | guide | strategies | trace`. Standard library only.

Each command is a file here, with `add`, which says what it takes, and what runs it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from ..errors import BacktrackError, InputError
from . import chat, compare, generate, guide, strategies, trace

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    0, 1 where rows have failed, 2 for bad input and for output that cannot be written, 130 for Ctrl-C.
    """
    code = 0
    try:
        try:
            code = _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # now, and not when Python ends, where it is too late to say anything
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise  # this is not about the output
        # Python would try once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # the reader went away
        if not code:
            print(f"backtrack-sampler: cannot write the output: {error.strerror}", file=sys.stderr)
        return 2
    return code


def _run(arguments: Sequence[str] | None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model writes what not every terminal can show
    try:
        if sys.stdout is None:
            raise InputError("standard output is closed: write > /dev/null to have none")
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except BacktrackError as error:
        print("backtrack-sampler:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def _version() -> str:
    try:
        return version("backtrack_sampler")
    except PackageNotFoundError:
        return "that is not installed"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"backtrack-sampler: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="backtrack-sampler", description="A sampler with an undo button.")
    parser.add_argument("--version", action="version", version=f"backtrack-sampler {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (generate, guide, chat, compare, strategies, trace):
        command.add(commands)
    return parser
