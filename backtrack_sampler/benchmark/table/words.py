"""A table in words: what it says of each strategy, and how it is to be read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..rows import BEST_OF_N, MAJORITY, ORACLE
from .entries import ALL_TASKS, BASELINE, CHEAP, SLACK, UNDECIDED, Entry
from .table import Table

__all__ = [
    "beside_name",
    "control_name",
    "facts",
    "notes",
    "number",
    "p_value",
    "sentence",
    "signed",
    "span",
    "verdicts",
]

_NOTHING = "–"


def number(value: float | None, digits: int = 3) -> str:
    """With so many digits after the point; a dash where there is none."""
    return _NOTHING if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """With its sign; what rounds to 0 has none."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]


def span(low: float, high: float, sign: bool = False) -> str:
    """From one to the other."""
    show = signed if sign else number
    return f"{show(low)}..{show(high)}"


def p_value(p: float) -> str:
    """Three digits, and never 0."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def beside_name(entry: Entry, name: str) -> str:
    """What a control of equal cost is called; with what it draws, where that is not the strategy's baseline."""
    arm, base = entry.row.beside[name].arm, entry.row.baseline
    return name if base is None or base.arm == arm else f"{name} of {arm.name}"


def control_name(entry: Entry, against: str) -> str:
    """What a strategy is compared with."""
    if against in (BEST_OF_N, MAJORITY):
        return beside_name(entry, against)
    control = entry.comparisons[against].control
    return f"best no dearer: {control}" if against == CHEAP else control


def facts(table: Table, column: str = ALL_TASKS) -> str:
    """What was measured, in a line."""
    entries = table.entries(column)
    repeats, failed = max(entry.repeats for entry in entries), sum(entry.failed for entry in entries)
    where = f"{len(table.tasks)} tasks" if entries[0].task == ALL_TASKS else entries[0].task
    texts = f"{repeats} texts each" if repeats > 1 else "one text each"
    which = f"{failed:,} texts have failed and count" if failed > 1 else "1 text has failed and counts"
    lost = f"; {which} as wrong" if failed else ""
    clusters = entries[0].estimate.clusters
    alike = f" in {clusters:,} clusters" if clusters != entries[0].items else ""
    return f"{where}: {entries[0].items:,} items{alike}, {texts}{lost}"


def verdicts(table: Table, column: str = ALL_TASKS) -> list[str]:
    """A sentence about each strategy."""
    return [sentence(entry) for entry in table.strategies(column)]


def sentence(entry: Entry) -> str:
    """What the table says of a strategy, the control that does the same for less at the end."""
    found: dict[str, list[str]] = {}
    for against, comparison in entry.comparisons.items():
        if against != CHEAP and not comparison.same_as:
            name = control_name(entry, against) + _samples(entry, against)
            said = f"{name} ({signed(comparison.difference.value)}{_twins(entry, against)})"
            found.setdefault(comparison.verdict, []).append(said)
    parts = [f"{verdict} {_than(verdict)} {_list(names)}" for verdict, names in found.items()]
    text = f"{entry.name}: {'; '.join(parts)}"
    if entry.failed:
        text += f"; {entry.failed} of its {entry.items * entry.repeats} texts failed, and count as wrong"
    if entry.price is not None:
        text += f"; it draws {number(entry.price, 2)} times the tokens of its baseline"
    cheap = entry.comparisons.get(CHEAP)
    if cheap is None:
        return f"{text}. Every control that draws once draws over {SLACK:.0%} more tokens."
    if cheap.control == entry.comparisons[BASELINE].control:
        return f"{text}. Of the controls that are no dearer, none scores more than its baseline."
    same = f"; here the same as {control_name(entry, cheap.same_as)}" if cheap.same_as else ""
    said = f"{cheap.verdict} {_than(cheap.verdict)} {cheap.control} ({signed(cheap.difference.value)}{same})"
    costs = f"which draws {number(cheap.drawn, 1)} tokens an item where this draws {number(entry.drawn, 1)}"
    return f"{text}. Of the controls that are no dearer, the best: it is {said}, {costs}."


def _twins(entry: Entry, against: str) -> str:
    """The controls beside a strategy that are no further evidence, since they have the same score on every item."""
    same = [name for name, each in entry.comparisons.items() if each.same_as == against and name != CHEAP]
    if not same:
        return ""
    names = _list([control_name(entry, name) for name in same])
    return f"; here the same as {names}{_samples(entry, same[0]) if against == BASELINE else ''}"


def _samples(entry: Entry, against: str) -> str:
    """How many a control has chosen among, as far as that is known."""
    samples = entry.beside[against].samples if against in entry.beside else None
    return f" with about {number(samples, 1)} samples" if samples is not None else ""


def notes(table: Table) -> list[str]:
    """How the table is to be read."""
    several = len(table.tasks) > 1
    families = _families(table.strategies())
    said = [
        "Score: mean over items, of which repeats were averaged first; intervals are of 95%, with standard errors "
        "clustered by problem, or whatever the task calls alike (Miller, arXiv 2411.00640). Intervals of scores are "
        "Wilson's with the clustered standard error, and the exact binomial one where nothing varies: they have a "
        "width also at 0 and 1.",
        "Drawn: tokens drawn for an item, those taken back among them. Price: drawn, over what the baseline draws. "
        "Passes: places of the text that the model was asked about. What it has said of a place is remembered, so that "
        "drawing again there after a rollback is a token more, and no pass. Equal cost is equal in drawn tokens; in "
        "passes, what takes back costs less than its controls.",
    ]
    if several:
        said.append(
            "All tasks: the mean over tasks, each of the same weight; items are not pooled. Its standard error is that "
            "of independent tasks."
        )
    if not families:
        return said
    said += [
        "Difference: strategy minus control, item by item. p: exact McNemar where each item is right or wrong and like "
        "no other, sign flips of clusters where at most 12 differ, else a paired t on the clusters' sums. It is "
        f"corrected after Holm, for each kind of control by itself: {_list(families)} "
        f"over all {'tasks' if several else 'items'}"
        + ("; the single tasks are families of their own, all tasks of a kind of control in one." if several else "."),
        "Visible: a true difference that is found at least four times in five, at Holm's strictest step, 5% over the "
        "number of p-values in the family, by how much items vary here and would vary with that difference. "
        f"'{UNDECIDED.capitalize()}' says that no difference was shown, not that there is none: it may be smaller.",
        f"{BEST_OF_N.capitalize()} (by the model's own mean log-probability) and {MAJORITY} choose among samples, in "
        "which nothing is taken back, as many as cost the tokens that the strategy has drawn, at least one for each "
        "item. They are the baseline's, or of the arm that is named, where those of the baseline are all the same. "
        "Samples: about how many an item has, by what one costs. One is the text that the named row has itself, and of "
        "two that have an answer both choose the same: there these controls are one, and no further evidence. "
        f"{ORACLE.capitalize()} counts an item as right where any of these samples is: it knows the answer, nobody "
        "could use it, and it is compared with nothing.",
        f"Best no dearer: of the controls that draw once and at most {SLACK:.0%} more tokens than the strategy, the "
        "one with the best score on these very items. To be better than that one is to be better than each of them. "
        "But choosing it by these items flatters it: for a strategy that is worse, p is first multiplied by the number "
        "of controls that it was chosen among, and one that is not distinguishable from it may still be as good as, or "
        "a little better than, any control chosen beforehand.",
    ]
    if any(entry.development is not None for entry in table.strategies()):
        said.append(
            "Tuned: the development score is that of the setting that was best there; it is too high for that reason. "
            "The test score is of other items."
        )
    return said


def _families(strategies: Sequence[Entry]) -> list[str]:
    sizes: Mapping[str, int] = {
        against: comparison.family for entry in strategies for against, comparison in entry.comparisons.items()
    }
    return [f"{size} p-value{'s' * (size != 1)} against {against}" for against, size in sizes.items()]


def _than(verdict: str) -> str:
    return "from" if verdict == UNDECIDED else "than"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
