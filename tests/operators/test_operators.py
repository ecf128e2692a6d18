"""What every operator keeps to."""

from __future__ import annotations

import copy
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import BacktrackSampler, InputError, OperatorStrategy, StrategyError, TakeBack
from backtrack_sampler.discovery import operator_names
from backtrack_sampler.operators import (
    BaseOperator,
    EntropyThreshold,
    FunctionOperator,
    LogitThreshold,
    Never,
    NGramOverlap,
    ProbabilityDrop,
    ProbabilityMargin,
    ProbabilityThreshold,
    ProbabilityTrend,
    Repetition,
    Step,
)
from backtrack_sampler.testing import FakeProvider, check_operator

OPERATORS = [
    Never(),
    ProbabilityThreshold(),
    ProbabilityThreshold(0.4, 3),
    EntropyThreshold(),
    EntropyThreshold(0.9, 1),
    ProbabilityMargin(),
    ProbabilityMargin(0.5, 4),
    ProbabilityDrop(),
    ProbabilityDrop(0.3, 2),
    ProbabilityTrend(),
    ProbabilityTrend(3, 0.9, 3),
    Repetition(),
    Repetition(1),
    NGramOverlap(),
    NGramOverlap(2, 3),
    LogitThreshold(),
    LogitThreshold(-18, 2),
]

steps = st.builds(
    lambda token, share, logit: Step(token, "ab"[token], (share, 1 - share)[token], logit, {0: share, 1: 1 - share}),
    st.integers(0, 1), st.floats(0.01, 0.99), st.floats(-40, 10),
)  # fmt: skip


def kept(operator: BaseOperator) -> str:
    """All that an operator knows."""
    return repr(sorted(vars(operator).items()))


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
@given(walk=st.lists(st.tuples(steps, st.integers(0, 8)), max_size=40))
def test_state_after_a_rollback_is_that_of_the_tokens_that_are_left(
    operator: BaseOperator, walk: list[tuple[Step, int]]
) -> None:
    """After any rollbacks, its own or another's, an operator is what it is if it has only seen what is left."""
    walked, left = copy.deepcopy(operator), []
    for step, back in walk:
        walked(step)
        left.append(step)
        if back := min(back, len(left)):
            walked.backtrack(back)
            del left[-back:]
    replayed = copy.deepcopy(operator)
    for step in left:
        replayed(step)
    assert kept(walked) == kept(replayed)
    walked.reset()
    assert kept(walked) == kept(operator)


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
def test_the_contract(operator: BaseOperator) -> None:
    """Each passes the check that third parties run, in several settings."""
    check_operator(lambda: copy.deepcopy(operator))


def test_all_are_tested() -> None:
    """Each operator that the command line offers is among those tested here."""
    assert set(operator_names().values()) == {type(operator) for operator in OPERATORS}


class Forgetful(BaseOperator):
    """Counts steps, and forgets to count back."""

    def __init__(self) -> None:
        self.count = 0

    def reset(self) -> None:
        self.count = 0

    def __call__(self, step: Step) -> int:
        self.count += 1
        return 1 if self.count % 3 == 0 else 0


class Greedy(Never):
    """Asks for more than its lookback has promised."""

    def __call__(self, step: Step) -> int:
        return 2 * (step.token == 0)


@pytest.mark.parametrize(("cls", "message"), [(Forgetful, "must forget"), (Greedy, "Greedy asked for 2")])
def test_the_check_finds_what_is_broken(cls: type[BaseOperator], message: str) -> None:
    """The check fails an operator that does not follow a rollback, or asks for more than it said."""
    with pytest.raises(AssertionError, match=message):
        check_operator(cls)


def test_a_function_is_an_operator() -> None:
    """A plain function of a step is wrapped, and goes by its own name."""

    def no_a(step: Step) -> int:
        return int(step.text == "a")

    operator = FunctionOperator(no_a)
    check_operator(lambda: operator)
    assert repr(operator) == "no_a"
    assert operator(Step(0, "a", 1, 0, {0: 1})) == 1


STEP = Step(0, "a", 1, 0, {0: 1})


def test_what_waits_for_a_function() -> None:
    """One that answers True or False wants the newest token only; of numbers nobody knows, unless it says."""
    answers = iter([False, True, 0, 1])
    operator = FunctionOperator(lambda step: next(answers))
    assert operator.lookback is None
    for _ in range(4):
        operator(STEP)
        assert operator.lookback == 0
    operator = FunctionOperator(lambda step: 0)
    operator(STEP)
    assert operator.lookback is None

    def two(step: Step) -> int:
        return TakeBack(2, "why")

    two.lookback = 1  # type: ignore[attr-defined]
    operator = FunctionOperator(partial(two))
    assert operator.lookback == 1
    assert [(operator(STEP), operator.lookback) for _ in range(2)] == [(1, 1), (2, 1)]  # there was only one
    operator.backtrack(2)
    again = operator(STEP)
    assert (again, again.why) == (1, "why")  # type: ignore[attr-defined]
    operator.reset()
    assert operator(STEP) == 1
    check_operator(lambda: two)


def test_a_function_that_changes_its_mind() -> None:
    """One that let tokens go by answering False cannot want more than the newest later: it is told so."""
    answers = iter([False, 1, 2])

    def mixed(step: Step) -> int:
        return next(answers)

    operator = FunctionOperator(mixed)
    assert [operator(STEP), operator(STEP)] == [False, 1]
    with pytest.raises(StrategyError, match=r"operator mixed asked for 2 tokens after it had answered True or False"):
        operator(STEP)


def test_parameters_of_a_function_are_in_its_name() -> None:
    """`functools.partial` sets them, and messages and traces show them."""

    def rare(step: Step, least: float = 0.1, *, word: str = "a") -> bool:
        return step.probability < least

    assert repr(FunctionOperator(partial(rare, least=0.5, word="b"))) == "rare(least=0.5, word='b')"
    assert repr(FunctionOperator(rare)) == "rare"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ProbabilityThreshold(0), "min_probability must be strictly between 0 and 1, not 0"),
        (lambda: ProbabilityThreshold(1), "min_probability must be strictly between"),
        (lambda: ProbabilityThreshold("0.5"), "min_probability must be"),
        (lambda: ProbabilityThreshold(0.1, 0), "backtrack_count must be a whole number, at least 1"),
        (lambda: ProbabilityThreshold(0.1, True), "backtrack_count must be"),
        (lambda: EntropyThreshold(-0.1), "max_entropy must be a number, 0 or more, not -0.1"),
        (lambda: EntropyThreshold(float("nan")), "max_entropy must be"),
        (lambda: ProbabilityMargin(1.1), "min_margin must be between 0 and 1"),
        (lambda: ProbabilityDrop(-1), "max_drop must be between 0 and 1"),
        (lambda: ProbabilityTrend(1), "window_size must be a whole number, at least 2"),
        (lambda: ProbabilityTrend(10, 1), "drop_threshold must be strictly between"),
        (lambda: Repetition(0), "max_repetitions must be a whole number, at least 1"),
        (lambda: NGramOverlap(1), "ngram_size must be a whole number, at least 2"),
        (lambda: NGramOverlap(4, 1.5), "backtrack_count must be"),
        (lambda: LogitThreshold("low"), "min_logit must be a number, not 'low'"),
    ],
)
def test_parameters_that_make_no_sense(make, message: str) -> None:
    """A parameter out of range is refused in a line that names it; it is a ValueError, too."""
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert isinstance(caught.value, ValueError)


def test_defaults_are_those_of_backtracking_llm() -> None:
    """The parameters and defaults of the public library."""
    assert [repr(cls()) for cls in operator_names().values()] == [
        "EntropyThreshold(max_entropy=0.2, backtrack_count=2)",
        "LogitThreshold(min_logit=-20.0, backtrack_count=1)",
        "Never()",
        "NGramOverlap(ngram_size=4, backtrack_count=1)",
        "ProbabilityDrop(max_drop=0.8, backtrack_count=1)",
        "ProbabilityMargin(min_margin=0.05, backtrack_count=1)",
        "ProbabilityThreshold(min_probability=0.05, backtrack_count=1)",
        "ProbabilityTrend(window_size=10, drop_threshold=0.5, backtrack_count=1)",
        "Repetition(max_repetitions=3)",
    ]


def test_a_function_gets_what_there_is() -> None:
    """Where it wants more than was written, also without saying how many may be wanted."""
    wanted = iter([3, 0, 0, 5, 0, 0])
    strategy = OperatorStrategy(lambda step: next(wanted, 0))
    sampler = BacktrackSampler(FakeProvider(["a", "b", "c", "d"], eos=-1), strategy)
    assert len(list(sampler.generate("a", max_new_tokens=4, seed=1))) == 4
    assert sampler.stats.discarded == 4
