"""Many streams in one llama.cpp context, one sequence each.

A `Llama` has a context for a single sequence; this is a second one of the same model, made when
streams are first asked for together, and made larger as they need. Each sequence has cells of its own
(`kv_unified` off): in a shared buffer every token would look past the cells of all the others, which
takes twice the time with 64 streams. Then sequences share a step only where their ids follow each
other, which `Memory` sees to.
"""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from ..errors import InputError, ModelError
from .interrupts import interrupts_kept
from .llamacpp_states import window_holds
from .memory import Memory
from .row import Owner, Row, Work, least_missed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from llama_cpp import Llama

__all__ = ["LlamacppBatch"]

_log = logging.getLogger(__name__)

_CELLS = 256  # llama.cpp rounds the cells of a sequence up to a multiple of this
_AHEAD = 128  # room for so many more tokens when a context is made
_MAX_SAVED = 32  # states of a row
_SAVED_BYTES = 256 << 20  # of all rows together


class LlamacppBatch(Memory):
    """Rows that are sequences of a context of their own.

    A memory that cannot drop a suffix (recurrent, hybrid, sliding windows that have slid) saves the part
    that cannot at intervals; a rollback restores it, and the rest is replayed beside the other rows.

    Memory for keys and values: rows times cells, where cells are the longest stream's length, rounded up
    to at most twice that and 256. For saved states: 256 MB for all rows together; where a single one is
    larger, a rollback evaluates the row from its start.

    Args:
        owner: see `Memory`.
        remember: see `Memory`.
        llm: the model.
        window: tokens that its sliding window holds; 0 where nothing slides.
        interval: tokens between saved states; 0 where everything can be dropped.
    """

    def __init__(self, owner: Owner, remember: int, llm: Llama, window: int, interval: int) -> None:
        super().__init__(owner, remember)
        import llama_cpp

        self._api: Any = llama_cpp
        self._llm = llm
        self._window = window
        self._interval = interval
        self._longest = owner.context_size or llm.n_ctx()
        self._saved: dict[Row, dict[int, npt.NDArray[np.uint8]]] = {}  # length -> state
        self._context: Any = None
        self._free: weakref.finalize[..., Any] | None = None
        self._places = self._cells = self._tokens = 0
        self._copied: dict[int, int] = {}  # what will be a copy, and of what, when llama.cpp next evaluates

    def reset(self) -> None:
        super().reset()
        self._saved = {}
        self._close()
        self._places = self._cells = 0

    def _close(self) -> None:
        if self._free is not None:
            self._free()
        self._context = self._free = None

    # -- the context -----------------------------------------------------------------------

    def _make_room(self, rows: int, length: int) -> None:
        if rows <= self._places and length <= self._cells:
            return
        most = self._api.llama_max_parallel_sequences()
        if rows > most:
            raise InputError(f"llama.cpp holds at most {most} streams at once, not {rows}: make max_batch smaller")
        self._places = max(rows, self._places)
        if length > self._cells:
            self._cells = min(_round_up(max(length + _AHEAD, 2 * self._cells)), _round_up(self._longest))
        with interrupts_kept():
            self._renew()

    def _renew(self) -> None:
        """A context of the present size, to which all rows move; those that cannot are evaluated again."""
        api, llm = self._api, self._llm
        params = type(llm.context_params).from_buffer_copy(llm.context_params)
        params.n_seq_max = self._places
        params.n_ctx = self._places * self._cells
        params.n_batch = max(params.n_batch, self._places, 512)
        params.n_ubatch = min(params.n_batch, max(params.n_ubatch, self._places))
        params.kv_unified = False
        params.embeddings = False
        context = api.llama_init_from_model(llm.model, params)
        if not context:
            raise ModelError(
                f"llama.cpp has no room for {self._places} streams of {self._cells} tokens: make max_batch smaller"
            )
        batch = api.llama_batch_init(params.n_batch, 0, 1)
        free = weakref.finalize(self, _free, api, context, batch)
        if llm._lora_adapter is not None:
            adapters = (api.llama_adapter_lora_p_ctypes * 1)(llm._lora_adapter)
            api.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(llm.lora_scale))
        if self._context is not None:
            for row in self._rows:
                # llama.cpp does not move attention between contexts of different numbers of sequences, and
                # would say yes to one that it has not really copied yet, and move what was there before.
                late = row.place in self._copied
                if row.tokens and (late or not _move_state(api, self._context, context, row.place)):
                    self._forget(row, 0)
        self._close()
        self._copied = {}
        self._context, self._batch, self._free, self._tokens = context, batch, free, params.n_batch
        self._memory = api.llama_get_memory(context)
        _log.debug("a context for %d streams of %d tokens each", self._places, self._cells)

    # -- rows ------------------------------------------------------------------------------

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        return self._shorten(row.place, length, self._saved.get(row, {}))

    def _share(self, source: Row, target: Row, length: int) -> int:
        self._api.llama_memory_seq_rm(self._memory, target.place, -1, -1)
        self._copied[target.place] = source.place
        self._api.llama_memory_seq_cp(self._memory, source.place, target.place, -1, -1)
        whole = length == len(source.tokens)
        return length if whole else self._shorten(target.place, length, self._saved.get(source, {}))

    def _shorten(self, place: int, length: int, saved: dict[int, npt.NDArray[np.uint8]]) -> int:
        """Drop what follows the first `length` tokens, or what follows a saved state; returns what is left."""
        held = window_holds(self._api, self._memory, place, length, self._window)
        if held and self._api.llama_memory_seq_rm(self._memory, place, length, -1):
            return length
        nearest = max((n for n in saved if n <= length), default=0)
        # A sliding window is copied when llama.cpp next evaluates, over what would be restored now.
        copying = self._window and place in {*self._copied, *self._copied.values()}
        if nearest == 0 or copying:
            return 0
        state = saved[nearest]
        restored = self._api.llama_state_seq_set_data_ext(
            self._context, _bytes(state), len(state), place, self._api.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        )
        # The other part, of full attention, can drop the rest.
        dropped = restored and self._api.llama_memory_seq_rm(self._memory, place, nearest, -1)
        return nearest if dropped else 0

    def _forget(self, row: Row, length: int) -> None:
        super()._forget(row, length)
        states = self._saved.get(row, {})
        for longer in [n for n in states if n > length]:
            del states[longer]

    def _save(self, row: Row, length: int) -> None:
        """Save the part of a row that cannot be shortened, where the last time was long enough ago."""
        import numpy as np

        states = self._saved.setdefault(row, {})
        if length - max(states, default=-self._interval) < self._interval:
            return
        partial = self._api.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        size = self._api.llama_state_seq_get_size_ext(self._context, row.place, partial)
        if not 0 < size <= _SAVED_BYTES:
            return
        if len(states) == _MAX_SAVED:
            del states[least_missed(states, length)]
        while size + sum(len(state) for each in self._saved.values() for state in each.values()) > _SAVED_BYTES:
            most = max(self._saved.values(), key=len)
            del most[least_missed(most, max(most))]
        state = np.empty(size, dtype=np.uint8)
        if self._api.llama_state_seq_get_data_ext(self._context, _bytes(state), size, row.place, partial):
            states[length] = state

    def _evaluate(self, work: list[Work]) -> list[Any]:
        for row, _, start in work:
            if start == 0:
                self._api.llama_memory_seq_rm(self._memory, row.place, -1, -1)
        piece = self._owner.piece
        passes: list[list[tuple[int, int, Row, bool]]] = []
        together: list[tuple[int, int, Row, bool]] = []
        for row, tokens, start in sorted(work, key=lambda each: each.row.place):
            last = len(tokens) - 1
            entries = [(token, start + offset, row, offset == last) for offset, token in enumerate(tokens)]
            if piece > 1 and row.prompt == start + len(tokens):  # as it would be evaluated alone
                cuts = [0, *range(piece - start % piece, len(tokens), piece), len(tokens)]
                passes += [entries[at:stop] for at, stop in pairwise(cuts)]
            else:
                together += entries
        passes += [together[first : first + self._tokens] for first in range(0, len(together), self._tokens)]
        found: dict[Row, Any] = {}
        for entries in passes:
            found = {row: logits.copy() for row, logits in found.items()}  # the engine's own, soon overwritten
            found |= zip([row for _, _, row, last in entries if last], self._decode(entries), strict=True)
        if self._interval:
            for row, tokens, start in work:
                self._save(row, start + len(tokens))
        return [found[each.row] for each in work]

    def _evaluate_all(self, work: list[Work]) -> Iterator[tuple[Row, int, Any]]:
        for row, _, start in work:
            if start == 0:
                self._api.llama_memory_seq_rm(self._memory, row.place, -1, -1)
        entries = [
            (token, row.place, start + offset, row)
            for row, tokens, start in sorted(work, key=lambda each: each.row.place)
            for offset, token in enumerate(tokens)
        ]
        for first in range(0, len(entries), self._tokens):
            part = entries[first : first + self._tokens]
            logits = self._decode([(token, position, row, True) for token, _, position, row in part])
            for _, of_row in groupby(enumerate(part), key=lambda each: each[1][1]):
                (at, (_, _, position, row)), *rest = of_row
                yield row, position + 1, logits[at : at + 1 + len(rest)]

    def _decode(self, entries: list[tuple[int, int, Row, bool]]) -> npt.NDArray[np.float32]:
        """Evaluate (token, position, row, whether its logits are wanted); returns those, shape (wanted, vocab)."""
        import numpy as np

        batch = self._batch
        batch.n_tokens = len(entries)
        for index, (token, position, row, last) in enumerate(entries):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = row.place
            batch.logits[index] = last
        if code := self._api.llama_decode(self._context, batch):
            raise ModelError(
                f"llama.cpp could not evaluate {len(entries)} tokens of {len(self._rows)} streams ({code})"
            )
        self._copied.clear()
        self._owner.forward_passes += 1
        self._owner.evaluated_tokens += len(entries)
        wanted, size = sum(entry[3] for entry in entries), self._llm.n_vocab()
        if not wanted:
            return np.empty((0, size), dtype=np.float32)
        found: npt.NDArray[np.float32] = np.ctypeslib.as_array(
            self._api.llama_get_logits(self._context), shape=(wanted, size)
        )
        return found


def _free(api: Any, context: Any, batch: Any) -> None:
    api.llama_batch_free(batch)
    api.llama_free(context)


def _bytes(array: npt.NDArray[np.uint8]) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


def _move_state(api: Any, source: Any, target: Any, sequence: int) -> bool:
    """Copy what one context holds of a sequence to another."""
    size = api.llama_state_seq_get_size(source, sequence)
    data = (ctypes.c_uint8 * size)()
    written = api.llama_state_seq_get_data(source, data, size, sequence)
    return bool(written and api.llama_state_seq_set_data(target, data, written, sequence))


def _round_up(cells: int) -> int:
    return -(-cells // _CELLS) * _CELLS
