"""The table as HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from ..results import Results
from ..rows import BEST_OF_N, MAJORITY, ORACLE
from ..table import Table
from ..table.entries import ALL_TASKS, BASELINE, BETTER, CHEAP, SLACK, WORSE, Comparison, Entry
from .changes import count_changed
from .plots import series_of
from .wording import change, escaped, number, probability, score, span, times

__all__ = ["grid", "legend"]

_NONE = '<td class="none">–</td>'
_MARKS = {BETTER: ("better", "\u25b2"), WORSE: ("worse", "\u25bc")}

#: Heading of each column after the scores, and what it means.
_HEADS = [
    ("tokens", "drawn for an item, those taken back among them; below: over those of the baseline"),
    ("passes", "places of the text that the model was asked about; to draw again after a rollback needs none"),
    ("against the baseline", "the same sampling, and nothing taken back"),
    ("visible", "a true difference from the baseline that is found at least four times in five, p being corrected"),
    ("against best-of-n", "at equal cost: the sample that the model itself finds most probable"),
    ("against majority", "at equal cost: the answer that most samples give"),
    ("against the best control no dearer", f"of those that draw once, and at most {SLACK:.0%} more tokens"),
    ("oracle", "pass@n at equal cost: what one would score who always knew which sample is right"),
    ("tuned on", "score on the development split, which the settings were chosen on"),
]  # fmt: skip


def grid(results: Results, table: Table, column: str) -> str:
    """One column of the table with all that is known of it; of all tasks also the score on each.

    Args:
        results: what the table is of: for what has changed, item by item.
        table: with at least one item.
        column: of `table.columns`.
    """
    entries, series = table.entries(column), series_of(table.rows)
    tasks = table.columns[1:] if column == ALL_TASKS else []
    tuned = any(entry.development is not None for entry in entries)
    heads = [
        ("", ""),
        ("score", "mean over items; below: its 95% interval"),
        *((_breakable(task), "") for task in tasks),
    ]
    heads += [head for head in _HEADS if tuned or head[0] != "tuned on"]
    lines = []
    for place, entry in enumerate(entries, 1):
        cells = [
            _head(place, entry, series, results if column == table.columns[0] else None),
            _cell(entry.score, score(entry.score), span(*entry.estimate[2:4])),
            *(_on_task(table.entry(entry.name, task)) for task in tasks),
            *_cells(entry, tuned),
        ]
        lines.append(f'<tr class="{entry.row.kind}">{"".join(cells)}</tr>')
    top = "".join(f'<th scope="col" title="{what}">{head}</th>' for head, what in heads)
    body = "".join(lines)
    return f'<div class="wide"><table class="grid"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _breakable(name: str) -> str:
    """A task's name, to be broken where its parameters begin."""
    return re.sub("([:,])", r"\1<wbr>", escaped(name))


def _head(place: int, entry: Entry, series: Mapping[str, int], results: Results | None) -> str:
    """A row's number, sign and name; in the first table, from there to the items that it has changed."""
    of = series[entry.row.baseline.name] if entry.row.baseline is not None else None
    dot = f'<i class="dot s{of + 1}"></i>' if of is not None else '<i class="dot"></i>'
    more = ""
    if results is not None and entry.row.baseline is not None:
        gained, lost = count_changed(results, entry.row)
        title = "texts that are worth more, and less, than the baseline's with the same seed"
        if gained or lost:
            more = f'<a href="#changed-{place}" title="{title}">+{gained:,} \u2212{lost:,} texts</a>'
    name = f"<span><bdi>{escaped(entry.name)}</bdi>{more}</span>"
    return f'<th scope="row" data-v="{place}"><div><span>{place}</span>{dot}{name}</div></th>'


def _cells(entry: Entry, tuned: bool) -> Iterable[str]:
    yield _cell(entry.drawn, number(entry.drawn), *([f"× {times(entry.price)}"] if entry.price is not None else []))
    yield _cell(entry.forwards, number(entry.forwards)) if entry.forwards else _NONE
    base = entry.comparisons.get(BASELINE)
    yield _difference(base)
    yield _cell(base.visible_corrected, score(base.visible_corrected)) if base is not None else _NONE
    for against in (BEST_OF_N, MAJORITY, CHEAP):
        yield _difference(entry.comparisons.get(against), _who(entry, against), _alike(entry, against))
    oracle = entry.beside.get(ORACLE)
    yield _cell(oracle.score, score(oracle.score)) if oracle is not None else _NONE
    if tuned:
        yield _cell(entry.development, score(entry.development)) if entry.development is not None else _NONE


def _who(entry: Entry, against: str) -> str:
    """The name of a control, where the heading does not say it: of its samples, where they are not the baseline's."""
    if against == CHEAP:
        return entry.comparisons[CHEAP].control if CHEAP in entry.comparisons else ""
    arm, base = (entry.row.beside[against].arm if against in entry.row.beside else None), entry.row.baseline
    return "" if arm is None or base is None or arm == base.arm else f"of {arm.name}:"


def _alike(entry: Entry, against: str) -> Iterable[str]:
    """How many samples a control has chosen among, and which other one it is, where both score the same everywhere."""
    samples = entry.beside[against].samples if against in entry.beside else None
    if samples is not None:
        yield f"about {samples:.1f} samples"
    found = entry.comparisons.get(against)
    if found is not None and found.same_as:
        yield f"same as {found.same_as}"


def _on_task(entry: Entry) -> str:
    """The score, marked where it is surely another than the baseline's."""
    base = entry.comparisons.get(BASELINE)
    return _cell(entry.score, score(entry.score), verdict=base.verdict if base is not None else "")


def _difference(found: Comparison | None, who: str = "", alike: Iterable[str] = ()) -> str:
    if found is None:
        return _NONE
    low, high = found.difference.low, found.difference.high
    control = f"<bdi>{escaped(who)}</bdi> {score(found.score.value)}" if who else score(found.score.value)
    below = [control, span(low, high, sign=True), probability(found.p), *alike]
    return _cell(found.difference.value, change(found.difference.value), *below, verdict=found.verdict)


def _cell(value: float | None, shown: str, *below: str, verdict: str = "") -> str:
    sort = f' data-v="{value:.6g}"' if value is not None and not math.isnan(value) else ""
    kind, mark = _MARKS.get(verdict, ("", ""))
    said = f'<b class="{kind}" title="{verdict}">{mark}{shown}</b>' if kind else shown
    return f"<td{sort}>{said}{''.join(f'<small>{each}</small>' for each in below)}</td>"


def legend(table: Table) -> str:
    """Which colour and shape is whose, for plots and table."""
    return "".join(
        f'<span><i class="dot s{place + 1}"></i>sampled as <bdi>{escaped(name)}</bdi></span>'
        for name, place in series_of(table.rows).items()
    )
