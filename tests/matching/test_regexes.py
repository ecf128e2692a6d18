"""Regular expressions in linear time, against Python's own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.errors import InputError
from backtrack_sampler.matching.regexes import RegexAutomaton


def ends(pattern: str, text: str, **options) -> list[tuple[int, int]]:
    """For each place where a match ends, the earliest start of one that ends there."""
    automaton = RegexAutomaton([pattern], **options)
    threads, found, before = {}, [], ""
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


atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w", r"\s", r"\b", "(?:ab|c)", " ", r"\d", "^", "$"])
patterns = st.lists(
    st.tuples(atoms, st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "*?"])), min_size=1, max_size=4
).map(lambda parts: "".join(a + ("" if a in ("^", "$", r"\b") else q) for a, q in parts))


@settings(max_examples=400, deadline=None)
@given(patterns, st.text("abc 1\n", max_size=10))
def test_agrees_with_pythons_re(pattern: str, text: str) -> None:
    """Matches end where Python's do, from the earliest start; what Python would match empty is refused."""
    if "$" in pattern:  # Python's $ also matches before a last line break; ours only at the end
        text = text.rstrip("\n")
    try:
        found = ends(pattern, text)
    except InputError:
        nullable = re.sub(r"\^|\$|\\b", "", pattern)
        assert re.fullmatch(nullable, "")
        return
    assert found == expected(pattern, text)


def test_case_and_apostrophes() -> None:
    """IGNORECASE works for literals, sets and ranges."""
    assert ends("can't", "CAN'T", ignore_case=True) == [(5, 0)]
    assert ends("[a-c]x", "Bx", ignore_case=True) == [(2, 0)]
    assert ends("[^a]x", "Ax", ignore_case=True) == []
    assert ends("(?i:A)b", "ab") == [(2, 0)]


def test_catastrophic_patterns_are_linear() -> None:
    """A pattern that takes Python's engine exponential time is counted in steps here: live threads stay few."""
    automaton = RegexAutomaton(["(a+)+$b", "(a|aa)+c"])
    threads, before = {}, ""
    for position in range(3000):
        threads, _ = automaton.step(threads, position, before, "a")
        before = "a"
        assert len(threads) < 40


def test_long_matches_are_dropped() -> None:
    """A thread older than max_span is dropped, so nothing is held for ever."""
    automaton = RegexAutomaton(["not only.*but"], max_span=30)
    threads, before, text = {}, "", "not only" + "x" * 50
    for position, character in enumerate(text):
        threads, _ = automaton.step(threads, position, before, character)
        before = character
        assert all(position - first < 30 for first, _ in threads.values())
    assert not threads


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
