"""What llama.cpp can go back to: what its memory still holds, and states that were saved.

States of the one stream of `LlamacppProvider` are kept in the user's `LlamaRAMCache`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .row import least_missed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from llama_cpp import Llama, LlamaRAMCache

__all__ = ["SavedState", "SavedStates", "window_holds"]


def window_holds(api: Any, memory: Any, sequence: int, length: int, window: int) -> bool:
    """Whether what follows the first `length` tokens of a sequence may be dropped, as far as its window goes.

    A sliding-window memory says yes to any removal, and then lacks what had slid out of it.

    Args:
        api: the module `llama_cpp`.
        memory: of a context.
        sequence: id.
        length: tokens to keep.
        window: its size in tokens; 0 where nothing slides.
    """
    return not window or bool(api.llama_memory_seq_pos_min(memory, sequence) <= max(0, length - window))


class SavedState:
    """The memory after some tokens, in the shape that `LlamaRAMCache` can account for."""

    def __init__(
        self,
        llm: Llama,
        tokens: list[int],
        data: npt.NDArray[np.uint8],
        logits: npt.NDArray[np.float32],
        prompt: int,
        whole: int,
    ) -> None:
        # Another model's state would fit, and be wrong. Weak: a cache keeps no model alive.
        self.model = weakref.ref(llm)
        self._id = id(llm)
        self.tokens = tokens
        self.data = data
        self.logits = logits
        self.prompt = prompt  # of the row that it was saved of, as `whole`
        self.whole = whole
        self.llama_state_size = data.nbytes + logits.nbytes

    @property
    def key(self) -> tuple[int, ...]:
        # No text begins with -1, so Llama never takes one of these for a state of its own.
        return (-1, self._id, *self.tokens)


class SavedStates:
    """Our states in a user's `LlamaRAMCache`, oldest first, within its capacity."""

    def __init__(self, cache: LlamaRAMCache, llm: Llama) -> None:
        self._cache = cache
        self._llm = llm

    def best(self, tokens: list[int], usable: Callable[[SavedState], int]) -> tuple[SavedState | None, int]:
        """Of the states of a beginning of `tokens`, the one of which most is usable, and how much."""
        best, most = None, 0
        for state in self._own():
            if most < len(state.tokens) <= len(tokens) and state.tokens == tokens[: len(state.tokens)]:
                length = usable(state)
                if length > most:
                    best, most = state, length
        if best is not None:
            self._cache.cache_state.move_to_end(best.key)
        return best, most

    def make_room(self, size: int, tokens: list[int]) -> bool:
        """Drop states until `size` bytes fit. False if they never can.

        Checkpoints of other texts go first, then those of this one (`tokens`) that leave the
        smallest hole, then the prompt that was used longest ago.
        """
        cache = self._cache
        if size > cache.capacity_bytes:
            return False
        while cache.cache_size + size > cache.capacity_bytes:
            checkpoints = [state for state in self._own() if state.prompt != len(state.tokens)]
            own = [s for s in checkpoints if s.tokens == tokens[: len(s.tokens)]]
            if len(own) < len(checkpoints):
                self.remove(next(state for state in checkpoints if state not in own))
            elif own:
                lengths = [len(state.tokens) for state in own]
                self.remove(own[lengths.index(least_missed(lengths, len(tokens)))])
            else:
                cache.cache_state.popitem(last=False)
        return True

    def add(self, state: SavedState) -> None:
        self._cache[state.key] = state

    def remove(self, state: SavedState) -> None:
        self._cache.cache_state.pop(state.key, None)

    def _own(self) -> list[SavedState]:
        states = self._cache.cache_state.values()
        return [s for s in states if isinstance(s, SavedState) and s.model() is self._llm]
