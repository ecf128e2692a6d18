"""Ranges of parameters, as a configuration says them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from ...errors import InputError

__all__ = ["Choice", "Choices", "Numbers", "Range", "read_range", "read_space"]

Choice: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Numbers:
    """A range of numbers, both ends among them.

    Attributes:
        low, high: low < high.
        log: as likely between 0.001 and 0.01 as between 0.01 and 0.1.
        step: only `low`, `low + step`, ...; `high` becomes the last of them. None: every one.
        whole: whole numbers only.

    Raises:
        InputError: the range is empty, or cannot be on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise InputError(f"must have finite ends, not {self.low} and {self.high}")
        if self.low >= self.high:
            raise InputError(f"must go from a lower number to a higher one, not from {self.low} to {self.high}")
        if self.log and self.low <= 0:
            raise InputError(f"must begin above 0 where it is logarithmic, not at {self.low}")
        if self.step is None:
            return
        if self.log:
            raise InputError("may have a step or be logarithmic, not both")
        low, high, step = (Fraction(str(each)) for each in (self.low, self.high, self.step))  # 0.1 as it was written
        if not 0 < step <= high - low:
            raise InputError(f"must have a step above 0 and no wider than the range, not {self.step}")
        last = low + (high - low) // step * step
        object.__setattr__(self, "high", int(last) if self.whole else float(last))

    @property
    def ends(self) -> tuple[Choice, ...]:
        """What is to be tried before anything long begins."""
        return (self.low, self.high)

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        if self.step is not None:
            return (Fraction(str(value)) - Fraction(str(self.low))) % Fraction(str(self.step)) == 0
        return not self.whole or float(value).is_integer()

    def plain(self, value: float) -> float:
        """A value as people write it: four digits, or the exact step; still in the range."""
        if self.whole:
            return int(value)
        digits = 4 if self.step is None else 12
        return min(max(float(f"{value:.{digits}g}"), float(self.low)), float(self.high))


@dataclass(frozen=True)
class Choices:
    """Values of which none is nearer to another.

    Raises:
        InputError: fewer than two, or the same one twice.
    """

    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if len(self.choices) < 2:
            raise InputError("must have two choices or more; one that is fixed belongs to the spec: NAME:key=value")
        if bad := [each for each in self.choices if not isinstance(each, (str, int, float, bool, type(None)))]:
            raise InputError(f"must have texts, numbers, true, false or null as choices, not {bad[0]!r}")
        if len({(type(each) is bool, each) for each in self.choices}) < len(self.choices):
            raise InputError(f"has the same choice twice: {', '.join(map(str, self.choices))}")

    @property
    def ends(self) -> tuple[Choice, ...]:
        """What is to be tried before anything long begins."""
        return self.choices

    def __contains__(self, value: object) -> bool:
        return any(type(value) is type(each) and value == each for each in self.choices)

    def plain(self, value: Choice) -> Choice:
        """A value as people write it."""
        return value


Range: TypeAlias = Numbers | Choices

_HOW = "write [low, high], {low: ..., high: ..., log: true} or {choices: [a, b, ...]}"


def read_range(said: Any) -> Range:
    """A range as YAML or JSON has it.

    `[low, high]`, whole numbers where both are; `{low:, high:, log: true, step:}`, of which the last two may be
    missing; `{choices: [...]}`. A list of texts, of true and false, or of more than two values is a list of
    choices as well. **Two numbers are always a range**: for a choice between two numbers write `{choices: [1, 8]}`.

    Raises:
        InputError: it is none. The message goes on after the parameter's name: "... has no range: write ...".
    """
    if said is None:
        raise InputError(f"has no range: {_HOW}")
    if isinstance(said, Mapping):
        return _read_mapping(said)
    if not isinstance(said, Sequence) or isinstance(said, str):
        raise InputError(
            f"must be a range, not {said!r}: {_HOW}; one that is fixed belongs to the spec: NAME:key=value"
        )
    values = [_number_of(each) for each in said]
    if len(values) == 2 and all(_is_number(each) for each in values):
        return _numbers(values[0], values[1])
    if len(values) == 2 and any(_is_number(each) for each in values):
        raise InputError(f"must have two numbers, or choices, not {said[0]!r} and {said[1]!r}: {_HOW}")
    return Choices(tuple(values))


def _read_mapping(said: Mapping[str, Any]) -> Range:
    keys = set(said)
    if keys == {"choices"}:
        choices = said["choices"]
        if not isinstance(choices, Sequence) or isinstance(choices, str):
            raise InputError(f"must have a list of choices, not {choices!r}")
        return Choices(tuple(_number_of(each) for each in choices))
    if unknown := keys - {"low", "high", "log", "step"}:
        raise InputError(f"has {', '.join(map(repr, sorted(map(str, unknown))))}, which a range does not have: {_HOW}")
    if not {"low", "high"} <= keys:
        raise InputError(f"needs both low and high: {_HOW}")
    low, high, step = (_number_of(said.get(key)) for key in ("low", "high", "step"))
    for key, value in (("low", low), ("high", high), ("step", step)):
        if not _is_number(value) and not (key == "step" and value is None):
            raise InputError(f"must have a number as {key}, not {value!r}")
    log = said.get("log", False)
    if not isinstance(log, bool):
        raise InputError(f"must have true or false as log, not {log!r}")
    return _numbers(low, high, log, step)


def _numbers(low: float, high: float, log: bool = False, step: float | None = None) -> Numbers:
    return Numbers(low, high, log, step, all(isinstance(each, int) for each in (low, high, step or 1)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number_of(value: Any) -> Any:
    """A number that YAML 1.1 takes for a text because it has an exponent and no dot: 1e-3."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value) else value


def read_space(said: Mapping[str, Any]) -> dict[str, Range]:
    """A range for each name.

    Raises:
        InputError: what is wrong with each of those that are none.
    """
    space, errors = {}, []
    for name, value in said.items():
        try:
            space[str(name)] = read_range(value)
        except InputError as error:
            errors.append(f"{name} {error}")
    if errors:
        raise InputError("; ".join(errors))
    return space
