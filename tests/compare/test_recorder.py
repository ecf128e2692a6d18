"""How probable the model itself found what was drawn."""

from __future__ import annotations

import gc
import math
import random
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler import (
    AdaptiveTemperatureStrategy,
    AntiSlopStrategy,
    BacktrackSampler,
    BaseProvider,
    BaseStrategy,
    CreativeWritingStrategy,
    ReplaceStrategy,
)  # fmt: skip
from backtrack_sampler.arrays import host
from backtrack_sampler.compare.recorder import Record
from backtrack_sampler.testing import FakeProvider


class GoesBack(BaseStrategy):
    """Takes back up to four tokens now and then, which it holds for that."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._longest = 0

    def backtrack(self, tokens: list[int]) -> int:
        count = self._random.randint(1, 4) if self._random.random() < 0.3 else 0
        return min(count, len(tokens) - max(0, self._longest - 4))

    def pending(self, tokens: list[int]) -> int:
        self._longest = max(self._longest, len(tokens))
        return max(0, len(tokens) - max(0, self._longest - 4))


def expected(provider: BaseProvider, prompt: list[int], tokens: list[int]) -> list[float]:
    """By the definition: a softmax over all logits at each place, evaluated anew."""
    found = []
    for length, token in enumerate(tokens):
        row = host(provider.logits(prompt + tokens[:length])).tolist()
        peak = max(row)
        found.append(row[token] - peak - math.log(math.fsum(math.exp(value - peak) for value in row)))
    return found


def strategies(provider: FakeProvider, seed: int) -> list[Any]:
    chance = random.Random(seed)
    all_of_them = [
        AntiSlopStrategy(provider, ["ab", "c."]), GoesBack(seed), CreativeWritingStrategy(provider),
        AdaptiveTemperatureStrategy(), ReplaceStrategy(provider, "a", "b c"),
    ]  # fmt: skip
    return chance.sample(all_of_them, chance.randint(0, 3))


@settings(max_examples=60)
@given(
    st.integers(0, 10**6), st.sampled_from([0, 0.5, 1, 3]), st.sampled_from([0, 2, 50]), st.sampled_from([(), ("b.",)])
)
def test_it_is_the_models_own(seed: int, temperature: float, top_k: int, stop: tuple[str, ...]) -> None:
    """Whatever strategies, temperature and filters do, there is one for each token that stands, and it is what the model says."""
    provider, record = FakeProvider(seed=seed), Record()
    options = {"max_new_tokens": 20, "temperature": temperature, "top_k": top_k, "stop": list(stop)}
    batch = BacktrackSampler(provider).generate_batch(
        ["a", "b c"], record.observing(lambda: strategies(provider, seed)), seeds=seed, max_batch=2, **options
    )
    for row in batch.results():
        found = record.log_probabilities[row.options.seed]
        assert found == pytest.approx(expected(provider, row.prompt, row.tokens), abs=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0, 1]))
def test_it_disturbs_nobody(seed: int, temperature: float) -> None:
    """Texts, rollbacks and forward passes are what they are without it."""
    written = []
    for observed in (True, False):
        provider = FakeProvider(seed=seed)

        def make(provider: FakeProvider = provider) -> list[Any]:
            return strategies(provider, seed)

        batch = BacktrackSampler(provider).generate_batch(
            ["a", "b"],
            Record().observing(make) if observed else make,
            n=2,
            seeds=seed,
            max_new_tokens=15,
            temperature=temperature,
        )
        texts = batch.texts(return_exceptions=True)
        batch.stats.seconds = 0
        rows = [(row.tokens, row.stats.discarded, row.stats.rollbacks, row.stats.finish_reason) for row in batch.rows]
        written.append((texts, rows, batch.stats.forward_passes, batch.stats.evaluated_tokens))
    assert written[0] == written[1]


def test_it_holds_no_model() -> None:
    """When the batch is over, what was found stays, and the model can go."""
    provider, record = FakeProvider(), Record()
    BacktrackSampler(provider).generate_texts(["a"], record.observing(None), seeds=1, max_new_tokens=5)
    gone = weakref.ref(provider)
    del provider
    gc.collect()
    assert gone() is None
    assert record.log_probabilities[1]
    assert record.seconds > 0


@pytest.mark.slow
def test_real_models(smollm: BaseProvider, smollm_transformers: BaseProvider) -> None:
    """On both engines, with what anti-slop took back, it is what an evaluation of the whole text says."""
    for provider in (smollm, smollm_transformers):
        record = Record()
        batch = BacktrackSampler(provider).generate_batch(
            ["Once upon a time", "The door"],
            record.observing(lambda provider=provider: AntiSlopStrategy(provider, ["the", "a", "was", "there"], whole_words=True)),
            seeds=1, max_new_tokens=10,
        )  # fmt: skip
        batch.texts()
        assert batch.stats.rollbacks
        for row in batch.rows:
            provider.reset()
            whole = expected(provider, row.prompt, row.tokens)
            # Quantised weights round differently alone and beside others.
            assert record.log_probabilities[row.options.seed] == pytest.approx(
                whole, abs=0.35 if provider is smollm else 1e-3
            )
