"""How a stream was drawn, and with what parameters, in words short enough to be read."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from itertools import islice
from numbers import Integral, Real
from typing import Any

from ..events import Participant, Started
from ..options import SessionOptions

__all__ = ["options_of", "parameters_of", "plain"]

_MANY = 5  # a list is shown whole up to here ...
_FEW = 3  # ... and beyond, so many of its items
_LONGEST = 100  # characters of one text

#: The options that are always shown, and how they are called; of the others what is not as usual.
_SHOWN = {
    "seed": "seed",
    "temperature": "temperature",
    "top_k": "top-k",
    "top_p": "top-p",
    "min_p": "min-p",
    "max_new_tokens": "at most",
    "stop": "stop at",
}


def options_of(started: Started) -> list[tuple[str, str]]:
    """Model, seed, temperature, filters and limits, each with its name."""
    found = [("model", started.model)] if started.model else []
    usual = {field.name: field.default for field in fields(SessionOptions)}
    for name in [*_SHOWN, *(name for name in usual if name not in _SHOWN)]:
        value = getattr(started.options, name)
        if value is None or value in ((), sys.maxsize) or (name == "top_k" and not value):
            continue  # no limit
        if name in _SHOWN or value != usual[name]:
            found.append((_SHOWN.get(name, name.replace("_", " ")), _option(name, value)))
    return found


def _option(name: str, value: Any) -> str:
    if name == "temperature" and not value:
        return "0 (greedy)"
    if name == "max_new_tokens":
        return f"{value:,} token{'' if value == 1 else 's'}"
    return ", ".join(map(_short, value)) if name == "stop" else f"{value}"


def parameters_of(participant: Participant) -> list[str]:
    """Each parameter as `name=value`, long ones shortened; those of an operator as its own."""
    found: list[str] = []
    for name, value in participant.parameters.items():
        if name != "operator":
            found.append(f"{name}={_short(plain(value))}")
            continue
        text = _without_address(str(plain(value)))
        if call := re.fullmatch(rf"{re.escape(participant.name)}\((.*)\)", text, re.DOTALL):
            text = call[1]
        elif text != participant.name:  # of a function, which has none, it is
            text = f"operator={text}"
        else:
            text = ""
        found += [_cut(text)] if text else []
    return found


def plain(value: Any) -> Any:
    """A parameter as JSON has it: numbers, texts, lists and mappings as they are, all else by its name."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value), key=repr)
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    name = getattr(value, "__name__", None) if callable(value) else None
    return _without_address(str(name or repr(value)))


def _without_address(text: str) -> str:
    """What Python says of a thing, without where in memory it is."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", re.sub(r"<function (?:\S+\.)?(\w+) at 0x\w+>", r"\1", text))


def _short(value: Any) -> str:
    """A value on one line: of a long list its beginning and its length."""
    if isinstance(value, dict):
        items = [f"{_short(name)}: {_short(each)}" for name, each in islice(value.items(), _MANY)]
        return "{" + _few(items, len(value)) + "}"
    if isinstance(value, list):
        return "[" + _few([_short(each) for each in value[:_MANY]], len(value)) + "]"
    if not isinstance(value, str):
        return repr(value)
    value = _without_address(value)
    if re.fullmatch(r"\w+\(.*\)|<\w.* .*>", value, re.DOTALL):  # what a thing says of itself is no text
        return _cut(value)
    return f"\u201c{_cut(value)}\u201d"


def _cut(text: str) -> str:
    text = text.replace("\n", "\u21b5")
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\u2026"


def _few(items: list[str], total: int) -> str:
    return ", ".join(items) if total <= _MANY else ", ".join(items[:_FEW]) + f", \u2026 {total:,} in all"
