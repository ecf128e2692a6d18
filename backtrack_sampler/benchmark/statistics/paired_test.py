"""How likely differences so large are where there is none: exact where few differ, t where many do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .clusters import DIGITS, Clustered
from .libraries import library

__all__ = ["FEW", "paired_test"]

#: Where no more clusters than these differ, tests are exact: there are at most 4,096 ways to exchange the two.
FEW = 12


def paired_test(tasks: Sequence[Clustered]) -> tuple[float, str]:
    """The p-value, two-sided, of the mean of the tasks' mean differences being 0, and the test's name.

    See `backtrack_sampler.benchmark.statistics.estimates.difference` and `mean_difference`.

    Args:
        tasks: differences of items.
    """
    numpy, stats = library("numpy"), library("scipy.stats")
    if len(tasks) == 1 and tasks[0].clusters == tasks[0].items and numpy.isin(tasks[0].sums, (-1, 0, 1)).all():
        more, less = int((tasks[0].sums > 0).sum()), int((tasks[0].sums < 0).sum())
        # McNemar's exact test is a binomial one, of the items that only one of both has right.
        return float(stats.binomtest(more, more + less).pvalue) if more + less else 1.0, "exact McNemar"
    weighted = numpy.concatenate([task.sums.round(DIGITS) / task.items for task in tasks])
    weighted = weighted[weighted != 0]
    if len(weighted) < 2:
        return 1.0, "sign flips"
    total = math.hypot(*(task.error for task in tasks))
    one_way = abs((weighted > 0).sum() - (weighted < 0).sum()) == len(weighted)
    if len(weighted) > FEW and total == 0 and one_way:  # no spread at all: two of all ways are so extreme
        return 2.0 ** (1 - len(weighted)), "sign flips"
    if len(weighted) <= FEW or not total > 0:  # NaN among these; tasks without spread may differ in two directions
        found = stats.permutation_test(
            (weighted / abs(weighted).max(),),
            # Rounded, or ways that are as far from 0 as what was seen would count or not by chance.
            lambda each, axis: abs(each.sum(axis=axis)).round(9),
            alternative="greater",
            permutation_type="samples",
            n_resamples=numpy.inf if len(weighted) <= FEW else 9999,
            vectorized=True,
            rng=0,
        )
        return float(found.pvalue), "sign flips"
    degrees = total**4 / sum(task.error**4 / (task.clusters - 1) for task in tasks)
    return float(2 * stats.t.sf(abs(sum(task.mean for task in tasks)) / total, degrees)), "paired t"
