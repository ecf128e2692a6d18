"""Phrases and patterns over tokens that can be taken back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.errors import InputError
from backtrack_sampler.matching import Match, TokenMatcher
from backtrack_sampler.matching.folding import form_of, is_letter
from backtrack_sampler.testing import FakeProvider


def matcher(vocabulary: list[str], *args, **kwargs) -> TokenMatcher:
    return TokenMatcher(FakeProvider(vocabulary, eos=-1).decode, *args, **kwargs)


def push_all(m: TokenMatcher, tokens) -> list:
    return [match for token in tokens for match in m.push(token)]


def test_the_token_in_which_the_match_begins() -> None:
    """With "a b x" and "b c" banned, "a b c" leads to the token of "b", not of "a"."""
    m = matcher(["a", " b", " c", " x"], ["a b x", "b c"])
    assert [(match.token, match.pattern) for match in push_all(m, [0, 1, 2])] == [(1, 1)]


def test_any_tokenisation() -> None:
    """A phrase is found whether it is one token, fragments, or begins inside a token."""
    for vocabulary in (["tapestry"], ["tap", "est", "ry"], list("tapestry"), [" a tape", "stry of"]):
        found = push_all(matcher(vocabulary, ["tapestry"]), range(len(vocabulary)))
        assert [match.token for match in found] == [0]


def test_case_and_apostrophes() -> None:
    """One ban holds for every spelling, unless told otherwise."""
    for text in ("CAN\u2019T", "Can't", "can\u2018t"):
        assert push_all(matcher([text], ["can't"]), [0])
        assert push_all(matcher([text], ["can\u2019t"]), [0])
    assert not push_all(matcher(["CAN'T"], ["can't"], ignore_case=False), [0])
    assert not push_all(matcher(["can\u2019t"], ["can't"], exact=True), [0])


def test_lower_case_that_is_longer() -> None:
    """A capital I with a dot, whose lower case is two characters, does not shift positions."""
    found = push_all(matcher(["\u0130\u0130 ", "slop"], ["slop"]), [0, 1])
    assert [(match.start, match.token) for match in found] == [(3, 1)]


def test_earliest_then_longest() -> None:
    """Of several matches in one token, the earliest start comes first, then the longest."""
    found = push_all(matcher(["xabcd"], ["bc", "abcd", "ab", "cd"]), [0])
    assert [(match.start, match.end) for match in found] == [(1, 5), (1, 3), (2, 4), (3, 5)]


def test_whole_words_wait_for_the_next_character() -> None:
    """ "cat" as a whole word is not in "cation" nor "bobcat"; at the live edge it waits; the end is a boundary."""
    m = matcher(["cat", "ion", " ", "bob"], ["cat"], whole_words=True)
    assert push_all(m, [0]) == []
    assert m.pending(1) == 1
    assert [match.token for match in m.finish()] == [0]
    assert push_all(m, [1, 2, 3, 0, 2]) == []
    assert [match.token for match in push_all(m, [0, 2])] == [6]


def test_pending_is_what_could_still_match() -> None:
    """Held: the tokens from where a phrase may have begun, and those of an incomplete character."""
    m = matcher(["x", "a", "b", "c"], ["abc"])
    push_all(m, [0, 1, 2])
    assert [m.pending(n) for n in range(4)] == [0, 0, 1, 2]
    m.push(0)
    assert m.pending(4) == 0
    m = TokenMatcher(FakeProvider([b"\xe2\x80", b"\x99"], eos=-1).decode, ["zz"])
    m.push(0)
    assert m.pending(1) == 1
    m.push(1)
    assert m.pending(2) == 0


def test_a_character_that_spans_tokens_in_a_phrase() -> None:
    """A phrase that begins with a split character leads to the token of its first byte."""
    m = TokenMatcher(FakeProvider([b"x \xe2", b"\x80\x99s", b"lop"], eos=-1).decode, ["\u2019slop"])
    assert [match.token for match in push_all(m, [0, 1, 2])] == [0]


def test_regexes_with_boundaries() -> None:
    """Patterns see the text as it is written; `\\b` at the live edge waits."""
    m = matcher(["it\u2019s", " a", " test", "ament"], [], [r"\btest\b", r"it[^\x00-\x7f]s a"])
    assert [match.pattern for match in push_all(m, [0, 1])] == [1]
    assert push_all(m, [2]) == []
    assert [match.token for match in m.finish()] == [2]
    assert push_all(m, [3]) == []
    assert m.finish() == []


def test_words_at_the_seam() -> None:
    """After the prompt "con", "cat" begins no word; after another prompt, or none, it does. Each stream has its own."""
    for options in ({"phrases": ["cat"], "whole_words": True}, {"regexes": [r"\bcat\b"]}):
        m = matcher(["con", "cat", " ", b"\xc3", b"\xa9", ""], **options, context=[0])
        for prompt, found in (([0], 0), ([2], 1), ([], 1), ([0, 2], 1), ([3, 4], 0), ([0, 5], 1), ([5, 0], 0)):
            if prompt != [0]:
                m.reset(prompt)
            assert len(push_all(m, [1, 2])) == found, prompt
            assert m.finish() == []
            m.truncate(0)
            m.push(1)
            assert len(m.finish()) == found, prompt
    m = matcher(["con", "cat", " "], [], [r"\Bcat"], context=[0])
    assert push_all(m, [1, 2, 1])[0].token == 0


def test_the_beginning() -> None:
    """`^` and `\\A` are the beginning of the continuation, whatever the prompt; with (?m) a line must begin there."""
    for prompt, line in (("con", False), ("a\n", True), ("", True)):
        vocabulary = ["cat", "\n", prompt]
        for pattern, first in (("^cat", True), (r"\Acat", True), ("(?m)^cat", line), (r"(?m)\Acat", True)):
            m = matcher(vocabulary, [], [pattern], context=[2])
            assert bool(m.push(0)) == first, (prompt, pattern)
            assert bool(push_all(m, [1, 0])) == (pattern == "(?m)^cat")


def test_a_phrase_that_is_a_special_token() -> None:
    """A phrase, or a stop string, that is written as a special token is that token, which leaves no text."""
    special = {1: "<|im_end|>", 2: "</think>", 3: "<unused>", 4: "[INST]"}
    vocabulary = ["a ", "", "", "", "[INST]", b"\xc3"]
    m = matcher(vocabulary, ["zz", "<|im_end|>", "</think>", "[INST]", "THINK"], exact=True, special=special)
    assert [(match.token, match.pattern) for match in push_all(m, [0, 1, 3, 5, 2])] == [(1, 1), (4, 2)]
    assert m.cut(Match(2, 2, 2, 4)) == (4, "")  # the byte before it stays
    assert m.text(0, 9) == "a "
    assert m.pending(4) == 1  # the incomplete character, and no special token
    # One that has a text is found as text, and once.
    assert [(match.start, match.end, match.token) for match in push_all(m, [4, 0])] == [(3, 9, 5)]
    m.truncate(1)
    assert [m.cut(match) for match in m.push(2)] == [(1, "")]


def test_special_tokens_and_case() -> None:
    """They are compared as the text is: without regard to case, unless told otherwise."""
    options = {"special": {0: "<|IM_END|>"}}
    assert matcher([""], ["<|im_end|>"], **options).push(0)
    assert not matcher([""], ["<|im_end|>"], exact=True, **options).push(0)
    both = matcher([""], ["|im", "<|im_end|>", "<|IM", "<|im", "im"], special={0: "<|im"})
    assert [match.pattern for match in both.push(0)] == [2, 3]


def test_where_to_cut() -> None:
    """All that stands before a match stays whole: a character that ends in its token goes back with it, and again."""
    vocabulary = [b"\xc3", b"\xa9X", b"\xe2\x80", b"\x99a\xc3", b"\xff", b"X", b"b\xc3"]
    for tokens, cut in (
        ([0, 1], (0, "\u00e9")), ([2, 3, 1], (0, "\u2019a\u00e9")), ([5, 6, 1], (1, "b\u00e9")), ([4, 5], (1, "")),
        ([4, 4, 5], (2, "")), ([0, 5], (1, "")), ([4, 1], (1, "\ufffd")),
    ):  # fmt: skip
        m = matcher(vocabulary, ["X"], exact=True)
        assert m.cut(push_all(m, tokens)[-1]) == cut, tokens
    # Where it begins in the prompt, it stays there: what can be kept is its text.
    m = matcher(vocabulary, ["X"], exact=True, context=[0])
    assert m.cut(m.push(1)[0]) == (0, "\u00e9")


phrases = st.lists(st.text("ab ", min_size=1, max_size=4), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.text("ab ", max_size=3), st.binary(max_size=2)), min_size=2, max_size=4), phrases,
    st.lists(st.one_of(st.integers(0, 3), st.integers(-6, -1)), max_size=40), st.booleans(), st.booleans(),
    st.lists(st.integers(0, 1), max_size=2),
)  # fmt: skip
def test_any_walk_equals_a_fresh_run(vocabulary, banned, walk, whole_words: bool, with_regex: bool, prompt) -> None:
    """After any sequence of pushes and rollbacks the state is what the surviving tokens alone would give."""
    options = {"regexes": ["a +b", r"\ba"] if with_regex else [], "whole_words": whole_words}
    options["special"] = {0: banned[0]}
    m = matcher(vocabulary, banned, **options, context=[1])
    m.push(0)
    m.reset(prompt)
    tokens: list[int] = []
    for step in walk:
        if step < 0:
            tokens = tokens[: max(0, len(tokens) + step)]
            m.truncate(len(tokens))
        else:
            token = step % len(vocabulary)
            fresh = matcher(vocabulary, banned, **options, context=prompt)
            push_all(fresh, tokens)
            tokens = [*tokens, token]
            assert m.push(token) == fresh.push(token)
            assert m.finish() == fresh.finish()
            assert [m.pending(n) for n in range(len(tokens) + 1)] == [fresh.pending(n) for n in range(len(tokens) + 1)]


#: What folding has to do with: letters, kinds of space and dash, marks, invisible ones, accents, ligatures.
odd = st.text("ab \n\u2009-\u2013*_\u200b\u0301\u0323\u00e1\ufb00f\u0130i.\u2026\u00df", max_size=5)


def minimal_matches(text: str, phrase: str, whole_words: bool) -> set[tuple[int, int]]:
    """The parts of a text that are the phrase in its form, by trying all; of those within each other, the shortest."""
    form = form_of(phrase, True)
    wanted = form.text(phrase)
    spans = [(a, b) for a in range(len(text)) for b in range(a + 1, len(text) + 1) if form.text(text[a:b]) == wanted]
    spans = [(a, b) for a, b in spans if not any((c, d) != (a, b) and a <= c and d <= b for c, d in spans)]
    if whole_words:
        before, after = [form.text(text[:a]) for a, _ in spans], [form.text(text[b:]) for _, b in spans]
        spans = [
            span
            for span, left, right in zip(spans, before, after, strict=True)
            if not (left and is_letter(left[-1]) and is_letter(wanted[0]))
            and not (right and is_letter(right[0]) and is_letter(wanted[-1]))
        ]
    return set(spans)


@settings(max_examples=1500, deadline=None)
@given(
    st.one_of(st.lists(st.text("ab c", min_size=1, max_size=3), min_size=1, max_size=12), st.lists(odd, max_size=3)),
    st.one_of(phrases, st.lists(odd, min_size=1, max_size=3)), st.booleans(),
)  # fmt: skip
def test_finds_what_a_search_finds(vocabulary, banned, whole_words: bool) -> None:
    """All matches in the text, whole words or not, as trying each part of the text finds them."""
    banned = [phrase for phrase in banned if phrase and form_of(phrase, True).text(phrase)]
    m = matcher(vocabulary or [""], banned, whole_words=whole_words)
    text = "".join(vocabulary)
    found = push_all(m, range(len(vocabulary)))
    for match in found + m.finish():
        assert m.text(match.start, match.end) == text[match.start : match.end]
    for index, phrase in enumerate(banned):
        here = {(match.start, match.end) for match in found + m.finish() if match.pattern == index}
        assert here == minimal_matches(text, phrase, whole_words), phrase


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.one_of(odd, st.sampled_from(["t", "e", "\u0302", "\u0323", "\u00ea"])), min_size=1, max_size=12),
    st.lists(st.one_of(odd, st.sampled_from(["t\u1ec7", "e\u0323x", "ab"])), min_size=1, max_size=3), st.booleans(),
)  # fmt: skip
def test_what_matches_was_pending(vocabulary, banned, whole_words: bool) -> None:
    """No match begins in a token that was let go before it was found, whatever the tokens are."""
    banned = [phrase for phrase in banned if phrase and form_of(phrase, True).text(phrase)]
    m = matcher(vocabulary, banned, ["a+$", r"b\b"], whole_words=whole_words)
    released = 0
    for token in range(len(vocabulary)):
        assert all(match.token >= released for match in m.push(token))
        assert all(match.token >= released for match in m.finish())
        safe = len(m)
        while safe > released and (pending := m.pending(safe)):
            safe -= pending
        released = max(released, safe)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("ab .\n", max_size=4), min_size=1, max_size=6), phrases, st.booleans(), st.data())
def test_the_end_in_front_of_a_character(vocabulary, banned, whole_words: bool, data) -> None:
    """`finish(end)` is what a text that ends there would match at its end, and changes nothing."""
    options = {"regexes": ["a+$", r"b\b"], "whole_words": whole_words}
    m, text = matcher(vocabulary, banned, **options), "".join(vocabulary)
    push_all(m, range(len(vocabulary)))
    before = m.finish()
    end = data.draw(st.integers(0, len(text)))
    shorter = matcher([text[:end]], banned, **options)
    all_of_it = shorter.push(0) + shorter.finish()
    spans = {(match.start, match.end, match.pattern) for match in m.finish(end)}
    assert {(match.start, match.end, match.pattern) for match in shorter.finish()} <= spans
    assert spans <= {(match.start, match.end, match.pattern) for match in all_of_it}
    assert m.finish() == before
    assert m.text(0, len(text)) == text


def test_regexes_are_counted_on_after_the_phrases() -> None:
    """Also where they match only because the text ends."""
    m = matcher(["ab"], ["x", "y"], ["q", "b$"])
    assert push_all(m, [0]) == []
    assert [match.pattern for match in m.finish()] == [3]


def test_bad_phrases() -> None:
    """An empty phrase would match everywhere, and so would one of invisible characters."""
    with pytest.raises(InputError, match="empty"):
        matcher(["a"], [""])
    with pytest.raises(InputError, match="nothing in it"):
        matcher(["a"], ["x", "\u200b"])
