"""What a policy sees of a token."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import InputError
from backtrack_sampler.operators import Step
from backtrack_sampler.rl.features import FEATURES, Features, Place

ALL = Features(tuple(FEATURES), 10)


def step(token: int = 0, *shares: float) -> Step:
    whole = sorted(shares or (0.6, 0.3, 0.1), reverse=True)
    return Step(token, "x", whole[token], 1.0, dict(enumerate(whole)))


@given(
    st.lists(st.floats(0.001, 1), min_size=1, max_size=60), st.data(), st.integers(1, 300), st.integers(0, 30),
    st.none() | st.integers(1, 200),
)  # fmt: skip
def test_all_of_them_are_from_0_to_1(
    weights: list[float], data: st.DataObject, length: int, attempts: int, limit: int | None
) -> None:
    """Whatever the candidates, the length and the attempts."""
    token = data.draw(st.integers(0, len(weights) - 1))
    recent = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
    shares = [each / math.fsum(weights) for each in weights]
    found = ALL.of(step(token, *shares), Place(recent, length, limit, attempts, 10))
    assert len(found) == len(FEATURES)
    assert all(0 <= value <= 1 for value in found)


def test_each_says_what_it_is_for() -> None:
    """Position over the reach of the training, the best candidate, how even they are, what repeats; and the others."""
    found = dict(zip(FEATURES, ALL.of(step(1), Place([1, 2, 1, 3, 1], 5, 20, 2, 10)), strict=True))
    entropy = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1)) / math.log(3)
    assert found == pytest.approx({
        "position": 0.5, "top_probability": 0.6, "entropy": entropy, "repetition": 0.4, "probability": 0.3,
        "rank": math.log(2) / math.log(3), "remaining": 0.75, "attempts": 0.2,
    })  # fmt: skip


def test_the_ends_of_their_ranges() -> None:
    """One candidate has no entropy and no rank; equal ones have all of it; the last one has rank 1; no limit, all left."""
    alone = dict(zip(FEATURES, ALL.of(step(0, 1.0), Place([1], 1, None, 0, 10)), strict=True))
    assert (alone["entropy"], alone["rank"], alone["remaining"]) == (0, 0, 1)
    even = dict(zip(FEATURES, ALL.of(step(3, *[0.25] * 4), Place([1], 1, None, 0, 10)), strict=True))
    assert (even["entropy"], even["rank"]) == pytest.approx((1, 1))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("entrophy",), "there is no feature 'entrophy': use some of position, top_probability"),
        ((), "at least one"),
        (("entropy", "entropy"), "only once"),
    ],
)
def test_what_there_is_not_is_said(names: tuple[str, ...], said: str) -> None:
    """A name that nobody knows, none, or one twice."""
    with pytest.raises(InputError, match=said):
        Features(names)
