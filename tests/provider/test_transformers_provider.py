"""TransformersProvider on tiny random models of every kind of memory, and on a real one."""

from __future__ import annotations

import random

import pytest
import torch
import transformers
from tiny_models import ARCHITECTURES, VOCABULARY, TinyTokenizer, tiny
from transformers import DynamicCache

from backtrack_sampler import BacktrackSampler, InputError, ModelError
from backtrack_sampler.provider.transformers_provider import TransformersProvider
from backtrack_sampler.testing import check_provider

PROMPT, LENGTH = 40, 500
TOKENS = [random.Random(i).randrange(3, VOCABULARY) for i in range(LENGTH)]


def stepwise(name: str, tokens: list[int], lengths: set[int]) -> dict[int, torch.Tensor]:
    """Logits from transformers' own loop: the prompt at once, then token by token, with its own cache."""
    model = tiny(name)
    recurrent = name.startswith("mamba")
    cache = DynamicCache(config=model.config)
    argument = "cache_params" if recurrent else "past_key_values"
    found = {}
    position = 0
    with torch.inference_mode():
        while position < len(tokens):
            new = tokens[:PROMPT] if position == 0 else tokens[position : position + 1]
            output = model(torch.tensor([new]), use_cache=True, **{argument: cache})
            position += len(new)
            if position in lengths:
                found[position] = output.logits[0, -1].clone()
    return found


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_going_back_equals_a_fresh_evaluation(name: str) -> None:
    """After leaving every window, going back by 1, 5, 40 and 400 and on again gives the logits of a fresh run."""
    provider = TransformersProvider(tiny(name), TinyTokenizer())
    provider.logits(TOKENS[:PROMPT])
    for length in range(PROMPT + 1, LENGTH + 1):
        provider.logits(TOKENS[:length])
    for back in (1, 5, 40, 400):
        kept = LENGTH - back
        other = TOKENS[:kept] + [5, 6, 7]
        expected = stepwise(name, other, set(range(kept, kept + 4)))
        for length in range(kept, kept + 4):
            torch.testing.assert_close(provider.logits(other[:length]), expected[length], rtol=1e-5, atol=1e-5)
        for length in range(kept + 1, LENGTH + 1):  # and back to where it was, token by token
            provider.logits(TOKENS[:length])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_models_use_what_was_long_ago(name: str) -> None:
    """The comparison above means something: in each of these models a token 20 back changes the logits."""
    changed = TOKENS[:59] + [TOKENS[59] % 90 + 4] + TOKENS[60:80]
    a = stepwise(name, TOKENS[:80], {80})[80]
    b = stepwise(name, changed, {80})[80]
    assert (a - b).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["llama", "mistral-window-16", "gemma3-window-16"])
def test_a_rollback_inside_the_window_costs_no_forward(name: str) -> None:
    """Attention models: going back is answered from memory, and going on costs one forward a token."""
    provider = TransformersProvider(tiny(name), TinyTokenizer())
    for length in range(PROMPT, 101):
        provider.logits(TOKENS[:length])
    before = provider.forward_passes
    provider.logits(TOKENS[:60])
    assert provider.forward_passes == before
    provider.logits(TOKENS[:60] + [9])
    assert provider.forward_passes == before + 1


@pytest.mark.parametrize("name", ["mistral-window-16", "qwen3-next", "jamba"])
def test_random_walks_back_and_forth(name: str) -> None:
    """Hundreds of random steps forwards and backwards never drift from a fresh evaluation."""
    provider = TransformersProvider(tiny(name), TinyTokenizer())
    rng = random.Random(4)
    tokens = TOKENS[:PROMPT]
    for _ in range(60):
        if rng.random() < 0.4:
            tokens = tokens[: max(5, len(tokens) - rng.randrange(1, 60))]
            provider.logits(tokens)
        for _ in range(rng.randrange(1, 30)):
            tokens = [*tokens, rng.randrange(3, VOCABULARY)]
            found = provider.logits(tokens)
        with torch.inference_mode():
            expected = tiny(name)(torch.tensor([tokens])).logits[0, -1]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_new_turn_after_a_recurrent_state() -> None:
    """Many new tokens after a state: some recurrent layers would forget it; the answer is right all the same."""
    for count in (2, 30, 300):
        provider = TransformersProvider(tiny("mamba"), TinyTokenizer())
        provider.logits(TOKENS[:50])
        found = provider.logits(TOKENS[: 50 + count])
        expected = stepwise("mamba", TOKENS[: 50 + count], {50 + count})[50 + count]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_model_without_any_cache() -> None:
    """A model that takes no cache at all is evaluated whole each time, and is right."""

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = tiny("llama")
            self.config = self.inner.config

        def get_input_embeddings(self) -> torch.nn.Module:
            return self.inner.get_input_embeddings()

        def forward(self, input_ids: torch.Tensor) -> object:
            return self.inner(input_ids, use_cache=False)

    provider = TransformersProvider(Plain(), TinyTokenizer())
    reference = TransformersProvider(tiny("llama"), TinyTokenizer())
    for length in (40, 41, 42, 30, 31):
        torch.testing.assert_close(
            provider.logits(TOKENS[:length]), reference.logits(TOKENS[:length]), rtol=1e-5, atol=1e-5
        )


def test_prefix_reuse_between_calls() -> None:
    """The same prompt again, and a longer one, evaluate only what is new."""
    provider = TransformersProvider(tiny("llama"), TinyTokenizer())
    provider.logits(TOKENS[:50])
    provider.logits(TOKENS[:50])
    assert provider.evaluated_tokens == 50
    provider.logits(TOKENS[:60])
    assert provider.evaluated_tokens == 60
    provider.logits(TOKENS[:55] + TOKENS[:3])
    assert provider.evaluated_tokens == 63


def test_an_error_in_the_model_leaves_the_provider_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed forward the memory is dropped, not trusted."""
    provider = TransformersProvider(tiny("llama"), TinyTokenizer())
    expected = provider.logits(TOKENS[:50])
    monkeypatch.setattr(provider._stream, "_forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        provider.logits(TOKENS[:51])
    monkeypatch.undo()
    torch.testing.assert_close(provider.logits(TOKENS[:50]), expected)


def test_low_precision_gives_float32() -> None:
    """Logits are float32 whatever the model computes in."""
    model = tiny("llama")
    provider = TransformersProvider(
        transformers.AutoModelForCausalLM.from_config(model.config).to(torch.bfloat16), TinyTokenizer()
    )
    assert provider.logits([5, 6]).dtype is torch.float32


@pytest.mark.parametrize("mark", ["is_quantized", "hf_device_map"])
def test_placed_models_stay_where_they_are(mark: str) -> None:
    """Quantised models, and models that accelerate has placed, are not moved."""

    class Placed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = tiny("llama").config
            setattr(self, mark, {"": 0})

        def to(self, *_: object) -> object:
            raise AssertionError("moved")

        def get_input_embeddings(self) -> torch.nn.Module:
            return tiny("llama").get_input_embeddings()

        def forward(self, input_ids: torch.Tensor, past_key_values: object = None) -> None: ...

    TransformersProvider(Placed(), TinyTokenizer(), torch.device("meta"))


@pytest.mark.slow
def test_a_model_from_a_gguf_file_can_be_moved(smollm_transformers) -> None:
    """transformers calls it quantised, but its weights are plain: it follows `device`."""
    from backtrack_sampler.provider.transformers_provider import _is_placed

    assert smollm_transformers._model.is_quantized
    assert not _is_placed(smollm_transformers._model)


def test_all_end_tokens_count() -> None:
    """End tokens come from tokenizer, config and generation config together."""
    model = transformers.AutoModelForCausalLM.from_config(tiny("llama").config)
    model.generation_config.eos_token_id = [7, 8]
    assert TransformersProvider(model, TinyTokenizer()).eos_token_ids == {2, 7, 8}


def test_encoder_decoders_are_refused() -> None:
    """A T5 is no causal model: one clear line."""
    config = transformers.T5Config(vocab_size=10, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(InputError, match="encoder-decoder"):
        TransformersProvider(transformers.T5ForConditionalGeneration(config), TinyTokenizer())


def test_missing_and_broken_models(tmp_path) -> None:
    """A missing or broken file is one clear line, not a traceback from deep inside."""
    with pytest.raises(ModelError, match="no model file"):
        TransformersProvider.from_pretrained(tmp_path / "none.gguf")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot load"):
        TransformersProvider.from_pretrained(tmp_path)


def test_a_folder_can_be_loaded(tmp_path) -> None:
    """A folder with a saved model and tokenizer loads."""
    import tokenizers

    tiny("llama").save_pretrained(tmp_path)
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 3, "b": 4, "?": 5}, unk_token="?"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="?").save_pretrained(tmp_path)
    provider = TransformersProvider.from_pretrained(tmp_path, device="cpu")
    assert provider.encode("a b") == [3, 4]
    assert provider.logits([3, 4]).shape == (VOCABULARY,)


def test_end_to_end_on_a_tiny_model() -> None:
    """The sampler's stream equals greedy decoding by transformers itself."""
    model = tiny("llama")
    provider = TransformersProvider(model, TinyTokenizer())
    found = list(BacktrackSampler(provider).generate(TOKENS[:10], max_new_tokens=30, temperature=0))
    with torch.inference_mode():
        expected = model.generate(torch.tensor([TOKENS[:10]]), max_new_tokens=30, do_sample=False)[0, 10:].tolist()
    assert found == expected


def test_a_prompt_longer_than_the_model_takes() -> None:
    """There is no larger context to be had."""
    with pytest.raises(InputError, match=r"context holds 2048: shorten the prompt \(this model takes no more\)"):
        BacktrackSampler(TransformersProvider(tiny("llama"), TinyTokenizer())).generate([5] * 3000)


@pytest.mark.slow
def test_the_contract_on_a_real_model(smollm_transformers) -> None:
    """SmolLM2 keeps to every point of the provider contract."""
    check_provider(smollm_transformers, "The quick brown fox jumps over the lazy dog", tolerance=2e-3)


@pytest.mark.slow
def test_chat_prompt(smollm_transformers) -> None:
    """The template of the model comes out as text, with its special tokens, which encode back to one token each."""
    prompt = smollm_transformers.chat_prompt([{"role": "user", "content": "Hi"}])
    assert prompt.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert smollm_transformers.encode("<|im_end|>") == [2]
    assert smollm_transformers.eos_token_ids >= {2}


def test_a_device_that_is_not_there() -> None:
    """One clear line."""
    model = transformers.AutoModelForCausalLM.from_config(tiny("llama").config)
    with pytest.raises(ModelError, match="cannot move the model to xpu"):
        TransformersProvider(model, TinyTokenizer(), "xpu:9")
