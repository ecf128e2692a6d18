"""The check of operators bites, and names class and method."""

from __future__ import annotations

from typing import Any

import pytest

from backtrack_sampler.operators import HistoryOperator, Never, Repetition, Step
from backtrack_sampler.testing import check_operator


class Forgetful(HistoryOperator):
    """Discards every third step, and forgets to forget."""

    def measure(self, step: Step) -> int:
        return step.token

    def judge(self, history: list[int]) -> int:
        return int(len(history) % 3 == 0)

    def backtrack(self, n_tokens: int) -> None:
        pass

    def reset(self) -> None:
        self._history = []


class ForgetsTooMuch(Forgetful):
    def backtrack(self, n_tokens: int) -> None:
        self._history = []


class KeepsLookback(Repetition):
    """Its own count of the run is not taken back."""

    run = 0

    def __call__(self, step: Step) -> int:
        asked = super().__call__(step)
        self.run = max(self.run, self._history[-1][1])
        return asked

    @property
    def lookback(self) -> int:
        return self.run


class NeverResets(Forgetful):
    backtrack = HistoryOperator.backtrack

    def reset(self) -> None:
        pass


class Greedy(Never):
    def __call__(self, step: Step) -> int:
        return 2 * (step.token == 0)


class TooMuch(Forgetful):
    def judge(self, history: list[int]) -> int:
        return len(history) + 1


class Says(Never):
    def __call__(self, step: Step) -> Any:
        return None


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (Forgetful, r"Forgetful takes back .*: Forgetful\.backtrack\(n\) must forget the last n steps"),
        (ForgetsTooMuch, r"ForgetsTooMuch takes back .* and nothing more"),
        (NeverResets, r"NeverResets takes back .*NeverResets\.reset all"),
        (KeepsLookback, r"KeepsLookback\.lookback is \d+ after rollbacks to .*, and \d+ after"),
        (Greedy, r"Greedy asked for 2 tokens, though its lookback said 0: at most 1"),
        (TooMuch, r"TooMuch asked for 2 of 1 tokens"),
        (Says, r"Says returned None: return how many"),
    ],
)
def test_what_is_broken_is_named(operator: type[Any], message: str) -> None:
    """A memory that does not follow, a promise that is not kept, an answer that is no count."""
    with pytest.raises(AssertionError, match=message):
        check_operator(operator)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("backtrak", "backtrack"), ("lookbak", "lookback"), ("look_back", "lookback"), ("rest", "reset")],
)
def test_a_misspelt_method(name: str, meant: str) -> None:
    """A public name that is nearly one of an operator's is found."""
    operator = type("Typo", (Never,), {name: lambda self, n=0: None})
    with pytest.raises(AssertionError, match=rf"Typo\.{name} is no hook, .*did you mean {meant}\?"):
        check_operator(operator)


def test_a_misspelt_method_of_one_with_a_history() -> None:
    """`measure` and `judge` are names that are called, too."""
    operator = type("Typo", (Forgetful,), {"judges": lambda self, history: 0})
    with pytest.raises(AssertionError, match=r"did you mean judge\?"):
        check_operator(operator)


def test_a_function_goes_by_its_own_name() -> None:
    """Where a function is wrapped, its name is what its author knows."""
    from backtrack_sampler.operators import FunctionOperator

    def three(step: Step) -> int:
        return -3

    with pytest.raises(AssertionError, match="three asked for -3 of 1 tokens"):
        check_operator(lambda: FunctionOperator(three))


def test_a_plain_function() -> None:
    """It needs no wrapping, whatever it answers; what it does wrong is said by its own name."""

    def no_a(step: Step) -> bool:
        return step.text == "a"

    def three(step: Step) -> int:
        return -3

    check_operator(lambda: no_a)
    check_operator(lambda: lambda step: 0)
    with pytest.raises(AssertionError, match="three asked for -3 of 1 tokens"):
        check_operator(lambda: three)


def test_mixed_answers_of_a_function() -> None:
    """A function that wants two after it has let one go is found."""

    def mixed(step: Step) -> int:
        return 2 if step.token == 0 else False

    with pytest.raises(AssertionError, match="mixed asked for 2 "):
        check_operator(lambda: mixed)


@pytest.mark.parametrize("made", [None, 5, Never])
def test_what_is_no_operator(made: object) -> None:
    """Whoever passes a class of one, or nothing, is told what to return."""
    with pytest.raises(AssertionError, match="return an operator, or a function of a step"):
        check_operator(lambda: made)  # type: ignore[arg-type, return-value]
