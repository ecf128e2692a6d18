"""Hugging Face transformers: any causal language model, on any device."""

from __future__ import annotations

import copy
import functools
import inspect
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MissingPackageError, ModelError
from .base_provider import BaseProvider
from .batch_memory import BatchMemory, SeparateMemories
from .options import check_options, check_threads

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .transformers_cache import RollbackCache

__all__ = ["TransformersProvider", "rope_settings"]

# Of what `from_pretrained` takes without naming it, what people write.
_OPTIONS = {"device", "device_map", "dtype", "max_memory", "offload_folder", "quantization_config", "threads"}
_INSTEAD = {"n_ctx": "the context is what the model was made for"}


class TransformersProvider(BaseProvider):
    """A transformers model and its tokenizer as a provider. Logits are torch tensors on its device.

    Args:
        model: a causal language model. It is put in evaluation mode.
        tokenizer: its tokenizer.
        device: where to move the model; None leaves it where it is. Quantised models, and models
            that accelerate has placed, are never moved.
        remember: see `BaseProvider`.

    Raises:
        InputError: the model is an encoder-decoder.
        ModelError: it cannot be moved to that device.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        device: torch.device | str | None = None,
        *,
        remember: int = 64,
    ) -> None:
        torch, _ = _libraries()
        if getattr(model.config, "is_encoder_decoder", False):
            raise InputError(f"{type(model).__name__} is an encoder-decoder: use a causal (decoder-only) model")
        if device is not None and not _is_placed(model):
            try:
                model = model.to(device)
            except (AssertionError, RuntimeError) as error:  # torch says both for a device it lacks
                raise ModelError(f"cannot move the model to {device} ({' '.join(str(error).split())})") from error
        self._torch = torch
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._config = model.config.get_text_config(decoder=True)
        # Recurrent families name their memory otherwise; asked once, never in the loop.
        self._accepted = accepted = inspect.signature(model.forward).parameters.keys()
        names = ("past_key_values", "cache_params")
        self._cache_name = next((name for name in names if name in accepted), None)
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        # Lengths of a text beyond which all its positions are encoded in another way (Phi-3): keys of
        # both kinds in one memory would give logits that the text alone does not have.
        ropes = rope_settings(self._config.to_dict())
        lengths = [
            r.get("original_max_position_embeddings")
            for r in ropes
            if "longrope" in (r.get("rope_type"), r.get("type"))
        ]
        self._turns = {length for length in lengths if isinstance(length, int)}
        self._memory: RollbackCache | None = None
        self._batches: bool | None = None  # found out when it is first needed
        super().__init__(remember)
        limit = getattr(self._config, "max_position_embeddings", None)
        self.context_size = limit if isinstance(limit, int) and limit > 0 else None
        self.vocabulary_size = model.get_input_embeddings().weight.shape[0]
        self.eos_token_ids = _end_tokens(model, tokenizer)

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        device: torch.device | str | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> TransformersProvider:
        """Load a model and its tokenizer.

        Args:
            model: a name on the Hugging Face hub, a folder, or a `.gguf` file.
            device: see the class; None takes a GPU that is there, unless `device_map` is given.
            threads: for `torch.set_num_threads`, which holds for the whole process.
            **options: passed on to `AutoModelForCausalLM.from_pretrained` (dtype, device_map, ...).

        Raises:
            InputError: there is no such option.
            ModelError: it cannot be found or loaded.
        """
        torch, transformers = _libraries()
        check_threads(threads)
        path = Path(model)
        source = {"pretrained_model_name_or_path": str(model)}
        if path.suffix == ".gguf":
            if not path.is_file():
                raise ModelError(f"no model file at {path}: check the path")
            source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        try:
            loaded = transformers.AutoModelForCausalLM.from_pretrained(**source, **options)
            tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
        except TypeError as error:  # whatever neither the model's configuration nor the library knows
            unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if unknown is None or unknown[1] not in options:
                raise
            takes = inspect.signature(transformers.PreTrainedModel.from_pretrained).parameters.keys() | _OPTIONS
            check_options("transformers", [unknown[1]], takes, _INSTEAD)
            raise
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"cannot load {model} with transformers: {reason}") from error
        if threads is not None:
            torch.set_num_threads(threads)
        if device is None and "device_map" not in options and torch.accelerator.is_available():
            device = torch.accelerator.current_accelerator()
        return cls(loaded, tokenizer, device)

    # -- text ------------------------------------------------------------------------------

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens))

    def decode(self, tokens: Sequence[int]) -> str:
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    @functools.cached_property
    def special_tokens(self) -> Mapping[int, str]:
        return {token: str(added) for token, added in getattr(self._tokenizer, "added_tokens_decoder", {}).items()}

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        if not self._tokenizer.chat_template:
            return super().chat_prompt(messages)
        conversation = [dict(message) for message in messages]
        return str(self._tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True))

    @property
    def larger_context(self) -> str:
        return " (this model takes no more)"

    # -- memory ----------------------------------------------------------------------------

    def _evaluate(self, tokens: list[int], start: int) -> torch.Tensor:
        if self._cache_name is None:  # no memory at all: the whole text every time
            return self._forward(self._evaluated[:start] + tokens, 0)
        if any(0 < start <= turn < start + len(tokens) for turn in self._turns):
            return self._from_the_start(tokens, start)
        if start and len(tokens) > 1 and self._memory is not None and self._memory.is_recurrent:
            # Some recurrent layers forget their state when several tokens follow it at once
            # (transformers 5.23: Mamba, Jamba). One at a time is right; so is all from the start,
            # which is cheaper for many.
            if len(tokens) <= 8 or 16 * len(tokens) <= start:
                for offset, token in enumerate(tokens[:-1]):
                    self._forward([token], start + offset)
                self.forward_passes += len(tokens) - 1
                return self._forward(tokens[-1:], start + len(tokens) - 1)
            return self._from_the_start(tokens, start)
        return self._forward(tokens, start)

    def _from_the_start(self, tokens: list[int], start: int) -> torch.Tensor:
        """Evaluate the first `start` tokens once more as well: the memory of them is of no use."""
        self._memory = None
        self.evaluated_tokens += start
        return self._forward(self._evaluated[:start] + tokens, 0)

    def _forward(self, tokens: list[int], start: int) -> torch.Tensor:
        torch = self._torch
        arguments: dict[str, Any] = dict(self._options)
        if self._cache_name is not None:
            if self._memory is None:
                from .transformers_cache import RollbackCache

                self._memory = RollbackCache(self._config)
            arguments |= {self._cache_name: self._memory.cache, "use_cache": True}
        ids = torch.tensor([tokens], device=self._model.get_input_embeddings().weight.device)
        with torch.inference_mode():
            output = self._model(input_ids=ids, **arguments)
        if self._memory is not None:
            self._memory.advanced(start + len(tokens))
        logits = output.logits[0, -1]
        # A view would keep the whole output alive.
        return logits.clone() if logits.dtype is torch.float32 else logits.float()

    def _keep(self, length: int, tokens: list[int]) -> int:
        if self._cache_name is None:
            return length
        if any(len(tokens) <= turn < len(self._evaluated) for turn in self._turns):
            length = 0
        kept = self._memory.shorten(length) if length and self._memory is not None else 0
        if kept == 0:
            self._memory = None
        return kept

    def _new_batch(self) -> BatchMemory:
        from .transformers_batch import TransformersBatch, batches_exactly

        if self._batches is None:
            self._batches = batches_exactly(self)
            if not self._batches:
                warnings.warn(
                    f"{type(self._model).__name__} cannot be batched exactly (recurrent layers, or positions of "
                    "its own): the streams of a batch are evaluated one after the other",
                    stacklevel=5,
                )
        if self._batches:
            return TransformersBatch(self, self._remember)
        return SeparateMemories(self, self._remember, self._fork)

    def _fork(self) -> TransformersProvider:
        """The same model with a memory of its own."""
        other = copy.copy(self)
        other._evaluated, other._recent, other._remember = [], {}, 1
        other._memory = other._batch = None
        return other

    def _copy(self, raw: torch.Tensor) -> torch.Tensor:
        return raw.clone()

    def _overwrite(self, array: torch.Tensor, raw: torch.Tensor) -> None:
        with self._torch.inference_mode():  # outside of it, what was made inside could not be changed
            array.copy_(raw)


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingPackageError(
            f"{error.name} is not installed: pip install 'backtrack_sampler[transformers]'"
        ) from error
    return torch, transformers


def _is_placed(model: PreTrainedModel) -> bool:
    """Quantised, or spread by accelerate: moving it would break it."""
    quantised = getattr(model, "is_quantized", False)
    # Loaded from a GGUF file it says quantised as well, but its weights are plain tensors.
    if str(getattr(model, "quantization_method", "")).lower().endswith("gguf"):
        quantised = False
    return bool(quantised or getattr(model, "hf_device_map", None))


def rope_settings(settings: Any) -> list[dict[str, Any]]:
    """All that a config says of how its positions are scaled, wherever it says it."""
    if not isinstance(settings, dict):
        return []
    inner = [found for value in settings.values() for found in rope_settings(value)]
    return [settings, *inner] if {"rope_type", "type"} & settings.keys() else inner


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """All end tokens that the model's settings and the tokenizer name."""
    named: list[Any] = [tokenizer.eos_token_id]
    for settings in (model.config, getattr(model, "generation_config", None)):
        ids = getattr(settings, "eos_token_id", None)
        named += ids if isinstance(ids, (list, tuple)) else [ids]
    return frozenset(token for token in named if isinstance(token, int))
