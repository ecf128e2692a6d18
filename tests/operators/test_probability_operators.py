"""What each operator on probabilities makes of a few steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtrack_sampler.candidates import ArrayCandidates
from backtrack_sampler.operators import (
    BaseOperator,
    EntropyThreshold,
    LogitThreshold,
    ProbabilityDrop,
    ProbabilityMargin,
    ProbabilityThreshold,
    ProbabilityTrend,
    Step,
)


def answers(operator: BaseOperator, *probabilities: float) -> list[int]:
    """What it says to tokens of these probabilities, each the better of two candidates, or the worse."""
    return [operator(Step(0, "a", p, 0.0, dict(enumerate(sorted([p, 1 - p], reverse=True))))) for p in probabilities]


def test_probability_threshold() -> None:
    """Below the threshold, not at it."""
    assert answers(ProbabilityThreshold(0.25), 0.25, 0.24, 0.9) == [0, 1, 0]


def test_never_more_than_there_is() -> None:
    """At the beginning, an operator that discards three tokens discards what there is."""
    operator = ProbabilityThreshold(0.5, backtrack_count=3)
    assert answers(operator, 0.1, 0.1, 0.1, 0.1) == [1, 2, 3, 3]
    assert operator.lookback == 2


def test_entropy_threshold() -> None:
    """Above the threshold, in nats: an even choice of two is ln 2."""
    assert answers(EntropyThreshold(math.log(2) - 0.01, 1), 0.5, 0.6, 0.95) == [1, 0, 0]
    assert answers(EntropyThreshold(math.log(2) + 0.01, 1), 0.5) == [0]


@pytest.mark.parametrize("many", [False, True])
def test_whole_vocabulary(many: bool) -> None:
    """Entropy and margin mean the same where the candidates are a whole vocabulary in an array."""
    weights = np.array([0.5, 0.25, 0.25, 0], dtype=np.float32)
    candidates = ArrayCandidates(weights) if many else {0: 0.5, 1: 0.25, 2: 0.25}
    entropy = 1.5 * math.log(2)
    step = Step(0, "a", 0.5, 0, candidates)
    assert EntropyThreshold(entropy - 0.001, 1)(step) == 1
    assert EntropyThreshold(entropy + 0.001, 1)(step) == 0
    assert ProbabilityMargin(0.2)(step) == 0
    assert ProbabilityMargin(0.3)(step) == 1


def test_probability_margin() -> None:
    """The two best candidates, whichever was drawn; a single candidate has all the margin there is."""
    assert answers(ProbabilityMargin(0.2), 0.55, 0.65, 0.45) == [1, 0, 1]
    assert ProbabilityMargin(1.0)(Step(0, "a", 1.0, 0.0, {0: 1.0})) == 0


def test_probability_drop() -> None:
    """A fall by more than the share, from one token to the next; the first has nothing before it."""
    assert answers(ProbabilityDrop(0.8), 0.1, 0.9, 0.19, 0.03, 0.02) == [0, 0, 0, 1, 0]


def test_a_discarded_token_is_no_predecessor() -> None:
    """After a rollback the next token is compared with the one that was kept."""
    operator = ProbabilityDrop(0.5)
    assert answers(operator, 0.9, 0.1) == [0, 1]
    operator.backtrack(1)
    assert answers(operator, 0.2, 0.09) == [1, 1]


def test_probability_trend() -> None:
    """Below half the average of the last ten, once five have been seen; the average moves on."""
    assert answers(ProbabilityTrend(), *[0.8] * 4, 0.1) == [0] * 5
    assert answers(ProbabilityTrend(), *[0.8] * 5, 0.39) == [0] * 5 + [1]
    assert answers(ProbabilityTrend(), *[0.8] * 5, 0.41) == [0] * 6
    assert answers(ProbabilityTrend(4), *[0.8] * 9, *[0.45] * 4, 0.23) == [0] * 14


def test_logit_threshold() -> None:
    """The logit, whatever the probability."""
    operator = LogitThreshold()
    assert [operator(Step(0, "a", 1.0, logit, {0: 1.0})) for logit in (-19.9, -20.0, -20.1)] == [0, 0, 1]


def test_reasons() -> None:
    """Whoever watches reads why."""
    operator = ProbabilityThreshold()
    asked = operator(Step(0, "a", 0.0123, 0, {1: 0.9, 0: 0.0123}))
    assert asked.why == "probability 0.012 is below 0.05"
