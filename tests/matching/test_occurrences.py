"""Phrases in a complete text."""

from __future__ import annotations

from backtrack_sampler.matching import occurrences


def test_what_a_text_holds() -> None:
    """Phrases, whole words and patterns are found where they stand, the earliest first, then the longest."""
    text = "The cat sat. A catalogue, \U0001f600 THE CAT"
    found = [(text[m.start : m.end], m.pattern) for m in occurrences(text, ["cat", "the cat"])]
    assert found == [("The cat", 1), ("cat", 0), ("cat", 0), ("THE CAT", 1), ("CAT", 0)]
    assert len(occurrences(text, ["cat"], whole_words=True)) == 2
    assert [(m.start, m.pattern) for m in occurrences("aab", ["b"], ["a+$", "ab$"])] == [(1, 2), (2, 0)]
