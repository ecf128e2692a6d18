"""A judge that is a program: somebody's function, or the checker of a task."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat, TypeAlias

from ...benchmark.tasks import Task, checked
from ...errors import BacktrackError, InputError, StrategyError
from .base_judge import Answer, Judge
from .first_answers import FirstAnswers

__all__ = ["Checker", "CheckerJudge"]

#: (prompt, text) -> what the text is worth, from 0 to 1, or whether it is right.
Checker: TypeAlias = Callable[[str, str], SupportsFloat]


class CheckerJudge(Judge):
    """Asks a function for each text, or a task of the benchmark suite.

    What goes wrong in a task's checker counts as a wrong answer, as in a benchmark. Where that happens to most of the
    first texts, it is the checker that is wrong, or the items are another task's.

    Args:
        checker: a function, called with (prompt, text), or a task; the answers' items must be that task's.

    Raises:
        InputError: the function does not take these two.
    """

    def __init__(self, checker: Checker | Task) -> None:
        self._task = checker if isinstance(checker, Task) else None
        self._function = None if isinstance(checker, Task) else checker
        self.name = checker.name if isinstance(checker, Task) else str(getattr(checker, "__name__", checker))
        self._asked = 0
        self._errors = FirstAnswers()

        if self._function is not None:
            _check_parameters(self.name, self._function)

    def check(self) -> None:
        if self._task is not None:
            self._task.prepare()

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        self._asked += len(answers)
        if self._task is not None:
            return self._of_task(self._task, answers)
        return [self._of_function(each) for each in answers]

    def report(self) -> dict[str, Any]:
        return {"judge": self.name, "texts": self._asked, "errors": self._errors.bad, "error": self._errors.example}

    def _of_function(self, answer: Answer) -> float:
        assert self._function is not None
        try:
            given: Any = self._function(answer.prompt, answer.text)
        except BacktrackError:
            raise  # which says already what to do
        except Exception as error:
            raise StrategyError.of(f"checker {self.name}", error) from error
        try:
            score = float("nan") if isinstance(given, str) else float(given)
        except (TypeError, ValueError, OverflowError):
            score = float("nan")
        if not 0 <= score <= 1:
            raise StrategyError(
                f"checker {self.name} returned {given!r:.60}, and a score is a number from 0 to 1{self._place()}"
            )
        return score

    def _place(self) -> str:
        """Where the function begins, for messages; "" where it has no such place."""
        call = self._function if inspect.isroutine(self._function) else type(self._function).__call__
        code = getattr(call, "__code__", None)
        return f" ({os.path.basename(code.co_filename)}, line {code.co_firstlineno})" if code is not None else ""

    def _of_task(self, task: Task, answers: Sequence[Answer]) -> list[float]:
        try:
            found = [checked(each) for each in task.scores([(each.item, each.text) for each in answers])]
        except BacktrackError:
            raise
        except Exception as error:
            raise StrategyError.of(f"the checker of task {task.name}", error) from error
        if len(found) != len(answers):
            raise StrategyError(f"the checker of task {task.name} gave {len(found)} scores for {len(answers)} texts")
        for score in found:
            if self._errors.add(score.error):
                raise StrategyError(
                    f"the checker of task {task.name} has failed on {self._errors.bad} of the first "
                    f"{self._errors.seen} texts: {self._errors.example}"
                )
        return [float(score.value) for score in found]


def _check_parameters(name: str, function: Checker) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # what is written in C may not tell
        return
    try:
        signature.bind("", "")
    except TypeError as error:
        raise InputError(f"checker {name} must take a prompt and a text, and takes {signature}") from error
