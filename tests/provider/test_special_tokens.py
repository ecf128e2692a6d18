"""Special tokens, and how one writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtrack_sampler.matching import TokenMatcher
from backtrack_sampler.testing import FakeProvider

CHAT = "Hi there<|im_end|>\n<|im_start|>assistant"


def test_of_a_fake() -> None:
    """They are what it was given; written out in a text they become those tokens, which leave no text."""
    provider = FakeProvider(["a", "", "<", "b"], special_tokens={1: "<b"})
    assert provider.special_tokens == {1: "<b"}
    assert provider.encode("a<b<ab") == [0, 1, 2, 0, 3]
    assert provider.decode([0, 1, 3]) == "ab"
    assert FakeProvider().special_tokens == {}


def test_of_a_transformers_tokenizer() -> None:
    """All added tokens, those that leave a text as well; a tokenizer that does not tell has none."""
    from tiny_models import TinyTokenizer, tiny
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from backtrack_sampler.provider.transformers_provider import TransformersProvider

    letters = {letter: index for index, letter in enumerate("abc")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(letters, unk_token="a")))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    tokenizer.add_tokens(["</think>"])
    provider = TransformersProvider(tiny("llama"), tokenizer)
    assert provider.special_tokens == {3: "<|im_end|>", 4: "</think>"}
    assert provider.decode([3, 4]) == "</think>"
    m = TokenMatcher(provider.decode, ["<|im_end|>", "</think>"], special=provider.special_tokens)
    assert [[match.pattern for match in m.push(token)] for token in (3, 4)] == [[0], [1]]
    assert TransformersProvider(tiny("llama"), TinyTokenizer()).special_tokens == {}


def test_of_a_llama_cpp_vocabulary(tmp_path: Path) -> None:
    """Those that the vocabulary calls unknown, control or user-defined."""
    import tiny_gguf

    from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider

    provider = LlamacppProvider.from_pretrained(tiny_gguf.write_mamba(tmp_path / "m.gguf"), n_ctx=64)
    assert provider.special_tokens == {0: "<unk>", 1: "<s>", 2: "</s>"}
    assert provider.special_tokens is provider.special_tokens


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["smollm", "smollm_transformers"])
def test_stop_strings_that_are_special_tokens(engine: str, request: pytest.FixtureRequest) -> None:
    """On both engines a matcher finds them among the tokens of a chat."""
    provider = request.getfixturevalue(engine)
    stops = ["<|im_start|>", "<|im_end|>", "there"]
    m = TokenMatcher(provider.decode, stops, exact=True, special=provider.special_tokens)
    found = [stops[match.pattern] for token in provider.encode(CHAT) for match in m.push(token)]
    assert found == ["there", "<|im_end|>", "<|im_start|>"]
    assert m.text(0, 99) == "Hi there\nassistant"
