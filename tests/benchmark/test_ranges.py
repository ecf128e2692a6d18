"""Ranges, as YAML says them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler.benchmark.tuning.ranges import Choices, Numbers, read_range, read_space
from backtrack_sampler.errors import InputError


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("[1, 4]", Numbers(1, 4, whole=True)),
        ("[1, 4.0]", Numbers(1, 4)),
        ("[0.01, 0.3]", Numbers(0.01, 0.3)),
        ("[-20, -5]", Numbers(-20, -5, whole=True)),
        ("[1e-3, 1e-1]", Numbers(0.001, 0.1)),  # texts, for YAML 1.1
        ("{low: 1e-4, high: 0.1, log: true}", Numbers(0.0001, 0.1, log=True)),
        ("{low: 1, high: 9, step: 2}", Numbers(1, 9, step=2, whole=True)),
        ("{low: 1, high: 2, step: 0.5}", Numbers(1, 2, step=0.5)),
        ("[ban, resample]", Choices(("ban", "resample"))),
        ("[true, false]", Choices((True, False))),
        ("[1, 2, 8]", Choices((1, 2, 8))),
        ("[1, null, ban]", Choices((1, None, "ban"))),
        ("{choices: [1, 8]}", Choices((1, 8))),
    ],
)
def test_a_range_is_read_as_it_is_meant(said: str, expected: Any) -> None:
    """Two numbers are a range, whole ones where both are; texts, truth values or more than two are choices."""
    found = read_range(yaml.safe_load(said))
    assert found == expected
    assert [type(each) for each in found.ends] == [type(each) for each in read_range(yaml.safe_load(said)).ends]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", "has no range: write"),
        ("0.3", "must be a range, not 0.3"),
        ("ban", "must be a range, not 'ban'"),
        ("[]", "two choices or more"),
        ("[3]", "two choices or more"),
        ("[3, 3]", "from a lower number to a higher one"),
        ("[4, 1]", "from 4 to 1"),
        ("[1, ban]", "two numbers, or choices, not 1 and 'ban'"),
        ("[0, true]", "two numbers, or choices"),
        ("[.nan, 1]", "finite"),
        ("[0, .inf]", "finite"),
        ("{low: 0, high: 1, log: true}", "above 0 where it is logarithmic"),
        ("{low: 1, high: 9, log: true, step: 2}", "not both"),
        ("{low: 1, high: 9, step: 0}", "a step above 0"),
        ("{low: 1, high: 9, step: 10}", "no wider than the range"),
        ("{low: 1}", "needs both low and high"),
        ("{low: a, high: 2}", "a number as low, not 'a'"),
        ("{low: 1, high: 2, log: maybe}", "true or false as log"),
        ("{low: 1, high: 2, lgo: true}", "'lgo'"),
        ("{choices: ban}", "a list of choices"),
        ("{choices: [a, a]}", "the same choice twice"),
        ("{choices: [a, [b]]}", "not ['b']"),
    ],
)
def test_what_is_no_range_is_refused_in_one_line(said: str, message: str) -> None:
    """The message goes on after the name of the parameter."""
    with pytest.raises(InputError) as error:
        read_range(yaml.safe_load(said))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_space_names_all_that_is_wrong_with_it() -> None:
    """One error for all parameters, each with its name; the range that a key has lost among them."""
    with pytest.raises(InputError, match=r"^backtrack_count has no range: .*; min_margin must go from"):
        read_space(yaml.safe_load("backtrack_count:\nmin_margin: [0.3, 0.1]\nmax_drop: [0.1, 0.3]"))


def test_a_step_ends_the_range_at_its_last_value() -> None:
    """As it was written: three tenths are three steps of 0.1."""
    assert Numbers(0, 0.35, step=0.1).high == 0.3
    assert Numbers(1, 10, step=4, whole=True).ends == (1, 9)
    assert 0.3 in Numbers(0, 0.35, step=0.1)
    assert 0.25 not in Numbers(0, 0.35, step=0.1)
    assert Numbers(100, 101, step=0.001).plain(100.12300000000001) == 100.123


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(0, 1))
def test_a_value_as_people_write_it_is_still_in_its_range(one: float, other: float, where: float) -> None:
    """Four digits, and never beyond an end."""
    low, high = sorted((one, other))
    if low == high:
        return
    each = Numbers(low, high)
    value = low + where * (high - low)
    plain = each.plain(min(value, high))
    assert plain in each
    assert math.isclose(plain, value, rel_tol=1e-3)


@given(st.integers(-5, 5), st.integers(1, 40), st.integers(1, 20), st.integers(0, 40))
def test_a_value_on_a_step_stays_on_it(low: int, width: int, step: int, index: int) -> None:
    """Tenths, which are no binary fractions."""
    if step > width:
        return
    each = Numbers(low / 10, (low + width) / 10, step=step / 10)
    value = low / 10 + index * (step / 10)
    if value <= each.high:
        assert Fraction(str(each.plain(value))) == Fraction(low, 10) + index * Fraction(step, 10)
        assert each.plain(value) in each
