"""Arithmetic expressions of given numbers, read with exact fractions. Nothing is ever evaluated as code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Expression", "NotAnExpression", "read_expression"]

_TOKEN = re.compile(r"\s*(?:(?P<number>0|[1-9][0-9]*)|(?P<sign>[-+*/()]))")
_DEPTH = 50  # of parentheses; nobody needs more, and Python's own stack is not endless


class NotAnExpression(ValueError):
    """What is wrong with a text that should be an expression."""


class Expression(NamedTuple):
    """An expression that was read.

    Attributes:
        value: exact.
        text: as it was written, with single spaces: equal for those that differ in white space only.
    """

    value: Fraction
    text: str


def read_expression(text: str, numbers: Sequence[int]) -> Expression:
    """Read an expression that uses each of the numbers exactly once, and no others.

    expression = term {("+" | "-") term}; term = factor {("*" | "/") factor}; factor = number | "(" expression ")".
    White space may stand between them. There are no signs before numbers, and no other operators.

    Args:
        numbers: a multiset, not negative: one that is there twice is to be used twice.

    Raises:
        NotAnExpression: it is none, or divides by zero, or uses other numbers.
    """
    reader = _Reader(_tokens(text), numbers)
    value = reader.expression()
    if reader.next is not None:
        raise NotAnExpression(f"it goes on after its end, with {reader.next!r}")
    if left := +reader.left:
        raise NotAnExpression(f"{', '.join(left.elements())} is not used")
    return Expression(value, " ".join(reader.tokens))


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotAnExpression(f"{text[at:].lstrip()[:20]!r} is neither a number nor one of + - * / ( )")
        if match["number"] and tokens and tokens[-1].isdigit():
            raise NotAnExpression("two numbers follow each other")
        tokens.append(match["number"] or match["sign"])
        at = match.end()
    return tokens


class _Reader:
    """Recursive descent; each method reads one rule of the grammar and returns its value."""

    def __init__(self, tokens: Sequence[str], numbers: Sequence[int]) -> None:
        self.tokens = tokens
        self.left = Counter(map(str, numbers))  # compared as text: what a model writes may have any number of digits
        self._at = self._depth = 0

    @property
    def next(self) -> str | None:
        return self.tokens[self._at] if self._at < len(self.tokens) else None

    def expression(self) -> Fraction:
        value = self._term()
        while (sign := self._take("+", "-")) is not None:
            other = self._term()
            value = value + other if sign == "+" else value - other
        return value

    def _term(self) -> Fraction:
        value = self._factor()
        while (sign := self._take("*", "/")) is not None:
            other = self._factor()
            if sign == "/" and other == 0:
                raise NotAnExpression("it divides by zero")
            value = value * other if sign == "*" else value / other
        return value

    def _factor(self) -> Fraction:
        if self._take("("):
            self._depth += 1
            if self._depth > _DEPTH:
                raise NotAnExpression("there are too many parentheses in each other")
            value = self.expression()
            self._depth -= 1
            if self._take(")") is None:
                raise NotAnExpression("a parenthesis is not closed")
            return value
        number = self.next
        if number is None or not number.isdigit():
            raise NotAnExpression(f"there is no number where one is needed, but {number or 'its end'}")
        if not self.left[number]:
            raise NotAnExpression(f"{number[:20]} is not given, or used more than once")
        self.left[number] -= 1
        self._at += 1
        return Fraction(int(number))

    def _take(self, *signs: str) -> str | None:
        found = self.next
        if found not in signs:
            return None
        self._at += 1
        return found
