"""Arithmetic with small numbers: sums, products, greatest common divisors, least common multiples."""

from __future__ import annotations

import math
import random
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ...checks import check_count
from ...errors import InputError
from .base_task import Item, Score
from .few_shot import Solved, Wording
from .generated import GeneratedTask

__all__ = ["GCD", "LCM", "Arithmetic", "Products", "Sums", "whole_number"]

Numbers: TypeAlias = tuple[int, ...]

_MOST_DIGITS = 20  # of a number that is asked about: a product has no more than the 40 that are read
_WHOLE = re.compile(r"\s*(0|[1-9][0-9]{0,39})\s*\.?\s*")


def whole_number(text: str) -> str | None:
    """The number that a text is; None where it is anything else.

    Allowed around it: white space, and one full stop after it. Not allowed: signs, leading zeros, commas,
    words, digits that are not ASCII.
    """
    match = _WHOLE.fullmatch(text)
    return match[1] if match else None


class Arithmetic(GeneratedTask[Numbers]):
    """Base class: some numbers, in any order, and one that follows from them."""

    max_new_tokens = 12

    @abstractmethod
    def result(self, numbers: Numbers) -> int:
        """The answer; the same in every order."""

    def canonical(self, problem: Numbers) -> str:
        return " ".join(map(str, sorted(problem)))

    def arrangements(self, problem: Numbers) -> Sequence[Numbers]:
        return [problem] if problem == problem[::-1] else [problem, problem[::-1]]

    def words(self, problem: Numbers, wording: Wording) -> Solved:
        listed = " and ".join([", ".join(map(str, problem[:-1])), str(problem[-1])])
        signs = {name: f" {sign} ".join(map(str, problem)) for name, sign in (("plus", "+"), ("times", "*"))}
        commas = ", ".join(map(str, problem))
        return Solved(wording.question.format(listed=listed, commas=commas, **signs), str(self.result(problem)))

    def facts(self, problem: Numbers) -> Mapping[str, Any]:
        return {"numbers": list(problem)}

    def score(self, item: Item, text: str) -> Score:
        answer = whole_number(text)
        return Score(float(answer == item.data["answer"]), answer)


class Sums(Arithmetic):
    """Sums of whole numbers.

    One-digit sums of two terms are 55 problems: 8 are shown as examples, the others are asked in up to 16 ways.

    Args:
        digits: of each term, 1 to 20; one-digit numbers begin with 0.
        terms: how many.
        shots, chat: see `GeneratedTask`.
    """

    family = "sums"
    instruction = "Add the numbers."
    wordings = (
        Wording("What is {plus}?"),
        Wording("How much is {plus}?"),
        Wording("Compute {plus}"),
        Wording("The sum of {listed}", "", " is"),
    )

    def __init__(self, digits: int = 1, terms: int = 2, shots: int = 3, chat: bool = False) -> None:
        self.digits, self.terms = _digits(digits), check_count("terms", terms, 2)
        super().__init__(shots, chat)

    def draw(self, rng: random.Random) -> Numbers:
        return tuple(_with_digits(rng, self.digits) for _ in range(self.terms))

    def result(self, numbers: Numbers) -> int:
        return sum(numbers)


class Products(Arithmetic):
    """Products of two whole numbers.

    One-digit products are 55 problems: 8 are shown as examples, the others are asked in up to 16 ways.

    Args:
        digits: of each factor, 1 to 20; one-digit numbers begin with 0.
        shots, chat: see `GeneratedTask`.
    """

    family = "products"
    instruction = "Multiply the numbers."
    wordings = (
        Wording("What is {times}?"),
        Wording("How much is {times}?"),
        Wording("Compute {times}"),
        Wording("The product of {listed}", "", " is"),
    )

    def __init__(self, digits: int = 1, shots: int = 3, chat: bool = False) -> None:
        self.digits = _digits(digits)
        super().__init__(shots, chat)

    def draw(self, rng: random.Random) -> Numbers:
        return _with_digits(rng, self.digits), _with_digits(rng, self.digits)

    def result(self, numbers: Numbers) -> int:
        return math.prod(numbers)


class GCD(Arithmetic):
    """Greatest common divisors of two numbers.

    Up to 20 these are 210 problems: 8 are shown as examples, the others are asked in up to 12 ways.

    Args:
        largest: number, of up to 20 digits.
        shots, chat: see `GeneratedTask`.
    """

    family = "gcd"
    instruction = "Find the greatest common divisor of two numbers."
    wordings = (
        Wording("gcd({commas})", "", " ="),
        Wording("GCD of {listed}", "", ":"),
        Wording("The greatest common divisor of {listed}", "", " is"),
    )

    def __init__(self, largest: int = 20, shots: int = 3, chat: bool = False) -> None:
        self.largest = _largest(largest)
        super().__init__(shots, chat)

    def draw(self, rng: random.Random) -> Numbers:
        return rng.randint(1, self.largest), rng.randint(1, self.largest)

    def result(self, numbers: Numbers) -> int:
        return math.gcd(*numbers)


class LCM(Arithmetic):
    """Least common multiples of two numbers.

    Up to 12 these are 78 problems: 8 are shown as examples, the others are asked in up to 12 ways.

    Args:
        largest: number, of up to 20 digits.
        shots, chat: see `GeneratedTask`.
    """

    family = "lcm"
    instruction = "Find the least common multiple of two numbers."
    wordings = (
        Wording("The LCM of {listed}", "", " is"),
        Wording("LCM of {listed}", "", ":"),
        Wording("The least common multiple of {listed}", "", " is"),
    )

    def __init__(self, largest: int = 12, shots: int = 6, chat: bool = False) -> None:
        self.largest = _largest(largest)
        super().__init__(shots, chat)

    def draw(self, rng: random.Random) -> Numbers:
        return rng.randint(1, self.largest), rng.randint(1, self.largest)

    def result(self, numbers: Numbers) -> int:
        return math.lcm(*numbers)


def _with_digits(rng: random.Random, digits: int) -> int:
    return rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)


def _digits(value: int) -> int:
    digits = check_count("digits", value)
    if digits > _MOST_DIGITS:
        raise InputError(f"digits must be at most {_MOST_DIGITS}, not {digits}")
    return digits


def _largest(value: int) -> int:
    largest = check_count("largest", value)
    if largest >= 10**_MOST_DIGITS:
        raise InputError(f"largest must be a number of at most {_MOST_DIGITS} digits")
    return largest
