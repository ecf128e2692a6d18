"""What the core says in Python's words, in those of a command line. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields

from ..options import SessionOptions

__all__ = ["in_commands", "in_options"]

_NAMES = "|".join(["max_length", "n_ctx", "threads", *(field.name for field in fields(SessionOptions))])


def _option(match: re.Match[str]) -> str:
    return "--" + match[1].replace("n_ctx", "context").replace("_", "-")


#: Where a message names a parameter that has an option: its beginning and end, as the core writes them.
_WORDS: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"^seeds must be whole numbers, (.*) for random ones,", r"--seed must be a whole number, \1 for a random one,"),
    (r"^stop must be strings that are not empty", "--stop must be a text that is not empty"),
    (r"^top_k(?=, the number of choices,)", "--choices"),
    (rf"^({_NAMES}|min_autopass)(?=,| must be )", _option),
    (r"and max_length is (\d+): raise it, or use max_new_tokens", r"and --max-length is \1: make that larger"),
    (r"\bpass max_new_tokens(?=, shorten the prompt)", "set --max-new-tokens"),
    (r"\bpass on_exhausted='stop' or 'accept'", "use --on-exhausted stop or accept"),
    (r", or load the model with a larger context \(n_ctx=, --context(; )?", ", or start with a larger --context ("),
    (r" \(\)", ""),
    (r"use an instruction-tuned model, or leave chat out", "use an instruction-tuned model"),
    (r"use --operator, or OperatorStrategy", "use --operator"),
]
#: Where a message names an option that a chat has a command for.
_COMMANDS = [
    (r"repeat --strategy for a chain", "write SPEC + SPEC for a chain"),
    (r"--(operator|strategy)\b", r"/\1"),
    (r": quote it for the shell$", ""),
]


def in_options(message: str) -> str:
    """A message of an error, with options in the place of the Python parameters that it names.

    Parameters of strategies and operators are what they are on a command line too; messages about those
    begin with the name of the strategy.
    """
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    return message


def in_commands(message: str) -> str:
    """The same, in a chat that is under way: with commands in the place of the options that it has them for."""
    message = in_options(message)
    for pattern, words in _COMMANDS:
        message = re.sub(pattern, words, message)
    return message
