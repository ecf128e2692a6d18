"""What the operators on repetition make of a few tokens."""

from __future__ import annotations

from backtrack_sampler.operators import BaseOperator, NGramOverlap, Repetition, Step


def answers(operator: BaseOperator, text: str) -> list[int]:
    """What it says to each letter."""
    return [operator(Step(ord(letter), letter, 1.0, 0.0, {ord(letter): 1.0})) for letter in text]


def test_repetition() -> None:
    """The fourth in a row discards the whole run."""
    assert answers(Repetition(), "abbbcccc") == [0, 0, 0, 0, 0, 0, 0, 4]
    assert answers(Repetition(1), "aab") == [0, 2, 0]


def test_repetition_that_nobody_acted_upon() -> None:
    """A run that went on is discarded as a whole, however long."""
    assert answers(Repetition(2), "aaaaab") == [0, 0, 3, 4, 5, 0]


def test_ngram_overlap() -> None:
    """A sequence that was there before, also where the two overlap."""
    assert answers(NGramOverlap(3), "abcabcd") == [0, 0, 0, 0, 0, 1, 0]
    assert answers(NGramOverlap(2), "aaa") == [0, 0, 1]


def test_ngrams_that_are_gone_may_come_again() -> None:
    """What was taken back has not been said; what stands twice and is taken back once still has."""
    operator = NGramOverlap(2)
    answers(operator, "ab")
    operator.backtrack(1)
    assert answers(operator, "bab") == [0, 0, 1]
    operator.backtrack(1)
    assert answers(operator, "b") == [1]
