"""Strategies and operators as a configuration names them: what kind each is, and that it can be used."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...discovery import find_operator, find_strategy, operator_names, path_and_class, strategy_names
from ...errors import InputError
from ...specs import parse_operator, parse_spec, split_name, with_arguments
from ...strategy.human_guidance_strategy import HumanGuidanceStrategy
from .problems import Problem, near

__all__ = ["KINDS", "checked", "class_of", "cut_at_comma", "kind_of", "unclear", "with_every_n"]

KINDS = ("strategy", "operator", "chain")
_FIND: dict[str, Callable[[str], Any]] = {"strategy": find_strategy, "operator": find_operator}
_PARSE: dict[str, Callable[[str], Any]] = {"strategy": parse_spec, "operator": parse_operator}


def checked(text: str, kind: str | None = None) -> tuple[str, str]:
    """A spec and its kind, as in `Arm.strategies`.

    Args:
        kind: "strategy" or "operator"; None: what it is.

    Raises:
        InputError: it cannot be used, or it asks a person.
    """
    kind = kind or kind_of(text)
    _check_runs_alone(_PARSE[kind](text).cls, text)
    return kind, text


def class_of(text: str, kind: str) -> Any:
    """The class of a spec, or an operator's function; its arguments are not looked at.

    Raises:
        InputError: there is no such one, or it asks a person.
    """
    cls = _FIND[kind](split_name(text, kind)[0])
    _check_runs_alone(cls, text)
    return cls


def kind_of(text: str) -> str:
    """Whether a spec is a "strategy" or an "operator": no name is both.

    In a file, the class decides; where none is named, a strategy that is in it, and otherwise an operator.

    Raises:
        InputError: it is neither, or its file cannot be used.
    """
    name, _ = split_name(text, "strategy or operator")
    said: dict[str, str] = {}
    for kind, find in _FIND.items():
        try:
            find(name)
        except InputError as error:
            said[kind] = str(error)
        else:
            return kind
    path, wanted = path_and_class(name)
    if path:
        for each in said.values():
            if "(found: none)" not in each:  # the file itself is at fault, or has several
                raise InputError(each)
        raise InputError(f"{path} has no strategy and no operator {wanted or 'in it'}")
    if not said["strategy"].startswith("no strategy "):
        raise InputError(said["strategy"])  # there is one, and it cannot be imported
    made = ("chain", "operator")  # those that no name alone makes
    known = [*operator_names(), *(each.replace("_", "-") for each in strategy_names() if each not in made)]
    raise InputError(f"no strategy or operator {name!r}: {cut_at_comma(text) or near(name.replace('_', '-'), known)}")


def cut_at_comma(text: str) -> str:
    """What to say of something that is the end of a spec that YAML has cut at its comma; "" where it is not."""
    is_end = re.fullmatch(r"[\w-]+=\S*", text) is not None
    return "between [ and ] a comma ends an entry, so put the whole spec in quotes" if is_end else ""


def with_every_n(text: str, kind: str, every_n: int | None) -> str:
    """An operator's spec that says how often it acts, where it does not say so itself."""
    _, rest = split_name(text, kind)
    says_so = re.search(r"(^|,)\s*backtrack[-_]every[-_]n\s*=", rest)
    if kind != "operator" or every_n is None or says_so:
        return text
    return with_arguments(text, {"backtrack_every_n": every_n})


def _check_runs_alone(cls: Any, text: str) -> None:
    person = inspect.isclass(cls) and issubclass(cls, HumanGuidanceStrategy)
    if person or "screen" in inspect.signature(cls).parameters:
        raise InputError(f"{text} asks a person about each text, and nobody is there: leave it out")


def unclear(entries: Any) -> Iterator[Problem]:
    """Entries of `strategies` that say too little or too much, or what another one says: of anything that is there."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        place = ("strategies", index)
        whole = entry if isinstance(entry, Mapping) else {"chain": entry}
        said: dict[str, Any] = {key: value for key, value in whole.items() if value is not None}
        given = [kind for kind in KINDS if kind in said]
        if len(given) != 1:
            yield Problem(
                place, f"has {' and '.join(given)}: leave one" if given else "needs strategy:, operator: or chain:"
            )
            continue
        if "name" not in said:
            parts = said.pop(given[0])
            said["name"] = " + ".join(map(str, parts)) if isinstance(parts, list) else parts
        else:
            del said[given[0]]
        first = seen.setdefault(repr(sorted(said.items(), key=repr)), index)
        if first != index:
            yield Problem(place, f"has the name of strategies[{first}]: leave one out, or give it a name: of its own")
