"""What is wrong with a configuration, in plain words: each thing with its place in the file, and its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import AliasChoices, BaseModel, ValidationError

from ...errors import InputError
from .yaml_file import Place, YamlFile

__all__ = ["ELSEWHERE", "Problem", "in_yaml", "near", "problems_of", "refusal", "written"]


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        place: where.
        said: goes on after the place: "must be a whole number, not 'x'".
        line: where it is known better than by the place; otherwise None.
    """

    place: Place
    said: str
    line: int | None = None


def refusal(problems: Iterable[Problem], file: YamlFile) -> InputError:
    """All of them in one error, in the order of the file: one is its message, more are its notes."""
    found: dict[str, int] = {}
    for place, said, known in problems:
        line = known or file.line(place)
        where = f"{file.name}, line {line}" if line is not None else file.name
        path = written(place)
        found[f"{where}: {path}: {said}" if path else f"{where}: {said}"] = line or 0
    lines = sorted(found, key=found.__getitem__)
    if len(lines) == 1:
        return InputError(lines[0])
    error = InputError(f"{file.name} has {len(lines)} errors: mend them and start again, nothing was run")
    for each in lines:
        error.add_note(each)
    return error


def written(place: Place) -> str:
    """As one would say it: strategies[0].name."""
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).removeprefix(".")


def near(name: str, known: Iterable[str]) -> str:
    """What to say after an unknown name: the one that is probably meant, or all there are."""
    names = list(known)
    if found := difflib.get_close_matches(name.lower(), names, 1):
        return f"did you mean {found[0]}?"
    return f"use one of {', '.join(names)}" if names else "there is none"


# -- pydantic's messages ---------------------------------------------------------------------

#: The type of an error of ours that belongs to another place than where it was found; what it says, and where.
ELSEWHERE = "elsewhere"

_MISSING = {
    "evaluation": "is missing: write evaluation: {tasks: [...], output_dir: ...}",
    "tasks": "is missing: name one or more, such as [sums, gsm8k]",
}
#: pydantic's type of error -> what is wanted there.
_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list, such as [a, b]",
    "dict_type": "a section with keys of its own",
    "model_type": "a section with keys of its own",
    "string_type": "text",
    "greater_than": "more than {gt:.15g}",
    "greater_than_equal": "at least {ge:.15g}",
    "less_than": "less than {lt:.15g}",
    "less_than_equal": "at most {le:.15g}",
}


def problems_of(
    error: ValidationError, data: Any, model: type[BaseModel], elsewhere: Mapping[str, str]
) -> Iterator[Problem]:
    """What pydantic has found, in our words.

    Args:
        data: what it has read.
        model: what that was to become.
        elsewhere: keys that are no fields of a section, and what to say of them where they stand in a wrong place.
    """
    for each in error.errors(include_url=False):
        kind, loc, value, context = each["type"], each["loc"], each["input"], each.get("ctx", {})
        place = _there(loc, data)
        if kind == "missing":
            yield Problem((*place, loc[-1]), _MISSING.get(str(loc[-1]), "is missing"))
        elif kind == "extra_forbidden":
            yield Problem(place, _unknown(model, loc, elsewhere))
        elif kind == ELSEWHERE:
            yield Problem(context["place"], in_yaml(context["said"]))
        elif kind == "value_error":
            yield Problem(place, in_yaml(str(context["error"])))
        elif kind == "invalid_key":
            yield Problem(_there(loc[:-1], data), f"{loc[-1]!r} is not text, and keys are: put it in quotes")
        elif kind == "too_short":
            yield Problem(place, "needs at least one")
        elif value is None:
            yield Problem(place, "has no value: give one, or leave the line out")
        elif kind in _WANTED:
            if kind == "model_type" and isinstance(loc[-1], int):
                yield Problem(place, f"must be a spec, such as repetition, or keys of its own, not {_short(value)}")
                continue
            wanted = _WANTED[kind].format(**context)
            yield Problem(place, f"must be {wanted}, not {_short(value)}{_advice(kind, value)}")
        else:
            yield Problem(place, f"cannot be used: {each['msg']}")


def _advice(kind: str, value: Any) -> str:
    """What to do about a value of another type, where that is plain."""
    if kind == "string_type":
        return "" if isinstance(value, (list, dict)) else ": put it in quotes"
    if kind not in ("int_type", "float_type") or not isinstance(value, str):
        return ""
    if re.fullmatch(r"[-+]?(0|[1-9]\d*)(\.\d*)?", value):
        return ": leave the quotes out"
    if re.fullmatch(r"[-+]?\d[\d_:.xXoObBa-fA-F]*", value):
        return ": write it in decimal digits, without a zero before them and without _ or :"
    return ""


def _there(loc: Iterable[str | int], data: Any) -> Place:
    """The part of a place that the file has: pydantic names steps that were not written, such as types."""
    place: list[str | int] = []
    for step in loc:
        inside = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if inside or (isinstance(data, Mapping) and step in data):
            place.append(step)
            data = data[step]
    return tuple(place)


def _short(value: Any) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown(model: type[BaseModel], loc: Place, elsewhere: Mapping[str, str]) -> str:
    """What to say of a key that is not known: its name is perhaps another one's, or another section's."""
    section = model
    for step in loc[:-1]:
        if isinstance(step, str) and step in section.model_fields:
            section = _model_in(section.model_fields[step].annotation) or section
    name = str(loc[-1])
    for field, about in section.model_fields.items():
        if isinstance(about.validation_alias, AliasChoices) and name in about.validation_alias.choices:
            return f"is another name of {field}: leave one of both out"
    if meant := difflib.get_close_matches(name, section.model_fields, 1, 0.85):
        return f"is not known here: did you mean {meant[0]}?"
    for field, about in model.model_fields.items():
        other = about.annotation
        if section is not model and name == field:
            return "belongs to no section: write it at the beginning of a line"
        if isinstance(other, type) and issubclass(other, BaseModel) and name in other.model_fields:
            return f"belongs under {field}: write it there, indented"
    if name in elsewhere:
        return elsewhere[name]
    advice: str = getattr(section, "advice", "")
    return f"is not known here: {advice or near(name, section.model_fields)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a type is, or has in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)


# -- our own messages, which are for command lines -------------------------------------------

_WORDS = (
    (r"is an operator: use --operator, or OperatorStrategy", "is an operator: write it under operator:"),
    (r"is a strategy: use --strategy", "is a strategy: write it under strategy:"),
    (r", use --(operator|strategy)\b", r", write it under \1:"),
    (
        r"repeat --strategy for a chain, and write --operator NAME for an operator",
        "write a list of several for a chain, and an operator by its own name",
    ),
    (r"(: quote it)? for the shell\b", ""),
    (r"\(--model FILE\.gguf\)", "(model_name_or_path: FILE.gguf)"),
    (r"\(n_ctx=, --context\b", "(model_kwargs: {n_ctx: ...}"),
)


def in_yaml(message: str) -> str:
    """A message of an error as one line, with what a file has in the place of options of a command."""
    message = " ".join(message.split())
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    return message
