"""What the checks call things, and whether a hook's name is spelt as it should be."""

from __future__ import annotations

import difflib
from typing import Any

from ..operators import BaseOperator, FunctionOperator

__all__ = ["check_names", "hooks_of", "name_of"]


def hooks_of(*bases: type[Any]) -> list[str]:
    """The public names that these classes define."""
    # Mutation tests add names of their own, which are no ASCII.
    return [name for base in bases for name in vars(base) if not name.startswith("_") and name.isascii()]


def name_of(operator: BaseOperator) -> str:
    """The class as its author knows it; of a function, its own name."""
    return repr(operator) if isinstance(operator, FunctionOperator) else type(operator).__name__


def check_names(part: Any, *bases: type[Any]) -> None:
    """Refuse a public name that is nearly, but not quite, that of a hook: nobody would ever call it.

    Args:
        part: somebody's strategy, perhaps one of 3.x in its adapter, or operator.
        bases: where the hooks are defined.
    """
    hooks = hooks_of(*bases)
    for owner in type(getattr(part, "original", part)).__mro__:
        if owner in (*bases, object):
            continue
        for name in vars(owner):
            near = difflib.get_close_matches(name, hooks, 1, 0.75)
            assert name.startswith("_") or name in hooks or not near, (
                f"{owner.__name__}.{name} is no hook, so nobody calls it: did you mean {near[0]}? "
                f"(If it is something of your own, call it _{name}.)"
            )
