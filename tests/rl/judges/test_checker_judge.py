"""Programs as judges."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from judge_server import texts

from backtrack_sampler import InputError, StrategyError
from backtrack_sampler.benchmark.tasks import Item, Score, Task
from backtrack_sampler.benchmark.tasks.find import find_task
from backtrack_sampler.rl.judges.base_judge import Answer, JudgeError
from backtrack_sampler.rl.judges.checker_judge import CheckerJudge


def length(prompt: str, text: str) -> float:
    return len(text) / (len(prompt) + len(text))


def test_a_function_scores_prompt_and_text() -> None:
    """Numbers from 0 to 1, or whether it is right; in order."""
    judge = CheckerJudge(length)
    judge.check()
    assert judge.name == "length"
    assert judge.scores(texts("", "x" * 10)) == [0, 0.5]
    assert judge.scores([]) == []
    assert judge.report() == {"judge": "length", "texts": 2, "errors": 0, "error": ""}
    assert CheckerJudge(lambda prompt, text: text in prompt).scores(texts("sky", "see")) == [1, 0]
    given: list[Any] = [True, 0, np.float32(0.5), np.bool_(True)]
    assert [CheckerJudge(lambda prompt, text, each=each: each).scores(texts("x"))[0] for each in given] == [
        1,
        0,
        0.5,
        1,
    ]
    judge.close()


@pytest.mark.parametrize("given", [1.5, -0.1, float("nan"), float("inf"), None, "0.5", [0.5], 10**400])
def test_what_is_no_score_is_an_error_that_says_where(given: Any) -> None:
    """The checker, what it returned, and its file and line."""

    def bad(prompt: str, text: str) -> Any:
        return given

    line = bad.__code__.co_firstlineno
    with pytest.raises(
        StrategyError,
        match=rf"^checker bad returned {re.escape(f'{given!r:.60}')}, and .* \(test_checker_judge.py, line {line}\)$",
    ):
        CheckerJudge(bad).scores(texts("x"))


def test_what_a_function_raises_is_an_error_that_says_where() -> None:
    """The cause is kept; an error of this package stays as it is."""

    def bad(prompt: str, text: str) -> float:
        return 1 / len(text)

    with pytest.raises(
        StrategyError,
        match=rf"^checker bad raised ZeroDivisionError: .* \(test_checker_judge.py, line {bad.__code__.co_firstlineno + 1}\)$",
    ) as caught:
        CheckerJudge(bad).scores(texts("x", ""))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)

    def down(prompt: str, text: str) -> float:
        raise JudgeError("come back later")

    with pytest.raises(JudgeError, match="^come back later$"):
        CheckerJudge(down).scores(texts("x"))


def test_a_function_that_takes_something_else_is_refused() -> None:
    """Before anything is judged; whatever can be called with two arguments will do."""

    class Callable_:
        def __call__(self, prompt: str, text: str) -> float:
            return 3.0

    with pytest.raises(InputError, match=r"checker len1 must take a prompt and a text, and takes \(text\)"):
        CheckerJudge(type("", (), {"__call__": lambda self, text: 1.0, "__name__": "len1"})())
    assert CheckerJudge(max).name == "max"  # which does not tell
    with pytest.raises(StrategyError, match=r"returned 3.0, .* \(test_checker_judge.py, line \d+\)"):
        CheckerJudge(Callable_()).scores(texts("x"))


def test_a_task_scores_with_the_item() -> None:
    """As in a benchmark."""
    task = find_task("sums")
    judge = CheckerJudge(task)
    judge.check()
    items = task.items(limit=3)
    answers = [Answer(str(item.prompt), f" {item.data['answer']}", item) for item in items]
    assert judge.scores(answers) == [1, 1, 1]
    assert judge.scores([answers[0]._replace(text=" 99")]) == [0]
    assert judge.report() == {"judge": "sums", "texts": 4, "errors": 0, "error": ""}


class Odd(Task):
    """Fails as it is told."""

    name = "odd"

    def __init__(self, failing: int = 0, scores: Any = None, prepared: Exception | None = None) -> None:
        self.failing, self.given, self.prepared = failing, scores, prepared

    def items(self, split: str = "", limit: int | None = None) -> list[Item]:
        return []

    def prepare(self) -> None:
        if self.prepared:
            raise self.prepared

    def score(self, item: Item, text: str) -> Score:
        if int(text) < self.failing:
            raise KeyError("answer")
        return Score(1.0)

    def scores(self, answers: Sequence[tuple[Item, str]]) -> Iterator[Score]:
        return super().scores(answers) if self.given is None else iter(self.given())


def test_a_text_on_which_a_checker_fails_is_wrong() -> None:
    """It is counted, and the first error is told."""
    judge = CheckerJudge(Odd(failing=10))
    assert judge.scores(texts(*map(str, range(30)))) == [0] * 10 + [1] * 20
    assert judge.report() == {
        "judge": "odd",
        "texts": 30,
        "errors": 10,
        "error": "the checker failed with KeyError: 'answer'",
    }


def test_a_checker_that_fails_on_most_texts_is_itself_wrong() -> None:
    """More than half of the first twenty, in however many calls; later ones are only counted."""
    judge = CheckerJudge(Odd(failing=11))
    judge.scores(texts(*map(str, range(5))))
    with pytest.raises(
        StrategyError, match="the checker of task odd has failed on 11 of the first 11 texts: .*KeyError: 'answer'"
    ):
        judge.scores(texts(*map(str, range(5, 20)), "0"))
    late = CheckerJudge(Odd(failing=11))
    assert sum(late.scores(texts(*["20"] * 20, *["0"] * 30))) == 20


def test_what_a_task_does_wrong_is_named() -> None:
    """It raises, gives too few scores, or no scores; or says beforehand that it cannot."""

    def broken() -> Any:
        raise OSError("gone")

    with pytest.raises(StrategyError, match="the checker of task odd raised OSError: gone"):
        CheckerJudge(Odd(scores=broken)).scores(texts("1"))
    with pytest.raises(StrategyError, match="task odd gave 1 scores for 2 texts"):
        CheckerJudge(Odd(scores=lambda: [Score(1.0)])).scores(texts("1", "2"))
    judge = CheckerJudge(Odd(scores=lambda: [Score(7.0)]))
    assert judge.scores(texts("1")) == [0]
    assert "with a value from 0 to 1" in judge.report()["error"]
    with pytest.raises(InputError, match="no data"):
        CheckerJudge(Odd(prepared=InputError("no data"))).check()
    with pytest.raises(InputError, match="no data"):
        CheckerJudge(Odd(scores=lambda: (_ for _ in ()).throw(InputError("no data")))).scores(texts("1"))


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Texts stay where they are."""
    with caplog.at_level(logging.DEBUG):
        CheckerJudge(length).scores(texts("a secret"))
    assert caplog.text == ""
