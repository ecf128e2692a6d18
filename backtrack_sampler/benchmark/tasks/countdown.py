"""Countdown: reach a target with some numbers and + - * /, each number used exactly once."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ...checks import check_count
from ...errors import InputError
from .base_task import Item, Score
from .expressions import NotAnExpression, read_expression
from .few_shot import Solved, Wording
from .generated import GeneratedTask

__all__ = ["OPERATIONS", "Countdown", "Problem", "draw_problem", "is_solution"]


OPERATIONS = "+-*/"


class Problem(NamedTuple):
    """Numbers, what they are to come to, and one expression that does."""

    numbers: tuple[int, ...]
    target: int
    solution: str


def is_solution(text: str, numbers: Sequence[int], target: int) -> bool:
    """Whether a text is an expression of exactly these numbers, each used once, that comes to the target."""
    try:
        return read_expression(text, numbers).value == target
    except NotAnExpression:
        return False


def draw_problem(
    rng: random.Random, numbers: int, largest: int, lowest: int, highest: int, operations: str = OPERATIONS
) -> Problem:
    """A problem that has a solution.

    Args:
        numbers: how many, at least two.
        largest: of the numbers; the smallest is 1.
        lowest, highest: of the target.
        operations: those that solutions are made with.

    Raises:
        InputError: none was found in 10,000 attempts.
    """
    for _ in range(10_000):
        given = tuple(rng.randint(1, largest) for _ in range(numbers))
        value, solution = _combined(rng, given, operations)
        if value is not None and value.denominator == 1 and lowest <= value <= highest:
            return Problem(given, int(value), solution)
    raise InputError(
        f"{numbers} numbers up to {largest} hardly ever come to between {lowest} and {highest}: change one of these"
    )


def _combined(rng: random.Random, numbers: Sequence[int], operations: str) -> tuple[Fraction | None, str]:
    """The numbers in a random expression, and its value; None where it divides by zero."""
    parts = [(Fraction(number), str(number)) for number in numbers]
    while len(parts) > 1:
        (a, left), (b, right) = (parts.pop(rng.randrange(len(parts))) for _ in range(2))
        sign = rng.choice(operations)
        if sign == "/" and b == 0:
            return None, ""
        value = a + b if sign == "+" else a - b if sign == "-" else a * b if sign == "*" else a / b
        around = "{}" if not parts else "({})"
        parts.append((value, around.format(f"{left} {sign} {right}")))
    return parts[0]


class Countdown(GeneratedTask[Problem]):
    """Countdown: numbers, and a target that they are to be made into.

    The answer is an expression of these numbers, each used exactly once, with + - * / and parentheses.
    Values are exact fractions on the way, and may be negative there. Allowed around it: white space, and
    "= TARGET" after it. Not allowed: anything else, such as signs before numbers, leading zeros, other
    operations, words, or a full stop.

    With two numbers up to 10 and targets up to 99 these are 169 problems: 8 are shown as examples, the others
    are asked in up to 12 ways.

    Args:
        numbers: how many.
        largest: of the numbers.
        lowest, highest: of the target.
        operations: that may be used, some of + - * /. With two of them it is much easier.
        shots, chat: see `GeneratedTask`.
    """

    family = "countdown"
    wordings = (
        Wording("Numbers {commas}, target {target}", "", ":"),
        Wording("{commas} -> {target}", "", ":"),
        Wording("{target} with {listed}", "", ":"),
    )
    max_new_tokens = 24

    def __init__(
        self,
        numbers: int = 2,
        largest: int = 10,
        lowest: int = 1,
        highest: int = 99,
        operations: str = OPERATIONS,
        shots: int = 8,
        chat: bool = False,
    ) -> None:
        self.numbers, self.largest = check_count("numbers", numbers, 2), check_count("largest", largest, 2)
        self.lowest, self.highest = check_count("lowest", lowest, 0), check_count("highest", highest, 0)
        if self.lowest > self.highest:
            raise InputError(f"lowest must not be more than highest, not {lowest} and {highest}")
        said = str(operations)
        self.operations = "".join(sign for sign in OPERATIONS if sign in said)
        if not said or sorted(said) != sorted(self.operations):
            raise InputError(f"operations must be some of {OPERATIONS}, each once, not {operations!r}")
        self.instruction = f"Make the target from the numbers with {' '.join(self.operations)}."
        self.draw(random.Random(0))  # says now that there are none, not after a model was loaded
        super().__init__(shots, chat)

    def draw(self, rng: random.Random) -> Problem:
        return draw_problem(rng, self.numbers, self.largest, self.lowest, self.highest, self.operations)

    def canonical(self, problem: Problem) -> str:
        return f"{' '.join(map(str, sorted(problem.numbers)))} = {problem.target}"

    def arrangements(self, problem: Problem) -> Sequence[Problem]:
        back = problem._replace(numbers=problem.numbers[::-1])
        return [problem] if back == problem else [problem, back]

    def words(self, problem: Problem, wording: Wording) -> Solved:
        numbers = list(map(str, problem.numbers))
        listed, commas = f"{', '.join(numbers[:-1])} and {numbers[-1]}", ", ".join(numbers)
        return Solved(wording.question.format(listed=listed, commas=commas, target=problem.target), problem.solution)

    def facts(self, problem: Problem) -> Mapping[str, Any]:
        return {"numbers": list(problem.numbers), "target": problem.target, "operations": self.operations}

    def score(self, item: Item, text: str) -> Score:
        target = item.data["target"]
        said, equals, result = text.partition("=")
        if equals and result.strip() != str(target):
            return Score(0.0)
        try:
            expression = read_expression(said, item.data["numbers"])
        except NotAnExpression:
            return Score(0.0)
        allowed = {*expression.text} & {*OPERATIONS} <= {*item.data["operations"]}
        return Score(float(allowed and expression.value == target), expression.text)
