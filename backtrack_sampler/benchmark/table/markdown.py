"""A table as Markdown, for a paper or a README."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...terminal.layout import printable
from .entries import ALL_TASKS
from .table import Table
from .table_text import DIFFERENCES, Line, differences, scores, scores_head
from .words import facts, notes, verdicts

__all__ = ["as_markdown"]


def as_markdown(table: Table, *, tasks: bool = False, title: str = "Results", about: str = "") -> str:
    """The table, what it says in words, and notes on how to read it.

    Args:
        tasks: each task by itself as well, in sections at the end.
        title: the heading.
        about: a line below it: what was run.
    """
    parts = [f"# {_escaped(title)}", *([_escaped(about)] if about else []), *_section(table, table.columns[0])]
    if table.strategies():
        parts += ["## In words", "\n".join(f"- {_escaped(said)}" for said in verdicts(table))]
    parts += ["## How to read it", "\n".join(f"- {_escaped(said)}" for said in notes(table))]
    if tasks and len(table.tasks) > 1:
        for task in table.tasks:
            parts += [f"## {_escaped(task)}", *_section(table, task)]
    return "\n\n".join(parts) + "\n"


def _section(table: Table, column: str = ALL_TASKS) -> list[str]:
    parts = [_escaped(facts(table, column)), _table("row", scores_head(table), scores(table, column))]
    if table.strategies(column):
        parts.append(_table("strategy, and control", DIFFERENCES, differences(table, column), last_left=True))
    return parts


def _table(first: str, head: Sequence[str], lines: Sequence[Line], *, last_left: bool = False) -> str:
    """Rows that stand beside another begin with a dash; those of their own are bold where others are beside them."""
    ruler = [":--", *["--:"] * len(head)]
    if last_left:
        ruler[-1] = ":--"
    rows = [[first, *head], ruler]
    for index, line in enumerate(lines):
        followed = line.level == 0 and index + 1 < len(lines) and lines[index + 1].level > 0
        label = _escaped(line.label)
        label = f"– {label}" if line.level else f"**{label}**" if followed else label
        rows.append([label, *map(_escaped, line.cells), *[""] * (len(head) - len(line.cells))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _escaped(text: str) -> str:
    """Nothing in it is markup, and it is one line."""
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", printable(text))
