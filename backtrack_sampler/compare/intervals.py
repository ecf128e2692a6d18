"""How far a figure can be trusted: the bootstrap, for texts that come in groups."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from ..checks import check_count, check_number

__all__ = ["Interval", "bootstrap", "percentiles", "resampled"]

T = TypeVar("T")


class Interval(NamedTuple):
    """From `low` to `high`."""

    low: float
    high: float


def bootstrap(
    groups: Sequence[Sequence[T]],
    statistic: Callable[[list[T]], float],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Where a statistic lies in so many samples of a hundred that are like this one: a percentile interval.

    For a difference between two ways of writing, let each member be a pair, and the statistic the
    difference: what both have in common falls out. It knows nothing of what was not sampled: where groups
    differ much and are few, it is too narrow.

    Args:
        groups: for example the texts of each prompt; see `resampled`.
        statistic: of members drawn, all in one list; where it is NaN or infinite, that sample does not count.
        level: the share of samples that is inside.
        resamples: how many are drawn.
        seed: the same seed gives the same interval.

    Returns:
        None where there are fewer than two members, which say nothing of how much they vary.
    """
    check_number("level", level, 0, 1, inside=True)
    return percentiles(map(statistic, resampled(groups, check_count("resamples", resamples), seed)), level)


def resampled(groups: Sequence[Sequence[T]], resamples: int = 1000, seed: int = 0) -> Iterator[list[T]]:
    """Samples like this one, drawn from it with replacement; none where there are fewer than two members.

    After Efron and Tibshirani, "An Introduction to the Bootstrap" (1993): first as many groups as there are,
    then in each as many members as it has (Davison and Hinkley, "Bootstrap Methods and their Application",
    1997, section 3.8). So texts of one prompt, which are like each other, do not count as if they were of many.
    Empty groups are left out.
    """
    full = [list(group) for group in groups if len(group)]
    if sum(map(len, full)) < 2:
        return
    chance = random.Random(seed)
    for _ in range(resamples):
        drawn: list[T] = []
        for group in chance.choices(full, k=len(full)):
            drawn += group if len(group) == 1 else chance.choices(group, k=len(group))
        yield drawn


def percentiles(values: Iterable[float], level: float = 0.95) -> Interval | None:
    """Between what the middle of some values lies; those that are NaN or infinite do not count."""
    ordered = sorted(value for value in values if math.isfinite(value))
    if not ordered:
        return None
    outside = (1 - level) / 2
    return Interval(_quantile(ordered, outside), _quantile(ordered, 1 - outside))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between two values, in proportion."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
