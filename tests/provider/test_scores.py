"""`score_batch`: how probable the tokens of a text are, on every engine, against one token after the other."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_gguf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import VOCABULARY, TinyTokenizer, tiny

from backtrack_sampler import InputError
from backtrack_sampler.arrays import scores
from backtrack_sampler.provider import memory
from backtrack_sampler.provider.base_provider import BaseProvider
from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider
from backtrack_sampler.provider.transformers_provider import TransformersProvider
from backtrack_sampler.testing import FakeProvider, ListLogits

Scores = list[tuple[float, bool]]


def one_by_one(provider: BaseProvider, tokens: list[int], start: int) -> Scores:
    found = []
    for length in range(start, len(tokens)):
        row = np.asarray(provider.logits(tokens[:length]), dtype=np.float64)
        total = row.max() + math.log(np.exp(row - row.max()).sum())
        found.append((float(row[tokens[length]] - total), int(row.argmax()) == tokens[length]))
    return found


def check(provider: BaseProvider, fresh: BaseProvider, size: int, tolerance: float, rounds: int = 3) -> None:
    """Texts that begin alike, equal ones and ones with nothing to score; and logits are right afterwards."""
    rng = random.Random(5)
    beginnings = [[rng.randrange(3, size) for _ in range(90)] for _ in range(2)]
    for _ in range(rounds):
        texts = [
            rng.choice(beginnings)[: rng.randrange(1, 90)] + [rng.randrange(3, size) for _ in range(rng.randrange(30))]
            for _ in range(rng.randrange(1, 5))
        ]
        texts.append(texts[0])
        starts = [max(1, len(text) - rng.randrange(50)) for text in texts]
        for text, start, found in zip(texts, starts, provider.score_batch(texts, starts), strict=True):
            expected = one_by_one(fresh, text, start)
            assert [value for value, _ in found] == pytest.approx([value for value, _ in expected], abs=tolerance)
            near = zip(found, expected, strict=True)
            assert sum(ours != theirs for (_, ours), (_, theirs) in near) <= (tolerance > 1e-3)
        for text, row in zip(texts, provider.logits_batch(texts), strict=True):
            np.testing.assert_allclose(np.asarray(row), np.asarray(fresh.logits(text)), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("budget", [128 << 20, 4 * VOCABULARY * 5 * 7], ids=["at once", "seven tokens a pass"])
@pytest.mark.parametrize("name", ["llama", "mistral-window-16", "gemma3-window-16"])
def test_transformers(name: str, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tokens of many rows in a pass, however many fit, give what one after the other gives."""
    monkeypatch.setattr(memory, "_SCORED_BYTES", budget)
    made = [TransformersProvider(tiny(name), TinyTokenizer()) for _ in range(2)]
    check(*made, VOCABULARY, 1e-4)


@pytest.mark.filterwarnings("ignore:MambaForCausalLM cannot be batched")
def test_a_model_that_cannot_be_batched() -> None:
    """It is asked a token at a time: slow, and right."""
    made = [TransformersProvider(tiny("mamba"), TinyTokenizer()) for _ in range(2)]
    check(*made, VOCABULARY, 1e-4, rounds=1)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LlamacppProvider]:
    folder = tmp_path_factory.mktemp("tiny")

    def of(kind: str, **options: Any) -> LlamacppProvider:
        path = folder / f"{kind}.gguf"
        file: Path = path if path.exists() else getattr(tiny_gguf, f"write_{kind}")(path)
        return LlamacppProvider.from_pretrained(file, n_ctx=1024, **options)

    return of


@pytest.mark.parametrize(
    ("kind", "options"),
    [("gemma3", {"swa_full": True}), ("gemma3", {"swa_full": False, "n_batch": 64}), ("mamba", {}), ("lfm2", {})],
    ids=["gemma3", "gemma3 with a small cache", "mamba", "lfm2"],
)
def test_llamacpp(kind: str, options: dict[str, Any], make: Callable[..., LlamacppProvider]) -> None:
    """Every kind of memory; keys and values are 16-bit numbers, and a wrong memory is off by 0.1 and more."""
    check(make(kind, **options), make(kind, cache_bytes=10, **options), tiny_gguf.VOCABULARY, 2e-2, rounds=1)


_TEXTS = st.lists(st.integers(0, 5), min_size=1, max_size=12)


@settings(max_examples=60)
@given(texts=st.lists(_TEXTS, min_size=1, max_size=4), data=st.data(), droppable=st.booleans())
def test_any_texts(texts: list[list[int]], data: st.DataObject, droppable: bool) -> None:
    """The log-probabilities of any texts are those of each token alone, also where nothing can be dropped."""
    starts = [data.draw(st.integers(1, len(text))) for text in texts]
    found = FakeProvider(droppable=droppable).score_batch(texts, starts)
    fresh = FakeProvider()
    for text, start, ours in zip(texts, starts, found, strict=True):
        expected = one_by_one(fresh, text, start)
        assert [value for value, _ in ours] == pytest.approx([value for value, _ in expected])
        assert [best for _, best in ours] == [best for _, best in expected]


def test_many_tokens_in_few_passes() -> None:
    """Continuations of 40 tokens after a common context: the context once, and all that follows in one pass."""
    provider = TransformersProvider(tiny("llama"), TinyTokenizer())
    context = list(range(3, 90))
    texts = [[*context, *(3 + (n * k) % 90 for k in range(40))] for n in range(1, 5)]
    provider.score_batch(texts, [len(context)] * 4)
    assert provider.evaluated_tokens <= len(context) + 4 * 40
    assert provider.forward_passes <= 3


def test_one_token_beyond_the_context() -> None:
    """The last token is not evaluated: it may be one more than the context holds, and no more than that."""
    provider = FakeProvider(context_size=4)
    assert len(provider.score_batch([[0, 1, 2, 3, 4]], [2])[0]) == 3
    with pytest.raises(InputError, match="do not fit"):
        provider.score_batch([[0, 1, 2, 3, 4, 0]], [2])


@pytest.mark.parametrize("start", [0, 4, -1])
def test_a_start_that_is_outside(start: int) -> None:
    """The first token has nothing before it, and after the last there is nothing."""
    with pytest.raises(InputError, match="from 1 to the sequence's length, 3"):
        FakeProvider().score_batch([[0, 1, 2]], [start])


def test_a_token_that_the_model_does_not_have() -> None:
    """Refused before anything is evaluated, also where it is the last one."""
    provider = FakeProvider()
    with pytest.raises(InputError, match="vocabulary"):
        provider.score_batch([[0, 1, 99]], [1])
    assert not provider.evaluated_tokens


def test_an_interruption_leaves_nothing_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a pass: what the rows hold is forgotten, and the next answer is right."""
    provider, fresh = (TransformersProvider(tiny("llama"), TinyTokenizer()) for _ in range(2))
    text = list(range(3, 60))
    provider.score_batch([text], [10])

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(memory, "scores", interrupted)
        with pytest.raises(KeyboardInterrupt):
            provider.score_batch([text], [10])
    found = [value for value, _ in provider.score_batch([text], [10])[0]]
    assert found == pytest.approx([value for value, _ in one_by_one(fresh, text, 10)], abs=1e-4)


def test_every_kind_of_array() -> None:
    """A tensor, an array and a list of rows say the same."""
    block = torch.randn(5, 11, generator=torch.Generator().manual_seed(1)) * 40
    tokens = [0, 3, int(block[2].argmax()), 10, 7]
    ways = [
        scores(block, tokens),
        scores(block.numpy(), tokens),
        scores([ListLogits(row.tolist()) for row in block], tokens),
    ]
    for way in ways[1:]:
        assert [best for _, best in way] == [best for _, best in ways[0]] == [False, False, True, False, False]
        assert [value for value, _ in way] == pytest.approx([value for value, _ in ways[0]], abs=1e-4)
