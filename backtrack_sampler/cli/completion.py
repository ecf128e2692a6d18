"""What Tab offers in a chat. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..discovery import operator_names, strategy_names

__all__ = ["completions"]


def completions(begun: str, commands: Iterable[str]) -> list[str]:
    """Lines that a command which was begun may become."""
    name, space, rest = begun.partition(" ")
    if not space:
        return [f"{each} " for each in commands if each.startswith(name)]
    if name in ("/strategy", "/operator"):
        names = strategy_names() if name == "/strategy" else operator_names()
        wrappers = ("chain", "operator")  # strategies that no name alone makes
        known = [each.replace("_", "-") for each in names if each not in wrappers]
        return [f"{name} {each}" for each in known if each.startswith(rest)]
    if name in ("/save", "/load", "/trace"):
        return [f"{name} {each}" for each in _files(rest)]
    return []


def _files(begun: str) -> list[str]:
    """Files and folders whose names begin so."""
    folder, slash, name = begun.rpartition("/")
    try:
        found = sorted(Path(folder + slash or ".").expanduser().iterdir())
        return [
            f"{folder}{slash}{each.name}{'/' if each.is_dir() else ''}"
            for each in found
            if each.name.startswith(name or each.name.lstrip("."))
        ]
    except (OSError, RuntimeError):
        return []
