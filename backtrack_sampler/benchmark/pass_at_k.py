"""pass@k: how probable it is that at least one of k samples is right (Chen et al. 2021, arXiv 2107.03374)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import comb
from typing import NamedTuple

from ..checks import check_count
from ..errors import InputError
from .records import Record
from .results import Results

__all__ = ["Passed", "counts_of", "estimate", "pass_at_k", "passed"]

_WANTED = (1, 2, 5, 10, 100)


def estimate(n: int, c: int, k: int) -> float:
    """The unbiased estimate for one problem: 1 - C(n - c, k) / C(n, k).

    It is the share, among all choices of k of the n samples, of those with a right one. The paper computes it as
    a product of floats, since C(n, k) is too large for one. Python's whole numbers are exact, and a quotient of
    two is rounded once: this is the nearest float there is, for any n.

    Args:
        n: samples that were drawn.
        c: those of them that are right.
        k: samples that one would draw.

    Raises:
        InputError: n or k below 1, c that is not from 0 to n, or k above n.
    """
    n, c, k = check_count("n", n), check_count("c", c, 0), check_count("k", k)
    if c > n:
        raise InputError(f"of {n} samples {c} cannot be right")
    if k > n:
        raise InputError(
            f"pass@{k} needs {k} samples of each problem or more, and there are {n}: draw more, or lower k"
        )
    whole = comb(n, k)
    return (whole - comb(n - c, k)) / whole


def pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float:
    """pass@k of a task: the mean of its problems' estimates.

    Args:
        counts: of each problem, the samples that were drawn and those that are right.
        k: see `estimate`.

    Raises:
        InputError: as `estimate`, or there are no problems.
    """
    estimates = [estimate(n, c, k) for n, c in counts]
    if not estimates:
        raise InputError("pass@k of no problems: there is nothing to estimate")
    return sum(estimates) / len(estimates)


def counts_of(records: Iterable[Record]) -> Mapping[str, tuple[int, int]]:
    """Item id -> samples and right ones, from the records of one arm and one task. Right is a score of 1."""
    counts: dict[str, tuple[int, int]] = {}
    for record in records:
        n, c = counts.get(record.item, (0, 0))
        counts[record.item] = n + 1, c + (record.score >= 1)
    return counts


class Passed(NamedTuple):
    """What a row would solve with several attempts.

    Attributes:
        row, task: names.
        at: k -> pass@k, for some k up to the number of repeats.
        tokens: k -> tokens that are drawn for k texts of an item, on average. Rows differ in it: unlike what stands
            in the table, pass@k is not at equal cost.
    """

    row: str
    task: str
    at: Mapping[int, float]
    tokens: Mapping[int, float]


def passed(results: Results) -> list[Passed]:
    """pass@k of every row and task, from its repeats; nothing where there is only one of each.

    Rows at temperature 0 are left out: their repeats are one text, and all pass@k are pass@1.
    """
    repeats = 1 + max((repeat for *_, repeat in results.records), default=0)
    if repeats < 2:
        return []
    ks = sorted({k for k in _WANTED if k <= repeats} | {repeats})
    found = []
    for row in (each for each in results.rows if each.arm.sampling.get("temperature", 1.0) > 0):
        for task, outcomes in row.outcomes.items():
            counts = counts_of(
                results.records[row.arm.key, task, each.item, repeat] for each in outcomes for repeat in range(repeats)
            )
            one = sum(each.drawn for each in outcomes) / len(outcomes)
            at = {k: pass_at_k(counts.values(), k) for k in ks}
            found.append(Passed(row.name, task, at, {k: k * one for k in ks}))
    return found
