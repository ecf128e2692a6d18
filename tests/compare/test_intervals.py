"""How far a figure can be trusted."""

from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler import InputError
from backtrack_sampler.compare import Interval, bootstrap

numbers = st.floats(-100, 100)
groups = st.lists(st.lists(numbers, max_size=5), max_size=5)


@settings(max_examples=50)
@given(groups)
def test_it_is_within_what_is_there(values: list[list[float]]) -> None:
    """The interval of a mean lies within the smallest and the largest value; the same call gives the same; one value has none."""
    found = bootstrap(values, fmean, resamples=50)
    flat = [value for group in values for value in group]
    if len(flat) < 2:
        assert found is None
        return
    assert found is not None
    assert min(flat) - 1e-9 <= found.low <= found.high <= max(flat) + 1e-9
    assert bootstrap(values, fmean, resamples=50) == found


@settings(max_examples=50)
@given(groups, st.floats(-10, 10), st.floats(0.1, 10))
def test_it_moves_with_what_is_measured(values: list[list[float]], shift: float, scale: float) -> None:
    """Other units give the same interval in other units."""
    moved = bootstrap([[value * scale + shift for value in group] for group in values], fmean, resamples=50)
    found = bootstrap(values, fmean, resamples=50)
    if found is None:
        assert moved is None
    else:
        assert moved == pytest.approx([found.low * scale + shift, found.high * scale + shift], abs=1e-6)


def test_what_does_not_vary() -> None:
    """Where all are the same, the interval is that."""
    assert bootstrap([[0.25] * 3] * 4, fmean) == Interval(0.25, 0.25)


def test_it_is_what_theory_says() -> None:
    """Of many values in groups of one, the mean's interval is about 1.96 standard errors wide to either side."""
    chance = random.Random(3)
    values = [chance.gauss(5, 2) for _ in range(200)]
    found = bootstrap([[value] for value in values], fmean, resamples=4000)
    assert found is not None
    error = stdev(values) / math.sqrt(len(values))
    assert found == pytest.approx([fmean(values) - 1.96 * error, fmean(values) + 1.96 * error], abs=0.1 * error)
    narrower = bootstrap([[value] for value in values], fmean, level=0.5, resamples=4000)
    assert narrower is not None
    assert narrower == pytest.approx([fmean(values) - 0.67 * error, fmean(values) + 0.67 * error], abs=0.1 * error)


@pytest.mark.parametrize(
    ("between", "prompts", "seeds", "least"), [(0.0, 4, 5, 0.93), (1.0, 10, 5, 0.88), (0.5, 4, 2, 0.8)]
)
def test_how_often_it_holds_the_truth(between: float, prompts: int, seeds: int, least: float) -> None:
    """Texts of a prompt alike or not, as few as in a quick look: it holds the true mean about as often as it says, and seldom less."""
    chance = random.Random(1)
    held = 0
    for _ in range(200):
        centres = [chance.gauss(0, between) for _ in range(prompts)]
        found = bootstrap([[chance.gauss(centre, 1) for _ in range(seeds)] for centre in centres], fmean, resamples=200)
        assert found is not None
        held += found.low <= 0 <= found.high
    assert held / 200 >= least


def test_texts_of_a_prompt_do_not_count_as_many() -> None:
    """Where a prompt's texts are all alike, more of them make nothing more certain."""
    centres = [1.0, 2.0, 4.0, 8.0]
    once = bootstrap([[centre] for centre in centres], fmean)
    often = bootstrap([[centre] * 50 for centre in centres], fmean)
    assert once is not None
    assert often is not None
    assert often.high - often.low > 0.9 * (once.high - once.low)


def test_samples_that_say_nothing() -> None:
    """Where the statistic is no number of a sample, that sample does not count; where it never is, there is no interval."""
    assert bootstrap([[1.0, 2.0]], lambda drawn: math.nan) is None
    found = bootstrap([[0.0, 1.0]], lambda drawn: 1.0 if 1.0 in drawn else math.inf)
    assert found == Interval(1.0, 1.0)


@pytest.mark.parametrize("options", [{"level": 0}, {"level": 1}, {"level": 95}, {"resamples": 0}])
def test_bad_parameters(options: dict[str, float]) -> None:
    """What cannot be is refused."""
    with pytest.raises(InputError, match=next(iter(options))):
        bootstrap([[1.0, 2.0]], fmean, **options)  # type: ignore[arg-type]
