"""Expressions of given numbers: what is one, and what it is worth."""

from __future__ import annotations

import ast
import operator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backtrack_sampler.benchmark.tasks.expressions import NotAnExpression, read_expression

_OPERATIONS: Any = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def _by_python(node: Any) -> Fraction:
    """What Python's own parser makes of it."""
    if isinstance(node, ast.Constant):
        return Fraction(node.value)
    left: Fraction = _OPERATIONS[type(node.op)](_by_python(node.left), _by_python(node.right))
    return left


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    spaced = st.sampled_from(["{}{}{}", "{} {} {}", "({} {} {})", "( {}{}{} )", "(({}) {} {})"])
    return st.builds(str.format, spaced, parts, st.sampled_from("+-*/"), parts)


EXPRESSIONS = st.recursive(st.integers(0, 99).map(str), _joined, max_leaves=7)


def _numbers(text: str) -> list[int]:
    return [node.value for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Constant)]


@given(EXPRESSIONS)
def test_values_are_exact(text: str) -> None:
    """An expression is worth what arithmetic says, as a fraction."""
    try:
        expected = _by_python(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        with pytest.raises(NotAnExpression, match="divides by zero"):
            read_expression(text, _numbers(text))
        return
    assert read_expression(text, _numbers(text)).value == expected


@given(EXPRESSIONS, st.data())
def test_numbers_are_consumed(text: str, data: st.DataObject) -> None:
    """With a number too many, one too few or another one, it is refused."""
    numbers = _numbers(text)
    try:
        read_expression(text, numbers)
    except NotAnExpression:
        assume(False)
    place = data.draw(st.integers(0, len(numbers) - 1))
    other = data.draw(st.integers(0, 99))
    for others in ([*numbers, other], numbers[:place] + numbers[place + 1 :]):
        with pytest.raises(NotAnExpression):
            read_expression(text, others)
    if other != numbers[place]:
        with pytest.raises(NotAnExpression):
            read_expression(text, [*numbers[:place], other, *numbers[place + 1 :]])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its end"), ("()", "no number"), ("3 5", "two numbers follow"), ("3 +", "its end"), ("+ 3 * 5", "no number"),
        ("(3 + 5", "not closed"), ("3 + 5)", "goes on after"), ("-3 + 5", "no number"), ("3 ** 5", "no number"),
        ("5 // 3", "no number"), ("3 + 5 %", "neither"), ("3.0 + 5", "neither"), ("03 + 5", "two numbers"), ("3 × 5", "neither"),
        ("٣ + 5", "neither"), ("3e1 + 5", "neither"), ("3 + 5 # five", "neither"), ("35", "35 is not given"), ("3 + 5 + 5", "more than once"),
        ("3 5 +", "two numbers"), ("3 (5)", "goes on after"), ("(3)(5)", "goes on after"), ("3 + x", "neither"),
        ("5 / (3 - 3)", "more than once"), ("(" * 51 + "3 + 5" + ")" * 51, "too many parentheses"), ("3 + 5\0", "neither"),
    ],
)  # fmt: skip
def test_what_is_no_expression(text: str, reason: str) -> None:
    """What is wrong is said."""
    with pytest.raises(NotAnExpression, match=reason):
        read_expression(text, [3, 5])


def test_division_by_zero() -> None:
    """A value of zero is no divisor, however it came to be."""
    for text in ("5 / (3 - 3)", "5 / 0 / 3 * 3"):
        with pytest.raises(NotAnExpression, match="divides by zero"):
            read_expression(text, [3, 3, 5, 0])


@pytest.mark.parametrize("text", ["(3+5)*2", "( 3 + 5 ) * 2", " (3 +\n5)*\t2 "])
def test_white_space(text: str) -> None:
    """White space makes no difference: the same text comes out."""
    assert read_expression(text, [2, 3, 5]) == (16, "( 3 + 5 ) * 2")


def test_order_of_operations() -> None:
    """Multiplication binds stronger, and equal ones go from the left."""
    assert read_expression("1 - 2 - 3 * 4 / 6", [1, 2, 3, 4, 6]).value == -3
    assert read_expression("(1 - (2 - 3)) / 4", [1, 2, 3, 4]).value == Fraction(1, 2)
