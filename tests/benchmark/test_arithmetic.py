"""Small arithmetic: what is read as a number, and what is asked."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backtrack_sampler.benchmark.tasks.arithmetic import GCD, LCM, Products, Sums, whole_number
from backtrack_sampler.benchmark.tasks.base_task import DEVELOPMENT, TEST
from backtrack_sampler.errors import InputError


@pytest.mark.parametrize("text", ["12", " 12", "12.", "12 .\n", "\t12 \n"])
def test_numbers(text: str) -> None:
    """White space, and one full stop."""
    assert whole_number(text) == "12"


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "012", "+12", "-12", "12..", "12.0", "1 2", "12,", "1,200", "12!", "12 apples", "= 12", "x", "１２", "٣", "12\n13", "1e1", "0x1", "9" * 41],
)  # fmt: skip
def test_no_numbers(text: str) -> None:
    """All else is no answer."""
    assert whole_number(text) is None


@pytest.mark.parametrize(
    ("task", "result", "largest"),
    [
        (Sums(), sum, 9), (Sums(digits=2, terms=3), sum, 99), (Products(), math.prod, 9),
        (GCD(), lambda numbers: math.gcd(*numbers), 20), (LCM(), lambda numbers: math.lcm(*numbers), 12),
    ],
)  # fmt: skip
def test_answers(task: Any, result: Any, largest: int) -> None:
    """The answer follows from the numbers, which are in the question and as large as was said; a problem is a
    cluster, in whatever order."""
    for split in (TEST, DEVELOPMENT):
        for item in task.items(split):
            numbers = item.data["numbers"]
            assert item.data["answer"] == str(result(numbers))
            assert item.cluster == " ".join(map(str, sorted(numbers)))
            assert max(numbers) <= largest
            question = item.prompt.splitlines()[-2:]
            assert all(str(number) in " ".join(question) for number in numbers)


def test_both_orders() -> None:
    """Different numbers are asked in both orders."""
    orders = {tuple(item.data["numbers"]) for item in Sums().items(limit=10**6)}
    assert all(order[::-1] in orders for order in orders)


@pytest.mark.parametrize(
    ("made", "parameters"),
    [(Sums, {"digits": 0}), (Sums, {"terms": 1}), (Products, {"digits": "two"}), (GCD, {"largest": 0}), (LCM, {"largest": True})],
)  # fmt: skip
def test_parameters_that_cannot_be(made: Any, parameters: dict[str, Any]) -> None:
    """Each is a whole number."""
    with pytest.raises(InputError, match=f"{next(iter(parameters))} must be a whole number"):
        made(**parameters)


@pytest.mark.parametrize(
    ("made", "parameters"),
    [(Sums, {"digits": 21}), (Products, {"digits": 100_000}), (GCD, {"largest": 10**20}), (LCM, {"largest": 10**5000})],
)
def test_numbers_whose_answer_nobody_could_read(made: Any, parameters: dict[str, Any]) -> None:
    """An answer of more than 40 digits is none, so no number that is asked about has more than 20."""
    (name,) = parameters
    with pytest.raises(InputError, match=f"^{name} must be .*at most 20"):
        made(**parameters)
    for task in (Sums(digits=20, terms=9), Products(digits=20), LCM(largest=10**20 - 1)):
        (item,) = task.items(limit=1)
        assert task.score(item, item.data["answer"]).value == 1
