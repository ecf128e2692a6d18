"""What is not as it was when a file was begun. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...prompts import OPTIONS

__all__ = ["differences", "repeated_only"]

_LONG = 500  # characters of a value, which may be a conversation


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """name -> what was, and what is now, for people."""
    return {
        name: _edited_files(old.get(name), new.get(name))
        or f"{name} was {_short(old.get(name))} and is {_short(new.get(name))} now"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    }


def repeated_only(given: Mapping[str, Any]) -> dict[str, str]:
    """The same for what a prompt's line says: earlier versions made no use of any of it."""
    return {
        name: f"{name} in a prompt's line had no effect then, and has one now"
        for name in given
        if name in (*OPTIONS, "system") and given[name] is not None
    }


def _edited_files(old: Any, new: Any) -> str:
    """What to say of strategies that differ only in the files that they were read from; "" where that is not so."""
    if not isinstance(old, list) or not isinstance(new, list) or _without_digests(old) != _without_digests(new):
        return ""
    digests = [(before.get("sha256", {}), after.get("sha256", {})) for before, after in zip(old, new, strict=True)]
    files = [file for before, after in digests for file in after if before.get(file) != after[file]]
    return " and ".join(files) + (" was" if len(files) == 1 else " were") + " edited since" if files else ""


def _without_digests(strategies: list[Any]) -> list[Any]:
    return [{k: v for k, v in each.items() if k != "sha256"} if isinstance(each, dict) else each for each in strategies]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."
