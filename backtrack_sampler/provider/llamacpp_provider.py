"""llama.cpp, through llama-cpp-python.

States are saved per sequence (`llama_state_seq_get_data`) in the `LlamaRAMCache` that the user
passes: after each prompt, so that it costs nothing when it comes back after something else ran,
and, for memories that cannot drop a suffix (recurrent and hybrid models, sliding windows that have
slid), at intervals, so that going back is a state restored and the rest replayed.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import logging
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checks import check_count
from ..errors import InputError, MissingPackageError, ModelError
from . import hub
from .base_provider import BaseProvider
from .gguf_header import trained_context
from .interrupts import interrupts_kept
from .llamacpp_states import SavedState, SavedStates, window_holds
from .memory import Memory
from .model_files import model_path
from .options import check_options, check_threads
from .spinning import short_spins

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from llama_cpp import Llama, LlamaRAMCache

__all__ = ["LlamacppProvider"]

_log = logging.getLogger(__name__)

_PIECE = 64  # tokens; the flash attention of ggml has another kernel for fewer
_SPINS = 3_000  # of threads that wait; its pauses are short
_PROMPT = 16  # evaluating so many tokens at once is a prompt, worth saving
_WORTH_A_RESTORE = 32  # a saved state must spare so many tokens to be restored where dropping would do
_INTERVAL_RECURRENT = 16  # tokens between saved states where nothing can be dropped
_INTERVAL_SLIDING = 64  # ... and where most of the time it can
_INTERVAL_PROMPT = 256  # ... and in a prompt

_NO_OPTIONS = {"self", "kwargs", "llama", "model", "model_path", "repo_id"}
_INSTEAD = {
    "device": "it uses the GPU that it was compiled for by itself, and n_gpu_layers=0 keeps it from that",
    "filename": "that is for a repository on the hub, and this is a file",
}


class LlamacppProvider(BaseProvider):
    """A `llama_cpp.Llama` as a provider. Logits are NumPy arrays.

    Args:
        llm: the loaded model; `logits_all` is not needed. It may be used for other things between
            streams, or shared by providers: that is noticed.
        cache: where saved states go, within its `capacity_bytes`; states are kept apart from those
            that `llm.set_cache(cache)` would put there. None: one of 256 MB.
        device: accepted for backtrack_sampler 3.x, and not used: llama.cpp decides.
        remember: see `BaseProvider`.
        piece: see `BaseProvider`; None: 64 where the CPU has it all, which costs next to nothing. A GPU
            takes long for short pieces: there they are as they come.
    """

    def __init__(
        self,
        llm: Llama,
        cache: LlamaRAMCache | None = None,
        device: Any = None,
        *,
        remember: int = 64,
        piece: int | None = None,
    ) -> None:
        self._api = _llama_cpp()
        import numpy as np

        self._llm = llm
        on_gpu = llm.model_params.n_gpu_layers != 0 and self._api.llama_supports_gpu_offload()
        self.piece = piece or (1 if on_gpu else _PIECE)
        if cache is None:
            cache = self._api.LlamaRAMCache(capacity_bytes=256 << 20)
        if not isinstance(cache, self._api.LlamaRAMCache):
            raise InputError(f"cache must be a llama_cpp.LlamaRAMCache or None, not {type(cache).__name__}")
        self._states = SavedStates(cache, llm)
        self._vocabulary = self._api.llama_model_get_vocab(llm.model)
        self._size = llm.n_vocab()
        self._pieces: dict[int, bytes] = {}
        self._piece_buffer = ctypes.create_string_buffer(1024)
        # llama.cpp rounds a small context up, to more than Llama has made room for.
        context = min(llm.n_ctx(), len(llm.input_ids))
        self._written = np.full(context, -1, dtype=np.intc)  # what we evaluated, to compare with
        self._window = int(self._api.llama_model_n_swa(llm.model))  # 0: no sliding window
        model = llm.model
        self._rigid = bool(self._api.llama_model_is_recurrent(model) or self._api.llama_model_is_hybrid(model))
        slides = self._window and not llm.context_params.swa_full
        self._interval = _INTERVAL_RECURRENT if self._rigid else _INTERVAL_SLIDING if slides else 0
        self._last_saved = 0
        self._restored: tuple[npt.NDArray[np.float32] | None, int, int] = (None, 0, 0)
        self._logits_at, self._logits_view = 0, np.empty(0, dtype=np.float32)
        super().__init__(remember)
        trained = self._api.llama_model_n_ctx_train(llm.model)
        rope = llm.context_params
        stretched = rope.rope_freq_base or rope.rope_freq_scale or rope.rope_scaling_type > 0
        self.vocabulary_size = self._size
        self.model_name = Path(str(llm.model_path)).stem
        self._trained = 0 if stretched else max(0, trained)
        self.context_size = min(context, self._trained) if self._trained else context
        self.eos_token_ids = frozenset(
            token for token in range(self._size) if self._api.llama_vocab_is_eog(self._vocabulary, token)
        )
        begin = self._api.llama_vocab_bos(self._vocabulary)
        self.bos_token_id = begin if begin >= 0 else None
        self._keep(0, [])

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        cache_bytes: int = 256 << 20,
        n_ctx: int = 4096,
        threads: int | None = None,
        piece: int | None = None,
        **llama: Any,
    ) -> LlamacppProvider:
        """Load a model.

        Args:
            model: a `.gguf` file, a folder that holds exactly one, or the name of a repository on
                the Hugging Face hub (pass `filename="*Q4_K_M.gguf"` to choose the file).
            cache_bytes: memory for saved states.
            n_ctx: context size in tokens; 0 takes the model's own, and so does what is larger than that,
                unless `rope_freq_base` or the like stretches it.
            threads: `n_threads` and `n_threads_batch` in one.
            piece: see the class.
            **llama: anything else `llama_cpp.Llama` takes. Without `n_gpu_layers`, all layers go to a
                GPU where llama.cpp was compiled for one. `flash_attn`, which is faster, is True unless
                `type_k` or `type_v` is float32; llama.cpp leaves it out where a model cannot have it.

        Raises:
            InputError: there is no such option.
            ModelError: no such file, or llama.cpp cannot load it, or has no memory for such a context.
        """
        cache_bytes, n_ctx = check_count("cache_bytes", cache_bytes, 0), check_count("n_ctx", n_ctx, 0)
        piece = None if piece is None else check_count("piece", piece)
        api = _llama_cpp()
        path = _model_file(model)
        loads = [api.Llama.__init__] if path is not None else [api.Llama.__init__, api.Llama.from_pretrained]
        known = {name for load in loads for name in inspect.signature(load).parameters}
        known |= inspect.signature(cls.from_pretrained).parameters.keys()
        check_options("llama.cpp", llama, known - _NO_OPTIONS, _INSTEAD)
        cores = os.cpu_count() or 1
        # Llama's own default is half the cores, which leaves a two-core machine with one.
        options = {"n_threads": cores if cores <= 4 else cores // 2, "verbose": False}
        # A third faster; but what is kept in float32, it reads in half precision.
        options["flash_attn"] = api.GGML_TYPE_F32 not in (llama.get("type_k"), llama.get("type_v"))
        if threads is not None:
            options |= dict.fromkeys(("n_threads", "n_threads_batch"), check_threads(threads))
        if api.llama_supports_gpu_offload():
            options["n_gpu_layers"] = -1
        options |= llama
        if path is None and not hub.answers():
            folder = hub.cached(str(model), options.get("cache_dir"))
            if folder is None:
                raise hub.cannot_reach(str(model))
            path = _only_file(folder, str(options.get("filename") or "*.gguf"))
            for name in known - inspect.signature(api.Llama.__init__).parameters.keys():
                options.pop(name, None)
        try:
            if path is not None:
                llm = _loader(api)(model_path=str(path), n_ctx=n_ctx, **options)
            else:
                filename = options.pop("filename", None) or "*.gguf"
                llm = _loader(api).from_pretrained(str(model), filename, n_ctx=n_ctx, **options)
        except ModelError:
            raise
        except Exception as error:  # also those of huggingface_hub
            what = f"cannot load {model}" if path is None else f"{path} is broken or not a GGUF model"
            raise ModelError(f"{what} ({_one_line(error)[:300]})") from error
        _log.info("llama.cpp: %d threads, a context of %d tokens", llm.n_threads, llm.n_ctx())
        return cls(llm, api.LlamaRAMCache(capacity_bytes=cache_bytes), piece=piece)

    # -- text ------------------------------------------------------------------------------

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return list(self._llm.tokenize(text.encode(), add_bos=add_special_tokens, special=True))

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(map(self._piece, tokens)).decode("utf-8", errors="replace")

    @functools.cached_property
    def special_tokens(self) -> Mapping[int, str]:
        api, vocabulary = self._api, self._vocabulary
        kinds = api.LLAMA_TOKEN_ATTR_UNKNOWN | api.LLAMA_TOKEN_ATTR_CONTROL | api.LLAMA_TOKEN_ATTR_USER_DEFINED
        special = [token for token in range(self._size) if api.llama_vocab_get_attr(vocabulary, token) & kinds]
        return {token: self._token_to_piece(token, special=True).decode(errors="replace") for token in special}

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        template = (self._llm.metadata or {}).get("tokenizer.chat_template")
        if not template:
            return super().chat_prompt(messages)
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        formatter = Jinja2ChatFormatter(
            template=template,
            eos_token=self._special_text(self._llm.token_eos()),
            bos_token=self._special_text(self._llm.token_bos()),
        )
        return str(formatter(messages=[dict(message) for message in messages]).prompt)

    def _piece(self, token: int) -> bytes:
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._token_to_piece(token, special=False)
        return piece

    def _special_text(self, token: int) -> str:
        return self._token_to_piece(token, special=True).decode() if token >= 0 else ""

    def _token_to_piece(self, token: int, special: bool) -> bytes:
        token = int(token)
        if not 0 <= token < self._size:
            raise InputError(f"token {token} is not in the vocabulary of {self._size}")
        with self.lock:  # one buffer for all
            buffer = self._piece_buffer
            size = self._api.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, special)
            if size < 0:  # the buffer is too small: it says by how much
                self._piece_buffer = ctypes.create_string_buffer(-size)
                return self._token_to_piece(token, special)
            return buffer.raw[:size]

    @property
    def larger_context(self) -> str:
        if not self._trained:
            return ", or load the model with a larger context (n_ctx=, --context)"
        if self.context_size == self._trained:
            return f" (this model was trained for {self._trained})"
        return f", or load the model with a larger context (n_ctx=, --context; this model takes up to {self._trained})"

    # -- memory ----------------------------------------------------------------------------

    def _evaluate(self, tokens: list[int], start: int) -> npt.NDArray[np.float32]:
        end = start + len(tokens)
        prompt = start == 0 or len(tokens) >= _PROMPT
        stops = [*range(start - start % self.piece + self.piece, end, self.piece), end] if self.piece > 1 else [end]
        for at, stop in pairwise([start, *stops]):
            logits = self._decode(tokens[at - start : stop - start], at)
            due = self._interval and not 0 <= stop - self._last_saved < self._interval
            if (prompt or due) if stop == end else self._saves_on_the_way(stop, end):
                self._save(self._evaluated[:start] + tokens[: stop - start], logits)
                self._last_saved = stop
        self.forward_passes += len(stops) - 1
        return logits

    def _saves_on_the_way(self, length: int, end: int) -> bool:
        """Whether to save a state in a prompt, because nobody could go back there otherwise."""
        if self._rigid:
            return length % _INTERVAL_PROMPT == 0 or end - length < self.piece
        return 0 < self._window <= length and length % _INTERVAL_PROMPT == 0

    def _decode(self, tokens: list[int], start: int) -> npt.NDArray[np.float32]:
        import numpy as np

        llm = self._llm
        llm.n_tokens = start
        try:
            llm.eval(tokens)
        except RuntimeError as error:
            raise ModelError(
                f"llama.cpp could not evaluate {len(tokens)} tokens after {start} ({_one_line(error)})"
            ) from error
        self._written[start : start + len(tokens)] = tokens
        pointer = self._api.llama_get_logits_ith(llm.ctx, -1)
        address = ctypes.addressof(pointer.contents)
        if address != self._logits_at:  # llama.cpp keeps its output in one place, mostly
            self._logits_at = address
            self._logits_view = np.ctypeslib.as_array(pointer, shape=(self._size,))
        return self._logits_view

    def _keep(self, length: int, tokens: list[int]) -> int:
        droppable = length > 0 and not self._rigid and self._window_holds(length)
        saved, usable = None, 0
        if not droppable or len(tokens) - length > _WORTH_A_RESTORE:
            saved, usable = self._states.best(tokens, lambda state: self._usable_of(state, length, len(tokens)))
        memory = self._api.llama_get_memory(self._llm.ctx)
        if droppable and usable <= length + _WORTH_A_RESTORE and self._api.llama_memory_seq_rm(memory, 0, length, -1):
            return length
        if saved is not None:
            return self._restore(saved, usable)
        self._llm.reset()
        self._api.llama_memory_clear(memory, True)
        return 0

    def _usable_of(self, saved: SavedState, length: int, wanted: int) -> int:
        """How many tokens of a saved state are of use where so many are wanted, of which the memory holds `length`."""
        held = len(saved.tokens)
        if held == wanted or length == wanted - 1:  # all of it, or a stream that goes back: the rest is replayed
            return held
        # A prompt: from a whole piece on, as `Memory` has it, where the state can be shortened to that.
        whole = min(saved.whole, wanted - 1 - (wanted - 1) % self.piece)
        if held - whole > self.piece:
            return held
        if whole == held or not (self._rigid or 0 < self._window < held):
            return whole
        return 0 if self._rigid else held

    def _window_holds(self, length: int) -> bool:
        """A state that was restored has only the window, also in the full-size cache."""
        return window_holds(self._api, self._api.llama_get_memory(self._llm.ctx), 0, length, self._window)

    def _save(self, tokens: list[int], logits: npt.NDArray[np.float32]) -> None:
        import numpy as np

        context = self._llm.ctx
        size = self._api.llama_state_seq_get_size(context, 0)
        if not self._states.make_room(size + logits.nbytes, tokens):
            return
        data = np.empty(size, dtype=np.uint8)
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        written = self._api.llama_state_seq_get_data(context, pointer, size, 0)
        if written:
            prompt, whole = self._one.prompt
            whole = min(whole, len(tokens))
            self._states.add(SavedState(self._llm, tokens, data[:written], logits.copy(), prompt, whole))

    def _restore(self, saved: SavedState, length: int) -> int:
        """Put the first `length` tokens of a saved state back; returns how many there are now."""
        api, llm = self._api, self._llm
        llm.reset()  # whoever uses it directly next must evaluate before it samples
        api.llama_memory_clear(api.llama_get_memory(llm.ctx), True)
        pointer = saved.data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        if not api.llama_state_seq_set_data(llm.ctx, pointer, len(saved.data), 0):
            self._states.remove(saved)
            api.llama_memory_clear(api.llama_get_memory(llm.ctx), True)
            return 0  # all is evaluated again
        whole = length == len(saved.tokens)
        if not whole:
            api.llama_memory_seq_rm(api.llama_get_memory(llm.ctx), 0, length, -1)
        _log.debug("a saved state of %d tokens is restored, %d of them used", len(saved.tokens), length)
        llm.n_tokens = length
        llm.input_ids[:length] = self._written[:length] = saved.tokens[:length]
        self._last_saved = length
        self._restored = (saved.logits if whole else None), saved.prompt, saved.whole
        return length

    def _saved(self) -> tuple[npt.NDArray[np.float32] | None, int, int]:
        return self._restored

    def _is_intact(self) -> bool:
        length, llm = len(self._evaluated), self._llm
        return llm.n_tokens == length and not (llm.input_ids[:length] != self._written[:length]).any()

    def _new_batch(self) -> Memory:
        from .llamacpp_batch import LlamacppBatch

        return LlamacppBatch(self, self._remember, self._llm, self._window, self._interval)


def _llama_cpp() -> Any:
    try:
        with short_spins(_SPINS):
            import llama_cpp
    except ImportError as error:
        raise MissingPackageError(
            "llama-cpp-python is not installed: pip install 'backtrack_sampler[llamacpp]'"
        ) from error
    return llama_cpp


def _loader(api: Any) -> Any:
    """`Llama`, with a context that fits the model.

    Ctrl-C works while it loads (but not while it downloads, where it works anyway).
    """

    class Loader(api.Llama):  # type: ignore[misc]  # known when it runs
        def __init__(self, *, model_path: str, n_ctx: int, **options: Any) -> None:
            most = trained_context(model_path)
            stretched = options.get("rope_freq_base") or options.get("rope_freq_scale")
            if most and n_ctx > most and not stretched and options.get("rope_scaling_type", 0) <= 0:
                _log.info("a context of %d tokens instead of %d: what the model was trained for", most, n_ctx)
                n_ctx = most
            try:
                with interrupts_kept():
                    super().__init__(model_path=model_path, n_ctx=n_ctx, **options)
            except (ValueError, MemoryError) as error:
                if isinstance(error, ValueError) and "llama_context" not in str(error):
                    raise
                takes = f"; this model takes up to {most}" if most else ""
                raise ModelError(
                    f"no memory for a context of {n_ctx} tokens: make it smaller (n_ctx=, --context{takes})"
                ) from error

    return Loader


def _model_file(model: str | os.PathLike[str]) -> Path | None:
    """The .gguf file that is meant; None where that is the name of a repository on a hub."""
    path = model_path(model)
    if path is None and "/" not in os.fspath(model):
        raise ModelError(f"no model file at {model}: check the path")
    return _only_file(path, "*.gguf") if path is not None and path.is_dir() else path


def _only_file(folder: Path, pattern: str) -> Path:
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise ModelError(f"{folder} must hold exactly one .gguf file (found: {found}): name the file")
    return files[0]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
