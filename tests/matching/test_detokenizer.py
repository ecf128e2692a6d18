"""Tokens to characters, forwards and backwards."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
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


#: Bytes that begin, continue and end characters, rightly and wrongly; whole characters; and nothing.
parts = st.sampled_from([
    b"\xff", b"\xf0", b"\x9f", b"\x90", b"\x89", b"\xc3", b"\xa9", b"\xe2", b"\x80", b"\x99", b"\xed", b"\xf4",
    b"a", b"\xc3\xa9", b"\xef\xbf\xbd", b"\xf0\x9f\x90\x89",
])  # fmt: skip
byte_tokens = st.lists(st.lists(parts, max_size=3).map(b"".join), min_size=1, max_size=10)
walks = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 9), st.integers(-6, -1)), max_size=30)


# The last three tokens end as all do, but by themselves they begin with more U+FFFD.
@example([b"\xf0", b"\x9f\x90\xf0"], [], [0, 1, 1, 1, 1, 1])
@settings(max_examples=1500)
@given(byte_tokens, st.lists(st.integers(0, 9), max_size=8), walks)
def test_any_bytes_decode_to_what_they_are(vocabulary: list[bytes], prompt: list[int], walk: list[int]) -> None:
    """At every length, after any rollbacks, text and rest are what Python decodes all bytes to at once.

    So no valid character is lost next to invalid bytes. Where the prompt ends within a character, that
    one is the continuation's.
    """
    decode = FakeProvider(vocabulary, eos=-1).decode
    prompt = [token % len(vocabulary) for token in prompt]
    before = Detokenizer(decode)
    begun = "".join(map(before.push, prompt))
    detokenizer = Detokenizer(decode, prompt)
    tokens: list[int] = []
    texts: list[str] = []
    for step in walk:
        if step < 0:
            tokens, texts = tokens[: max(0, len(tokens) + step)], texts[: max(0, len(tokens) + step)]
            detokenizer.truncate(len(tokens))
        else:
            tokens.append(step % len(vocabulary))
            texts.append(detokenizer.push(tokens[-1]))
        assert len(detokenizer) == len(tokens)
        assert detokenizer.length == len("".join(texts))
        assert begun + "".join(texts) + detokenizer.finish() == decode(prompt + tokens)
        rest = [detokenizer.finish(count) for count in range(len(tokens) + 1)]
        whole = [begun + "".join(texts[:count]) + rest[count] for count in range(len(tokens) + 1)]
        assert whole == [decode(prompt + tokens[:count]) for count in range(len(tokens) + 1)]


def test_a_character_after_invalid_bytes() -> None:
    """Two stray bytes do not cost the character after them, which comes byte by byte."""
    detokenizer = Detokenizer(FakeProvider(BYTES, eos=-1).decode)
    text = [detokenizer.push(token) for token in b"\xff\xff\xf0\x9f\x90\x89a"]
    assert "".join(text) == "\ufffd\ufffd\U0001f409a"
    detokenizer.truncate(5)
    assert detokenizer.push(0x89) == text[5]


def fallback(tokens: list[int]) -> str:
    """As tokenizers with byte fallback decode: one invalid byte spoils its whole run; 256 is " a", 257 special."""
    text, run = "", b""
    for token in [*tokens, 256]:
        if token < 256:
            run += bytes([token])
        elif token == 256:
            try:
                text += run.decode()
            except UnicodeDecodeError:
                text += "\ufffd" * len(run)
            text, run = text + " a", b""
    return text[:-2].removeprefix(" ")


characters = st.sampled_from(["\u00e9", "\u4e2d", "\U0001f409"]).map(lambda c: list(c.encode()))
others = st.sampled_from([[0xFF], [0xC3], [256], [256], [257]])


@settings(max_examples=500)
@given(st.lists(st.one_of(characters, characters, characters, others), max_size=12))
def test_byte_fallback(parts: list[list[int]]) -> None:
    """With such a tokenizer nothing is lost either that it does not lose itself; special tokens change nothing."""
    tokens = [token for part in parts for token in part]
    detokenizer = Detokenizer(fallback)
    text = "".join(map(detokenizer.push, tokens)) + detokenizer.finish()
    whole = fallback(tokens)
    if "\ufffd" in whole:
        assert len(text.replace("\ufffd", "")) >= len(whole.replace("\ufffd", ""))
    else:
        assert text == whole


def test_an_invalid_byte_spoils_little_of_a_long_run() -> None:
    """Of hundreds of characters after one stray byte, byte fallback or not, none is lost."""
    tokens = [0xFF, *("\u4e2d\u6587" * 100).encode()]
    for decode in (fallback, FakeProvider(BYTES, eos=-1).decode):
        detokenizer = Detokenizer(decode)
        assert "".join(map(detokenizer.push, tokens)) == "\ufffd" + "\u4e2d\u6587" * 100


def test_special_tokens_are_not_decoded_again_and_again() -> None:
    """However many of them there are, a token is decoded together with a bounded number."""
    asked = []
    decode = FakeProvider(["a", ""], eos=-1).decode
    detokenizer = Detokenizer(lambda tokens: (asked.append(len(tokens)), decode(tokens))[1])
    assert "".join(map(detokenizer.push, [0, *[1] * 300, 0])) == "aa"
    assert max(asked) < 70


def test_special_tokens_do_not_keep_a_character_waiting_for_ever() -> None:
    """They have no text, so a character may go on after them; but not after a hundred."""
    decode = FakeProvider([b"\xc3", b"\xa9", b""], eos=-1).decode
    for between, text in ((50, "\u00e9"), (100, "\ufffd\ufffd")):
        detokenizer = Detokenizer(decode)
        tokens = [0, *[2] * between, 1]
        assert "".join(map(detokenizer.push, tokens)) + detokenizer.finish() == text


def test_the_text_before() -> None:
    """`before` is the end of the context; a token without text after it ends that text."""
    decode = FakeProvider(["con", b"\xc3", b"\xa9", ""], eos=-1).decode
    ends = {(): "", (0,): "con", (0, 1): "con", (1, 2): "\u00e9", (0, 3): "", (3,): "", (3, 0): "con"}
    assert {context: Detokenizer(decode, context).before for context in ends} == ends


def test_bytes_that_never_become_a_character_do_not_block() -> None:
    """Invalid bytes wait for at most four tokens, and come out as U+FFFD at the end."""
    detokenizer = Detokenizer(FakeProvider(BYTES, eos=-1).decode)
    out = "".join(detokenizer.push(token) for token in [0xF0, 0xF0, 0xF0, 0xF0, 0xF0, ord("a")])
    assert out.endswith("a")
    detokenizer.push(0xE4)
    assert detokenizer.first_incomplete(len(detokenizer)) == 6
    assert detokenizer.finish() == "\ufffd"


def test_what_comes_before_decides_the_leading_space() -> None:
    """A tokenizer that drops the space of the first word keeps it after another word, special tokens between them or not."""

    def decode(tokens) -> str:  # as SentencePiece does
        return "".join([" one", " two", "!", ""][t] for t in tokens).removeprefix(" ")

    assert Detokenizer(decode).push(1) == "two"
    assert Detokenizer(decode, context=[0]).push(1) == " two"
    assert Detokenizer(decode, context=[0, 3]).push(1) == " two"
    detokenizer = Detokenizer(decode)
    assert "".join(map(detokenizer.push, [0, 3, 1])) == "one two"


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
