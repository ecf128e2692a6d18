"""`backtrack-sampler strategies`: list what is installed, or explain one of it. Standard library only."""

from __future__ import annotations

import argparse
import inspect
import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from ..discovery import find_operator, find_strategy, operator_names, path_and_class, strategy_names
from ..errors import InputError
from ..specs import parameters
from ..strategy.chain_strategy import ChainStrategy
from ..strategy.operator_strategy import OperatorStrategy
from . import arguments
from .docstrings import explanation_of

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "strategies",
        help="list strategies and operators, or explain one",
        **arguments.examples(
            "backtrack-sampler strategies", "backtrack-sampler strategies antislop",
            "backtrack-sampler strategies ./my.py:MyStrategy",
        ),
    )  # fmt: skip
    parser.set_defaults(run=_strategies)
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="explain this one: NAME, FILE.py or FILE.py:Class (default: list all)"
    )


def _strategies(options: argparse.Namespace) -> int:
    columns = min(100, shutil.get_terminal_size().columns)
    if options.name is not None:
        _explain(options.name, columns)
    else:
        _list(columns)
    return 0


# -- all of them ---------------------------------------------------------------------------


def _list(columns: int) -> None:
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
    print("\nbacktrack-sampler strategies NAME explains one.")


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


# -- one of them ---------------------------------------------------------------------------


def _explain(name: str, columns: int) -> None:
    found, kind = _find(name)
    is_file = bool(path_and_class(name)[0])
    explanation = explanation_of(found)
    print(f"{name}: {'a strategy' if kind == 'strategy' else 'an operator'} ({found.__name__} in Python)")
    for paragraph in [explanation.summary, *explanation.paragraphs[1:]]:
        print("\n" + _filled(paragraph, columns))
    _print_parameters("parameters", found, columns)
    if kind == "operator":
        _print_parameters("parameters of every operator", OperatorStrategy, columns)
    print("\nexample:" if len(explanation.examples) < 2 else "\nexamples:")
    plain = name if is_file else name.lower().replace("_", "-")
    needed = [f"{key}=TEXT" for key, p in parameters(found).items() if p.default is p.empty]
    for spec in explanation.examples or [":".join([plain, ",".join(needed)]) if needed else plain]:
        print(f"  {_command(spec, kind)}")
    print("\n" + _filled(arguments.SPEC_HELP, columns))


def _find(name: str) -> tuple[Callable[..., Any], str]:
    """A strategy's or an operator's class, or a function, and which it is."""
    path, wanted = path_and_class(name)
    errors = []
    for find, kind in ((find_strategy, "strategy"), (find_operator, "operator")):
        try:
            return find(name), kind
        except InputError as error:
            said = str(error)
            if "did you mean" in said or ("must hold one" in said and "found: none" not in said):
                raise
            errors.append(error)
    if not path:
        raise InputError(f"no strategy or operator {name!r}: backtrack-sampler strategies lists them")
    if str(errors[0]) == str(errors[1]):  # the file itself cannot be used
        raise errors[0]
    raise InputError(f"{path} has no strategy and no operator {wanted or 'in it'}")


def _print_parameters(title: str, thing: Callable[..., Any], columns: int) -> None:
    said = explanation_of(thing).parameters
    known = parameters(thing)
    if not known:
        return
    print(f"\n{title}:")
    for key, parameter in known.items():
        print(f"  {key}={_default(parameter.default)}")
        if key in said:
            print(_filled(said[key], columns, " " * 6))


def _filled(text: str, columns: int, indent: str = "") -> str:
    return textwrap.fill(text, columns, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _command(spec: str, kind: str) -> str:
    if spec.startswith("backtrack-sampler "):
        return spec
    return f'backtrack-sampler generate "Once upon a time" --{kind} {shlex.quote(spec)} --show-rollbacks'


def _default(value: Any) -> str:
    """As it is written on a command line; "..." where something must be given."""
    if value is inspect.Parameter.empty:
        return "..."
    return json.dumps(value, default=repr)
