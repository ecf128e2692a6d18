"""One stream of a transformers model."""

from __future__ import annotations

import torch

from .one_row import Backend
from .row import Owner
from .transformers_cache import RollbackCache
from .transformers_model import CausalModel

__all__ = ["Stream"]


class Stream(Backend):
    """A model with the memory of one stream.

    Args:
        causal: the model.
        owner: counts what is evaluated more than once.
    """

    def __init__(self, causal: CausalModel, owner: Owner) -> None:
        self._causal = causal
        self._owner = owner
        self._turns = causal.turns
        self._held: list[int] = []
        self.memory: RollbackCache | None = None

    def _fork(self) -> Stream:
        return Stream(self._causal, self._owner)

    def _evaluate(self, tokens: list[int], start: int) -> torch.Tensor:
        self._held[start:] = tokens
        if self._causal.cache_name is None:  # no memory at all: the whole text every time
            return self._causal.plain(self._held)
        if any(0 < start <= turn < start + len(tokens) for turn in self._turns):
            return self._from_the_start(start)
        if start and len(tokens) > 1 and self.memory is not None and self.memory.is_recurrent:
            # Some recurrent layers forget their state when several tokens follow it at once
            # (transformers 5.23: Mamba, Jamba). One at a time is right; so is all from the start,
            # which is cheaper for many.
            if len(tokens) <= 8 or 16 * len(tokens) <= start:
                for offset, token in enumerate(tokens[:-1]):
                    self._forward([token], start + offset)
                self._owner.forward_passes += len(tokens) - 1
                return self._forward(tokens[-1:], start + len(tokens) - 1)
            return self._from_the_start(start)
        return self._forward(tokens, start)

    def _from_the_start(self, start: int) -> torch.Tensor:
        """Evaluate the first `start` tokens once more as well: the memory of them is of no use."""
        self.memory = None
        self._owner.evaluated_tokens += start
        return self._forward(self._held, 0)

    def _forward(self, tokens: list[int], start: int) -> torch.Tensor:
        causal = self._causal
        assert causal.cache_name is not None
        if self.memory is None:
            self.memory = RollbackCache(causal.config)
        arguments = causal.options | {causal.cache_name: self.memory.cache, "use_cache": True}
        if causal.positions:  # some count wrongly by themselves (Bamba, MiniMax)
            arguments["position_ids"] = torch.arange(start, start + len(tokens), device=causal.device)[None]
        with torch.inference_mode():
            output = causal.model(input_ids=torch.tensor([tokens], device=causal.device), **arguments)
            self.memory.advanced(start + len(tokens))
            return output.logits[0, -1].float()

    def _keep(self, length: int, tokens: list[int]) -> int:
        if self._causal.cache_name is None:
            return length
        if any(len(tokens) <= turn < len(self._held) for turn in self._turns):
            length = 0
        kept = self.memory.shorten(length) if length and self.memory is not None else 0
        if kept == 0:
            self.memory = None
        return kept
