"""The table: every row with its price, and every strategy with what it must be measured against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ...errors import InputError
from ..rows import BEST_OF_N, EQUAL_COST, MAJORITY, Outcome, Row
from ..statistics.estimates import (
    ALPHA,
    Estimate,
    Pairs,
    estimate,
    holm,
    mean_difference,
    mean_estimate,
    smallest_visible,
)
from .entries import ALL_TASKS, BASELINE, BETTER, CHEAP, COMPARED, SLACK, UNDECIDED, WORSE, Comparison, Entry

__all__ = ["Table"]


class Table:
    """What an experiment has found, with intervals, differences and verdicts.

    p-values are corrected after Holm in families: those of all strategies against one kind of control (the
    baseline, best-of-n, majority, the best that is no dearer), once over all tasks, and once on the single tasks,
    all of them together. In a family, the chance that any "better" or "worse" is false is at most 5%. For the best
    that is no dearer this holds since a loss against it is first corrected for the number of controls that it was
    chosen among, see `Comparison.p`.

    Attributes:
        rows: controls that draw once, and strategies; what is `beside` a strategy stands with it.
        tasks: names of those that have items, in order.
        columns: `ALL_TASKS` where there are several tasks, then each task.

    Raises:
        InputError: a strategy whose baseline is no row, two rows of one name, rows of different items, or none.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self.tasks = _checked(self.rows)
        self.columns = [*([ALL_TASKS] if len(self.tasks) > 1 else []), *self.tasks]
        self._entries = {column: self._column(column) for column in self.columns}
        for columns in ([ALL_TASKS], self.tasks):
            self._correct([column for column in columns if column in self._entries])

    def entry(self, name: str, column: str = ALL_TASKS) -> Entry:
        """What is said of a row; where there is one task only, that is all tasks.

        Raises:
            InputError: there is no such row or column.
        """
        found = {entry.name: entry for entry in self.entries(column)}
        if name not in found:
            raise InputError(f"there is no row {name!r}; there are {', '.join(found)}")
        return found[name]

    def entries(self, column: str = ALL_TASKS) -> list[Entry]:
        """Of all rows, in order.

        Raises:
            InputError: there is no such column.
        """
        column = self.tasks[0] if column == ALL_TASKS and len(self.tasks) == 1 else column
        if column not in self._entries:
            raise InputError(f"there is no task {column!r}; there are {', '.join(self.tasks)}")
        return list(self._entries[column])

    def strategies(self, column: str = ALL_TASKS) -> list[Entry]:
        """Of the rows that are to be shown to help."""
        return [entry for entry in self.entries(column) if entry.row.kind == "strategy"]

    def controls(self, column: str = ALL_TASKS) -> list[Entry]:
        """Of the rows that draw once and take nothing back."""
        return [entry for entry in self.entries(column) if entry.row.kind == "control"]

    def text(self, columns: int = 100, *, tasks: bool = False) -> str:
        """For a terminal of that width, at least 80; below 120, without passes and samples; below 96, without
        rollbacks, tokens of controls, and visible.

        Args:
            tasks: each task by itself as well.
        """
        from .table_text import text

        return text(self, columns, tasks=tasks)

    def __str__(self) -> str:
        return self.text()

    def _column(self, column: str) -> list[Entry]:
        """All rows on one task, or on all."""
        tasks = self.tasks if column == ALL_TASKS else [column]
        plain = {row.name: _entry(row, column, tasks) for row in self.rows}
        controls = [entry for entry in plain.values() if entry.row.kind == "control"]
        return [self._strategy(plain, controls, row, tasks) if row.baseline else plain[row.name] for row in self.rows]

    def _strategy(self, plain: Mapping[str, Entry], controls: Sequence[Entry], row: Row, tasks: Sequence[str]) -> Entry:
        mine = plain[row.name]
        assert row.baseline is not None  # a strategy has one
        base = plain[row.baseline.name]
        beside = {
            name: replace(
                _entry(row.beside[name], mine.task, tasks),
                price=_price(row.beside[name], base, tasks),
                samples=_samples(row.beside[name], controls, tasks),
            )
            for name in EQUAL_COST
        }
        against = {BASELINE: base, **{name: beside[name] for name in (BEST_OF_N, MAJORITY)}}
        able = [control for control in controls if control.drawn <= mine.drawn * (1 + SLACK)]
        if able:  # of those with equal scores, the one that draws least
            against[CHEAP] = max(able, key=lambda control: (control.score, -control.drawn))
        comparisons: dict[str, Comparison] = {}
        for name, control in against.items():
            same = next((each for each in comparisons if _same(against[each], control, tasks)), "")
            found = _comparison(name, mine, control, tasks, len(able) if name == CHEAP else 1)
            comparisons[name] = replace(found, same_as=same)
        return replace(mine, price=_price(row, base, tasks), beside=beside, comparisons=comparisons)

    def _correct(self, columns: Sequence[str]) -> None:
        """p-values of these columns, one family for each kind of control, and what follows from them."""
        for against in COMPARED:
            places = [
                (column, index)
                for column in columns
                for index, entry in enumerate(self._entries[column])
                if against in entry.comparisons
            ]
            found = [self._entries[column][index].comparisons[against] for column, index in places]
            for (column, index), comparison, p in zip(places, found, holm([each.p for each in found]), strict=True):
                entry = self._entries[column][index]
                corrected = _corrected(comparison, p, len(found))
                self._entries[column][index] = replace(entry, comparisons={**entry.comparisons, against: corrected})


def _checked(rows: Sequence[Row]) -> list[str]:
    """The tasks, where the rows can be one table."""
    names = [row.name for row in rows]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{', '.join(twice)}: two rows of that name; give each its own")
    for row in rows:
        base = row.baseline
        if base and not any((base.name, base.arm) == (other.name, other.arm) for other in rows):
            raise InputError(f"{row.name} cannot be shown: its baseline is not among the rows, add it")
        if _items(row) != _items(rows[0]):
            raise InputError(f"{row.name} and {names[0]} were not asked the same items: a table needs that of all rows")
    tasks = [task for task, outcomes in rows[0].outcomes.items() if outcomes] if rows else []
    if not tasks:
        raise InputError("there is nothing to show: no item has been answered by all rows")
    if ALL_TASKS in tasks:
        raise InputError(f"a task cannot be called {ALL_TASKS!r}: give it another name")
    return tasks


def _items(row: Row) -> dict[str, list[str]]:
    return {task: [each.item for each in outcomes] for task, outcomes in row.outcomes.items() if outcomes}


def _clusters(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """An item without a cluster is like no other."""
    return [("cluster", each.cluster) if each.cluster else ("item", each.item) for each in outcomes]


def _scores(row: Row, task: str) -> list[float]:
    return [each.score for each in row.outcomes[task]]


def _estimate(row: Row, task: str) -> Estimate:
    return estimate(_scores(row, task), _clusters(row.outcomes[task]))


def _drawn(outcome: Outcome) -> float:
    return outcome.drawn


def _mean(row: Row, tasks: Sequence[str], what: Callable[[Outcome], float]) -> float:
    """Over tasks, of their means over items."""
    means = [sum(map(what, row.outcomes[task])) / len(row.outcomes[task]) for task in tasks]
    return sum(means) / len(means)


def _entry(row: Row, column: str, tasks: Sequence[str]) -> Entry:
    outcomes = [each for task in tasks for each in row.outcomes[task]]
    tuned = [row.development[task] for task in tasks if task in row.development]
    return Entry(
        row,
        column,
        mean_estimate([_estimate(row, task) for task in tasks]),
        len(outcomes),
        max(each.repeats for each in outcomes),
        _mean(row, tasks, _drawn),
        _mean(row, tasks, lambda each: each.kept),
        _mean(row, tasks, lambda each: each.rollbacks),
        sum(each.failed for each in outcomes),
        development=sum(tuned) / len(tuned) if len(tuned) == len(tasks) else None,
        forwards=_mean(row, tasks, lambda each: each.forwards),
    )


def _price(row: Row, base: Entry, tasks: Sequence[str]) -> float | None:
    return _mean(row, tasks, _drawn) / base.drawn if base.drawn else None


def _samples(control: Row, controls: Sequence[Entry], tasks: Sequence[str]) -> float | None:
    """See `Entry.samples`: over tasks, the mean of what a control has drawn over what one text has cost."""
    for each in controls:
        if each.row.arm.key == control.arm.key:
            costs = [(_mean(control, [task], _drawn), _mean(each.row, [task], _drawn)) for task in tasks]
            return sum(drawn / one for drawn, one in costs) / len(costs) if all(one for _, one in costs) else None
    return None


def _same(one: Entry, other: Entry, tasks: Sequence[str]) -> bool:
    """Whether two have the same score on every item."""
    return all(_scores(one.row, task) == _scores(other.row, task) for task in tasks)


def _comparison(against: str, mine: Entry, control: Entry, tasks: Sequence[str], among: int) -> Comparison:
    """Not corrected after Holm yet."""
    pairs = [
        Pairs(_scores(mine.row, task), _scores(control.row, task), _clusters(mine.row.outcomes[task])) for task in tasks
    ]
    difference = mean_difference(pairs)
    p = min(1.0, difference.p * among) if difference.value < 0 else difference.p
    visible = smallest_visible(difference)
    return Comparison(
        against, control.name, control.estimate, control.drawn, difference, p, 1, visible, visible, UNDECIDED, among
    )


def _corrected(comparison: Comparison, p: float, family: int) -> Comparison:
    value = comparison.difference.value
    return replace(
        comparison,
        p=p,
        family=family,
        visible_corrected=smallest_visible(comparison.difference, ALPHA / family),
        verdict=UNDECIDED if p >= ALPHA or value == 0 else BETTER if value > 0 else WORSE,
    )
