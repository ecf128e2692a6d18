"""One signature for methods that take the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["like"]

P = ParamSpec("P")
R = TypeVar("R")


def like(template: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Give a method the parameters of another, for editors, type checkers and `help`."""

    def signed(method: Callable[..., R]) -> Callable[P, R]:
        method.__wrapped__ = template  # type: ignore[attr-defined]  # where inspect.signature looks
        return method

    return signed
