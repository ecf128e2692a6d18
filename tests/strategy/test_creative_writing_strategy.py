"""Creative writing."""

from __future__ import annotations

import pytest

from backtrack_sampler import BacktrackSampler, CreativeWritingStrategy, InputError
from backtrack_sampler.testing import FakeProvider

END = 4


def provider(rows: dict[tuple[int, ...], list[float]], default: list[float]) -> FakeProvider:
    """Logits by the continuation after the prompt."""
    return FakeProvider(["a", "b", "c", "d", ""], lambda tokens: rows.get(tuple(tokens[1:]), default))


def greedy(fake: FakeProvider, limit: int = 4, **options) -> list[int]:
    sampler = BacktrackSampler(fake, CreativeWritingStrategy(fake, **options))
    return list(sampler.generate("a", temperature=0, max_new_tokens=limit))


def test_the_most_probable_token_is_banned() -> None:
    """At each step the second best is drawn."""
    assert greedy(provider({}, [9, 8, 0, 0, -20]), top_k_threshold_flat=4) == [1, 1, 1, 1]


def test_the_end_token_is_never_banned_but_less_likely() -> None:
    """The end may come; `eos_penalty` multiplies its probability."""
    row = [5, 4.9, 0, 0, 5.05]
    assert greedy(provider({}, row), eos_penalty=1.0) == [END]
    assert greedy(provider({}, row), limit=1, eos_penalty=0.5) == [1]


def test_a_flat_distribution_takes_the_last_unusual_token_back() -> None:
    """Where the unusual word led to a flat distribution, the most probable one takes its place."""
    flat = [1.0, 1.0, 1.0, 1.0, 1.0]
    rows = {(1,): flat}
    fake = provider(rows, [9, 8, 0, 0, -20])
    assert greedy(fake, limit=3, top_k_threshold_flat=3) == [0, 1, 1]


def test_after_going_back_a_flat_distribution_is_accepted() -> None:
    """There is nothing left to undo: it goes on, and does not loop."""
    flat = [1.0, 1.0, 1.0, 1.0, 1.0]
    fake = provider({(1,): flat, (0,): flat}, [9, 8, 0, 0, -20])
    tokens = greedy(fake, limit=3, top_k_threshold_flat=3)
    assert tokens[0] == 0
    assert len(tokens) == 3


@pytest.mark.parametrize(
    "bad", [{"top_p_flat": 0}, {"top_p_flat": 1.2}, {"top_k_threshold_flat": 0}, {"eos_penalty": -1}]
)
def test_bad_parameters(bad: dict) -> None:
    """Each is named."""
    with pytest.raises(InputError, match=next(iter(bad))):
        CreativeWritingStrategy(FakeProvider(), **bad)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_on_real_models(engine: str, request: pytest.FixtureRequest) -> None:
    """It goes back now and then, and ends with text."""
    model = request.getfixturevalue(engine)
    sampler = BacktrackSampler(model, CreativeWritingStrategy(model))
    assert sampler.generate_text("Once upon a time", max_new_tokens=40, seed=1).strip()
    assert sampler.stats.rollbacks > 0
