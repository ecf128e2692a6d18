"""Strategies as they are written on a command line: NAME[:key=value,...] or FILE.py:Class[:key=value,...]."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..discovery import find_strategy
from ..errors import InputError
from ..provider.base_provider import BaseProvider

__all__ = ["StrategySpec", "parameters", "parse_spec"]


class StrategySpec(NamedTuple):
    """A class and its arguments, checked before any model is loaded."""

    cls: type[Any]
    arguments: dict[str, Any]

    def build(self, provider: BaseProvider) -> Any:
        """Make the strategy for a loaded model."""
        if "provider" in inspect.signature(self.cls).parameters:
            return self.cls(provider, **self.arguments)
        return self.cls(**self.arguments)


def parse_spec(text: str) -> StrategySpec:
    """Parse and check a strategy.

    Values are JSON where they can be (numbers, true, null, ["a", "b"]), `a|b` for a list of texts,
    `@FILE` for a JSON file or one text a line, and plain text otherwise.

    Raises:
        InputError: unknown strategy or parameter, one that is missing, or a file that cannot be read.
    """
    name, rest = _split_name(text)
    cls = find_strategy(name)
    arguments: dict[str, Any] = {}
    for pair in _split_pairs(rest):
        key, equals, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise InputError(f"strategy {name}: write {pair!r} as key=value")
        arguments[key] = _value(value)
    known = parameters(cls)
    for key in arguments:
        if key not in known:
            raise InputError(f"strategy {name} has no parameter {key!r}: it takes {', '.join(known) or 'none'}")
    missing = [k for k, p in known.items() if p.default is p.empty and k not in arguments]
    if missing:
        raise InputError(f"strategy {name} needs {', '.join(missing)}: write {name}:{missing[0]}=...")
    return StrategySpec(cls, arguments)


def parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """What a strategy's constructor takes from a command line: not the provider, not a screen."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    signature = inspect.signature(cls).parameters
    hidden = ("provider", "screen")
    return {k: p for k, p in signature.items() if k not in hidden and p.kind not in kinds}


def _split_name(text: str) -> tuple[str, str]:
    """NAME and arguments; a class after a file belongs to the name, a drive letter does too."""
    match = re.match(r"(?P<name>.*?\.py(:\w+(?![\w-]*=))?|[^:]*)(:(?P<rest>.*))?$", text, re.DOTALL)
    if match is None:
        raise InputError(f"write a strategy as NAME:key=value,..., not {text!r}")
    return match["name"], match["rest"] or ""


def _split_pairs(text: str) -> list[str]:
    """Split at commas that are not inside brackets or double quotes."""
    pairs, depth, quoted, start = [], 0, False, 0
    for index, character in enumerate(text):
        if character == '"' and text[index - 1 : index] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (character in "[{") - (character in "]}")
            if character == "," and depth == 0:
                pairs.append(text[start:index])
                start = index + 1
    pairs.append(text[start:])
    return [pair for pair in pairs if pair.strip()]


def _value(text: str) -> Any:
    if text.startswith("@"):
        return _file(Path(text[1:]))
    try:
        return json.loads(text)
    except ValueError:
        return text.split("|") if "|" in text else text


def _file(path: Path) -> Any:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if path.suffix == ".json":
        try:
            return json.loads(content)
        except ValueError as error:
            raise InputError(f"{path} is not JSON: {error}") from error
    return [line for line in content.splitlines() if line.strip()]
