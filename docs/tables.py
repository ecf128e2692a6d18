"""The tables of strategies and operators in the README, made from the code.

python docs/tables.py            # writes them
python docs/tables.py --check    # exit code 1 where they are out of date
"""

from __future__ import annotations

import inspect
import math
import sys
from pathlib import Path
from typing import Any

from backtrack_sampler.discovery import find_strategy, operator_names, strategy_names
from backtrack_sampler.specs import parameters
from backtrack_sampler.strategy.operator_strategy import OperatorStrategy

README = Path(__file__).parents[1] / "README.md"


def strategies() -> str:
    """A row a strategy of this package: its name in Python, what it does, its parameters."""
    classes = [find_strategy(name) for name in strategy_names()]
    return _table("strategy", [cls for cls in classes if cls.__module__.startswith("backtrack_sampler.")])


def operators() -> str:
    """A row an operator, and what all of them take."""
    around = ", ".join(f"`{text}`" for text in _parameters(OperatorStrategy))
    return f"{_table('operator', list(operator_names().values()))}\n\n`OperatorStrategy` around any of them: {around}."


def updated(text: str) -> str:
    """The README with its tables as the code is now."""
    for name, table in (("strategies", strategies()), ("operators", operators())):
        start, end = f"<!-- {name}: made by docs/tables.py -->\n", f"\n<!-- end of {name} -->"
        before, found, rest = text.partition(start)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"README.md has lost the lines {start.strip()} and {end.strip()}")
        text = before + start + table + end + after
    return text


def _table(kind: str, classes: list[type[Any]]) -> str:
    lines = [f"| {kind} | what it does | parameters |", "| --- | --- | --- |"]
    for cls in classes:
        summary = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        # Inside a table's cell a line must not break at an underscore or a bar.
        values = ", ".join(f"`{text}`" for text in _parameters(cls)).replace("|", "\\|")
        lines.append(f"| `{cls.__name__}` | {summary} | {values} |")
    return "\n".join(lines)


def _parameters(cls: type[Any]) -> list[str]:
    texts = []
    for name, parameter in parameters(cls).items():
        value = "math.inf" if parameter.default == math.inf else repr(parameter.default)
        texts.append(name if parameter.default is parameter.empty else f"{name}={value}")
    return texts


if __name__ == "__main__":
    now = README.read_text(encoding="utf-8")
    new = updated(now)
    if now != new:
        if "--check" in sys.argv:
            sys.exit("README.md: the tables are out of date: run `python docs/tables.py`")
        README.write_text(new, encoding="utf-8")
