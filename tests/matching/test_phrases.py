"""The Aho-Corasick automaton."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler.matching.phrases import PhraseAutomaton

words = st.text("abc", min_size=1, max_size=4)


@given(st.lists(words, min_size=1, max_size=8, unique=True), st.text("abc", max_size=40))
def test_finds_what_a_search_finds(phrases: list[str], text: str) -> None:
    """At every position exactly the phrases that end there, longest first, and the right depth."""
    automaton = PhraseAutomaton(phrases)
    state = 0
    for end in range(1, len(text) + 1):
        state = automaton.step(state, text[end - 1])
        here = [p for p in phrases if text[:end].endswith(p)]
        assert [phrases[i] for i in automaton.ends(state)] == sorted(here, key=len, reverse=True)
        begun = [n for n in range(end + 1) for p in phrases if p.startswith(text[end - n : end] if n else "")]
        assert automaton.depth[state] == max(begun)
