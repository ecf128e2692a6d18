"""Whatever may take tokens back is taken wherever a strategy is."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackError,
    BacktrackSampler,
    BatchError,
    ChainStrategy,
    Generator,
    InputError,
    OperatorStrategy,
    Rollback,
    TakeBack,
)
from backtrack_sampler.operators import FunctionOperator, NGramOverlap, Repetition, Step
from backtrack_sampler.strategy.chain_strategy import as_strategies
from backtrack_sampler.testing import FakeProvider, check_strategy


def no_a(step: Step) -> bool:
    return "a" in step.text


def no(step: Step, letter: str = "b") -> bool:
    return letter in step.text


GIVEN: list[tuple[Callable[[], Any], str]] = [
    (lambda: no_a, "a"), (lambda: [no_a], "a"), (lambda: ChainStrategy([no_a]), "a"), (lambda: partial(no, letter="c"), "c"),
    (lambda: [no_a, OperatorStrategy(no)], "ab"), (lambda: [no_a, [partial(no), AntiSlopStrategy(FakeProvider(), ["."])]], "ab."),
    (lambda: FunctionOperator(no_a), "a"), (lambda: lambda step: "a" in step.text, "a"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "letters"), GIVEN)
def test_functions_are_taken_everywhere(make: Callable[[], Any], letters: str) -> None:
    """By a sampler, in a list, in a chain, by a generator, for each row of a batch, and by the check."""
    provider = FakeProvider()
    options: dict[str, Any] = {"max_new_tokens": 20, "seed": 1}
    text = BacktrackSampler(provider, make()).generate_text("a", **options)
    assert text
    assert not set(text) & set(letters)
    assert Generator(provider)("a", strategy=make(), **options) == text
    batch = BacktrackSampler(provider).generate_texts(["a"] * 3, make, seeds=[1, 1, 1], max_new_tokens=20, max_batch=3)
    assert batch == [text] * 3
    check_strategy(lambda provider: make(), [provider])


def test_operators_are_taken_everywhere() -> None:
    """So are operators with a memory; each of a batch has its own."""
    provider = FakeProvider(["a", "b", ""], lambda tokens: [1, 0, -9])
    wanted = BacktrackSampler(provider, OperatorStrategy(NGramOverlap(3))).generate_text(
        "a", temperature=0, max_new_tokens=9
    )
    assert BacktrackSampler(provider, NGramOverlap(3)).generate_text("a", temperature=0, max_new_tokens=9) == wanted
    chain = [ChainStrategy([NGramOverlap(3)]), Repetition(8)]
    assert BacktrackSampler(provider, chain).generate_text("a", temperature=0, max_new_tokens=9) == wanted
    batch = BacktrackSampler(provider)
    assert batch.generate_texts(["a", "a"], lambda: NGramOverlap(3), temperature=0, max_new_tokens=9) == [wanted] * 2
    check_strategy(lambda provider: [NGramOverlap(3), Repetition(2)])


def test_text_streams_while_a_function_judges() -> None:
    """Nothing waits for a function that answers True or False; for one that answers numbers, everything does."""
    provider = FakeProvider(["a", "b", ""], lambda tokens: [0, 0, -99])
    pieces = list(BacktrackSampler(provider, no_a).stream_text("a", max_new_tokens=9, seed=1))
    assert pieces == ["b"] * 9
    pieces = list(
        BacktrackSampler(provider, lambda step: int("a" in step.text)).stream_text("a", max_new_tokens=9, seed=1)
    )
    assert pieces == ["b" * 9]


def test_a_function_with_a_lookback() -> None:
    """What it may want waits, and no more; the reason is told."""

    def pair(step: Step) -> int:
        return TakeBack(2, "two") if step.probability < 0.3 else 0

    pair.lookback = 1  # type: ignore[attr-defined]
    provider = FakeProvider(["a", "b", ""], lambda tokens: [1, 0, -99])  # "b" is drawn one time in four
    events: list[Any] = []
    stream = BacktrackSampler(provider, pair).stream("a", max_new_tokens=20, seed=2, on_event=events.append)
    released: list[int] = []
    for token in stream:
        released.append(token)
        assert len(stream.tokens) - len(released) <= 1
    rollbacks = [event for event in events if isinstance(event, Rollback)]
    assert {len(event.tokens) for event in rollbacks} == {1, 2}  # one only where there was only one
    assert all(event.why.startswith("two") for event in rollbacks)


def test_one_operator_serves_one_stream() -> None:
    """The same object twice in a chain, or for two rows of a batch, is refused; a function has no memory."""
    operator = NGramOverlap()
    for given in (
        [operator, operator],
        [OperatorStrategy(operator), operator],
        [FunctionOperator(no_a)] * 2 + [operator] * 2,
    ):
        with pytest.raises(InputError, match="the same strategy object is there twice"):
            as_strategies(given)
    assert len(as_strategies([no_a, no_a])) == 2
    provider = FakeProvider()
    with pytest.raises(BacktrackError, match="gave the same object to two streams"):
        BacktrackSampler(provider).generate_texts(["a", "a"], lambda: operator, max_new_tokens=5)
    with pytest.raises(AssertionError, match="make must return a new NGramOverlap each time"):
        check_strategy(lambda provider: operator)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (NGramOverlap, "NGramOverlap is a class: pass an instance"),
        (lambda: no_a, "<lambda> is no function of one step, .*: pass a strategy, or what <lambda> returns"),
        (lambda step, more: 0, "no function of one step"), (5, "int is not a strategy"), ("antislop", "str is not a strategy"),
        ([no_a, 5], "int is not a strategy"),
    ],
)  # fmt: skip
def test_what_takes_nothing_back(given: Any, message: str) -> None:
    """It is said what is wrong with it, before anything runs."""
    with pytest.raises(InputError, match=message):
        BacktrackSampler(FakeProvider(), given)


def test_a_function_that_makes_strategies() -> None:
    """Where one of a provider is passed that returns a strategy, the error says what it has returned."""
    provider = FakeProvider()
    sampler = BacktrackSampler(provider, lambda _: AntiSlopStrategy(provider, ["a"]))
    with pytest.raises(BacktrackError, match="operator <lambda> returned .*AntiSlopStrategy"):
        sampler.generate_text("a", max_new_tokens=3)
    with pytest.raises(BatchError, match="operator <lambda> returned"):
        BacktrackSampler(provider).generate_texts(
            ["a"], lambda: lambda _: AntiSlopStrategy(provider, ["a"]), max_new_tokens=3
        )


def test_a_3x_strategy_that_can_be_called(tmp_path: Path) -> None:
    """What has `get_keep_index` is one of 3.x, whatever else it can do."""

    class Old:
        def __call__(self, step: Step) -> int:
            raise AssertionError("this is no operator")

        def get_keep_index(self) -> int:
            return 0

        def on_logits(self, logits: Any, tokens: list[int]) -> Any:
            return logits

        def on_probs(self, probs: Any, tokens: list[int]) -> Any:
            return probs

        def on_next_token(self, tokens: list[int], probs: Any) -> None:
            pass

        def backtrack(self, tokens: list[int]) -> list[int]:
            return tokens

        def reset(self) -> None:
            pass

    assert BacktrackSampler(FakeProvider(), [Old(), no_a]).generate_text("a", max_new_tokens=5, seed=1)


def test_nothing_keeps_a_wrapped_function_alive() -> None:
    """The strategy around a function goes when it is dropped, without the garbage collector."""
    gc.disable()
    try:
        (strategy,) = as_strategies(no_a)
        gone = weakref.ref(strategy)
        del strategy
        assert gone() is None
    finally:
        gc.enable()
