"""Many streams at once: each is what it would be alone, and nothing that happens in one reaches another."""

from __future__ import annotations

import gc
import random
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_gguf import write_gemma3
from tiny_models import VOCABULARY, TinyTokenizer, tiny

from backtrack_sampler import (
    AntiSlopStrategy,
    BacktrackSampler,
    BaseProvider,
    BaseStrategy,
    BatchError,
    ContextFullError,
    ExhaustedError,
    InputError,
    StrategyError,
    batch,
)
from backtrack_sampler.events import Finished, Released, Rollback
from backtrack_sampler.provider import memory as memories
from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider
from backtrack_sampler.provider.transformers_provider import TransformersProvider
from backtrack_sampler.testing import FakeProvider

WORDS = ["a", "b", "ab", " ", "c", "stop", ""]
ENDLESS = WORDS[:-1]


class GoBack(BaseStrategy):
    """Goes back by chance, up to 30 tokens; what chance decides depends on its seed alone."""

    def __init__(self, seed: int, share: float = 0.04) -> None:
        self._seed, self._share = seed, share
        self.reset()

    def reset(self) -> None:
        self._rng = random.Random(self._seed)

    def backtrack(self, tokens: list[int]) -> int:
        if self._rng.random() >= self._share:
            return 0
        return self._rng.randrange(min(len(tokens), 30) + 1)

    def pending(self, tokens: list[int]) -> int:
        return len(tokens)  # nothing is streamed before the end: any of it may go


class Fails(BaseStrategy):
    """Raises in one hook after some tokens."""

    def __init__(self, hook: str, after: int = 2) -> None:
        def raises(*arguments: Any) -> Any:
            if len(arguments) == 0 or not isinstance(arguments[-1], list) or len(arguments[-1]) >= after:
                raise ZeroDivisionError("broken on purpose")
            return {} if hook == "logit_bias" else arguments[0] if hook in ("on_logits", "on_probs") else 0

        raises.__name__ = hook
        setattr(self, hook, raises)


def in_order(make: Callable[[int], Any]) -> Callable[[], Any]:
    """A factory that gives stream after stream its own strategy: they begin in order."""
    numbers = iter(range(1000))
    return lambda: make(next(numbers))


def alone(
    provider: BaseProvider, prompts: list[Any], make: Callable[[int], Any], seeds: list[int], **options: Any
) -> list[list[int]]:
    """The same streams, one after the other, each in a sampler of its own."""
    return [
        list(BacktrackSampler(provider, make(number)).generate(prompt, seed=seed, **options))
        for number, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
    ]


def together(
    provider: BaseProvider, prompts: list[Any], make: Callable[[int], Any], seeds: list[int], **options: Any
) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in prompts]
    for index, token in BacktrackSampler(provider).generate_batch(prompts, in_order(make), seeds=seeds, **options):
        found[index].append(token)
    return found


# -- each stream is what it would be alone ------------------------------------------------------


@settings(max_examples=60)
@given(
    prompts=st.lists(st.text("ab c", min_size=1, max_size=30), min_size=1, max_size=9),
    max_batch=st.integers(1, 5),
    share=st.sampled_from([0.0, 0.05, 0.2]),
    seed=st.integers(0, 99),
    droppable=st.booleans(),
    remember=st.sampled_from([1, 4, 64]),
)
def test_a_batch_is_its_streams(
    prompts: list[str], max_batch: int, share: float, seed: int, droppable: bool, remember: int
) -> None:
    """Whatever the prompts, the rollbacks and the size of the batch: each row is the stream alone."""
    options: dict[str, Any] = {"max_new_tokens": 25, "max_discarded": 300}
    seeds = [seed + 7 * number for number in range(len(prompts))]

    def model() -> FakeProvider:
        return FakeProvider(WORDS, seed=seed, droppable=droppable, remember=remember)

    def make(number: int) -> GoBack:
        return GoBack(number, share)

    found = together(model(), prompts, make, seeds, max_batch=max_batch, **options)
    assert found == alone(model(), prompts, make, seeds, **options)


@pytest.mark.parametrize(
    ("name", "temperature", "new"),
    [("llama", 0.0, 40), ("mistral-window-16", 0.0, 40), ("gemma3-window-16", 1.0, 40), ("mamba", 1.0, 12)],
)
@pytest.mark.filterwarnings("ignore:.*cannot be batched")
def test_rows_of_transformers_are_the_streams_alone(name: str, temperature: float, new: int) -> None:
    """Float32, random rollbacks beyond windows, prompts of all lengths, places that change hands: token for token."""
    rng = random.Random(3)
    prompts = [[rng.randrange(3, VOCABULARY) for _ in range(length)] for length in (5, 1, 70, 30, 5, 30)]
    prompts[4] = prompts[3] + prompts[4]  # two that begin alike
    options: dict[str, Any] = {"max_new_tokens": new, "temperature": temperature, "max_discarded": 200}
    provider = TransformersProvider(tiny(name), TinyTokenizer(), remember=8)
    found = together(provider, prompts, GoBack, list(range(6)), max_batch=4, **options)
    expected = alone(TransformersProvider(tiny(name), TinyTokenizer()), prompts, GoBack, list(range(6)), **options)
    assert found == expected


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_of_llamacpp_are_the_streams_alone(temperature: float, tmp_path: Path) -> None:
    """The same on llama.cpp, with keys and values in 32 bits, where its logits agree to rounding."""
    rng = random.Random(5)
    prompts = [[rng.randrange(3, 64) for _ in range(rng.choice([1, 5, 30, 70]))] for _ in range(9)]
    options: dict[str, Any] = {"max_new_tokens": 50, "temperature": temperature, "max_discarded": 200}
    path = write_gemma3(tmp_path / "tiny.gguf")
    one, many = (LlamacppProvider.from_pretrained(path, n_ctx=512, type_k=0, type_v=0) for _ in range(2))
    found = together(many, prompts, GoBack, list(range(9)), max_batch=4, **options)
    assert found == alone(one, prompts, GoBack, list(range(9)), **options)


@pytest.mark.slow
def test_greedy_rows_of_a_real_model_are_the_streams_alone(smollm_transformers: TransformersProvider) -> None:
    """SmolLM2 in float32, anti-slop with hits, temperature 0: exactly the same tokens, in a batch and alone."""
    provider = smollm_transformers
    prompts = [f"Write a story about a {who}.\n\n" for who in ("dragon", "very old queen", "cat", "boat")]
    slops = ["dragon", "once", "she", "there was", "small", "village"]

    def make(_: int) -> AntiSlopStrategy:
        return AntiSlopStrategy(provider, slops)

    options: dict[str, Any] = {"max_new_tokens": 24, "temperature": 0.0}
    provider.reset()
    batch = BacktrackSampler(provider).generate_batch(prompts, in_order(make), max_batch=3, **options)
    assert all(row.error is None for row in batch.results())
    assert batch.stats.rollbacks > 0
    assert provider.batched
    assert [row.tokens for row in batch.rows] == alone(provider, prompts, make, [0] * 4, **options)


def test_samples_and_seeds() -> None:
    """Stream i is sample i % n of prompt i // n; one seed is counted on, a list is taken as it is."""
    sampler = BacktrackSampler(FakeProvider(WORDS))
    options: dict[str, Any] = {"max_new_tokens": 8}
    expected = [sampler.generate_text(prompt, seed=40 + i, **options) for i, prompt in enumerate("aaabbb")]
    assert sampler.generate_texts(["a", "b"], n=3, seeds=40, **options) == expected
    assert sampler.generate_texts(["a", "b"], n=3, seeds=range(40, 46), max_batch=2, **options) == expected
    batch = sampler.generate_batch(["a"], n=4, **options)
    seeds = [row.options.seed for row in batch.rows]
    assert len(set(seeds)) == 4  # random, and known afterwards
    texts = [row.text for row in sorted(batch.results(), key=lambda row: row.index)]
    assert texts == sampler.generate_texts(["a"], n=4, seeds=seeds, **options)


def test_text() -> None:
    """Texts are what generate_text gives: stop strings cut to the character, special tokens left out."""
    provider = FakeProvider(WORDS, seed=3)
    sampler = BacktrackSampler(provider)
    prompts = ["a", "ab", "c"]
    options: dict[str, Any] = {"stop": ["to"], "max_new_tokens": 60, "temperature": 2.0}
    expected = [sampler.generate_text(p, seed=i, **options) for i, p in enumerate(prompts)]
    assert sampler.generate_texts(prompts, seeds=0, **options) == expected
    assert any(text.endswith("s") for text in expected)  # "stop" was cut
    assert sampler.generate_texts([]) == []


# -- one engine for all --------------------------------------------------------------------------


class Watched(FakeProvider):
    """Notes how many streams are asked for at once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widths: list[int] = []

    def peek_batch(self, sequences: Any) -> Any:
        self.widths.append(len(sequences))
        return super().peek_batch(sequences)


def test_a_row_that_ends_is_replaced_at_once() -> None:
    """Streams of different lengths: the batch stays full until no prompt is left, then it drains."""
    lengths = [3, 9, 4, 2, 8, 5, 1, 6]

    def logits(tokens: list[int]) -> list[float]:  # the prompt's length decides when the text ends
        ends = len(tokens) >= 2 * tokens[0] + 3
        return [0.0] * 12 + [1.0 if ends else -1.0]

    words = [*"abcdefghijkl", ""]
    provider = Watched(vocabulary=words, logits=logits)
    prompts = [[length] for length in lengths]
    batch = BacktrackSampler(provider).generate_batch(prompts, max_batch=3, temperature=0)
    tokens = list(batch)
    drawn = [2 * length + 3 for length in lengths]
    assert [len(row.tokens) for row in batch.rows] == drawn
    assert len(tokens) == sum(drawn)
    full = [width for width in provider.widths if width == 3]
    assert provider.widths == sorted(provider.widths, reverse=True)
    assert len(full) >= sum(drawn) // 3 - max(drawn)


def test_a_step_is_one_forward_for_all() -> None:
    """With rollbacks in all rows, the model is called as often as the longest row needs alone, not as all together do."""
    prompts = ["a" * (n + 1) for n in range(8)]
    options: dict[str, Any] = {"max_new_tokens": 60}
    costs = []
    for number, prompt in enumerate(prompts):
        sampler = BacktrackSampler(FakeProvider(ENDLESS, eos=-1), GoBack(number))
        list(sampler.generate(prompt, seed=number, **options))
        costs.append(sampler.stats.forward_passes)
    provider = FakeProvider(ENDLESS, eos=-1)
    batch = BacktrackSampler(provider).generate_batch(prompts, in_order(GoBack), seeds=0, **options)
    list(batch)
    assert batch.stats.rollbacks > 15
    assert batch.stats.forward_passes == provider.forward_passes
    assert batch.stats.forward_passes <= max(costs) + 5 < sum(costs) / 4


def test_a_row_that_goes_back_goes_on_from_memory() -> None:
    """Draws from remembered logits need no forward, and the other rows do not wait a step for them."""

    class Often(BaseStrategy):
        def on_start(self, stream: Any) -> None:
            self._again = True

        def backtrack(self, tokens: list[int]) -> int:
            self._again = not self._again
            return 0 if self._again else 1

        def pending(self, tokens: list[int]) -> int:
            return 1

    provider = FakeProvider(ENDLESS, eos=-1)
    batch = BacktrackSampler(provider).generate_batch(
        ["a", "b"], in_order(lambda n: Often() if n == 0 else BaseStrategy()), seeds=1, max_new_tokens=30
    )
    list(batch)
    assert batch.rows[0].stats.rollbacks >= 29
    assert provider.forward_passes == 30  # as if nothing had been taken back


def test_prompts_that_begin_alike_are_evaluated_once() -> None:
    """n samples of a long prompt evaluate it once; a common beginning of different prompts as well."""
    provider = FakeProvider(ENDLESS, eos=-1)
    prompt = provider.encode("abcab cab" * 5)
    sampler = BacktrackSampler(provider)
    batch = sampler.generate_batch([prompt], n=6, seeds=1, max_new_tokens=2)
    list(batch)
    assert batch.stats.evaluated_tokens == len(prompt) + 6
    provider.reset()
    batch = sampler.generate_batch([prompt + [n] * 3 for n in range(4)], max_new_tokens=1)
    list(batch)
    assert batch.stats.evaluated_tokens == len(prompt) + 4 * 3


def test_events_tell_their_stream() -> None:
    """Every event has the number of its stream, and tells what was yielded."""
    told: dict[int, list[int]] = {0: [], 1: [], 2: []}
    ended, taken = [], 0
    seen: set[tuple[str, int]] = set()

    def listen(event: Any) -> None:
        nonlocal taken
        if isinstance(event, Released):
            told[event.row] += event.tokens
        elif isinstance(event, Finished):
            ended.append((event.row, event.reason))
        taken += isinstance(event, Rollback)
        seen.add((type(event).__name__, event.row))

    sampler = BacktrackSampler(FakeProvider(ENDLESS, eos=-1))
    batch = sampler.generate_batch(["a", "b", "c"], in_order(GoBack), on_event=listen, max_new_tokens=20)
    found: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for index, token in batch:
        found[index].append(token)
    assert told == found
    assert sorted(ended) == [(0, "length"), (1, "length"), (2, "length")]
    assert seen >= {(n, row) for n in ("Started", "Drawn", "Released", "Finished") for row in range(3)}
    assert taken == batch.stats.rollbacks > 0
    assert batch.stats.emitted == 60
    assert batch.stats.seconds > 0


@pytest.mark.parametrize("remember", [1, 64])
def test_a_strategy_that_asks_the_model_itself(remember: int) -> None:
    """A hook that asks the same provider for other texts, as guidance does, changes nothing, alone or in a batch."""
    provider, other = FakeProvider(ENDLESS, eos=-1, remember=remember), FakeProvider(ENDLESS, eos=-1)

    class Looks(BaseStrategy):
        def _look(self, tokens: list[int]) -> None:
            provider.logits_batch([[1, 2, 3], [4, *tokens]])
            provider.logits([2, *tokens])

        def logit_bias(self, tokens: list[int]) -> dict[int, float]:
            self._look(tokens)
            return {}

        def on_logits(self, logits: Any, tokens: list[int]) -> Any:
            self._look(tokens)
            return logits

        def on_probs(self, probs: Any, tokens: list[int]) -> Any:
            self._look(tokens)
            return probs

        def on_next_token(self, tokens: list[int], probs: Any) -> None:
            self._look(tokens)

    class OnlyAsksForBiases(Looks):
        on_logits = BaseStrategy.on_logits

    prompts = ["a", "ab", "c"]
    expected = alone(other, prompts, lambda _: BaseStrategy(), [1, 2, 3], max_new_tokens=15)
    for looks in (Looks, OnlyAsksForBiases):
        assert together(provider, prompts, lambda _: looks(), [1, 2, 3], max_new_tokens=15) == expected  # noqa: B023
        assert alone(provider, prompts, lambda _: looks(), [1, 2, 3], max_new_tokens=15) == expected  # noqa: B023


class Counted(BaseStrategy):
    """Notes how often each is reset."""

    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1


def test_a_listener_that_fails_at_the_beginning_of_a_stream() -> None:
    """It ends its own row, by name, and every strategy is left clean."""
    made: list[Counted] = []

    def make() -> Counted:
        made.append(Counted())
        return made[-1]

    def listener(event: Any) -> None:
        if event.row == 1:
            raise ZeroDivisionError("no")

    running = BacktrackSampler(FakeProvider(ENDLESS, eos=-1)).generate_batch(
        ["a", "b", "c"], make, max_new_tokens=4, on_event=listener
    )
    with pytest.raises(BatchError, match="on_event raised ZeroDivisionError: no"):
        list(running)
    assert list(running.errors) == [1]
    assert [len(row.tokens) for row in running.rows] == [4, 0, 4]
    assert [each.resets for each in made] == [2, 2, 2]


def test_one_strategy_for_two_streams_is_left_clean() -> None:
    """The stream that had begun with it is ended."""
    same = Counted()
    running = BacktrackSampler(FakeProvider(ENDLESS)).generate_batch(["a", "b"], lambda: same, max_new_tokens=4)
    with pytest.raises(InputError, match="same object"):
        list(running)
    assert same.resets == 2


def test_rows_on_a_device_ask_for_biases_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a strategy says of a place is asked for once a draw, wherever the rows are."""
    provider = TransformersProvider(tiny("llama"), TinyTokenizer())
    asked: list[int] = []

    class Moody(BaseStrategy):
        def logit_bias(self, tokens: list[int]) -> dict[int, float]:
            asked.append(len(tokens))
            return {5 + len(asked) % 3: 2.0}

    def run() -> list[list[int]]:
        asked.clear()
        return [row.tokens for row in _all(provider, [[5, 6]], lambda _: Moody(), {"seeds": 1, "max_new_tokens": 8})]

    expected = run()
    assert asked == list(range(8))
    monkeypatch.setattr(batch, "on_device", lambda row: True)
    assert run() == expected
    assert asked == list(range(8))


# -- errors stay in their row --------------------------------------------------------------------

HOOKS = ["reset", "on_start", "logit_bias", "on_logits", "on_probs", "backtrack", "pending"]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_strategy_that_raises_ends_its_own_stream(hook: str) -> None:
    """The others are complete, and one error at the end names the stream, the strategy and the hook."""
    provider = FakeProvider(ENDLESS, eos=-1)

    def make(number: int) -> BaseStrategy:
        return Fails(hook) if number in (1, 4) else BaseStrategy()

    prompts = ["a", "b", "c", "ab", "a b"]
    good = alone(
        FakeProvider(ENDLESS, eos=-1), prompts, lambda _: BaseStrategy(), [9, 10, 11, 12, 13], max_new_tokens=12
    )
    batch = BacktrackSampler(provider).generate_batch(prompts, in_order(make), seeds=9, max_batch=2, max_new_tokens=12)
    found: list[list[int]] = [[] for _ in prompts]
    with pytest.raises(
        BatchError, match=rf"2 of 5 streams failed; the first, number 1: Fails\.{hook} raised"
    ) as caught:
        for index, token in batch:
            found[index].append(token)
    assert set(caught.value.errors) == set(batch.errors) == {1, 4}
    assert caught.value.__cause__ is caught.value.first is batch.errors[1]  # so that a traceback shows the line
    assert all(isinstance(error, StrategyError) for error in batch.errors.values())
    for index in (0, 2, 3):
        assert found[index] == good[index]
    assert found[1] == good[1][: len(found[1])]  # and what was streamed of it stands


class Broken(BaseStrategy):
    """Raises as it is made."""

    def __init__(self, n: int = 0) -> None:
        self.n = len(n)  # type: ignore[arg-type]


class Needs(BaseStrategy):
    """Cannot be made from nothing."""

    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider


def test_classes_in_the_place_of_a_function() -> None:
    """One that needs arguments is no function that makes a strategy; one that raises is a strategy that fails."""
    sampler = BacktrackSampler(FakeProvider())
    with pytest.raises(
        InputError, match=r"missing 1 required .*: pass a function .*make_strategy=lambda: Needs\(...\)"
    ):
        sampler.generate_batch(["a"], Needs)
    with pytest.raises(StrategyError, match=r"has no len\(\) \(test_batch.py, line \d+\)"):
        sampler.generate_batch(["a"], Broken)
    assert len(sampler.generate_texts(["a"], BaseStrategy)) == 1


def test_texts_of_failed_streams() -> None:
    """All rows are in the error; or errors stand in the places of their texts, and nothing is raised."""

    def make(number: int) -> BaseStrategy:
        return Fails("backtrack", after=4) if number == 1 else BaseStrategy()

    sampler = BacktrackSampler(FakeProvider(ENDLESS, eos=-1))
    options: dict[str, Any] = {"seeds": 3, "max_new_tokens": 9}
    with pytest.raises(BatchError) as caught:
        sampler.generate_texts(["a", "b", "c"], in_order(make), **options)
    texts = [row.text for row in caught.value.rows]
    assert caught.value.__cause__ is caught.value.errors[1]
    assert sampler.stats.emitted > 18
    expected = sampler.generate_texts(["a", "b", "c"], **options)
    assert (texts[0], texts[2]) == (expected[0], expected[2])
    assert texts[1]
    assert expected[1].startswith(texts[1])
    mixed = sampler.generate_batch(["a", "b", "c"], in_order(make), **options).texts(return_exceptions=True)
    assert mixed[0] == expected[0]
    assert isinstance(mixed[1], StrategyError)


def test_a_factory_that_fails_later() -> None:
    """A factory that raises for one stream fails that stream; for the first, it is said before any work."""

    def make(number: int) -> BaseStrategy:
        if number == 2:
            raise OSError("no such list")
        return BaseStrategy()

    provider = FakeProvider(ENDLESS, eos=-1)
    batch = BacktrackSampler(provider).generate_batch(["a"] * 4, in_order(make), max_new_tokens=3)
    assert sum(row.error is None for row in batch.results()) == 3
    assert "no such list" in str(batch.errors[2])
    with pytest.raises(StrategyError, match="no such list"):
        BacktrackSampler(provider).generate_batch(["a"], lambda: make(2))


def test_a_full_context_ends_its_row() -> None:
    """That is an end like another, or an error where it is asked for; the others go on."""
    provider = FakeProvider(ENDLESS, eos=-1, context_size=12)
    options: dict[str, Any] = {"seeds": 1, "max_new_tokens": 8}
    batch = BacktrackSampler(provider).generate_batch(["aaaaaaaaaa", "a"], **options)
    list(batch)
    assert [row.stats.finish_reason for row in batch.rows] == ["context", "length"]
    assert len(batch.rows[0].tokens) == 3  # as generate gives: the last one is drawn from a full context
    assert batch.rows[0].tokens == list(BacktrackSampler(provider).generate("aaaaaaaaaa", seed=1, max_new_tokens=8))
    raising = BacktrackSampler(provider).generate_batch(["aaaaaaaaaa", "a"], on_context_full="raise", **options)
    rows = {row.index: row for row in raising.results()}
    assert isinstance(rows[0].error, ContextFullError)
    assert rows[0].text == batch.rows[0].text
    assert rows[1].error is None


def test_nothing_left_to_draw_ends_its_row() -> None:
    """on_exhausted="raise" raises in the row; what it had is kept."""

    class Nothing(BaseStrategy):
        def on_probs(self, probs: Any, tokens: list[int]) -> Any:
            return probs if len(tokens) < 3 else {}

    sampler = BacktrackSampler(FakeProvider(ENDLESS, eos=-1))
    make = in_order(lambda n: Nothing() if n == 0 else BaseStrategy())
    batch = sampler.generate_batch(["a", "b"], make, on_exhausted="raise", max_new_tokens=6)
    rows = sorted(batch.results(), key=lambda row: row.index)
    assert isinstance(rows[0].error, ExhaustedError)
    assert len(rows[0].tokens) == 3
    assert (rows[1].error, len(rows[1].tokens)) == (None, 6)


def test_a_token_that_does_not_exist() -> None:
    """A strategy that makes up a token fails in its own row, before the model is asked for it."""

    class MadeUp(BaseStrategy):
        def on_probs(self, probs: Any, tokens: list[int]) -> Any:
            return {999: 1.0}

    provider = TransformersProvider(tiny("llama"), TinyTokenizer())
    make = in_order(lambda n: MadeUp() if n == 1 else BaseStrategy())
    batch = BacktrackSampler(provider).generate_batch([[5, 6], [7], [8]], make, max_new_tokens=4)
    assert sorted(row.index for row in batch.results() if row.error is None) == [0, 2]
    assert "MadeUp.on_probs" in str(batch.errors[1])
    assert "the vocabulary has 97" in str(batch.errors[1])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"prompts": "abc"}, "a list of prompts"), ({"prompts": ["a", ""]}, "prompt 1: the prompt is empty"), ({"n": 0}, "n must be"),
        ({"max_batch": 0}, "max_batch must be"), ({"max_batch": 2.5}, "max_batch must be"), ({"seeds": [1]}, "2 streams and 1 seeds"),
        ({"seeds": "ab"}, "whole numbers"), ({"seeds": 1.5}, "whole numbers"), ({"seeds": -2}, "or -1"),
        ({"make_strategy": BaseStrategy()}, "lambda: BaseStrategy"), ({"make_strategy": lambda: 5}, "not a strategy"), ({"top_p": 2}, "top_p"),
        ({"prompts": ["a", "a" * 40]}, "prompt 1: the prompt has 40 tokens"), ({"prompts": ["a", [99]]}, "prompt 1: .*outside the vocabulary"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_evaluated(bad: dict[str, Any], says: str) -> None:
    """One clear line at the call, with the number of the prompt."""
    provider = FakeProvider(WORDS, context_size=20)
    with pytest.raises(InputError, match=says):
        BacktrackSampler(provider).generate_batch(**{"prompts": ["a", "b"], **bad})
    assert provider.asked == []


def test_each_stream_needs_a_strategy_of_its_own() -> None:
    """The sampler's one strategy cannot serve a batch, and a factory must not give the same object twice."""
    provider = FakeProvider(WORDS)
    with pytest.raises(InputError, match="this sampler has one GoBack"):
        BacktrackSampler(provider, GoBack(1)).generate_batch(["a"])
    same = GoBack(1)
    with pytest.raises(InputError, match="the same object"):
        list(BacktrackSampler(provider).generate_batch(["a", "b"], lambda: same))
    assert provider.asked == []


def test_more_places_than_rows_cost_nothing() -> None:
    """However many there may be at once, no more are made than there are rows."""
    sampler = BacktrackSampler(FakeProvider(WORDS))
    options: dict[str, Any] = {"seeds": 1, "max_new_tokens": 9}
    found = sampler.generate_texts(["a", "b"], max_batch=10**30, **options)
    assert found == sampler.generate_texts(["a", "b"], max_batch=2, **options)
    assert sampler.generate_texts([], max_batch=10**30, **options) == []


def test_an_abandoned_batch_leaves_nothing_behind() -> None:
    """Strategies are reset, and provider and sampler go on as if nothing had been."""
    made: list[GoBack] = []

    class Noted(GoBack):
        def __init__(self, seed: int) -> None:
            super().__init__(seed)
            self.resets = 0
            made.append(self)

        def reset(self) -> None:
            super().reset()
            self.resets = getattr(self, "resets", 0) + 1

        def pending(self, tokens: list[int]) -> int:
            return 0

        def backtrack(self, tokens: list[int]) -> int:
            return 0

    provider = FakeProvider(ENDLESS, eos=-1)
    sampler = BacktrackSampler(provider)
    batch = sampler.generate_batch(["a", "b", "c"], in_order(Noted), max_batch=2, max_new_tokens=9)
    for count, _ in enumerate(batch):
        if count == 5:
            break
    batch.close()
    assert [strategy.resets for strategy in made] == [2, 2]  # when they began, and now
    assert list(batch) == []
    assert sampler.generate_texts(["a"], seeds=5, max_new_tokens=6) == [
        sampler.generate_text("a", seed=5, max_new_tokens=6)
    ]


def test_a_batch_that_is_dropped_or_left_is_closed_at_once() -> None:
    """Without waiting for the garbage collector; also by the end of a with block."""
    resets = 0

    class Noted(BaseStrategy):
        def reset(self) -> None:
            nonlocal resets
            resets += 1

    sampler = BacktrackSampler(FakeProvider(ENDLESS, eos=-1))
    gc.disable()
    try:
        batch = sampler.generate_batch(["a", "b"], Noted)
        next(batch)
        assert resets == 2
        del batch
        assert resets == 4
        with sampler.generate_batch(["a", "b"], Noted) as batch:
            next(batch)
        assert resets == 8
        rows = sampler.generate_batch(["a"], Noted, max_new_tokens=2).results()
        next(rows)
        del rows
        assert resets == 10
    finally:
        gc.enable()


class Negative(BaseStrategy):
    """Returns what is no probability."""

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        return {0: -1.0}


@pytest.mark.parametrize("what", ["NaN", "negative", "listener"])
def test_what_is_wrong_with_a_row_ends_it(what: str) -> None:
    """Logits that are NaN, a weight below zero, a listener that raises: one row ends with an error, the others go on."""

    def logits(tokens: list[int]) -> list[float]:
        return [float("nan") if what == "NaN" and tokens[0] == 1 else 0.0] * len(ENDLESS)

    def listen(event: Any) -> None:
        if what == "listener" and event.row == 1 and isinstance(event, Released):
            raise OSError("no room left")

    make = in_order(lambda n: Negative() if what == "negative" and n == 1 else BaseStrategy())
    provider = FakeProvider(ENDLESS, logits, eos=-1)
    batch = BacktrackSampler(provider).generate_batch(["a", "b", "c"], make, seeds=1, max_new_tokens=4, on_event=listen)
    assert len(list(batch.results())) == 3
    assert set(batch.errors) == {1}
    assert [len(batch.rows[n].tokens) for n in (0, 2)] == [4, 4]
    if what == "listener":
        assert "no room left" in str(batch.errors[1])


def test_random_seeds() -> None:
    """-1 means random for all or for one, and no two streams share a seed by accident."""
    sampler = BacktrackSampler(FakeProvider(ENDLESS, eos=-1))
    rows = sampler.generate_batch(["a"], n=3, seeds=-1).rows
    assert len({row.options.seed for row in rows}) == 3
    rows = sampler.generate_batch(["a", "b"], seeds=[5, -1]).rows
    assert rows[0].options.seed == 5
    assert rows[1].options.seed not in (None, -1)


def test_an_engine_with_a_loop_of_its_own() -> None:
    """It hands rows of logits to streams, and goes on from their sequences; the texts are those of `generate`."""
    provider = FakeProvider(WORDS)
    sampler = BacktrackSampler(provider)
    streams = sampler.generate_batch(["a", "b"], in_order(GoBack), seeds=5, max_new_tokens=20).rows
    for stream in streams:
        stream.begin()
    while running := [stream for stream in streams if not stream.done]:
        for stream in running:
            stream.step(provider.answer(stream.sequence))
    expected = alone(provider, ["a", "b"], GoBack, [5, 6], max_new_tokens=20)
    assert [stream.tokens for stream in streams] == expected
    assert all(stream.error is None for stream in streams)


# -- progress -------------------------------------------------------------------------------------


def test_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar counts the rows where tqdm is installed; without it nothing is shown, and nothing fails."""
    sampler = BacktrackSampler(FakeProvider(WORDS))
    sampler.generate_batch(["a", "b", "c"], max_new_tokens=5).texts(progress=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "tokens/s" in shown
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert len(sampler.generate_batch(["a", "b"], max_new_tokens=5).texts(progress=True)) == 2
    assert capsys.readouterr().err == ""


# -- memory ---------------------------------------------------------------------------------------


class KeepsGoingBack(BaseStrategy):
    """Takes six of every seven tokens back, again and again."""

    def reset(self) -> None:
        self._draws = self._safe = 0

    def on_next_token(self, tokens: list[int], probs: Any) -> None:
        self._draws += 1

    def backtrack(self, tokens: list[int]) -> int:
        return 6 if self._draws % 7 == 0 else 0

    def on_rollback(self, tokens: list[int]) -> None:
        self._safe = len(tokens)

    def pending(self, tokens: list[int]) -> int:
        return max(0, len(tokens) - self._safe)


@pytest.mark.slow
def test_the_memory_of_64_rows_that_keep_going_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and values: rows times at most twice the longest stream and 128; logits: the stated bytes, however long it goes on."""
    monkeypatch.setattr(memories, "REMEMBERED_BYTES", 64 * 10 * 4 * VOCABULARY)  # ten a row
    provider = TransformersProvider(tiny("llama"), TinyTokenizer(), remember=64)
    provider.eos_token_ids = frozenset()
    sampler = BacktrackSampler(provider)
    batch = sampler.generate_batch(
        [[5 + n] for n in range(64)], KeepsGoingBack, max_batch=64, max_new_tokens=24, max_discarded=10**6
    )
    seen = 0
    for count, _ in enumerate(batch):
        if count % 32 == 0:
            memory = provider._batch
            longest = max(len(row.tokens) for row in memory._rows)
            arrays = [raw for row in memory._rows for raw in row.recent.values()] + memory._spare
            assert len(memory._rows) == 64
            assert sum(raw.nbytes for raw in arrays) <= memories.REMEMBERED_BYTES
            for layer in memory._layers:
                assert layer.keys.shape[0] == 64
                assert layer.keys.shape[2] <= 2 * longest + 129
            seen += 1
    assert seen > 20
    assert batch.stats.discarded > 64 * 100


@pytest.mark.slow
def test_sessions_do_not_grow() -> None:
    """What 64 rows keep in Python after 1,500 rollbacks is what they kept after 300: nothing is piled up."""
    provider = FakeProvider(ENDLESS, eos=-1, remember=4)
    provider.asked = _Forgets()
    batch = BacktrackSampler(provider).generate_batch(
        ["a"] * 64, KeepsGoingBack, seeds=1, max_batch=64, max_new_tokens=10**6, max_discarded=10**9
    )
    tracemalloc.start()
    try:
        sizes = []
        for target in (300, 1500):
            while batch.stats.rollbacks < target:
                for _ in range(16):
                    next(batch)
            emitted = batch.stats.emitted
            sizes.append(tracemalloc.get_traced_memory()[0] - 200 * emitted)  # the text itself may grow
    finally:
        tracemalloc.stop()
        batch.close()
    assert sizes[1] < sizes[0] + 64 * 2000


class _Forgets(list[Any]):
    """A fake's log that keeps nothing."""

    def append(self, _: Any) -> None:
        pass


def test_torch_stays_out_of_inference_mode() -> None:
    """The logits that a batch gives may be changed in place like any other tensor."""
    provider = TransformersProvider(tiny("llama"), TinyTokenizer())
    for logits in provider.logits_batch([[5, 6], [7, 8, 9]]):
        logits[3] = 0.0
        assert not logits.is_inference()
        assert logits.dtype is torch.float32


def test_rows_on_a_device_are_selected_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One selection a step for all rows, and each is the stream that it is without."""
    provider = TransformersProvider(tiny("llama"), TinyTokenizer())
    options: dict[str, Any] = {"seeds": 1, "max_new_tokens": 8}
    prompts = [[5, 6], [7], [8, 9, 10]]

    def make(number: int) -> Any:
        return AntiSlopStrategy(provider, [provider.decode([9])]) if number else None

    expected = [row.tokens for row in _all(provider, prompts, make, options)]
    selected: list[int] = []
    together = batch.top_of_rows
    monkeypatch.setattr(batch, "on_device", lambda row: True)
    monkeypatch.setattr(batch, "top_of_rows", lambda rows, count: selected.append(count) or together(rows, count))
    assert [row.tokens for row in _all(provider, prompts, make, options)] == expected
    assert len(selected) >= 8
    assert set(selected) >= {50}


def _all(provider: BaseProvider, prompts: list[Any], make: Callable[[int], Any], options: dict[str, Any]) -> list[Any]:
    running = BacktrackSampler(provider).generate_batch(prompts, in_order(make), **options)
    list(running)
    return running.rows
