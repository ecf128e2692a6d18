"""Parameters that are refused, with what to do. All raise InputError and return the value as a plain number."""

from __future__ import annotations

import math
import operator
from typing import Any

from .errors import InputError

__all__ = ["check_count", "check_number", "check_seed"]


def check_count(name: str, value: Any, least: int = 1) -> int:
    """A whole number, at least so much; NumPy's are as good as Python's."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise InputError(f"{name} must be a whole number, at least {least}, not {value!r}")
    return number


def check_number(name: str, value: Any, low: float, high: float = math.inf, *, inside: bool = False) -> float:
    """A number from low to high (`inside`: strictly between)."""
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if low < number < high if inside else low <= number <= high:
        return number
    if (low, high) == (-math.inf, math.inf):
        raise InputError(f"{name} must be a number, not {value!r}")
    if high == math.inf:
        raise InputError(f"{name} must be a number, {low} or more, not {value!r}")
    raise InputError(f"{name} must be {'strictly between' if inside else 'between'} {low} and {high}, not {value!r}")


def check_seed(name: str, value: Any) -> int | None:
    """A seed; None for a random one, which -1 means as well, as in llama.cpp."""
    try:
        seed = None if value is None else operator.index(value)
    except TypeError:
        seed = -2
    if seed is not None and seed < -1:
        raise InputError(f"{name} must be whole numbers, 0 or more, or -1 for random ones, not {value!r}")
    return None if seed == -1 else seed
