"""`backtrack-sampler strategies`: list what is installed. Standard library only."""

from __future__ import annotations

import argparse
import inspect
import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

from ..discovery import find_strategy, operator_names, strategy_names
from ..errors import InputError
from ..strategy.chain_strategy import ChainStrategy
from ..strategy.operator_strategy import OperatorStrategy
from .strategy_spec import parameters

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[Any]) -> None:
    commands.add_parser("strategies", help="list what is installed").set_defaults(run=_strategies)


def _strategies(_: argparse.Namespace) -> int:
    columns = min(100, shutil.get_terminal_size().columns)
    classes = {}
    for name in strategy_names():
        try:
            classes[name.replace("_", "-")] = find_strategy(name)
        except InputError as error:  # one broken file does not hide the others
            print(f"backtrack-sampler: {error}", file=sys.stderr)
    # Only for Python: on the command line, --strategy is repeated, and --operator makes one.
    shown = {name: cls for name, cls in classes.items() if cls not in (ChainStrategy, OperatorStrategy)}
    _print_classes("strategies (--strategy)", shown, columns)
    print()
    _print_classes("operators (--operator)", operator_names(), columns)
    values = ", ".join(f"{key}={_default(p.default)}" for key, p in parameters(OperatorStrategy).items())
    print(textwrap.fill(f"Every operator also takes {values}.", columns, break_on_hyphens=False))
    return 0


def _print_classes(title: str, classes: Mapping[str, type[Any]], columns: int) -> None:
    print(f"{title}:")
    indent = " " * (2 + max(map(len, classes)))
    for name, cls in classes.items():
        summary = (cls.__doc__ or "").strip().split("\n")[0] or "(no description)"
        values = [f"{key}={_default(p.default)}" for key, p in parameters(cls).items()]
        first = f"{name:{len(indent)}}"
        print(textwrap.fill(summary, columns, initial_indent=first, subsequent_indent=indent))
        if values:
            text = textwrap.wrap(
                ", ".join(values), columns, initial_indent=indent, subsequent_indent=indent,
                break_on_hyphens=False,
            )  # fmt: skip
            print("\n".join(text))


def _default(value: Any) -> str:
    """As it is written on a command line; "..." where something must be given."""
    if value is inspect.Parameter.empty:
        return "..."
    return json.dumps(value, default=repr)
