"""What is counted in a text."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler.compare import distinct, ngrams, repeated, words

items = st.lists(st.integers(0, 3), max_size=30)
sizes = st.integers(1, 5)


def test_words() -> None:
    """Runs of letters and digits, apostrophes inside them included, curly or not; case does not count."""
    assert words("She DIDN’T say “rock ’n’ roll”, at 3.14 o'clock: STRASSE, straße_1!") == [
        "she", "didn't", "say", "rock", "n", "roll", "at", "3", "14", "o'clock", "strasse", "strasse_1"
    ]  # fmt: skip
    assert words(" … — ") == []
    assert words("漢字、漢") == ["漢字", "漢"]


def test_known_values() -> None:
    """Counted by hand."""
    assert ngrams("abcd", 3) == [("a", "b", "c"), ("b", "c", "d")]
    assert repeated([1, 2, 3, 4, 1, 2, 3, 4]) == 1 / 5  # five 4-grams, the last was there
    assert repeated([7] * 10) == 6 / 7
    assert repeated([1, 2, 3]) == 0
    assert distinct([["a", "b", "a", "b"]], 2) == 2 / 3
    assert distinct([["a", "b"], ["a", "c"]], 1) == 3 / 4
    assert distinct([["a", "b"], ["a", "b"]], 2) == 1 / 2  # "b a" is in neither
    assert math.isnan(distinct([["a"], []], 2))
    assert math.isnan(distinct([], 1))


@given(items, sizes)
def test_repeated_and_distinct_are_two_sides(text: list[int], size: int) -> None:
    """Of one text, what is repeated and what is distinct make one; both are from 0 to 1, and nothing of a short one is repeated."""
    assert 0 <= repeated(text, size) < 1
    if len(text) >= size:
        assert math.isclose(repeated(text, size) + distinct([text], size), 1)
    else:
        assert repeated(text, size) == 0


@given(items, sizes)
def test_only_equality_counts(text: list[int], size: int) -> None:
    """Other names for the same tokens, or reading it backwards, change nothing."""
    assert repeated([f"token {token}" for token in text], size) == repeated(text, size) == repeated(text[::-1], size)


@given(items, st.integers(0, 3), sizes)
def test_what_was_there_before_is_repeated(text: list[int], token: int, size: int) -> None:
    """One more token adds one n-gram: to those that are repeated, exactly if it was there."""
    if len(text) >= size:
        grams = len(text) - size + 1
        before, after = repeated(text, size) * grams, repeated([*text, token], size) * (grams + 1)
        known = tuple([*text, token][-size:]) in ngrams(text, size)
        assert math.isclose(after - before, known, abs_tol=1e-9)


@given(st.lists(items, min_size=1, max_size=4), sizes, st.randoms())
def test_texts_do_not_run_into_each_other(texts: list[list[int]], size: int, chance: object) -> None:
    """The order of texts does not matter, and the same texts once more halve what is distinct."""
    whole = distinct(texts, size)
    shuffled = texts[:]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert distinct(shuffled, size) == whole or math.isnan(whole)
    assert math.isclose(distinct(texts + texts, size), whole / 2) or math.isnan(whole)
