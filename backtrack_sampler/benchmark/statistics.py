"""What can be said of scores: means and differences with clustered errors, and how sure one can be."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Difference", "Estimate"]


class Estimate(NamedTuple):
    """A mean, and where the true one lies.

    Attributes:
        value: the mean.
        error: its standard error; NaN where there is one cluster only.
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
        error: its standard error.
        low, high: the 95% interval.
        p: how likely so large a difference is where there is none; not corrected for other comparisons.
        test: what `p` is from: "exact McNemar", "sign flips" or "paired t".
        items, clusters: how many there are.
        changed: clusters on which the two differ.
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
