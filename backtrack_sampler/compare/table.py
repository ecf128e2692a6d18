"""A comparison as text: measures as rows, contenders as columns."""

from __future__ import annotations

import string
from typing import NamedTuple

from ..terminal.layout import clip, printable, width, wrap
from .comparison import MEASURES, Comparison, Measure
from .intervals import Interval

__all__ = ["Line", "differences", "facts", "notes", "table", "values"]

_GAP = 2
_NOTHING = "–"


class Line(NamedTuple):
    """A line of the table: what it is about, and a cell for each contender."""

    label: str
    cells: list[str]


def values(comparison: Comparison) -> list[Line]:
    """What is said of each contender."""
    lines = []
    for measure in MEASURES:
        found = [comparison.value(name, measure) for name in comparison.contenders]
        lines.append(Line(measure.label, [_shown(measure, value) for value in found]))
        if measure.name == "texts":
            others = [f"{comparison.changed(name):,}" for name in comparison.contenders[1:]]
            lines.append(Line("... unlike none", [_NOTHING, *others]))
    if comparison.failed:
        errors = [comparison.reasons(name).get("error", 0) for name in comparison.contenders]
        lines.append(Line("failed", [f"{count:,}" for count in errors]))
    return lines


def differences(comparison: Comparison) -> list[Line]:
    """The intervals of what each contender but the baseline has more; lines as in `values`."""
    lines = []
    for measure in MEASURES:
        if measure.parts is not None:
            found = [comparison.difference(name, measure) for name in comparison.contenders[1:]]
            lines.append(Line(measure.label, [_span(measure, interval) for interval in found]))
    return lines


def facts(comparison: Comparison) -> str:
    """What was compared, in a line."""
    settings, prompts = comparison.settings, len(comparison.prompts)
    said = [
        *([str(settings["model"])] if settings.get("model") else []),
        f"{prompts} prompt{'s' * (prompts != 1)} with {comparison.seeds} seed{'s' * (comparison.seeds != 1)} each",
    ]
    if not comparison.complete:
        said[-1] = f"{comparison.done} of {said[-1]}"
    if settings.get("max_new_tokens") is not None:
        said.append(f"at most {settings['max_new_tokens']} tokens")
    said.append(f"temperature {settings.get('temperature', 1.0):g}")
    return ", ".join(said)


def notes(comparison: Comparison) -> str:
    """What the lines of the table mean, and what they do not."""
    own = ", which antislop bans where it is given no other" if comparison.built_in else ""
    return (
        "Repeated 4-grams: of tokens, within a text. Distinct-n: different n-grams of words over all, of all texts "
        "of a contender together. Log-probability: the model's own, in nats a token, at temperature 1 and without "
        f"filters. Phrases: of the {comparison.phrases}{own}. Speed: measured in turns; a quick look, no benchmark."
    )


def table(comparison: Comparison, columns: int = 80) -> str:
    """The whole as text, no wider than that where this can be; where names are too long, letters stand for them."""
    above, below = values(comparison), differences(comparison)
    names, legend = [printable(name) for name in comparison.contenders], []
    if _total(above, names) > columns or _total(below, names[1:]) > columns:
        letters = [string.ascii_uppercase[i] if i < 26 else str(i + 1) for i in range(len(names) - 1)]
        pairs = zip(letters, names[1:], strict=True)
        legend = [*(clip(f"{letter:<4}{name}", columns) for letter, name in pairs), ""]
        names = [names[0], *letters]
    first, second = _widths(above, names), [0, *_widths(below, names[1:])]
    together = list(map(max, first, second))
    if _LABEL + sum(_GAP + cell for cell in together) <= columns:  # then they stand below each other
        first = second = together
        below, names_below, fixed = [Line(line.label, ["", *line.cells]) for line in below], ["", *names[1:]], 1
    else:
        second, names_below, fixed = second[1:], names[1:], 0
    parts = [*_wrapped(facts(comparison), columns), "", *legend, *_grid(names, above, first, columns, 1)]
    if any(cell not in ("", _NOTHING) for line in below for cell in line.cells):
        parts += [*_wrapped(_DIFFERENCES, columns), *_grid(names_below, below, second, columns, fixed)]
    return "\n".join([*parts, *_wrapped(notes(comparison), columns)])


def _widths(lines: list[Line], names: list[str]) -> list[int]:
    """Of each column, the name above it included."""
    rows = [names, *(line.cells for line in lines)]
    return [max(_size(row[index]) for row in rows) for index in range(len(names))]


def _total(lines: list[Line], names: list[str]) -> int:
    return _LABEL + sum(_GAP + cell for cell in _widths(lines, names))


def _grid(names: list[str], lines: list[Line], widths: list[int], columns: int, fixed: int) -> list[str]:
    """Rows of text, and an empty one; in several blocks where columns do not fit. `fixed` of them are in each."""
    parts, start = [], fixed
    while True:
        end, room = start, columns - _LABEL - sum(_GAP + width for width in widths[:fixed])
        while end < len(names) and (end == start or _GAP + widths[end] <= room):
            room -= _GAP + widths[end]
            end += 1
        shown = [*range(fixed), *range(start, end)]
        for line in [Line("", names), *lines]:
            text = line.label + " " * (_LABEL - _size(line.label))
            for index in shown:
                text += " " * (_GAP + widths[index] - _size(line.cells[index])) + line.cells[index]
            parts.append(text.rstrip())
        parts.append("")
        start = end
        if start >= len(names):
            return parts


def _wrapped(text: str, columns: int) -> list[str]:
    return [line.text for line in wrap(printable(text), max(columns, 2))]


def _size(text: str) -> int:
    """Columns of a text."""
    return sum(map(width, text))


def _shown(measure: Measure, value: float) -> str:
    return measure.show(value) if value == value else _NOTHING


def _span(measure: Measure, interval: Interval | None) -> str:
    if interval is None:
        return _NOTHING
    low, high = measure.show(interval.low), measure.show(interval.high)
    return low if low == high else f"{low.removesuffix('%')}..{high}"


_LABEL = max(_size(measure.label) for measure in MEASURES)
_DIFFERENCES = (
    "Difference from none, text by text with the same seed: 95% interval, from a bootstrap over prompts and seeds"
)
