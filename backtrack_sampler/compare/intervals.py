"""How far a figure can be trusted: the bootstrap, for texts that come in groups."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ..checks import check_count, check_number

__all__ = ["Interval", "bootstrap"]

T = TypeVar("T")


class Interval(NamedTuple):
    """From `low` to `high`."""

    low: float
    high: float


def bootstrap(
    groups: Sequence[Sequence[T]],
    statistic: Callable[[Sequence[T]], float],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """Where a statistic lies in so many samples of a hundred that are like this one: a percentile interval.

    A sample like this one is drawn from it, with replacement (Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993): first as many groups as there are, then in each as many members as it has (Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8: the more careful of two ways). So
    texts of one prompt, which are like each other, do not count as if they were of many. For a difference
    between two ways of writing, let each member be a pair, and the statistic the difference: what both have
    in common falls out.

    It knows nothing of what was not sampled: where groups differ much and are few, it is too narrow.

    Args:
        groups: for example the texts of each prompt. Empty ones are left out.
        statistic: of members drawn, all in one list; where it is NaN or infinite, that sample does not count.
        level: the share of samples that is inside.
        resamples: how many are drawn.
        seed: the same seed gives the same interval.

    Returns:
        None where there are fewer than two members, which say nothing of how much they vary.
    """
    check_count("resamples", resamples)
    check_number("level", level, 0, 1, inside=True)
    full = [list(group) for group in groups if len(group)]
    if sum(map(len, full)) < 2:
        return None
    chance = random.Random(seed)
    found = []
    for _ in range(resamples):
        drawn: list[T] = []
        for group in chance.choices(full, k=len(full)):
            drawn += group if len(group) == 1 else chance.choices(group, k=len(group))
        found.append(statistic(drawn))
    found = sorted(value for value in found if math.isfinite(value))
    if not found:
        return None
    outside = (1 - level) / 2
    return Interval(_quantile(found, outside), _quantile(found, 1 - outside))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between two values, in proportion."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
