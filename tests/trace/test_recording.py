"""Recording a stream and everything that was taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import broken_off, record, taken_back

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackSampler,
    Drawn,
    Finished,
    InputError,
    Released,
    Rollback,
    Trace,
)
from backtrack_sampler.testing import FakeProvider

SEEDS = st.integers(0, 10**6)


@given(SEEDS, st.sampled_from([0.0, 0.1, 0.3, 0.6]), st.sampled_from([(), ("STOP",), ("é", "ST", "word a")]))
def test_text_and_counts_are_those_of_the_stream(seed: int, often: float, stop: Sequence[str]) -> None:
    """Whatever was drawn and taken back, the trace has the stream's text and the sampler's statistics."""
    trace, text, stats = record(seed, often, stop=stop)
    assert trace.text == text
    assert (trace.emitted, trace.discarded, trace.rollbacks) == (stats.emitted, stats.discarded, stats.rollbacks)
    assert (trace.drawn, trace.reason) == (stats.drawn, stats.finish_reason)
    assert sum(row.tokens for row in trace.by_whom) == stats.discarded
    assert sum(row.rollbacks for row in trace.by_whom) == stats.rollbacks


@given(SEEDS)
def test_every_character_has_its_token(seed: int) -> None:
    """The characters of the tokens that stand are the text, but for what the last ones leave incomplete."""
    trace, text, _ = record(seed)
    texts, standing = trace.replay()
    assert len(texts) == trace.drawn
    settled = "".join(texts[index] for index in standing)
    assert text.startswith(settled)
    assert set(text[len(settled) :]) <= {"\ufffd"}


def test_tokens_are_kept_with_their_best_alternatives() -> None:
    """Of the candidates the most probable are kept, as shares of one, and the drawn token's own share."""
    trace = Trace(FakeProvider(), alternatives=2)
    trace(Drawn(0, 2, 0.25, {1: 1.0, 0: 0.6, 2: 0.5, 3: -0.0}))
    assert trace.events == [Drawn(0, 2, 0.25, {1: 0.5, 0: 0.3})]


@pytest.mark.parametrize("candidates", [{2: float("inf"), 1: 0.5}, {}])
def test_forced_tokens(candidates: dict[int, float]) -> None:
    """Where a strategy forces a token, nothing else had a chance."""
    trace = Trace(FakeProvider())
    trace(Drawn(0, 2, 1.0, candidates))
    assert trace.events == [Drawn(0, 2, 1.0, {2: 1.0})]


def test_a_whole_vocabulary_is_read_only_at_its_top() -> None:
    """Without top-k the candidates are an array over the vocabulary; it is neither kept nor copied."""
    from backtrack_sampler.candidates import ArrayCandidates

    weights = np.linspace(0.5, 1.5, 50_000, dtype=np.float32)
    trace = Trace(FakeProvider(), alternatives=3)
    trace(Drawn(0, 7, 0.001, ArrayCandidates(weights)))
    (event,) = trace.events
    assert isinstance(event, Drawn)
    assert list(event.candidates) == [49_999, 49_998, 49_997]
    assert event.candidates[49_999] == pytest.approx(0.001 * 1.5 / float(weights[7]))
    assert {type(share) for share in event.candidates.values()} == {float}


def test_rollbacks_say_who_and_why() -> None:
    """Events are kept in order: what was drawn, taken back by whom and why, streamed, and how it ended."""
    trace, text = taken_back(["a", "b", "c"], [(2, 1)])
    kinds = [type(event).__name__ for event in trace.events]
    assert kinds == ["Drawn", "Drawn", "Rollback", "Released", "Drawn", "Released", "Drawn", "Released", "Finished"]
    assert trace.events[2] == Rollback(1, (1,), "b", "Scripted", "scripted")
    assert (text, trace.text, trace.reason) == ("ac", "ac", "end")


def test_another_stream_starts_the_trace_anew() -> None:
    """After the end, or from a first token on, what was recorded is another stream."""
    provider = FakeProvider(eos=-1)
    trace = Trace(provider, "a")
    sampler = BacktrackSampler(provider)
    options: dict[str, Any] = {"on_event": trace, "max_new_tokens": 20}
    first = sampler.generate_text("a", seed=1, **options)
    events = trace.events
    assert trace.text == first
    abandoned = sampler.stream_text("a", seed=2, **options)
    started = next(abandoned)
    assert trace.text == started
    second = sampler.generate_text("a", seed=3, **options)
    assert (trace.text, trace.drawn) == (second, 20)
    assert len({first, second}) == 2
    assert "".join(provider.decode(e.tokens) for e in events if isinstance(e, Released)) == first


def test_tokens_that_were_never_streamed() -> None:
    """Of a stream that is broken off, the text is what was streamed; the tokens that were held are there."""
    trace = broken_off()
    assert (trace.text, trace.emitted, trace.drawn, trace.reason) == ("a", 1, 5, "")


def test_stop_string_leaves_the_part_before_it() -> None:
    """The part of a token that stands before a stop string is in the text, and in no token."""
    trace, text = taken_back(["so", " it. END of"], [], stop=["END"])
    assert text == trace.text == "so it. "
    assert (trace.rollbacks, trace.discarded) == (0, 1)


def test_characters_that_span_tokens() -> None:
    """A character belongs to the token that completes it; taken back before that, it is shown as incomplete."""
    face = "😀".encode()
    trace, text = taken_back(["a", face[:2], face[2:], "b", face[:2], "c"], [(5, 2)])
    assert text == trace.text == "a😀c"
    assert trace.replay().texts == ["a", "", "😀", "b", "\ufffd", "c", ""]
    trace, text = taken_back(["a", face[:3]], [])
    assert text == trace.text == "a\ufffd"


def sentencepiece(tokens: Sequence[int]) -> str:
    """Decodes as SentencePiece does: the first word loses its space."""
    return "".join(f" w{token}" for token in tokens)[1:]


def test_first_word_keeps_its_space() -> None:
    """Where a tokenizer decides a word's space from what stands before, the prompt is asked."""
    trace = Trace(sentencepiece, [7, 8])
    for event in (Drawn(0, 1, 1.0, {1: 1.0}), Released(0, (1,)), Finished("length")):
        trace(event)
    assert (trace.prompt, trace.text) == ("w7 w8", " w1")


def test_pieces_are_those_of_the_middle_of_a_text() -> None:
    """So is the text of a single token, with a model's neutral token before it."""

    class Provider(FakeProvider):
        def decode(self, tokens: Sequence[int]) -> str:
            return sentencepiece(tokens)

        def neutral_tokens(self) -> list[int]:
            return [0]

    assert Trace(Provider(), [1]).piece(3) == " w3"


@pytest.mark.parametrize("alternatives", [-1, 1.5, True, "5"])
def test_alternatives_must_be_a_number(alternatives: Any) -> None:
    """A number of alternatives that is none is refused."""
    with pytest.raises(InputError, match="alternatives must be"):
        Trace(FakeProvider(), alternatives=alternatives)


def test_a_trace_needs_a_model() -> None:
    """What can neither decode nor is a function is refused."""
    with pytest.raises(InputError, match="needs the model"):
        Trace("a prompt")  # type: ignore[arg-type]


@pytest.mark.slow
def test_on_a_real_model(smollm: Any) -> None:
    """With anti-slop on SmolLM2: the stream's text, the words that were taken back, and candidates that fit."""
    prompt = smollm.chat_prompt([{"role": "user", "content": "Tell me a short tale of a dragon."}])
    strategy = AntiSlopStrategy(smollm, ["the", "a", "was"], whole_words=True)
    sampler = BacktrackSampler(smollm, strategy)
    trace = Trace(smollm, prompt)
    options: dict[str, Any] = {"max_new_tokens": 80, "seed": 1, "temperature": 0.8}
    smollm.reset()
    text = sampler.generate_text(prompt, on_event=trace, **options)
    assert trace.text == text
    assert (trace.emitted, trace.discarded) == (sampler.stats.emitted, sampler.stats.discarded)
    (row,) = trace.by_whom
    assert row.who == "AntiSlopStrategy"
    assert row.rollbacks == sampler.stats.rollbacks > 0
    assert all(why.startswith("found '") for why in row.reasons)
    for event in trace.events:
        if isinstance(event, Drawn):
            shares = list(event.candidates.values())
            assert shares == sorted(shares, reverse=True)
            assert 0 < sum(shares) < 1.001
            assert event.candidates.get(event.token, event.probability) == pytest.approx(event.probability)
    smollm.reset()
    assert sampler.generate_text(prompt, **options) == text  # who listens changes nothing
