"""What can be said of scores: means and differences with clustered errors, and how sure one can be.

After Miller, "Adding Error Bars to Evals" (arXiv 2411.00640): repeats of an item are averaged first; items of
one cluster (a template, a document) count together; two ways of writing are compared item by item, so that what
makes an item hard falls out. Where the central limit theorem does not reach (scores near 0 or 1, few clusters,
few changes), intervals and tests are such as hold there; each function says which.

Plain sequences of numbers in, named tuples out. Needs NumPy and SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from ...errors import InputError
from .clusters import DIGITS, Clustered, clustered, error_of
from .libraries import library
from .paired_test import FEW, paired_test

__all__ = [
    "ALPHA",
    "POWER",
    "Difference",
    "Estimate",
    "Pairs",
    "difference",
    "estimate",
    "holm",
    "mean_difference",
    "mean_estimate",
    "smallest_visible",
    "standard_error",
]

#: Intervals leave out so much, and p-values below it are called a difference.
ALPHA = 0.05

#: How likely an effect of the smallest visible size is found.
POWER = 0.8


class Estimate(NamedTuple):
    """A mean, and where the true one lies.

    Attributes:
        value: the mean.
        error: its clustered standard error; NaN where there is one cluster only.
        low, high: the 95% interval.
        items, clusters: how many it is the mean of.
    """

    value: float
    error: float
    low: float
    high: float
    items: int
    clusters: int


class Difference(NamedTuple):
    """How much more one has than another on the same items.

    Attributes:
        value: the mean of the items' differences.
        error: its standard error, the one that the interval is made of.
        low, high: the 95% interval.
        p: how likely a difference so large is where there is none; not corrected for other comparisons.
        test: what `p` is from: "exact McNemar", "sign flips" or "paired t".
        items, clusters: how many there are.
        changed: clusters on which the two differ.
        seen_error: the clustered standard error of what was seen, to which nothing was added: 0 where nothing differs,
            NaN where there is one cluster only.
        grain: variance that the mean has for each point that it is away from 0, where it is from clusters that change
            by a point as a whole, in one direction: 1 / clusters; over tasks, the sum of theirs over the square of
            their number.
    """

    value: float
    error: float
    low: float
    high: float
    p: float
    test: str
    items: int
    clusters: int
    changed: int
    seen_error: float
    grain: float


class Pairs(NamedTuple):
    """What two have scored on the items of a task.

    Attributes:
        first, second: score of each item, in the same order; repeats are averaged.
        clusters: which one each item belongs to; None: each is its own.
    """

    first: Sequence[float]
    second: Sequence[float]
    clusters: Sequence[Hashable] | None = None


def standard_error(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> float:
    """Of the mean: the root of the summed squares of each cluster's summed deviations, over the number of items.

    With the factor clusters / (clusters - 1), so that it is the usual standard error where every item is its own
    cluster (Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", 2015).

    Returns:
        NaN where there is one cluster only.
    """
    return clustered(values, clusters).error


def estimate(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Estimate:
    """The mean of what items have scored.

    The interval is Wilson's, with as many items as would have the clustered standard error, and a t quantile with
    clusters - 1 degrees of freedom (Dean and Pagano, "Evaluating Confidence Interval Methods for Binomial
    Proportions in Clustered Surveys", 2015): far from the bounds, that is the mean and t standard errors on both
    sides; it never leaves the bounds. Where all clusters have the same mean, the standard error is 0 and says
    nothing. Then at most a share of 1 - 0.025 ** (1 / clusters) of all clusters has another one, or some would
    have been seen (Clopper and Pearson's bound), and the interval goes as far as these could move the mean.

    Args:
        values: one an item.
        bounds: what a value lies between; None where there is no limit: then the interval is that of t, and has no
            width where all values are the same.

    Raises:
        InputError: no values, or some that are no numbers.
    """
    found = clustered(values, clusters)
    low, high = _interval(found.mean, found.error, found.clusters, bounds)
    return Estimate(found.mean, found.error, low, high, found.items, found.clusters)


def _interval(mean: float, error: float, clusters: int, bounds: tuple[float, float] | None) -> tuple[float, float]:
    if bounds is None:
        reach = math.inf if math.isnan(error) else _quantile(clusters - 1) * error
        return mean - reach, mean + reach
    low, high = bounds
    if not low <= mean <= high:
        raise InputError(
            f"a mean of {mean:g} is outside of the bounds, {low:g} and {high:g}: give the right ones, or None"
        )
    share = (mean - low) / (high - low)
    variance = share * (1 - share)
    if clusters < 2 or error == 0 or variance <= 0:
        unseen = 1 - (ALPHA / 2) ** (1 / clusters)
        return mean - unseen * (mean - low), mean + unseen * (high - mean)
    ratio = (_quantile(clusters - 1) * error / (high - low)) ** 2 / variance  # t squared over the items
    centre = (share + ratio / 2) / (1 + ratio)
    half = math.sqrt(ratio * variance + ratio * ratio / 4) / (1 + ratio)
    return low + (high - low) * max(0.0, centre - half), low + (high - low) * min(1.0, centre + half)


def mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over tasks of their means, each of the same weight however many items it has.

    Tasks are independent: the standard error is the root of the summed squares of theirs, over their number. The
    interval is put together from theirs in the same way, each side by itself (Zou and Donner, "Construction of
    Confidence Limits about Effect Measures", 2008), so that it has a width also where some have no standard error.
    """
    if len(estimates) == 1:
        return estimates[0]
    value, low, high = _together(estimates)
    error = math.hypot(*(each.error for each in estimates)) / len(estimates)
    return Estimate(
        value, error, low, high, sum(each.items for each in estimates), sum(each.clusters for each in estimates)
    )


def difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    most: float | None = 1.0,
) -> Difference:
    """How much more the first has than the second, item by item.

    The test is McNemar's exact one where all items are their own clusters and each is right or wrong. Otherwise,
    where at most `FEW` clusters differ, it is that of all ways to exchange the two in each of these clusters (sign
    flips, Fisher's randomisation test, of which McNemar's is a case); where more do, a t test of the clusters'
    summed differences, with clusters - 1 degrees of freedom.

    The interval is that of t. Where at most `FEW` clusters differ and others do not, or all by the same, two clusters
    are added that differ as much as the one that differs most, one up and one down; where none differs, by `most`. For
    items that are right or wrong that is the interval of Bonett and Price ("Adjusted Wald Confidence Interval for a
    Difference of Binomial Proportions Based on Paired Data", 2012). So it always has a width. It may contain 0 where
    the test says otherwise, or the other way round: the p-value decides.

    Args:
        first, second, clusters: see `Pairs`.
        most: the largest difference that an item can have; None where there is no limit: then the interval has no
            width where nothing differs.

    Raises:
        InputError: no items, not the same number of them, or values that are no numbers.
    """
    return mean_difference([Pairs(first, second, clusters)], most=most)


def mean_difference(tasks: Sequence[Pairs], *, most: float | None = 1.0) -> Difference:
    """The mean over tasks of their differences, each of the same weight; see `difference` and `mean_estimate`.

    The degrees of freedom of the t test are those of Welch and Satterthwaite; sign flips are those of the clusters
    of all tasks.

    Raises:
        InputError: no tasks, or see `difference`.
    """
    if not tasks:
        raise InputError("there is nothing to compare: give at least one task")
    found = [_differences(pairs) for pairs in tasks]
    parts = [_part(each, most) for each in found]
    value, low, high = _together(parts)
    p, test = paired_test(found)
    return Difference(
        value,
        math.hypot(*(part.error for part in parts)) / len(parts),
        low,
        high,
        p,
        test,
        sum(part.items for part in parts),
        sum(part.clusters for part in parts),
        sum(each.changed for each in found),
        math.hypot(*(each.error for each in found)) / len(found),
        sum(1 / each.clusters for each in found) / len(found) ** 2,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of one family, corrected after Holm (1979): the chance that any below 0.05 is false is at most 5%.

    statsmodels has it too, but collects garbage each time, which with a large experiment in memory takes seconds.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * float(p_values[place])))
        corrected[place] = largest
    return corrected


def smallest_visible(found: Difference, alpha: float = ALPHA, power: float = POWER) -> float:
    """A true difference that is found at least so often: z standard errors, 2.8 for 80% at 5%.

    The standard error is not the one that was seen, which is 0 where nothing differs, but what it would be with that
    difference: a difference d is from clusters that change, which vary as well. So d is what solves
    d = z * sqrt(seen_error**2 + d * grain). That is for clusters that change as a whole and in one direction, as an
    item does that is right or wrong; where many change by a little, somewhat less is visible than is said here.

    Args:
        found: what was seen.
        alpha: a p-value below it counts as found; where several are corrected together, 5% over their number is
            the strictest that Holm asks for.

    Returns:
        More than 1 where so few items could show no difference at all.
    """
    normal = library("scipy.stats").norm
    z = float(normal.isf(alpha / 2) + normal.ppf(power))
    own = z * z * found.grain
    return (own + math.sqrt(own**2 + 4 * (z * found.seen_error) ** 2)) / 2


def _differences(pairs: Pairs) -> Clustered:
    numpy = library("numpy")
    first, second = (numpy.asarray(each, dtype=float) for each in pairs[:2])
    if first.shape != second.shape:
        raise InputError(f"{first.size} scores cannot be compared with {second.size}: give those of the same items")
    return clustered((first - second).round(DIGITS), pairs.clusters)


def _part(task: Clustered, most: float | None) -> Estimate:
    """A task's difference with its interval."""
    numpy = library("numpy")
    error, centre, degrees = task.error, task.mean, task.clusters - 1
    if (task.changed <= FEW and task.changed < task.clusters) or not error > 0:  # NaN of one cluster among these
        size = task.items / task.clusters
        reach = float(abs(task.sums).max()) if task.changed else size * (most or 0.0)
        items, degrees = task.items + 2 * size, degrees + 2
        centre = float(task.sums.sum()) / items
        sums = numpy.concatenate([task.sums, [reach, -reach]])
        error = error_of(sums, numpy.concatenate([task.sizes, [size, size]]), items, centre)
    far, limit = _quantile(degrees) * error, math.inf if most is None else most
    low, high = max(-limit, centre - far), min(limit, centre + far)
    return Estimate(task.mean, error, min(low, task.mean), max(high, task.mean), task.items, task.clusters)


def _together(parts: Sequence[Estimate]) -> tuple[float, float, float]:
    """Mean of several, and its interval from theirs."""
    value = sum(part.value for part in parts) / len(parts)
    below = math.hypot(*(part.value - part.low for part in parts)) / len(parts)
    above = math.hypot(*(part.high - part.value for part in parts)) / len(parts)
    return value, value - below, value + above


def _quantile(degrees: float) -> float:
    """Of t, for a 95% interval."""
    return float(library("scipy.special").stdtrit(degrees, 1 - ALPHA / 2)) if degrees > 0 else math.inf
