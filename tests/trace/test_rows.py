"""Recording the streams of a batch."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackSampler,
    BaseStrategy,
    Drawn,
    InputError,
    Rollback,
    StrategyError,
)
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.trace import Trace, Traces

PROMPTS = ["a", "bb", "abc", "b"]


def batch_of(provider: FakeProvider, traces: Traces, **options: Any) -> Any:
    sampler = BacktrackSampler(provider)
    settings: dict[str, Any] = {"seeds": 1, "max_new_tokens": 20, "max_batch": 2, "temperature": 1.5, **options}
    return sampler.generate_batch(PROMPTS, lambda: AntiSlopStrategy(provider, ["ab"]), on_event=traces, **settings)


def test_each_row_is_the_trace_that_it_would_be_alone() -> None:
    """Rows run together, and each trace has the prompt, the text, the seed and the events of its own."""
    provider = FakeProvider(["a", "b", "c", ""], eos=-1)
    traces = Traces(provider, alternatives=2)
    batch = batch_of(provider, traces)
    texts = batch.texts()
    assert len(traces) == len(list(traces)) == len(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        alone = Trace(provider, alternatives=2)
        strategy = AntiSlopStrategy(provider, ["ab"])
        options: dict[str, Any] = {"seed": 1 + row, "max_new_tokens": 20, "temperature": 1.5}
        text = BacktrackSampler(provider, strategy).generate_text(prompt, on_event=alone, **options)
        trace = traces[row]
        assert trace.text == text == texts[row]
        assert trace.prompt == prompt
        assert trace.started is not None
        assert trace.started.options.seed == 1 + row
        assert (trace.drawn, trace.rollbacks) == (alone.drawn, alone.rollbacks)
        assert all(len(event.candidates) <= 2 for event in trace.events if isinstance(event, Drawn))
    assert sum(trace.rollbacks for trace in map(traces.__getitem__, traces)) == batch.stats.rollbacks > 0


def test_a_row_is_taken_out_when_it_is_over() -> None:
    """What is popped is forgotten, so that never more is in memory than the rows that run."""
    provider = FakeProvider(["a", "b", "c", ""], eos=-1)
    traces = Traces(provider)
    seen = []
    for row in batch_of(provider, traces).results():
        assert len(traces) <= 2
        trace = traces.pop(row.index)
        assert row.index not in traces
        assert trace.text == row.text
        assert trace.reason == "length"
        seen.append(row.index)
    assert sorted(seen) == list(range(len(PROMPTS)))
    assert list(traces) == []


def test_taking_out_a_row_that_still_runs() -> None:
    """Its trace ends there, and what comes later is not recorded as a stream without a beginning."""
    provider = FakeProvider(["a", "b", "c", ""], eos=-1)
    traces = Traces(provider)
    batch = batch_of(provider, traces)
    next(batch)
    trace = traces.pop(0)
    events = len(trace.events)
    batch.texts()
    assert len(trace.events) == events
    assert list(traces) == [1, 2, 3]


def test_a_row_that_fails() -> None:
    """It has a trace until then; the others are whole."""

    class Fails(BaseStrategy):
        def backtrack(self, tokens: list[int]) -> int:
            if len(tokens) == 3:
                raise ValueError("no")
            return 0

    provider = FakeProvider(["a", "b", "c", ""], eos=-1)
    traces = Traces(provider)
    strategies = iter([Fails(), BaseStrategy(), BaseStrategy(), BaseStrategy()])
    batch = BacktrackSampler(provider).generate_batch(
        PROMPTS, lambda: next(strategies), seeds=1, max_new_tokens=5, on_event=traces
    )
    texts = batch.texts(return_exceptions=True)
    assert isinstance(texts[0], StrategyError)
    assert (traces[0].drawn, traces[0].reason) == (3, "")
    assert [traces[row].text for row in (1, 2, 3)] == texts[1:]


@pytest.mark.parametrize("ask", [Traces.pop, Traces.__getitem__])
def test_nothing_is_recorded(ask: Any) -> None:
    """One line says so, also after the row was taken out."""
    provider = FakeProvider(["x", " a", " b", ""], lambda tokens: [-math.inf, 2, 2, -math.inf])
    traces = Traces(provider)
    with pytest.raises(InputError, match="nothing is recorded of row 3"):
        ask(traces, 3)
    sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, ["b"]))
    sampler.generate_text("x", seed=1, max_new_tokens=9, on_event=traces)  # a single stream is row 0
    assert any(isinstance(event, Rollback) for event in traces.pop(0).events)
    with pytest.raises(InputError, match="nothing is recorded of row 0"):
        ask(traces, 0)


def test_arguments_are_checked_at_once() -> None:
    """And not in the middle of a batch."""
    with pytest.raises(InputError, match="needs the model"):
        Traces("model")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="alternatives must be"):
        Traces(FakeProvider(), alternatives=-1)


@pytest.mark.slow
def test_on_a_real_model(smollm: Any) -> None:
    """On SmolLM2 with anti-slop: each trace has its row's text, its seed, and what was taken back of it."""
    traces = Traces(smollm)
    batch = BacktrackSampler(smollm).generate_batch(
        ["Once upon a time", "The door opened and"],
        lambda: AntiSlopStrategy(smollm, ["the", "a", "was"], whole_words=True),
        seeds=5,
        max_new_tokens=30,
        on_event=traces,
    )
    texts = batch.texts()
    assert [traces[row].text for row in traces] == texts
    assert [traces[row].started.options.seed for row in traces] == [5, 6]  # type: ignore[union-attr]
    assert [traces[row].discarded for row in traces] == [row.stats.discarded for row in batch.rows]
    assert batch.stats.discarded > 0
