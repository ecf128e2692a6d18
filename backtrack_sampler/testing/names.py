"""What the checks call things, and whether a hook's name is spelt as it should be."""

from __future__ import annotations

import difflib
from typing import Any

from ..operators import FunctionOperator
from ..strategy.v3_adapter import V3Adapter

__all__ = ["check_names", "hooks_of", "name_of"]


def hooks_of(*bases: type[Any]) -> list[str]:
    """The public names that these classes define."""
    return [name for base in bases for name in vars(base) if not name.startswith("_")]


def name_of(part: Any) -> str:
    """The class as its author knows it: of a 3.x strategy in its adapter, or a function, its own name."""
    if isinstance(part, V3Adapter):
        part = part.original
    return repr(part) if isinstance(part, FunctionOperator) else type(part).__name__


def check_names(cls: type[Any], *bases: type[Any]) -> None:
    """Refuse a public name that is nearly, but not quite, that of a hook: nobody would ever call it.

    Args:
        cls: somebody's class.
        bases: where the hooks are defined.
    """
    hooks = hooks_of(*bases)
    for owner in cls.__mro__:
        if owner in (*bases, object):
            continue
        for name in vars(owner):
            if name.startswith("_") or name in hooks:
                continue
            near = difflib.get_close_matches(name, hooks, 1, 0.75)
            assert not near, (
                f"{owner.__name__}.{name} is no hook, and is never called: did you mean {near[0]}? "
                f"(If it is meant to be something else, call it _{name}.)"
            )
