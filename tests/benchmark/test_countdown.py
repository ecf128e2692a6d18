"""Countdown: what counts as a solution, above all what other checkers take for one."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.benchmark.tasks.base_task import Item
from backtrack_sampler.benchmark.tasks.countdown import Countdown, draw_problem, is_solution
from backtrack_sampler.errors import InputError


def _value(text: str, numbers: list[int], target: int) -> float:
    item = Item("", "", data={"numbers": numbers, "target": target, "operations": "+-*/"})
    value = Countdown().score(item, text).value
    assert value == is_solution(text.partition("=")[0], numbers, target) or "=" in text
    return value


@pytest.mark.parametrize(
    ("text", "numbers", "target"),
    [
        ("5 + 5", [5, 3], 10),  # a single number used twice
        ("7/2=3", [7, 2], 3),  # whole-number division
        ("7 / 2", [7, 2], 3),
        ("9//2", [9, 2], 4),
        ("2**3", [2, 3], 8),
        ("2**(3*4)", [2, 3, 4], 4096),
        ("3 + 5 and more", [3, 5], 8),  # something after it
        ("3 + 5 = 8 = 8", [3, 5], 8),
        ("3 + 5 = 8.", [3, 5], 8),
        ("3 + 5 = 8 ok", [3, 5], 8),
        ("3 + 5 = 9", [3, 5], 8),
        ("8 = 3 + 5", [3, 5], 8),
        ("3 + 5 =", [3, 5], 8),
        ("3 + 5\n3 + 5", [3, 5], 8),
        ("3 + 5", [3, 5, 2], 8),  # a number not used
        ("8", [3, 5], 8),
        ("3 + 4 + 1", [3, 5], 8),  # other numbers
        ("35 - 27", [3, 5], 8),
        ("35", [3, 5], 35),  # digits put together
        ("3 - -5", [3, 5], 8),
        ("--3 + 5", [3, 5], 8),
        ("3 5 +", [3, 5], 8),
        ("__import__('os').system('true')", [3, 5], 0),
        ("(lambda: 8)()", [3, 5], 8),
        ("1 / 0", [1, 0], 0),
        ("3 + 5.0", [3, 5], 8),
        ("03 + 5", [3, 5], 8),
        ("3 + 5 if 1 else 0", [3, 5], 8),
        ("", [3, 5], 8),
    ],
)
def test_what_others_have_taken_for_a_solution(text: str, numbers: list[int], target: int) -> None:
    """None of these is one."""
    assert _value(text, numbers, target) == 0


@pytest.mark.parametrize(
    ("text", "numbers", "target"),
    [
        ("5 + 5", [5, 5], 10),  # equal numbers
        ("5*5-5", [5, 5, 5], 20),
        ("3 * 5", [5, 3], 15),
        (" 3*5 = 15 ", [5, 3], 15),
        ("3*5=15\n", [5, 3], 15),
        ("(7 / 2) * 4", [7, 2, 4], 14),  # a fraction on the way
        ("8 / (3 - 8 / 3)", [3, 3, 8, 8], 24),
        ("2 - 5 + 4", [2, 4, 5], 1),  # below zero on the way
        ("((3)) + (5)", [3, 5], 8),
    ],
)
def test_solutions(text: str, numbers: list[int], target: int) -> None:
    """All of these are."""
    assert _value(text, numbers, target) == 1


def test_answers_that_are_equal() -> None:
    """White space and the target after it make no other answer; what is no expression is none."""
    task, item = Countdown(), Item("", "", data={"numbers": [3, 5], "target": 8, "operations": "+-*/"})
    assert task.score(item, "3+5").answer == task.score(item, " 3 + 5 = 8").answer == "3 + 5"
    assert task.score(item, "3*5") == (0, "3 * 5", "")
    assert task.score(item, "eight").answer is None


def test_operations() -> None:
    """Where only some operations are asked for, solutions are made of those, and no others count."""
    task = Countdown(operations="-+")
    assert task.operations == "+-"
    assert task.name == "countdown:operations=+-"
    items = task.items(limit=100)
    assert all(item.prompt.startswith("Make the target from the numbers with + -.\n") for item in items)
    assert {sign for item in items for sign in item.data["answer"] if not sign.isdigit()} == {"+", "-", " "}
    item = Item("", "", data={"numbers": [2, 2], "target": 4, "operations": "+-"})
    assert task.score(item, "2 + 2").value == 1
    assert task.score(item, "2 * 2").value == 0


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(5, 100), st.integers(0, 5), st.integers(5, 100))
def test_problems_have_solutions(seed: int, numbers: int, largest: int, lowest: int, more: int) -> None:
    """A drawn problem has so many numbers of that size, its target is in the range, and its solution is one."""
    problem = draw_problem(random.Random(seed), numbers, largest, lowest, lowest + more)
    assert len(problem.numbers) == numbers
    assert all(1 <= number <= largest for number in problem.numbers)
    assert lowest <= problem.target <= lowest + more
    assert is_solution(problem.solution, problem.numbers, problem.target)
    assert not is_solution(problem.solution, problem.numbers, problem.target + 1)
    changed = re.sub(r"\d+", lambda match: str(int(match[0]) + 1), problem.solution, count=1)
    assert not is_solution(changed, problem.numbers, problem.target)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"numbers": 1}, "numbers must be a whole number, at least 2"),
        ({"largest": 0}, "largest must be"),
        ({"lowest": 9, "highest": 3}, "lowest must not be more than highest, not 9 and 3"),
        ({"operations": "+^"}, r"operations must be some of \+-\*/, each once, not '\+\^'"),
        ({"operations": ""}, "operations must be some of"),
        ({"operations": "++"}, "operations must be some of"),
        ({"operations": 5}, "operations must be some of"),
        ({"largest": 2, "lowest": 50}, "hardly ever come to between 50 and 99"),
    ],
)
def test_problems_that_there_are_not(parameters: dict[str, Any], message: str) -> None:
    """What cannot be asked is refused when the task is made."""
    with pytest.raises(InputError, match=message):
        Countdown(**parameters)
