"""Hugging Face transformers: any causal language model, on any device."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import re
import warnings
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MissingPackageError, ModelError
from . import hub
from .base_provider import BaseProvider
from .memory import Memory
from .model_files import model_path
from .options import check_options, check_threads
from .spinning import short_spins
from .transformers_model import CausalModel

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .transformers_stream import Stream

__all__ = ["TransformersProvider"]

_log = logging.getLogger(__name__)

_SPINS = 30_000  # of threads that wait, through the Python between two operations of a layer too
# Of what `from_pretrained` takes without naming it, what people write.
_OPTIONS = {"device", "device_map", "dtype", "max_memory", "offload_folder", "quantization_config", "threads"}
_INSTEAD = {"n_ctx": "the context is what the model was made for, so leave --context out"}


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
        from .transformers_stream import Stream

        super().__init__(remember)
        self._torch = torch
        self._model = model
        self._tokenizer = tokenizer
        self._causal = CausalModel(model)
        self._stream = Stream(self._causal, weakref.proxy(self))
        self._settled = False  # what memory it takes is found out when it is first needed
        self._batches: bool | None = None  # and whether it can be batched
        limit = getattr(self._causal.config, "max_position_embeddings", None)
        self.context_size = limit if isinstance(limit, int) and limit > 0 else None
        self.vocabulary_size = self._causal.size
        self.eos_token_ids = _end_tokens(model, tokenizer)
        self.bos_token_id = getattr(tokenizer, "bos_token_id", None)
        self.model_name = str(getattr(model.config, "name_or_path", "") or "")

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
        path = model_path(model)
        threads = None if threads is None else check_threads(threads)
        torch, transformers = _libraries()
        if device is not None:
            _check_device(torch, device)
        if threads is not None:
            torch.set_num_threads(threads)
        source: dict[str, Any] = {"pretrained_model_name_or_path": str(path or model)}
        if path is not None and path.suffix == ".gguf":
            source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        if "gguf_file" in options:  # the tokenizer is in it too
            source["gguf_file"] = options.pop("gguf_file")
        alone = path is None and not options.get("local_files_only") and not hub.answers()
        if alone:
            options["local_files_only"] = True
            # Where weights are of the old kind, a thread would ask the hub for others, and not let Python end.
            os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
        if "local_files_only" in options:
            source["local_files_only"] = options.pop("local_files_only")
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
            if alone and isinstance(error, OSError):
                raise hub.cannot_reach(str(model)) from error
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"cannot load {model} with transformers: {reason}") from error
        if device is None and "device_map" not in options and torch.accelerator.is_available():
            device = torch.accelerator.current_accelerator()
        provider = cls(loaded, tokenizer, device)
        where = (provider._model.device, provider._model.dtype, torch.get_num_threads())
        _log.info("transformers: on %s in %s, %d threads", *where)
        if path is not None and path.suffix == ".gguf":
            provider.model_name = path.stem
        return provider

    # -- text ------------------------------------------------------------------------------

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        with self.lock:  # a tokenizer that two threads use at once says "Already borrowed"
            return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens))

    def decode(self, tokens: Sequence[int]) -> str:
        with self.lock:
            text = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    @functools.cached_property
    def special_tokens(self) -> Mapping[int, str]:
        return {token: str(added) for token, added in getattr(self._tokenizer, "added_tokens_decoder", {}).items()}

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        if not self._tokenizer.chat_template:
            return super().chat_prompt(messages)
        conversation = [dict(message) for message in messages]
        with self.lock:
            return str(self._tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True))

    @property
    def larger_context(self) -> str:
        return " (this model takes no more)"

    # -- memory ----------------------------------------------------------------------------

    def _evaluate(self, tokens: list[int], start: int) -> torch.Tensor:
        self._settle()
        return self._stream._evaluate(tokens, start)

    def _settle(self) -> None:
        if self._settled:
            return
        from .transformers_trial import settle

        if found := settle(self._causal):
            name = type(self._model).__name__
            warnings.warn(
                f"{name} is evaluated without a memory, which is right and slow: with one, {found}",
                stacklevel=2,
            )
        self._settled = True

    def _keep(self, length: int, tokens: list[int]) -> int:
        return self._stream._keep(length, tokens)

    def _fork(self) -> Stream:
        return self._stream._fork()

    def _new_batch(self) -> Memory:
        from .transformers_batch import TransformersBatch
        from .transformers_trial import batches_exactly

        self._settle()
        if self._batches is None:
            self._batches = batches_exactly(self._causal)
            if not self._batches and self._causal.cache_name is not None:
                warnings.warn(
                    f"{type(self._model).__name__} cannot be batched exactly (recurrent layers, or positions of "
                    "its own): the streams of a batch are evaluated one after the other",
                    stacklevel=5,
                )
        if self._batches:
            return TransformersBatch(self, self._remember, self._causal)
        return super()._new_batch()

    def _overwrite(self, array: torch.Tensor, raw: torch.Tensor) -> None:
        with self._torch.inference_mode():  # outside of it, what was made inside could not be changed
            array.copy_(raw)


def _libraries() -> tuple[Any, Any]:
    try:
        with short_spins(_SPINS):
            import torch
        import transformers
    except ImportError as error:
        raise MissingPackageError(
            f"{error.name} is not installed: pip install 'backtrack_sampler[transformers]'"
        ) from error
    return torch, transformers


def _check_device(torch: Any, device: Any) -> None:
    """Refuse a device that is not there, before the long work.

    Raises:
        InputError: with those that are.
    """
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError, TypeError, NotImplementedError) as error:
        there = ["cpu"]
        if torch.accelerator.is_available():
            there.append(torch.accelerator.current_accelerator().type)
        reason = re.split(r"[.\n]\s|\n", str(error).strip())[0][:200]
        raise InputError(f"there is no device {str(device)!r} here ({reason}): use {' or '.join(there)}") from error


def _is_placed(model: PreTrainedModel) -> bool:
    """Quantised, or spread by accelerate: moving it would break it."""
    quantised = getattr(model, "is_quantized", False)
    # Loaded from a GGUF file it says quantised as well, but its weights are plain tensors.
    if str(getattr(model, "quantization_method", "")).lower().endswith("gguf"):
        quantised = False
    return bool(quantised or getattr(model, "hf_device_map", None))


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """All end tokens that the model's settings and the tokenizer name."""
    named: list[Any] = [tokenizer.eos_token_id]
    for settings in (model.config, getattr(model, "generation_config", None)):
        ids = getattr(settings, "eos_token_id", None)
        named += ids if isinstance(ids, (list, tuple)) else [ids]
    return frozenset(token for token in named if isinstance(token, int))
