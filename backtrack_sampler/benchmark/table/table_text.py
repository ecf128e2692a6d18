"""A table as text for a terminal: scores first, then each strategy against its controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...terminal.layout import clip, printable, width, wrap
from .entries import ALL_TASKS, Entry
from .table import Table
from .words import beside_name, control_name, facts, notes, number, p_value, signed, span, verdicts

__all__ = ["DIFFERENCES", "Line", "differences", "scores", "scores_head", "text"]

_GAP = 2
_NARROWEST = 20  # columns of a label
#: Columns that a terminal must have for what is not shown in narrower ones.
_NEEDED = {"rollbacks": 96, "tokens": 96, "visible": 96, "passes": 120, "samples": 120}

#: What stands above the differences.
DIFFERENCES = ("tokens", "difference", "95% interval", "p (Holm)", "visible", "verdict")


class Line(NamedTuple):
    """A line of the table.

    Attributes:
        label: what it is about.
        cells: one a column; those at the end may be missing.
        level: 0 for rows of their own; 1 for what stands beside the one above.
    """

    label: str
    cells: list[str]
    level: int = 0


def scores_head(table: Table) -> list[str]:
    """What stands above the scores; the development scores only where something was tuned."""
    return [
        "score", "95% interval", *(["development"] * _tuned(table)), "drawn", "passes", "price", "samples",
        "rollbacks", "failed",
    ]  # fmt: skip


def scores(table: Table, column: str = ALL_TASKS) -> list[Line]:
    """What each row has scored, and what it has cost."""
    lines, tuned = [], _tuned(table)
    for entry in table.entries(column):
        lines.append(Line(entry.name, _score(entry, tuned)))
        for name, control in entry.beside.items():
            lines.append(Line(beside_name(entry, name), _score(control, tuned), 1))
    return lines


def differences(table: Table, column: str = ALL_TASKS) -> list[Line]:
    """Each strategy against its controls."""
    lines = []
    for entry in table.strategies(column):
        lines.append(Line(entry.name, [number(entry.drawn, 1)]))
        for against, comparison in entry.comparisons.items():
            found = comparison.difference
            cells = [
                number(comparison.drawn, 1),
                signed(found.value),
                span(found.low, found.high, sign=True),
                p_value(comparison.p),
                number(comparison.visible_corrected),
                comparison.verdict,
            ]
            lines.append(Line(control_name(entry, against), cells, 1))
    return lines


def text(table: Table, columns: int = 100, *, tasks: bool = False) -> str:
    """The whole; see `Table.text`."""
    parts: list[str] = []
    for column in table.columns if tasks else table.columns[:1]:
        parts += [*_wrapped(facts(table, column), columns), ""]
        parts += [*_grid(scores_head(table), scores(table, column), columns), ""]
        if table.strategies(column):
            parts += [*_grid(DIFFERENCES, differences(table, column), columns, last_left=True), ""]
    for said in verdicts(table):
        parts += _hanging(said, columns)
    if table.strategies():
        parts.append("")
    for said in notes(table):
        parts += _wrapped(said, columns)
    return "\n".join(parts)


def _fitting(head: Sequence[str], lines: Sequence[Line], columns: int) -> tuple[list[str], list[Line]]:
    """Without some columns where there is no room for all."""
    keep = [index for index, name in enumerate(head) if columns >= _NEEDED.get(name, 0)]
    return [head[index] for index in keep], [
        line._replace(cells=[line.cells[index] for index in keep if index < len(line.cells)]) for line in lines
    ]


def _score(entry: Entry, tuned: bool) -> list[str]:
    found = entry.estimate
    return [
        number(found.value),
        span(found.low, found.high),
        *([number(entry.development)] * tuned),
        number(entry.drawn, 1),
        number(entry.forwards or None, 1),
        number(entry.price, 2),
        number(entry.samples, 1),
        number(entry.rollbacks, 1),
        f"{entry.failed:,}",
    ]


def _tuned(table: Table) -> bool:
    return any(entry.development is not None for column in table.columns for entry in table.strategies(column))


def _grid(head: Sequence[str], lines: Sequence[Line], columns: int, *, last_left: bool = False) -> list[str]:
    """Labels on the left, in several lines where they are long; cells on the right."""
    head, lines = _fitting(head, lines, columns)
    rows = [list(head), *(line.cells for line in lines)]
    widths = [max(_size(row[index]) for row in rows if index < len(row)) for index in range(len(head))]
    room = max(columns - sum(_GAP + each for each in widths), _NARROWEST)
    labels = [_hanging("  " * line.level + line.label, room) for line in lines]
    label = max((_size(part) for parts in labels for part in parts), default=0)
    shown = [_row("", head, widths, label, last_left)]
    for line, parts in zip(lines, labels, strict=True):
        shown += [_row(parts[0], line.cells, widths, label, last_left), *parts[1:]]
    return shown


def _row(label: str, cells: Sequence[str], widths: Sequence[int], room: int, last_left: bool) -> str:
    shown = label + " " * (room - _size(label))
    for index, cell in enumerate(cells):
        fill = " " * (widths[index] - _size(cell))
        shown += " " * _GAP + (cell + fill if last_left and index == len(widths) - 1 else fill + cell)
    return shown.rstrip()


def _hanging(said: str, columns: int) -> list[str]:
    """In lines, of which all but the first are set in by as much as it is, and two more."""
    start = len(said) - len(said.lstrip(" "))
    first, *rest = _wrapped(said, columns)
    inner = " " * (start + 2)
    left = said[len(first) :].strip() if rest else ""
    return [first, *(clip(inner + line, columns) for line in _wrapped(left, max(columns - len(inner), 2)) if line)]


def _wrapped(said: str, columns: int) -> list[str]:
    return [line.text for line in wrap(printable(said), max(columns, 2))]


def _size(said: str) -> int:
    return sum(map(width, said))
