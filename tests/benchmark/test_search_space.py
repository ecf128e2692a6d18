"""What is tuned, and where it may look."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import operators
from backtrack_sampler.benchmark.tuning.ranges import Choices, Numbers
from backtrack_sampler.benchmark.tuning.search_space import Tuning, default_space
from backtrack_sampler.errors import InputError
from backtrack_sampler.specs import parse_spec, with_arguments

_NOT_TUNED = {"Never", "BaseOperator", "FunctionOperator", "HistoryOperator", "Step"}


@pytest.mark.parametrize("name", sorted(set(operators.__all__) - _NOT_TUNED))
def test_each_operator_can_be_tuned_without_a_space(name: str) -> None:
    """Each has ranges that it takes, for all of its parameters, and its defaults are in them."""
    tuning = Tuning(name, "operator", name)
    assert dict(tuning.space) == default_space(name)
    assert tuning.defaults == tuning.first
    made = tuning.arm(tuning.first).build(None)[0].operator  # type: ignore[arg-type]
    assert vars(made) == vars(getattr(operators, name)())


def test_what_the_spec_says_is_fixed() -> None:
    """The other parameters of an operator are still tuned by default."""
    tuning = Tuning("threshold", "operator", "probability-threshold:backtrack_count=2")
    assert list(tuning.space) == ["min_probability"]
    assert tuning.arm_spec({"min_probability": 0.01}) == "probability-threshold:backtrack_count=2,min_probability=0.01"


def test_parameters_of_the_strategy_around_an_operator_can_be_tuned() -> None:
    """How it is retried, and how often it acts."""
    space = {"retry": Choices(("ban", "resample")), "backtrack_every_n": Numbers(1, 4, whole=True)}
    tuning = Tuning("repetition", "operator", "repetition", space)
    assert tuning.defaults == {"retry": "ban", "backtrack_every_n": 1}
    (spec,) = tuning.arm({"retry": "resample", "backtrack_every_n": 3}).specs
    assert spec.options == {"retry": "resample", "backtrack_every_n": 3}


def test_a_strategy_can_be_tuned_among_others() -> None:
    """Only the one that is named changes."""
    space = {"top_p_flat": Numbers(0.1, 0.9)}
    before = (("operator", "repetition"),)
    tuning = Tuning("creative", "strategy", "creative_writing", space, before=before, after=(("strategy", "debug"),))
    assert tuning.arm({"top_p_flat": 0.3}).strategies == (
        ("operator", "repetition"),
        ("strategy", "creative_writing:top_p_flat=0.3"),
        ("strategy", "debug"),
    )


def test_whole_numbers_are_fractions_where_the_default_is_one() -> None:
    """[0, 1] would otherwise be nothing but its ends."""
    space = {"max_drop": Numbers(0, 1, whole=True), "backtrack_count": Numbers(1, 3, whole=True)}
    tuning = Tuning("drop", "operator", "ProbabilityDrop", space)
    assert [each.whole for each in tuning.space.values() if isinstance(each, Numbers)] == [False, True]


@pytest.mark.parametrize(
    ("kind", "spec", "space", "message"),
    [
        ("operator", "repetition", {"max_repetition": Numbers(1, 3)}, "did you mean max_repetitions"),
        ("operator", "repetition", {"xyz": Numbers(1, 3)}, "it has backtrack_every_n, retry, "),
        ("operator", "ProbabilityThreshold", {"min_probability": Numbers(0, 0.5)}, "min_probability=0"),
        ("operator", "ProbabilityThreshold", {"min_probability": Numbers(0.1, 1)}, "min_probability=1"),
        ("operator", "ProbabilityThreshold", {"backtrack_count": Numbers(1.0, 2.0)}, "whole number"),
        ("operator", "repetition", {"retry": Choices(("ban", "never"))}, "retry=never"),
        ("operator", "repetition:max_repetitions=2", {"max_repetitions": Numbers(1, 3, whole=True)}, "given twice"),
        ("operator", "repetition:max_repetitions=2", {}, "nothing left to tune"),
        ("operator", "never", {}, "no search space of its own"),
        ("operator", "repetitoin", {}, "did you mean repetition"),
        ("strategy", "creative_writing", {}, "no search space of its own"),
        ("strategy", "creative_writing", {"top_p_flat": Numbers(0.5, 1.5)}, "top_p_flat=1.5"),
        ("thing", "repetition", {}, "kind must be"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_anything_is_drawn(
    kind: str, spec: str, space: dict[str, Numbers | Choices], message: str
) -> None:
    """Both ends of a range are tried; names and values that there are not cost one line."""
    with pytest.raises(InputError) as error:
        Tuning("mine", kind, spec, space)
    assert message in str(error.value)


@pytest.mark.parametrize("n_trials", [0, -1, True, 2.0])
def test_a_number_of_trials_is_a_count(n_trials: int) -> None:
    """At least one."""
    with pytest.raises(InputError, match="n_trials"):
        Tuning("mine", "operator", "repetition", n_trials=n_trials)


def test_ends_that_only_go_together_are_taken(tmp_path: Path) -> None:
    """A least value must not be above a greatest one: each end is tried beside the others' ends as well."""
    file = tmp_path / "between.py"
    file.write_text(
        "from backtrack_sampler import BaseStrategy\n"
        "from backtrack_sampler.errors import InputError\n"
        "class Between(BaseStrategy):\n"
        "    def __init__(self, least: int = 1, most: int = 2):\n"
        "        if least >= most: raise InputError('least must be below most')\n"
    )
    space = {"least": Numbers(1, 5, whole=True), "most": Numbers(6, 9, whole=True)}
    assert Tuning("between", "strategy", str(file), space).first == {"least": 1, "most": 6}
    with pytest.raises(InputError, match="least=9.*least must be below most"):
        Tuning("between", "strategy", str(file), {"least": Numbers(1, 9, whole=True)})


@given(st.text(max_size=12) | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.none())
def test_a_spec_with_an_argument_is_read_as_that_value(value: object) -> None:
    """Whatever a text holds: commas, quotes, or what looks like a number."""
    spec = parse_spec(with_arguments("replace:find=a", {"replace": value, "skip_tokens": 3}))
    assert spec.arguments == {"find": "a", "replace": value, "skip_tokens": 3}
    assert type(spec.arguments["replace"]) is type(value)
