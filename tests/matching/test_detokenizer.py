"""Tokens to characters, forwards and backwards."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.matching import Detokenizer
from backtrack_sampler.testing import FakeProvider

TEXT = "na\u00efve \u2019caf\u00e9\u2019 \U0001f409\U0001f409 \u4e2d\u6587 e\u0301 end"
BYTES = [bytes([n]) for n in range(256)]


def pieces(cuts: list[int]) -> list[bytes]:
    """The text's bytes cut at arbitrary places."""
    data = TEXT.encode()
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@settings(max_examples=500)
@given(st.lists(st.integers(0, 200), max_size=40), st.lists(st.integers(0, 60), max_size=6))
def test_characters_that_span_tokens_stay_whole(cuts: list[int], rollbacks: list[int]) -> None:
    """However the bytes are cut into tokens, and after any rollbacks, the text is whole and nothing is half."""
    vocabulary = pieces(cuts)
    detokenizer = Detokenizer(FakeProvider(vocabulary, eos=-1).decode)
    for target in [*rollbacks, 10**6]:
        while len(detokenizer) < len(vocabulary):
            assert "\ufffd" not in detokenizer.push(len(detokenizer))
            settled = b"".join(vocabulary[: len(detokenizer)]).decode(errors="ignore")
            assert detokenizer.length == len(settled)
        detokenizer.truncate(min(target, len(vocabulary)))
    detokenizer.reset()
    assert "".join(detokenizer.push(n) for n in range(len(vocabulary))) == TEXT


@given(st.lists(st.integers(0, 200), max_size=40))
def test_each_character_leads_to_the_token_it_begins_in(cuts: list[int]) -> None:
    """`token_of` is the token that holds the first byte of the character."""
    vocabulary = pieces(cuts)
    detokenizer = Detokenizer(FakeProvider(vocabulary, eos=-1).decode)
    for n in range(len(vocabulary)):
        detokenizer.push(n)
    ends = [len(b"".join(vocabulary[: n + 1])) for n in range(len(vocabulary))]
    for index in range(len(TEXT)):
        first_byte = len(TEXT[:index].encode())
        expected = next(n for n, end in enumerate(ends) if first_byte < end)
        assert detokenizer.token_of(index) == expected


def test_bytes_that_never_become_a_character_do_not_block() -> None:
    """Invalid bytes wait for at most four tokens, and come out as U+FFFD at the end."""
    detokenizer = Detokenizer(FakeProvider(BYTES, eos=-1).decode)
    out = "".join(detokenizer.push(token) for token in [0xF0, 0xF0, 0xF0, 0xF0, 0xF0, ord("a")])
    assert out.endswith("a")
    detokenizer.push(0xE4)
    assert detokenizer.first_incomplete(len(detokenizer)) == 6
    assert detokenizer.finish() == "\ufffd"


def test_what_comes_before_decides_the_leading_space() -> None:
    """A tokenizer that drops the space of the first word keeps it when it is told what comes before."""

    def decode(tokens) -> str:  # as SentencePiece does
        return "".join([" one", " two", "!"][t] for t in tokens).removeprefix(" ")

    assert Detokenizer(decode).push(1) == "two"
    assert Detokenizer(decode, context=[0]).push(1) == " two"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_real_tokenizers(engine: str, request: pytest.FixtureRequest) -> None:
    """On both engines the pieces join to the text, emoji and Chinese included, and never hold half a character."""
    provider = request.getfixturevalue(engine)
    tokens = provider.encode(TEXT)
    assert len(tokens) < len(TEXT.encode())
    detokenizer = Detokenizer(provider.decode)
    parts = [detokenizer.push(token) for token in tokens]
    assert "\ufffd" not in "".join(parts)
    assert "".join(parts) == TEXT
