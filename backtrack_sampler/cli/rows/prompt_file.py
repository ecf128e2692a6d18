"""A file of prompts: one a line, or an object a line. Standard library only."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ...prompts import OPTIONS, request_of

__all__ = ["Prompt", "about_bad", "lookalikes", "read_prompts", "refuse_bad"]

_MOST = 20  # bad lines that are told one by one
_ALIKE = 0.8  # max_tokens is meant to be max_new_tokens, and step is not stop


class Prompt(NamedTuple):
    """One prompt of a file.

    Attributes:
        given: `{"prompt": text}` or `{"messages": [...]}`, and whatever else its line says.
        place: file and line, for messages.
        bad: why it cannot be used; "" for one that can.
    """

    given: dict[str, Any]
    place: str
    bad: str = ""

    @property
    def text(self) -> str:
        """Its text, for what cannot use a conversation.

        Raises:
            InputError: it is one.
        """
        if "prompt" not in self.given:
            raise InputError(f'{self.place}: this has messages, and here a text is needed: write {{"prompt": "..."}}')
        return str(self.given["prompt"])


def read_prompts(file: str, keep_bad: bool = False) -> list[Prompt]:
    """Read a `.jsonl` file, an object with "prompt" or "messages" a line, or any other, a prompt a line; "-" is stdin.

    What comes from stdin is read as objects where it begins like one, and one is among its lines.

    Args:
        keep_bad: lines that cannot be used are among the prompts, with the reason in `bad`, so that each
            prompt has the number that it has when they are mended; otherwise they are an error.

    Raises:
        InputError: it cannot be read, or has no prompts; see also `refuse_bad`.
    """
    name = "stdin" if file == "-" else file
    if name.lower().endswith(".json"):
        raise InputError(f"{name}: write one object a line, and name the file .jsonl")
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from error
    lines = [_decoded(line) for line in data.removeprefix(codecs.BOM_UTF8).split(b"\n")]
    as_json = _is_json(lines) if file == "-" else name.lower().endswith(".jsonl")
    prompts = []
    for number, line in enumerate(lines, 1):
        if line is None or line.strip():
            prompts.append(_prompt(line, as_json, f"{name}, line {number}"))
    if not prompts:
        raise InputError(f"{name} has no prompts: write one a line")
    if not keep_bad:
        refuse_bad(prompts)
    return prompts


def refuse_bad(prompts: Sequence[Prompt], hint: str = "") -> None:
    """Do nothing where all can be used.

    Args:
        hint: what else to say, such as " (--skip-bad leaves them out)".

    Raises:
        InputError: some cannot; its notes name each, unless there is only one.
    """
    bad = [prompt for prompt in prompts if prompt.bad]
    if len(bad) == 1:
        raise InputError(f"{bad[0].place}: {bad[0].bad}{hint}")
    if bad:
        error = InputError(f"{len(bad)} of {len(prompts)} prompts cannot be used{hint}")
        for line in about_bad(prompts):
            error.add_note(line)
        raise error


def about_bad(prompts: Sequence[Prompt]) -> list[str]:
    """A line for each prompt that cannot be used; after some it only says how many more there are."""
    lines = [f"{prompt.place}: {' '.join(prompt.bad.split())}" for prompt in prompts if prompt.bad]
    more = len(lines) - _MOST
    return lines if more <= 0 else [*lines[:_MOST], f"and {more} more"]


def lookalikes(prompts: Sequence[Prompt]) -> dict[str, str]:
    """What lines say that has no effect, and the option that it is like: perhaps a slip."""
    names = {name for prompt in prompts for name in prompt.given if name not in OPTIONS}
    found = {name: get_close_matches(name.lower().replace("-", "_"), OPTIONS, 1, _ALIKE) for name in sorted(names)}
    return {name: options[0] for name, options in found.items() if options}


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode().removesuffix("\r")
    except UnicodeDecodeError:
        return None


def _is_json(lines: Sequence[str | None]) -> bool:
    """Whether these are objects; one that is broken, be it the first, does not make texts of the others."""
    texts = [line for line in lines if line and line.strip()]
    return bool(texts) and texts[0].lstrip().startswith("{") and any(map(_has_prompt, texts))


def _has_prompt(line: str) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and not found.keys().isdisjoint(("prompt", "messages"))


def _prompt(line: str | None, as_json: bool, place: str) -> Prompt:
    try:
        if line is None:
            raise InputError("this is not valid text: use UTF-8")
        return Prompt(_object(line) if as_json else {"prompt": line}, place)
    except InputError as error:
        return Prompt({}, place, str(error))


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
        json.dumps(found, allow_nan=False)  # Python reads NaN and 1e999, but that is no JSON to write
    except (ValueError, RecursionError):
        raise InputError("this is no JSON") from None
    prompt = found.get("prompt") if isinstance(found, dict) else None
    conversation = isinstance(found, dict) and prompt is None and found.get("messages") is not None
    if not conversation and (not isinstance(prompt, str) or not prompt.strip()):
        raise InputError('write {"prompt": "..."}, with a text that is not empty, or {"messages": [...]}')
    try:
        (prompt or "").encode()
    except UnicodeEncodeError:
        raise InputError("the prompt is not valid text: it has half a character in it") from None
    if "settings" in found:
        raise InputError("settings is what the output itself says: use another name")
    given = request_of(found).given
    seed = {} if found.get("seed") is None else {"seed": found["seed"]}
    start = {"messages": given["messages"]} if conversation else {"prompt": prompt}
    return {**start, **{name: given[name] for name in given if name not in start and name != "prompt"}, **seed}
