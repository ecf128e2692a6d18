"""Scores of items that belong together: summed in each cluster, which then counts as one sample."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from ...errors import InputError
from .libraries import library

__all__ = ["DIGITS", "Clustered", "clustered", "error_of"]

#: What is smaller is rounding.
DIGITS = 12


class Clustered(NamedTuple):
    """Values of items, summed in each cluster.

    Attributes:
        sums: NumPy array, one a cluster.
        sizes: items of each.
        items: how many there are.
        mean: of all items.
    """

    sums: Any
    sizes: Any
    items: int
    mean: float

    @property
    def clusters(self) -> int:
        """How many there are."""
        return len(self.sums)

    @property
    def changed(self) -> int:
        """Clusters that do not sum up to 0."""
        return int((self.sums.round(DIGITS) != 0).sum())

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN where there is one cluster only."""
        return error_of(self.sums, self.sizes, self.items, self.mean)


def clustered(values: Any, clusters: Sequence[Hashable] | None = None) -> Clustered:
    """Group values by what cluster they are of; None: each is its own.

    Raises:
        InputError: no values, some that are no numbers, or not one cluster for each.
    """
    numpy = library("numpy")
    array = numpy.asarray(values, dtype=float)
    if array.ndim != 1 or not len(array) or not numpy.isfinite(array).all():
        raise InputError("scores are to be numbers, one an item, and at least one of them")
    labels: Sequence[Hashable] = range(len(array)) if clusters is None else clusters
    if len(labels) != len(array):
        raise InputError(f"there are {len(array)} scores, but {len(labels)} clusters: give one for each score")
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(label, len(numbers)) for label in labels]
    return Clustered(numpy.bincount(codes, weights=array), numpy.bincount(codes), len(array), float(array.mean()))


def error_of(sums: Any, sizes: Any, items: float, mean: float) -> float:
    """Standard error of the mean of clusters' values; see `estimates.standard_error`."""
    clusters = len(sums)
    if clusters < 2:
        return math.nan
    deviations = (sums - sizes * mean).round(DIGITS)
    return math.sqrt(float((deviations**2).sum()) * clusters / (clusters - 1)) / items
