"""Options by name: what an engine does not take is refused, and what nobody says is chosen."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from tiny_models import tiny

from backtrack_sampler import InputError, ModelError, load_provider
from backtrack_sampler.provider.base_provider import BaseProvider
from backtrack_sampler.provider.options import check_threads


@pytest.fixture
def threads_of_torch() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model and its tokenizer, as transformers saves them."""
    path = tmp_path_factory.mktemp("tiny")
    tiny("llama").save_pretrained(path)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 3, "?": 5}, unk_token="?"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="?").save_pretrained(path)
    return path


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_ctxx": 512}, "llama.cpp takes no option 'n_ctxx': did you mean n_ctx?"),
        ({"n_ctx": 512, "n_thread": 2}, "no option 'n_thread': did you mean n_threads?"),
        ({"cache_byte": 1}, "no option 'cache_byte': did you mean cache_bytes?"),
        ({"device": "cuda"}, "no option 'device': it uses the GPU"), ({"filename": "*.gguf"}, "a repository on the hub"),
        ({"zebra": 1}, "no option 'zebra'"), ({"llama": {}}, "no option 'llama'"), ({"model_path": "x"}, "no option"),
    ],
)  # fmt: skip
def test_unknown_options_of_llamacpp(options: dict[str, Any], says: str) -> None:
    """None is swallowed when a real model is loaded: the error names it, and what is probably meant."""
    with pytest.raises(InputError, match=re.escape(says)):
        load_provider(**options)


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_unknown_options_of_transformers(folder: Path, real: bool) -> None:
    """So it is there."""
    model, engine = (None, "transformers") if real else (folder, None)
    with pytest.raises(InputError, match=r"transformers takes no option 'dtyp': did you mean dtype\?"):
        load_provider(model, engine, dtyp="float32")
    with pytest.raises(InputError, match="no option 'n_ctx': the context is"):
        load_provider(model, engine, n_ctx=512)


def test_an_engine_with_few_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any engine's own signature counts where it ends what can be said."""

    def from_pretrained(cls: type[BaseProvider], model: Any, *, speed: int = 1) -> None:
        raise ModelError(f"at {speed}")

    monkeypatch.setattr(
        "backtrack_sampler.provider.llamacpp_provider.LlamacppProvider.from_pretrained", classmethod(from_pretrained)
    )
    with pytest.raises(InputError, match=r"llamacpp takes no option 'sped': did you mean speed\?"):
        load_provider(sped=2)
    with pytest.raises(ModelError, match="at 2"):
        load_provider(speed=2)


def test_options_that_are_known(folder: Path) -> None:
    """What the engine takes by name, and what a model's configuration has, goes through."""
    assert load_provider(n_ctx=256, n_batch=64, use_mmap=False).context_size == 256
    provider: Any = load_provider(folder, dtype=torch.float64, use_cache=False, local_files_only=True, device_map="cpu")
    assert (provider._model.dtype, provider._model.config.use_cache) == (torch.float64, False)


def test_threads(folder: Path, threads_of_torch: int) -> None:
    """`threads` is the same on both engines."""
    for threads in (1, 3):
        llm = load_provider(threads=threads)._llm  # type: ignore[attr-defined]
        assert (llm.n_threads, llm.n_threads_batch) == (threads, threads)
        load_provider(folder, threads=threads)
        assert torch.get_num_threads() == threads
    load_provider(folder)
    assert torch.get_num_threads() == 3


def test_a_gpu_that_is_there_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless something else is said. (No GPU: the libraries are made to say that there is one.)"""
    monkeypatch.setattr("llama_cpp.llama_supports_gpu_offload", lambda: True)
    for options, layers in (({}, 2**31 - 1), ({"n_gpu_layers": 0}, 0)):
        assert load_provider(**options)._llm.model_params.n_gpu_layers == layers  # type: ignore[arg-type, attr-defined]
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device("meta"))
    for options, device in (({}, "meta"), ({"device": "cpu"}, "cpu"), ({"device_map": "cpu"}, "cpu")):
        assert load_provider(folder, **options)._model.device.type == device  # type: ignore[arg-type, attr-defined]


def test_too_many_threads_are_a_slip() -> None:
    """Thousands on a few processors only wait for each other; some more than there are do no harm."""
    assert check_threads(4 * (os.cpu_count() or 1)) == 4 * (os.cpu_count() or 1)
    for threads in (0, 100_000):
        with pytest.raises(InputError, match="threads must be"):
            check_threads(threads)
