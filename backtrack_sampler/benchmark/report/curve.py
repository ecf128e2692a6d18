"""The price curve of controls: what best-of-n and a majority score as more and more samples are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..controls import PICKS
from ..records import Record
from ..results import Results
from ..rows import BEST_OF_N, Row
from ..table.entries import ALL_TASKS

__all__ = ["CURVES", "Point", "curves", "pool_of"]

#: Controls whose curve is drawn. The oracle's would be above all others, and nobody can have it.
CURVES = tuple(name for name in PICKS if name != "oracle pass@n")


class Point(NamedTuple):
    """What a control is worth with so many samples.

    Attributes:
        n: samples of each item, or as many as were drawn of it.
        drawn: tokens drawn for an item.
        score: from 0 to 1.
    """

    n: int
    drawn: float
    score: float


def pool_of(row: Row) -> Row:
    """Of a strategy, the row whose arm the samples beside it are drawn from."""
    return row.beside[BEST_OF_N]


def curves(results: Results, column: str = ALL_TASKS) -> dict[tuple[str, str], list[Point]]:
    """For each arm that samples were drawn from and each of `CURVES`, its points from one sample upwards.

    An item has as many samples as the dearest strategy has cost there: where it has fewer than n, all of them
    count, with what they have cost. The curve ends where a quarter of the items has more.

    Args:
        results: with samples.
        column: a task, or all tasks: the mean of their curves.
    """
    found: dict[tuple[str, str], list[Point]] = {}
    for arm, tasks in _pools(results).items():
        named = [task for task in tasks if column in (task, ALL_TASKS)]
        sizes = sorted(len(samples) for task in named for texts in tasks[task].values() for samples in texts)
        most = sizes[len(sizes) * 3 // 4] if sizes else 0  # more than that only a few items have
        for name in CURVES if named else ():
            points = []
            for n in _rising(most):
                each = [_point(name, list(tasks[task].values()), n) for task in named]
                points.append(Point(n, _mean([p.drawn for p in each]), _mean([p.score for p in each])))
            found[arm, name] = points
    return found


def _pools(results: Results) -> dict[str, dict[str, dict[str, list[Sequence[Record]]]]]:
    """Arm -> task -> item -> the longest list of samples of each repeat."""
    longest: dict[str, dict[str, dict[str, dict[int, Sequence[Record]]]]] = {}
    pools = {row.arm.key: pool_of(row).arm.key for row in results.rows if row.kind == "strategy"}
    for (arm, task, item, repeat), samples in results.samples.items():
        if arm in pools and samples:
            repeats = longest.setdefault(pools[arm], {}).setdefault(task, {}).setdefault(item, {})
            if len(samples) > len(repeats.get(repeat, ())):
                repeats[repeat] = samples
    return {
        arm: {task: {item: list(repeats.values()) for item, repeats in items.items()} for task, items in tasks.items()}
        for arm, tasks in longest.items()
    }


def _point(name: str, items: Sequence[Sequence[Sequence[Record]]], n: int) -> Point:
    """Mean over items of the mean over repeats, for one task."""
    score = _mean([_mean([PICKS[name](samples[:n]) for samples in repeats]) for repeats in items])
    drawn = _mean([_mean([sum(each.drawn for each in samples[:n]) for samples in repeats]) for repeats in items])
    return Point(n, drawn, score)


def _rising(most: int) -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16 ... and the last."""
    n = 1
    while n < most:
        yield n
        n = n + 1 if n < 4 else n * 3 // 2 if n & (n - 1) == 0 else n * 4 // 3
    if most:
        yield most


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
