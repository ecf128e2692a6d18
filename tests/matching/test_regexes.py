"""Regular expressions in linear time, against Python's own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.errors import InputError
from backtrack_sampler.matching.regexes import NO_THREADS, RegexAutomaton


def ends(pattern: str, text: str, **options) -> list[tuple[int, int]]:
    """For each place where a match ends, the earliest start of one that ends there."""
    automaton = RegexAutomaton([pattern], **options)
    threads, found, before = NO_THREADS, [], ""
    for position, character in enumerate(text):
        threads, matches = automaton.step(threads, position, before, character)
        found += matches
        before = character
    found += automaton.finish(threads, len(text), before)
    return sorted({end: start for start, end, _ in sorted(found, reverse=True)}.items())


def expected(pattern: str, text: str, flags: int = 0) -> list[tuple[int, int]]:
    """The same from Python: for each end, the earliest start that matches fully."""
    result = {}
    for end in range(1, len(text) + 1):
        for start in range(end):
            # The whole text is matched, so that anchors and boundaries see what is around.
            if re.compile(f"(?s:.{{{start}}})(?:{pattern})(?=(?s:.{{{len(text) - end}}})\\Z)", flags).match(text):
                result.setdefault(end, start)
                break
    return sorted(result.items())


atoms = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", ".", r"\w", r"\s", r"\b", "(?:ab|c)", " ", r"\d", "^", "$", r"\n", r"\Z"]
)
patterns = st.lists(
    st.tuples(atoms, st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "*?"])), min_size=1, max_size=4
).map(lambda parts: "".join(a + ("" if a in ("^", "$", r"\b", r"\Z") else q) for a, q in parts))


@settings(max_examples=400, deadline=None)
@given(patterns, st.text("abc 1\n", max_size=10))
def test_agrees_with_pythons_re(pattern: str, text: str) -> None:
    """Matches end where Python's do, from the earliest start; what Python would match empty is refused."""
    try:
        found = ends(pattern, text)
    except InputError:
        nullable = re.sub(r"\^|\$|\\b|\\Z", "", pattern)
        assert re.fullmatch(nullable, "")
        return
    assert found == expected(pattern, text)


def test_the_last_line_break() -> None:
    """`$` also matches before a line break that is the last character, as in Python; `\\Z` only at the very end."""
    for text, found in (("a", 1), ("a\n", 1), ("a\n\n", 0), ("a\nb", 0), ("b\na\n", 1)):
        assert len(ends("a$", text)) == found, text
    assert ends(r"a\Z", "a\n") == []
    assert ends("a$\n", "a\n") == [(2, 0)]
    assert ends("(?m)a$", "a\nb") == [(1, 0)]


def test_what_is_too_long_is_known() -> None:
    """A pattern whose shortest match is longer than any that is looked for."""
    assert RegexAutomaton(["a{1000}", "ab*", "(a{101}|b){2}", "a{201}", "a{200}"]).too_long == [0, 3]


def test_case_and_apostrophes() -> None:
    """IGNORECASE works for literals, sets and ranges, and letters that share a capital; signs are as written."""
    assert ends("k", "\u212a", ignore_case=True) == ends("\u212a", "k", ignore_case=True) == [(1, 0)]
    assert ends("can't", "can\u2019t") == []
    assert ends("[^\\x00-\\x7f]", "\u2019") == [(1, 0)]
    assert ends("can't", "CAN'T", ignore_case=True) == [(5, 0)]
    assert ends("[a-c]x", "Bx", ignore_case=True) == [(2, 0)]
    assert ends("[^a]x", "Ax", ignore_case=True) == []
    assert ends("(?i:A)b", "ab") == [(2, 0)]


def test_catastrophic_patterns_are_linear() -> None:
    """A pattern that takes Python's engine exponential time is counted in steps here: live threads stay few."""
    automaton = RegexAutomaton(["(a+)+$b", "(a|aa)+c"])
    threads, before = NO_THREADS, ""
    for position in range(3000):
        threads, _ = automaton.step(threads, position, before, "a")
        before = "a"
        assert len(threads.threads) < 40


def test_long_matches_are_dropped() -> None:
    """A thread older than max_span is dropped, so nothing is held for ever."""
    automaton = RegexAutomaton(["not only.*but"], max_span=30)
    threads, before, text = NO_THREADS, "", "not only" + "x" * 50
    for position, character in enumerate(text):
        threads, _ = automaton.step(threads, position, before, character)
        before = character
        assert all(position - first < 30 for first, _ in threads.threads.values())
    assert threads == NO_THREADS


def test_a_younger_match_survives_one_that_became_too_long() -> None:
    """Two beginnings in one state: when the earlier is too long ago, the later still matches."""
    text = "x" + "-" * 150 + "x" + "-" * 100 + "y"
    assert ends("x.*y", text) == [(len(text), 151)]


def test_many_patterns_do_not_share_one_limit() -> None:
    """The size limit is for each pattern, not for the list."""
    RegexAutomaton([f"w{n}.{{1,60}}z" for n in range(200)])


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "broken"), ("a{4294967295}", "broken"), ("(" * 5000 + "a" + ")" * 5000, "broken"), ("(?a)b", "asks for ASCII"), ("a*", "empty"), (r"\b", "empty"), ("^|a", "empty"), ("(?=a)b", "assert"),
        ("(?<!a)b", "assert"), (r"(a)\1", "groupref"), ("(?>a)b", "atomic"),
        ("(a{99}){999}", "too large"),
    ],
)  # fmt: skip
def test_what_cannot_be_matched_is_refused(pattern: str, says: str) -> None:
    """Broken, empty and non-regular patterns are one clear line each."""
    with pytest.raises(InputError, match=says):
        RegexAutomaton([pattern])
