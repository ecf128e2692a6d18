"""Strategies as they are written on a command line: NAME[:key=value,...] or FILE.py:Class[:key=value,...]."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..discovery import find_strategy
from ..errors import BacktrackError, InputError
from ..provider.base_provider import BaseProvider

__all__ = ["StrategySpec", "parameters", "parse_spec"]


class StrategySpec(NamedTuple):
    """A class and its arguments, checked before any model is loaded."""

    cls: type[Any]
    arguments: dict[str, Any]

    def build(self, provider: BaseProvider) -> Any:
        """Make the strategy for a loaded model."""
        wanted = "provider" in inspect.signature(self.cls).parameters
        model = {"provider": provider} if wanted else {}
        try:
            return self.cls(**model, **self.arguments)
        except BacktrackError:
            raise
        except Exception as error:  # a constructor may be anybody's, and a value anything
            raise InputError(
                f"{self.cls.__name__} does not take these values ({type(error).__name__}: {error})"
            ) from error


def parse_spec(text: str) -> StrategySpec:
    """Parse and check a strategy.

    Values are JSON where they can be (numbers, true, null, ["a", "b"]), `a|b` for a list of texts,
    `@FILE` for a JSON file or one text a line, and plain text otherwise.

    Raises:
        InputError: unknown strategy or parameter, one that is missing, or a file that cannot be read.
    """
    name, rest = _split_name(text)
    cls = find_strategy(name)
    arguments = _arguments(name, rest)
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


#: A file may follow a drive letter, and a class the file; a class is not followed by "=".
_SPEC = re.compile(r"(?P<name>([A-Za-z]:(?=[\\/]))?[^:]*\.py(:\w+(?![\w-]*=))?|[^:]*)(:(?P<rest>.*))?", re.DOTALL)


def _split_name(text: str) -> tuple[str, str]:
    """NAME or FILE.py or FILE.py:Class, and the arguments after it."""
    match = _SPEC.fullmatch(text)
    if match is None or not match["name"]:
        raise InputError(f"write a strategy as NAME:key=value,..., not {text!r}")
    return match["name"], match["rest"] or ""


def _arguments(name: str, text: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    while text.strip(" ,"):
        key, equals, text = text.lstrip(" ,").partition("=")
        if not equals or "," in key:
            raise InputError(f"strategy {name}: write {key!r} as key=value")
        key = key.strip().replace("-", "_")
        if key in arguments:
            raise InputError(f"strategy {name}: {key} is given twice")
        arguments[key], text = _value(f"strategy {name}: {key}", text)
    return arguments


def _value(what: str, text: str) -> tuple[Any, str]:
    """The value at the beginning of `text`, and what follows its comma."""
    if text.startswith(("[", "{", '"')):  # such a value may have commas in it
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError as error:
            raise InputError(f"{what} is not JSON ({error}): quote it for the shell") from error
        after = text[end:].lstrip()
        if after and not after.startswith(","):
            raise InputError(f"{what} goes on after its end, with {after!r}: quote it for the shell")
        return value, after[1:]
    plain, _, rest = text.partition(",")
    if plain.startswith("@"):
        return _file(Path(plain[1:])), rest
    try:
        return json.loads(plain), rest
    except ValueError:
        return plain.split("|") if "|" in plain else plain, rest


def _file(path: Path) -> Any:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if path.suffix == ".json":
        try:
            return json.loads(content)
        except ValueError as error:
            raise InputError(f"{path} is not JSON: {error}") from error
    return [line for line in content.splitlines() if line.strip()]
