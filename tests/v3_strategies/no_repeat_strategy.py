"""A strategy as people wrote them for backtrack_sampler 3.x: no word three times in a row, and no early end."""

import torch
from typing import List
from .base_strategy import BaseStrategy
from ..provider.base_provider import BaseProvider


class NoRepeatStrategy(BaseStrategy):
    def __init__(self, provider: BaseProvider, keep_index_buffer: int = 4, min_tokens: int = 5):
        self.provider = provider
        self.keep_index_buffer = keep_index_buffer
        self.min_tokens = min_tokens
        self.eos_token_id = provider.get_eos_token_id()
        self._keep_index = 0
        self._banned = {}

    def get_keep_index(self) -> int:
        return self._keep_index

    def on_logits(self, logits: torch.FloatTensor, continuation_tokens: List[int]) -> torch.FloatTensor:
        assert isinstance(logits, torch.Tensor) and logits.dim() == 2 and logits.shape[0] == 1
        position = len(continuation_tokens)
        if position < self.min_tokens:
            logits[:, self.eos_token_id] = float("-inf")
        for token in self._banned.get(position, []):
            logits[0, token] = float("-inf")
        return logits

    def on_probs(self, probs: torch.FloatTensor, continuation_tokens: List[int]) -> torch.FloatTensor:
        assert isinstance(probs, torch.Tensor) and probs.dim() == 2 and probs.shape[0] == 1
        return probs

    def on_next_token(self, continuation_tokens: List[int], probs: torch.FloatTensor) -> None:
        self._keep_index = max(0, len(continuation_tokens) - self.keep_index_buffer)

    def backtrack(self, continuation_tokens: List[int]) -> List[int]:
        last = continuation_tokens[-3:]
        if len(last) == 3 and len(set(last)) == 1:
            position = len(continuation_tokens) - 2
            self._banned.setdefault(position, []).append(last[0])
            del continuation_tokens[-2:]
        return continuation_tokens

    def reset(self) -> None:
        self._keep_index = 0
        self._banned = {}
