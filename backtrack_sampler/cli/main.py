"""`backtrack-sampler chat | generate | guide | strategies | trace`. Standard library only.

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

from ..errors import BacktrackError
from . import chat, generate, guide, strategies, trace

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 where rows have failed, 2 for bad input, 130 for Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model writes what not every terminal can show
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except BacktrackError as error:
        print("backtrack-sampler:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
    for command in (generate, guide, chat, strategies, trace):
        command.add(commands)
    return parser
