"""Real signatures for methods that pass on what others take: for editors, type checkers and `help`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["like", "with_options_of"]

P = ParamSpec("P")
R = TypeVar("R")


def like(template: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """A method takes exactly what another one takes."""

    def signed(method: Callable[..., R]) -> Callable[P, R]:
        method.__wrapped__ = template  # type: ignore[attr-defined]  # where inspect.signature looks
        return method

    return signed


def with_options_of(template: Callable[..., Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """In the place of its `**options`, a method takes what another one takes by name."""

    def signed(method: Callable[..., R]) -> Callable[..., R]:
        own = list(inspect.signature(method).parameters.values())[:-1]
        names = {parameter.name for parameter in own} | {"prompt"}
        options = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(template).parameters.items()
            if name not in names
        ]
        method.__signature__ = inspect.Signature(own + options)  # type: ignore[attr-defined]
        return method

    return signed
