"""Strategies, operators and providers on a command line: NAME[:key=value,...] or FILE.py:Class[:key=value,...]."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from .discovery import find_operator, find_provider, find_strategy, model_parameter, path_and_class
from .errors import BacktrackError, InputError
from .operators import BaseOperator
from .provider.base_provider import BaseProvider
from .strategy.chain_strategy import ChainStrategy
from .strategy.operator_strategy import OperatorStrategy

__all__ = [
    "OperatorSpec",
    "StrategySpec",
    "content_of",
    "file_of",
    "is_provider_file",
    "made",
    "parameters",
    "parse_operator",
    "parse_provider",
    "parse_spec",
    "read_arguments",
    "split_name",
    "with_arguments",
]


class StrategySpec(NamedTuple):
    """A class and its arguments, checked before any model is loaded.

    Attributes:
        files: the names of those it was read from, and what tells whether they are still the same.
    """

    cls: type[Any]
    arguments: dict[str, Any]
    files: Mapping[str, str]

    def build(self, provider: BaseProvider | None) -> Any:
        """Make the strategy for a loaded model; None where its class takes no provider."""
        wanted = "provider" in inspect.signature(self.cls).parameters
        model = {"provider": provider} if wanted else {}
        return made(self.cls, model | self.arguments)


class OperatorSpec(NamedTuple):
    """An operator and its arguments, and those of the strategy around it.

    Attributes:
        cls: its class; or a function of a step, to which the arguments are bound.
        files: the names of those it was read from, and what tells whether they are still the same.
    """

    cls: type[BaseOperator] | Callable[..., int]
    arguments: dict[str, Any]
    options: dict[str, Any]
    files: Mapping[str, str]

    def build(self, provider: BaseProvider | None = None) -> OperatorStrategy:
        """Make the operator, and the strategy around it; no model is needed."""
        operator: Any = made(self.cls, self.arguments) if isinstance(self.cls, type) else self.cls
        if operator is self.cls and self.arguments:
            operator = partial(operator, **self.arguments)
        strategy: OperatorStrategy = made(OperatorStrategy, {"operator": operator, **self.options}, self.cls.__name__)
        return strategy


def parse_spec(text: str) -> StrategySpec:
    """Parse and check a strategy.

    Values are JSON where they can be (numbers, true, null, ["a", "b"]), `a|b` for a list of texts,
    `@FILE` for a JSON file or one text a line, and plain text otherwise.

    Raises:
        InputError: unknown strategy or parameter, one that is missing, or a file that cannot be read.
    """
    name, rest = split_name(text, "strategy")
    cls = find_strategy(name)
    if cls in (ChainStrategy, OperatorStrategy):
        raise InputError("repeat --strategy for a chain, and write --operator NAME for an operator")
    arguments, files = read_arguments(f"strategy {name}", rest, parameters(cls))
    return StrategySpec(cls, arguments, file_of(name) | files | files_read(cls, arguments))


def parse_operator(text: str) -> OperatorSpec:
    """Parse and check an operator; `OperatorStrategy`'s own parameters may stand among its own.

    Raises:
        InputError: as `parse_spec`, and where the operator does not take a value.
    """
    name, rest = split_name(text, "operator")
    cls = find_operator(name)
    own, around = parameters(cls), parameters(OperatorStrategy)
    arguments, files = read_arguments(f"operator {name}", rest, around | own)
    spec = OperatorSpec(
        cls,
        {k: v for k, v in arguments.items() if k in own},
        {k: v for k, v in arguments.items() if k not in own},
        file_of(name) | files | files_read(cls, arguments),
    )
    spec.build()  # says now what is wrong with a value, not after a model was loaded
    return spec


def parse_provider(text: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Parse and check a provider in a file; also what files it is read from, as in a spec.

    Raises:
        InputError: as `parse_spec`.
    """
    name, rest = split_name(text, "provider")
    cls = find_provider(name)
    known = parameters(getattr(cls, "from_pretrained", cls))
    if (model := model_parameter(cls)) is not None:  # may be left out, or said otherwise
        known[model.name] = model.replace(default=None)
    arguments, files = read_arguments(f"provider {name}", rest, known)
    return name, arguments, file_of(name) | files


def with_arguments(text: str, arguments: Mapping[str, Any]) -> str:
    """A spec with more arguments; each is read as the value that it is here (JSON).

    Raises:
        InputError: there is no name.
    """
    name, rest = split_name(text, "spec")
    said = [rest.strip(" ,"), *(f"{key}={_written(value)}" for key, value in arguments.items())]
    return ":".join(filter(None, (name, ",".join(filter(None, said)))))


def _written(value: Any) -> str:
    """A value so that `_value` reads it; without quotes where it can be."""
    if isinstance(value, str) and value and value[0] != "@" and value.strip() == value:
        try:
            if _value("", value) == (value, ""):
                return value
        except InputError:  # it looks like a file, or like JSON
            pass
    return json.dumps(value)


def is_provider_file(text: str) -> bool:
    """Whether a model's name is FILE.py[:Class[:key=value,...]]."""
    match = _SPEC.fullmatch(text)
    return match is not None and bool(path_and_class(match["name"])[0])


def parameters(made: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What a constructor, or a function of a step, takes from a command line: not the provider, nor a screen."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    signature = inspect.signature(made).parameters
    hidden = {"operator", "provider", "screen"}
    if inspect.isfunction(made):
        hidden.add(next(iter(signature)))
    return {k: p for k, p in signature.items() if k not in hidden and p.kind not in kinds}


def made(cls: type[Any], arguments: dict[str, Any], name: str = "") -> Any:
    """What a class makes of arguments; `name` is how errors call it.

    Raises:
        InputError: it does not take these values.
    """
    try:
        return cls(**arguments)
    except InputError as error:  # which of several it is
        raise InputError(f"{name or cls.__name__}: {error}") from error
    except BacktrackError:
        raise
    except Exception as error:  # a constructor may be anybody's, and a value anything
        raise InputError(f"{cls.__name__} does not take these values ({type(error).__name__}: {error})") from error


#: A file may follow a drive letter, and a class the file; a class is not followed by "=".
_SPEC = re.compile(r"(?P<name>([A-Za-z]:(?=[\\/]))?[^:]*\.py(:\w+(?![\w-]*=))?|[^:]*)(:(?P<rest>.*))?", re.DOTALL)


def split_name(text: str, kind: str) -> tuple[str, str]:
    """NAME or FILE.py or FILE.py:Class, and the arguments after it.

    Raises:
        InputError: there is no name.
    """
    match = _SPEC.fullmatch(text)
    if match is None or not match["name"]:
        raise InputError(f"write the {kind} as NAME:key=value,..., not {text!r}")
    return match["name"], match["rest"] or ""


def file_of(name: str) -> dict[str, str]:
    """The file that a name is of, and its digest; empty where it is of none."""
    path, _ = path_and_class(name)
    return {path: _digest(Path(path).read_bytes())} if path else {}


def files_read(cls: Any, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The files that a class says that it reads with these arguments, and their digests.

    Raises:
        InputError: one that is not there.
    """
    files = cls.files_of(arguments) if hasattr(cls, "files_of") else ()
    try:
        return {str(file): _digest(Path(file).read_bytes()) for file in files}
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror or error}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def read_arguments(what: str, text: str, known: dict[str, inspect.Parameter]) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments of `what` ("strategy antislop"), and the files that they are from, with their digests.

    Each is one that it knows, and none that it needs is missing.

    Raises:
        InputError: one that is not known, is missing, or cannot be read.
    """
    arguments: dict[str, Any] = {}
    files: dict[str, str] = {}
    while text.strip(" ,"):
        key, equals, text = text.lstrip(" ,").partition("=")
        if not equals or "," in key:
            raise InputError(
                f"{what}: write {key!r} as key=value, or, where it belongs to the value before it, that value in "
                'double quotes, as "a, b", or as a|b'
            )
        key = key.strip().replace("-", "_")
        if key in arguments:
            raise InputError(f"{what}: {key} is given twice")
        if text.startswith("@"):
            file, _, text = text[1:].partition(",")
            arguments[key], files[file] = content_of(Path(file))
        else:
            arguments[key], text = _value(f"{what}: {key}", text)
            if key in known and isinstance(known[key].default, bool):
                arguments[key] = _bool(f"{what}: {key}", arguments[key])
    for key in arguments:
        if key not in known:
            raise InputError(f"{what} has no parameter {key!r}: it takes {', '.join(known) or 'none'}")
    missing = [k for k, p in known.items() if p.default is p.empty and k not in arguments]
    if missing:
        raise InputError(f"{what} needs {', '.join(missing)}: write {what.partition(' ')[2]}:{missing[0]}=...")
    return arguments, files


def _bool(what: str, value: Any) -> bool:
    """True or false, however a person writes it."""
    known = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    found = known.get(str(value).strip().lower())
    if found is None:
        raise InputError(f"{what} must be true or false, not {value!r}")
    return found


def _value(what: str, text: str) -> tuple[Any, str]:
    """The value at the beginning of `text`, and what follows its comma."""
    if text.startswith(("[", "{", '"')):  # such a value may have commas in it
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError as error:
            raise InputError(
                f"{what} is not JSON ({error}): texts in it are in double quotes, and all of it in single ones for the "
                "shell"
            ) from error
        after = text[end:].lstrip()
        if after and not after.startswith(","):
            raise InputError(f"{what} goes on after its end, with {after!r}: quote it for the shell")
        return value, after[1:]
    plain, _, rest = text.partition(",")
    try:
        return json.loads(plain), rest
    except ValueError:
        pass
    if plain.endswith((".txt", ".json")) and Path(plain).is_file():
        raise InputError(f"{what}: to read the file {plain} write @{plain}")
    if "|" not in plain:
        return plain, rest
    parts = plain.split("|")
    spaced = plain.count("|") == plain.count(" | ")  # for the eye: `the city | the room`
    return [part.strip() for part in parts] if spaced else parts, rest


def content_of(path: Path) -> tuple[Any, str]:
    """What is in a file, and its digest."""
    try:
        data = path.read_bytes()
        content = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: it is not valid text, save it as UTF-8 ({error})") from error
    if path.suffix != ".json":  # where the spaces around a text matter, JSON says so
        lines = [line.strip() for line in content.splitlines() if line.strip()]
        _check_lines(path, lines)
        return lines, _digest(data)
    try:
        return json.loads(content), _digest(data)
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def _check_lines(path: Path, lines: list[str]) -> None:
    """Refuse a list that would never be found as it stands."""
    if not lines:
        raise InputError(f"{path} is empty: write one text a line")
    if len(lines) > 1 and all(len(line) > 1 and line[0] == line[-1] == '"' for line in lines):
        raise InputError(f"{path}: every line is in quotes, and would be looked for with them: leave them out")
    if len(lines) > 1 and all(line.startswith(("- ", "* ")) for line in lines):
        raise InputError(
            f"{path}: every line begins with {lines[0][:2]!r}, and would be looked for with it: leave it out"
        )
