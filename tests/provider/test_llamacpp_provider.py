"""LlamacppProvider on real models, and on tiny random ones whose memory cannot drop a suffix."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import pytest
import tiny_gguf
from llama_cpp import LlamaRAMCache

from backtrack_sampler import BacktrackSampler, BaseStrategy, InputError, ModelError
from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider
from backtrack_sampler.testing import check_provider

STORY = """The old lighthouse keeper counted the steps every evening: one hundred and twelve, always the same.
On the night of the great storm he counted one hundred and thirteen. He stood at the top with the lamp in his hand
and wondered which of them was new. Below him the sea threw itself against the rocks, and somewhere a bell was
ringing that nobody had hung. "Who is there?" he called, and the wind brought his own voice back to him.\n"""
TEXT = "The quick brown fox jumps over the lazy dog"


def words(seed: int, count: int, low: int = 1000, high: int = 40000) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(low, high) for _ in range(count)]


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    """As close as quantised kernels allow.

    They round differently for several tokens at once, and where cells lie in another order; a
    wrong memory is off by far more.
    """
    assert np.corrcoef(found, expected)[0, 1] > 0.99
    shares = [np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in (found, expected)]
    assert np.abs(shares[0] - shares[1]).max() < 0.1


def feed(provider: LlamacppProvider, tokens: list[int], start: int) -> dict[int, np.ndarray]:
    """Token by token from `start` on, as a sampler does; logits by length."""
    return {n: provider.logits(tokens[:n]) for n in range(start, len(tokens) + 1)}


def check_going_back(make, tokens: list[int], prompt: int, other: list[int]) -> None:
    """Go back by 1, 5, 40 and 400 and on with other tokens: the same as a run that never went back."""
    provider, fresh = make(), make(cache_bytes=10)  # without room for states, all is evaluated
    feed(provider, tokens, prompt)
    for back in (1, 5, 40, 400):
        kept = len(tokens) - back
        fresh.reset()
        expected = feed(fresh, tokens[:kept] + other, prompt)
        found = feed(provider, tokens[:kept] + other, kept)
        for length in found:
            np.testing.assert_allclose(found[length], expected[length], rtol=1e-4, atol=1e-4)
        feed(provider, tokens, kept + 1)


@pytest.mark.slow
def test_going_back_on_full_attention(smollm_file: Path) -> None:
    """SmolLM2: going back by 1, 5, 40 and 400 gives the logits of a run that never went back."""
    check_going_back(
        lambda **o: LlamacppProvider.from_pretrained(smollm_file, n_ctx=1024, **o), words(1, 520), 40, [5, 6, 7]
    )


@pytest.mark.parametrize("swa_full", [True, False])
def test_going_back_on_a_tiny_sliding_window(tmp_path: Path, swa_full: bool) -> None:
    """A float32 Gemma 3 long after its window has slid: exact with either cache, where the small one only says so."""
    path = tiny_gguf.write_gemma3(tmp_path / "tiny.gguf")
    check_going_back(
        lambda **o: LlamacppProvider.from_pretrained(path, n_ctx=1024, n_batch=64, swa_full=swa_full, **o),
        words(2, 900, 3, 64), 40, [5, 6, 7],
    )  # fmt: skip


@pytest.mark.parametrize("swa_full", [True, False])
def test_going_back_behind_a_restored_window(tmp_path: Path, swa_full: bool) -> None:
    """A restored state holds only the window, also in the full-size cache: an earlier state is restored, or all evaluated."""
    path = tiny_gguf.write_gemma3(tmp_path / "tiny.gguf")
    provider = LlamacppProvider.from_pretrained(path, n_ctx=1024, swa_full=swa_full)
    fresh = LlamacppProvider.from_pretrained(path, n_ctx=1024, cache_bytes=10)
    tokens = words(3, 900, 3, 64)
    provider.logits(tokens)
    for kept, evaluated in ((600, 600 - 512 + 1), (260, 5), (100, 101)):
        provider.reset()
        provider.logits(tokens)  # from the saved state
        before = provider.evaluated_tokens
        found = provider.logits([*tokens[:kept], 9])
        fresh.reset()
        np.testing.assert_allclose(found, fresh.logits([*tokens[:kept], 9]), rtol=1e-3, atol=1e-3)
        assert provider.evaluated_tokens == before + evaluated


def test_going_to_and_fro_in_a_full_size_window(tmp_path: Path) -> None:
    """Two texts that share 600 of 900 tokens, in turns: what is left to evaluate is a piece at the most."""
    path = tiny_gguf.write_gemma3(tmp_path / "tiny.gguf")
    provider = LlamacppProvider.from_pretrained(path, n_ctx=1024, swa_full=True)
    tokens = words(3, 900, 3, 64)
    provider.logits(tokens)
    for text in (tokens[:600] + [5, 6, 7], tokens) * 3:
        before = provider.evaluated_tokens
        provider.logits(text)
        assert provider.evaluated_tokens < before + 64


@pytest.mark.slow
@pytest.mark.parametrize("swa_full", [True, False])
def test_going_back_on_a_real_sliding_window(gemma_file: Path, swa_full: bool) -> None:
    """Gemma 3 270M after its window of 512 has slid: what it would say next is what a run that never went back says."""
    provider = LlamacppProvider.from_pretrained(gemma_file, n_ctx=2048, swa_full=swa_full)
    fresh = LlamacppProvider.from_pretrained(gemma_file, n_ctx=2048, cache_bytes=10)
    text = provider.encode(STORY, add_special_tokens=True)
    tokens = (text * 20)[:960]
    expected = feed(fresh, tokens, 600)
    feed(provider, tokens, 600)
    for back in (1, 5, 40, 300):
        kept = len(tokens) - back
        found = feed(provider, tokens, kept)
        for length, row in found.items():
            assert_close(row, expected[length])


@pytest.mark.parametrize("swa_full", [True, False])
def test_random_walks_on_a_sliding_window(tmp_path: Path, swa_full: bool) -> None:
    """Many rollbacks one after the other never leave a hole in the window."""
    path = tiny_gguf.write_gemma3(tmp_path / "tiny.gguf")
    options = {"n_ctx": 1024, "n_batch": 64}
    provider = LlamacppProvider.from_pretrained(path, swa_full=swa_full, **options)
    fresh = LlamacppProvider.from_pretrained(path, cache_bytes=10, **options)
    tokens = words(3, 400, 3, 64)
    feed(provider, tokens, 60)
    rng = random.Random(5)
    for _ in range(60):
        tokens = tokens[: max(30, len(tokens) - rng.choice([1, 3, 20, 90, 250]))]
        tokens = tokens + words(rng.randrange(1000), rng.choice([5, 30, 90]), 3, 64)
        tokens = tokens[:900]
        found = feed(provider, tokens, len(tokens) - 4)[len(tokens)]
        fresh.reset()
        np.testing.assert_allclose(found, fresh.logits(tokens), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("architecture", ["mamba", "lfm2"])
def test_going_back_on_recurrent_and_hybrid_memories(tmp_path: Path, architecture: str) -> None:
    """A memory that refuses to drop a suffix: a saved state is restored and the rest replayed."""
    path = getattr(tiny_gguf, f"write_{architecture}")(tmp_path / "tiny.gguf")
    check_going_back(
        lambda **o: LlamacppProvider.from_pretrained(path, n_ctx=1024, **o), words(4, 500, 3, 64), 40, [5, 6, 7]
    )


def test_going_back_without_room_for_states(tmp_path: Path) -> None:
    """A cache too small for any state: everything is evaluated again, and is right."""
    path = tiny_gguf.write_mamba(tmp_path / "tiny.gguf")
    provider = LlamacppProvider.from_pretrained(path, n_ctx=1024, cache_bytes=10)
    tokens = words(4, 120, 3, 64)
    expected = feed(provider, tokens, 40)
    provider.logits(tokens[:45] + [7])
    np.testing.assert_allclose(provider.logits(tokens[:60]), expected[60], rtol=1e-4, atol=1e-4)


def test_saved_states_stay_within_their_capacity(tmp_path: Path) -> None:
    """However long a stream is, the user's cache never exceeds its capacity."""
    path = tiny_gguf.write_mamba(tmp_path / "tiny.gguf")
    provider = LlamacppProvider.from_pretrained(path, n_ctx=1024, cache_bytes=60_000)
    cache = provider._states._cache
    for length in range(40, 600):
        provider.logits(words(4, length, 3, 64))
        assert cache.cache_size <= cache.capacity_bytes
    assert len(cache.cache_state) > 1


class Twice:
    """The same texts on a provider that has seen others, and on one that evaluates each anew."""

    def __init__(self, path: Path, low: int = 3, high: int = 64, **options: Any) -> None:
        options = {"n_ctx": 1024, **options}
        self.warm = LlamacppProvider(LlamacppProvider.from_pretrained(path, **options)._llm, remember=8)
        self._cold = LlamacppProvider.from_pretrained(path, cache_bytes=10, **options)
        self._range = low, high

    def words(self, seed: int, count: int) -> list[int]:
        return words(seed, count, *self._range)

    def cold(self, prompt: list[int], new: list[int]) -> list[np.ndarray]:
        self._cold.reset()
        return [self._cold.logits(prompt + new[:n]) for n in range(len(new) + 1)]

    def check(self, prompt: list[int], new: list[int]) -> None:
        """Bit by bit the same, after the prompt and after each new token."""
        for n, expected in enumerate(self.cold(prompt, new)):
            np.testing.assert_array_equal(self.warm.logits(prompt + new[:n]), expected)


def check_rounding(twice: Twice, steps: int) -> None:
    """Equal texts have equal logits, bit by bit, whatever was evaluated before them."""
    prompt, new = twice.words(1, 150), twice.words(2, 3)
    twice.check(prompt, new)  # cold
    for count in range(steps):
        twice.warm.logits(prompt + twice.words(3, count))
    twice.check(prompt, new)  # again, after other tokens
    for length in (100, 128, 149):  # after one that begins alike
        twice.check(prompt[:length] + twice.words(length, 3), new)
    twice.check(prompt, new)
    twice.check([*prompt, 9], new)  # a word longer, and shorter
    twice.check(prompt[:-1], new)
    twice.check(prompt[:128], new)
    twice.warm.logits(twice.words(4, 70))
    twice.check(prompt, new)  # from a saved state
    twice.warm.logits(twice.words(4, 71))
    twice.check(prompt + twice.words(5, 20), new)
    prompt, new = twice.words(6, 150), twice.words(7, steps)
    expected = twice.cold(prompt, new)
    for n in [*range(steps), 3, 4, 5]:  # goes back beyond what is remembered
        np.testing.assert_array_equal(twice.warm.logits(prompt + new[:n]), expected[n])


@pytest.mark.parametrize("flash_attn", [False, True])
@pytest.mark.parametrize("architecture", ["gemma3", "mamba", "lfm2"])
def test_equal_texts_are_rounded_equally(architecture: str, flash_attn: bool, tmp_path: Path) -> None:
    """Cold, again, after a text that begins alike, from a saved state, after going back: the very same logits."""
    path = getattr(tiny_gguf, f"write_{architecture}")(tmp_path / "tiny.gguf")
    check_rounding(Twice(path, flash_attn=flash_attn, swa_full=True), 100)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["smollm_file", "gemma_file"])
def test_equal_texts_are_rounded_equally_on_a_real_model(model: str, request: pytest.FixtureRequest) -> None:
    """Also with quantised weights, whose kernels round differently for each number of tokens."""
    check_rounding(Twice(request.getfixturevalue(model), 1000, 40000), 20)


@pytest.mark.slow
def test_the_contract_on_a_real_model(smollm: LlamacppProvider) -> None:
    """SmolLM2 keeps to every point of the provider contract."""
    check_provider(smollm, TEXT, tolerance=1e-3)


@pytest.mark.slow
def test_a_prompt_comes_back_from_the_ram_cache(smollm_file: Path) -> None:
    """The state after a prompt goes to the user's cache, and comes back after something else ran, without evaluating."""
    import llama_cpp

    llm = llama_cpp.Llama(str(smollm_file), n_ctx=1024, n_threads=2, verbose=False)
    cache = LlamaRAMCache(capacity_bytes=100_000_000)
    provider = LlamacppProvider(llm, cache)
    first, second = words(6, 300), words(7, 300)
    expected = provider.logits(first)
    assert 0 < cache.cache_size <= cache.capacity_bytes
    provider.logits(second)
    before = provider.evaluated_tokens
    np.testing.assert_array_equal(provider.logits(first), expected)
    assert provider.evaluated_tokens == before
    found = provider.logits([*first, 11])
    assert provider.evaluated_tokens == before + 1
    provider.reset()
    provider.logits(first)
    assert_close(provider.logits([*first, 11]), found)


@pytest.mark.slow
def test_the_cache_can_be_shared_with_llama_itself(smollm_file: Path) -> None:
    """`llm.set_cache` with the same cache neither sees our states nor disturbs them."""
    import llama_cpp

    llm = llama_cpp.Llama(str(smollm_file), n_ctx=512, n_threads=2, verbose=False)
    cache = LlamaRAMCache(capacity_bytes=500_000_000)
    llm.set_cache(cache)
    provider = LlamacppProvider(llm, cache)
    tokens = provider.encode(TEXT)
    expected = provider.logits(tokens)
    text = llm(TEXT, max_tokens=5, temperature=0)["choices"][0]["text"]
    np.testing.assert_array_equal(provider.logits(tokens), expected)
    assert llm(TEXT, max_tokens=5, temperature=0)["choices"][0]["text"] == text


@pytest.mark.slow
def test_using_the_model_directly_in_between_is_noticed(smollm: LlamacppProvider) -> None:
    """A completion by the same `Llama` between two requests does not change the answers."""
    tokens = smollm.encode(TEXT)
    expected, after = smollm.logits(tokens), smollm.logits([*tokens, 9])
    smollm._llm("Something else entirely", max_tokens=3)
    assert_close(smollm.logits(tokens), expected)
    smollm._llm("Something else", max_tokens=1)
    assert_close(smollm.logits([*tokens, 9]), after)


@pytest.mark.slow
def test_two_providers_on_one_model(smollm_file: Path) -> None:
    """Two providers that share a `Llama` each give right answers, in any order."""
    import llama_cpp

    llm = llama_cpp.Llama(str(smollm_file), n_ctx=512, n_threads=2, verbose=False)
    one, two = LlamacppProvider(llm), LlamacppProvider(llm)
    a, b = words(8, 20), words(9, 20)
    first, second = one.logits(a), two.logits(b)
    for _ in range(3):
        assert_close(one.logits(a), first)
        assert_close(two.logits(b), second)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_a_rollback_costs_no_forward(engine: str, request: pytest.FixtureRequest) -> None:
    """One forward for each token drawn, and none for going back: the draw after a rollback is answered from memory."""

    class EveryTenth(BaseStrategy):
        """Goes back six tokens at every tenth draw, and bans the token it goes back to."""

        def reset(self) -> None:
            self.draws = 0
            self.banned = (-1, -1)

        def on_logits(self, logits, tokens):
            logits[list(provider.eos_token_ids)] = -np.inf  # whatever the prompt, a long text is wanted
            if self.banned[0] == len(tokens):
                logits[self.banned[1]] = -np.inf
            return logits

        def backtrack(self, tokens) -> int:
            self.draws += 1
            if self.draws % 10 or len(tokens) < 6:
                return 0
            self.banned = (len(tokens) - 6, tokens[-6])
            return 6

        def pending(self, tokens) -> int:
            return len(tokens)

    provider = request.getfixturevalue(engine)
    provider.reset()
    sampler = BacktrackSampler(provider, EveryTenth())
    prompt = [random.Random().randrange(1000, 2000), *provider.encode(TEXT)]  # never seen before
    list(sampler.generate(prompt, max_new_tokens=40, seed=1))
    stats = sampler.stats
    assert stats.rollbacks >= 5
    assert stats.emitted + stats.discarded == stats.drawn
    # The last token of each discarded piece was never evaluated, and its place is drawn from memory.
    assert stats.forward_passes == stats.drawn - stats.rollbacks
    assert stats.evaluated_tokens == len(prompt) + stats.forward_passes - 1


@pytest.mark.slow
def test_text_and_tokens(smollm: LlamacppProvider) -> None:
    """Special tokens written out become tokens; decoding leaves them out; bytes of a character join."""
    assert smollm.encode("<|im_end|>") == [2]
    assert smollm.decode([2]) == ""
    for text in ("caf\u00e9 \U0001f409 \u4e2d\u6587", " leading space", "line\nbreak"):
        assert smollm.decode(smollm.encode(text)) == text
    assert smollm.eos_token_ids >= {2}
    with pytest.raises(InputError, match="not in the vocabulary"):
        smollm.decode([10**7])


@pytest.mark.slow
def test_chat_prompt(smollm: LlamacppProvider, smollm_transformers) -> None:
    """Both engines make the same prompt from the same conversation."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert smollm.chat_prompt(messages) == smollm_transformers.chat_prompt(messages)


def test_a_model_without_a_chat_template(tmp_path: Path) -> None:
    """One clear line."""
    provider = LlamacppProvider.from_pretrained(tiny_gguf.write_mamba(tmp_path / "m.gguf"))
    with pytest.raises(InputError, match="no chat template"):
        provider.chat_prompt([{"role": "user", "content": "Hi"}])


def test_missing_and_broken_files(tmp_path: Path) -> None:
    """A missing file, a broken one, a folder with none or two: one clear line each."""
    with pytest.raises(ModelError, match="no model file at"):
        LlamacppProvider.from_pretrained(tmp_path / "none.gguf")
    (tmp_path / "broken.gguf").write_text("this is no model")
    with pytest.raises(ModelError, match="broken or not a GGUF model"):
        LlamacppProvider.from_pretrained(tmp_path / "broken.gguf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="exactly one"):
        LlamacppProvider.from_pretrained(tmp_path / "empty")


def test_a_folder_with_one_file(tmp_path: Path) -> None:
    """A folder that holds one .gguf file is enough."""
    tiny_gguf.write_mamba(tmp_path / "tiny.gguf")
    assert LlamacppProvider.from_pretrained(tmp_path).context_size == 2048


def test_another_kind_of_cache_is_refused(tmp_path: Path) -> None:
    """States can only be bounded in a LlamaRAMCache."""
    path = tiny_gguf.write_mamba(tmp_path / "m.gguf")
    llm = LlamacppProvider.from_pretrained(path)._llm
    with pytest.raises(InputError, match="LlamaRAMCache"):
        LlamacppProvider(llm, {})  # type: ignore[arg-type]


def test_flash_attention_is_the_default(tmp_path: Path) -> None:
    """It is on, unless it was switched off or would round what is to be kept in float32."""
    import llama_cpp

    path = tiny_gguf.write_gemma3(tmp_path / "m.gguf")

    def kind(**options: Any) -> int:
        return int(LlamacppProvider.from_pretrained(path, n_ctx=256, **options)._llm.context_params.flash_attn_type)

    on, off = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED, llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    assert kind() == on
    assert kind(flash_attn=False) == off
    assert kind(type_k=0, type_v=0) == off
    assert kind(type_k=0, type_v=0, flash_attn=True) == on


def test_more_tokens_than_the_context(tmp_path: Path) -> None:
    """Asking for more than fits is refused before llama.cpp is asked, and the provider goes on."""
    provider = LlamacppProvider.from_pretrained(tiny_gguf.write_mamba(tmp_path / "m.gguf"), n_ctx=256)
    with pytest.raises(InputError, match="do not fit"):
        provider.logits(words(1, 300, 3, 64))
    assert provider.logits(words(1, 10, 3, 64)).shape == (64,)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"n_ctx": 256}, "with a larger context (n_ctx=, --context; this model takes up to 2048)"),
        ({"n_ctx": 4096}, "shorten the prompt (this model was trained for 2048)"),
        ({"n_ctx": 256, "rope_freq_base": 500.0}, "with a larger context (n_ctx=, --context)"),
    ],
)
def test_what_to_do_about_a_long_prompt(options: dict[str, float], advice: str, tmp_path: Path) -> None:
    """The message says how long the context may be made, and does not send anybody beyond that."""
    provider = LlamacppProvider.from_pretrained(tiny_gguf.write_gemma3(tmp_path / "m.gguf"), **options)
    with pytest.raises(InputError) as caught:
        BacktrackSampler(provider).generate([5] * 5000)
    assert str(caught.value).endswith(advice)


def test_a_cache_shared_by_two_models(tmp_path: Path) -> None:
    """Another model's saved state would fit, and be wrong: each model gets its own back."""
    path = tiny_gguf.write_gemma3(tmp_path / "m.gguf")
    cache = LlamaRAMCache(capacity_bytes=10_000_000)
    one = LlamacppProvider.from_pretrained(path, n_ctx=256)
    other = LlamacppProvider.from_pretrained(path, n_ctx=256, rope_freq_base=500.0)
    expected = other.logits(words(1, 60, 3, 64))
    LlamacppProvider(one._llm, cache).logits(words(1, 60, 3, 64))
    found = LlamacppProvider(other._llm, cache).logits(words(1, 60, 3, 64))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_state_that_cannot_be_restored(tmp_path: Path) -> None:
    """It is dropped, and all is evaluated again."""
    provider = LlamacppProvider.from_pretrained(tiny_gguf.write_mamba(tmp_path / "m.gguf"), n_ctx=256)
    tokens = words(1, 60, 3, 64)
    expected = provider.logits(tokens)
    for state in provider._states._own():
        state.data = state.data[:8]
    provider.reset()
    np.testing.assert_allclose(provider.logits(tokens), expected, rtol=1e-4, atol=1e-4)


def test_a_context_beyond_what_the_model_was_trained_for(tmp_path: Path) -> None:
    """It is no larger than that, and takes no memory beyond; stretched, it may be."""
    path = tiny_gguf.write_gemma3(tmp_path / "m.gguf")
    for n_ctx in (2049, 10**8, 10**14):
        assert LlamacppProvider.from_pretrained(path, n_ctx=n_ctx)._llm.n_ctx() == 2048
    assert LlamacppProvider.from_pretrained(path, n_ctx=4096, rope_freq_base=500.0)._llm.n_ctx() == 4096


@pytest.mark.parametrize(
    "error", [ValueError("Failed to create llama_context"), MemoryError("Unable to allocate 32 GiB")]
)
def test_no_memory_for_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """It is not the model that is broken: the line names what is too large, and what the model takes."""

    @functools.wraps(llama_cpp.Llama.__init__)
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(llama_cpp.Llama, "__init__", fails)
    path = tiny_gguf.write_gemma3(tmp_path / "m.gguf")
    with pytest.raises(ModelError) as caught:
        LlamacppProvider.from_pretrained(path, n_ctx=10**6)
    assert str(caught.value) == (
        "no memory for a context of 2048 tokens: make it smaller (n_ctx=, --context; this model takes up to 2048)"
    )
