"""What a configuration wants to have tuned: `operator_to_tune` with `hpo.search_space`, and `hpo.tune`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import InputError
from ...specs import parameters
from ...strategy.operator_strategy import OperatorStrategy
from ..tuning.search_space import EndError, Range, Tuning, read_range
from .contenders import class_of, kind_of, with_every_n
from .problems import Problem, in_yaml, near
from .yaml_file import Place

__all__ = ["DEFAULT_TRIALS", "misplaced", "tunings"]

DEFAULT_TRIALS = 20
_KINDS = ("operator", "strategy")


def tunings(data: Mapping[str, Any]) -> Iterator[Tuning | Problem]:
    """All of them, and everything that is wrong with them.

    Args:
        data: the configuration, of which the rest may be anything.
    """
    hpo = _mapping(data.get("hpo"))
    generation = _mapping(data.get("generation"))
    given, space = data.get("operator_to_tune"), hpo.get("search_space")
    trials, every_n = hpo.get("n_trials"), generation.get("backtrack_every_n")
    if isinstance(given, str):
        yield from _tuning({"any": given}, space, trials, every_n, ("operator_to_tune",), ("hpo", "search_space"))
    elif space:
        yield Problem(("hpo", "search_space"), "says where to look, and not for what: add operator_to_tune: NAME")
    entries = hpo.get("tune")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        place: Place = ("hpo", "tune", index)
        if isinstance(entry, str):
            entry = {"any": entry}
        if isinstance(entry, Mapping):
            own = entry.get("n_trials", trials)
            yield from _tuning(entry, entry.get("search_space"), own, every_n, place, (*place, "search_space"))


def _tuning(
    entry: Mapping[str, Any], space: Any, trials: Any, every_n: Any, place: Place, space_place: Place
) -> Iterator[Tuning | Problem]:
    """One of them, or what is wrong with it. What pydantic says of it is not said again."""
    said = [key for key in ("any", *_KINDS) if isinstance(entry.get(key), str)]
    if len(said) != 1:
        yield Problem(place, "needs one of operator: and strategy:" + (", not both" if said else ""))
        return
    text: str = entry[said[0]]
    spec_place = (*place, said[0]) if said[0] in _KINDS else place
    try:
        kind = kind_of(text) if said[0] == "any" else said[0]
        known = _parameters(text, kind)
    except InputError as error:
        yield Problem(spec_place, in_yaml(str(error)))
        return
    ranges: dict[str, Range] = {}
    wrong = False
    for name, value in _mapping(space).items():
        try:
            if name not in known:
                raise InputError(f"{text} has no such parameter: {near(str(name), known)}")
            if value is None:
                raise InputError(f"needs a range, such as {_example(known[name])}")
            ranges[name] = read_range(value)
        except InputError as error:
            yield Problem((*space_place, name), in_yaml(str(error)))
            wrong = True
    if wrong:
        return
    if "backtrack_every_n" not in ranges and isinstance(every_n, int):
        text = with_every_n(text, kind, every_n)
    called = entry.get("name")
    try:
        yield Tuning(
            called if isinstance(called, str) else f"{entry[said[0]]} tuned", kind, text, ranges,
            trials if isinstance(trials, int) and trials > 0 else DEFAULT_TRIALS,
        )  # fmt: skip
    except EndError as error:
        yield Problem((*space_place, error.parameter) if ranges else spec_place, in_yaml(str(error)))
    except InputError as error:
        yield Problem(space_place if ranges else spec_place, in_yaml(str(error)))


def misplaced(data: Mapping[str, Any]) -> dict[str, str]:
    """What to say of each parameter of `operator_to_tune` where it stands in a wrong place."""
    text = data.get("operator_to_tune")
    try:
        known = _parameters(text, kind_of(text)) if isinstance(text, str) else {}
    except InputError:  # which `tunings` tells
        return {}
    return {
        name: f"belongs under hpo.search_space: write it there, indented, with a range such as {_example(each)}"
        for name, each in known.items()
    }


def _parameters(text: str, kind: str) -> dict[str, inspect.Parameter]:
    """What of a spec can be tuned."""
    around = parameters(OperatorStrategy) if kind == "operator" else {}
    return around | parameters(class_of(text, kind))


def _example(parameter: inspect.Parameter) -> str:
    return "[0.1, 0.5]" if isinstance(parameter.default, float) else "[1, 5]"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
