"""The same seed gives the same text from real models, whatever was evaluated before and beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from float32_gguf import write_float32

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, BaseProvider

# Longer than a piece of 64 tokens: kernels for many tokens round otherwise than those for few.
BEGINNING = "The dragon lived in a tower by the sea, and every morning it looked down and was afraid. " * 6
PROMPT = BEGINNING + "One day a girl came up the stairs.\n\n"
ALIKE = BEGINNING + "One night the wind took the roof, and the knight who wanted the gold saw it.\n\n"
LIMIT = 40


@pytest.fixture(scope="module")
def smollm_float32(smollm_file, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseProvider]:
    """llama.cpp with weights and cache in float32."""
    from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider

    file = write_float32(smollm_file, tmp_path_factory.mktemp("float32") / "smollm.gguf")
    yield LlamacppProvider.from_pretrained(file, n_ctx=1024, type_k=0, type_v=0)
    file.unlink()


def strategy(provider: BaseProvider) -> AntiSlopStrategy:
    """One that takes tokens back in nearly every text."""
    return AntiSlopStrategy(provider, ["the", "and", "was", "dragon"])


def alone(provider: BaseProvider, prompt: str | list[int], seed: int) -> list[int]:
    return list(BacktrackSampler(provider, strategy(provider)).generate(prompt, max_new_tokens=LIMIT, seed=seed))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_float32", "smollm_transformers"])
def test_cold_and_warm(engine: str, request: pytest.FixtureRequest) -> None:
    """Nothing evaluated yet, the same text again, and after prompts that begin alike: the same tokens."""
    provider: Any = request.getfixturevalue(engine)
    shorter = provider.encode(PROMPT)[:-1]
    for seed in range(6 if engine == "smollm" else 2):
        provider.reset()
        cold = alone(provider, PROMPT, seed)
        assert alone(provider, PROMPT, seed) == cold
        other = alone(provider, ALIKE, seed)
        assert alone(provider, PROMPT, seed) == cold
        alone(provider, shorter, seed)  # one token is left to evaluate, which kernels of its own do
        assert alone(provider, PROMPT, seed) == cold
        provider.reset()
        assert alone(provider, ALIKE, seed) == other


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm_float32", "smollm_transformers"])
def test_alone_and_in_a_batch(engine: str, request: pytest.FixtureRequest) -> None:
    """Sixteen streams in float32, some of which begin alike: each is what it is alone."""
    provider: Any = request.getfixturevalue(engine)
    prompts = [PROMPT, ALIKE, "Once upon a time", "The sea"] * 4
    batch = BacktrackSampler(provider).generate_batch(
        prompts, lambda: strategy(provider), seeds=10, max_new_tokens=LIMIT
    )
    for _ in batch:
        pass
    assert provider.batched
    assert batch.stats.rollbacks > 16
    for index in (0, 1, 2, 7, 12):
        assert batch.rows[index].tokens == alone(provider, prompts[index], 10 + index)
