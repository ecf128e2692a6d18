"""Phrases of a list in a text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import InputError
from backtrack_sampler.compare import PhraseCounter
from backtrack_sampler.strategy.stock_phrases import STOCK_PHRASES


def found(text: str, *phrases: str) -> list[str]:
    return [text[start:end] for start, end in PhraseCounter(phrases).find(text)]


def test_whole_words_in_any_case() -> None:
    """As a reader finds them: in any case, as whole words, also at the ends of the text."""
    assert found("Delve! He delved; can’t delve", "delve", "can't") == ["Delve", "can’t", "delve"]


def test_overlapping_ones_count_once() -> None:
    """Where several stand in one place, the earliest counts, then the longest; so what is found can be marked."""
    assert found("a rich tapestry of it", "rich tapestry", "tapestry of", "rich tapestry of it", "it") == [
        "rich tapestry of it"
    ]
    assert found("rich tapestry of", "rich tapestry", "tapestry of") == ["rich tapestry"]
    assert found("a a a", "a a", "a a") == ["a a"]


def test_no_phrases() -> None:
    """An empty list finds nothing; an empty phrase and a single text are refused."""
    assert found("anything") == []
    with pytest.raises(InputError, match="empty phrase"):
        PhraseCounter([""])
    with pytest.raises(InputError, match=r"write \['delve'\]"):
        PhraseCounter("delve")


@given(st.lists(st.sampled_from([*STOCK_PHRASES, "house", "3", ".", "\n", "☃"]), max_size=12))
def test_places_are_in_order_and_apart(parts: list[str]) -> None:
    """Places never overlap, and each stock phrase that stands between spaces is found, or one that overlaps it."""
    text = " ".join(parts)
    places = PhraseCounter(STOCK_PHRASES).find(text)
    assert all(start < end for start, end in places)
    assert all(end <= start for (_, end), (start, _) in pairwise(places))
    at = 0
    for part in parts:
        if part in STOCK_PHRASES:
            assert any(start < at + len(part) and at < end for start, end in places)
        at += len(part) + 1
