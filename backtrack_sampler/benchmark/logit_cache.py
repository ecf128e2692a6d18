"""A model that remembers its answers: what one arm has asked, the next arms need not ask again.

Arms of an experiment write answers to the same questions, and most of them begin alike. A provider is a
function of tokens, so an answer that was given once may be given again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from ..provider.base_provider import BaseProvider

__all__ = ["LogitCache"]


class LogitCache(BaseProvider):
    """Another provider, with a memory of logits for all streams together; the oldest are forgotten first.

    Costs in forward passes are then those of all who ask together, and speed says nothing of one of them.

    Args:
        provider: the model.
        size: bytes of logits to remember; each row takes vocabulary size times 4.
    """

    remembers_all = True

    def __init__(self, provider: BaseProvider, size: int) -> None:
        super().__init__(1)
        self.inner = provider
        self.lock = provider.lock
        for name in ("eos_token_ids", "context_size", "vocabulary_size", "model_name", "piece"):
            setattr(self, name, getattr(provider, name))
        self._size = size
        self._held = 0
        self._rows: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    # -- the model's own ---------------------------------------------------------------------

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return self.inner.encode(text, add_special_tokens)

    def decode(self, tokens: Sequence[int]) -> str:
        return self.inner.decode(tokens)

    def neutral_tokens(self) -> list[int]:
        return self.inner.neutral_tokens()

    def encode_within(self, text: str) -> list[int]:
        return self.inner.encode_within(text)

    @property
    def special_tokens(self) -> Mapping[int, str]:
        return self.inner.special_tokens

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        return self.inner.chat_prompt(messages)

    @property
    def batched(self) -> bool:
        return self.inner.batched

    @property
    def larger_context(self) -> str:
        return self.inner.larger_context

    # -- remembered --------------------------------------------------------------------------

    def peek(self, tokens: Sequence[int]) -> Any:
        return self.peek_batch([tokens])[0]

    def peek_batch(self, sequences: Sequence[Sequence[int]]) -> list[Any]:
        with self.lock:
            keys = [tuple(tokens) for tokens in sequences]
            missing = list(dict.fromkeys(key for key in keys if key not in self._rows))
            found: dict[tuple[int, ...], Any] = {}
            if missing:
                found = dict(zip(missing, self.inner.peek_batch(missing), strict=True))
                self.forward_passes, self.evaluated_tokens = self.inner.forward_passes, self.inner.evaluated_tokens
            for key in keys:
                if key not in found:
                    found[key] = self._rows[key]
                    self._rows.move_to_end(key)
            for key in missing:
                self._keep_row(key, found[key])
            return [found[key] for key in keys]

    def score_batch(self, sequences: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[tuple[float, bool]]]:
        return self.inner.score_batch(sequences, starts)

    def recall(self, tokens: Sequence[int]) -> Any | None:
        with self.lock:
            key = tuple(tokens)
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def reset(self) -> None:
        with self.lock:
            self._rows.clear()
            self._held = 0
            self.inner.reset()

    def _keep_row(self, key: tuple[int, ...], row: Any) -> None:
        self._rows[key] = row
        self._held += 4 * len(row)
        while self._held > self._size and len(self._rows) > 1:
            self._held -= 4 * len(self._rows.popitem(last=False)[1])

    # -- never asked: the other provider evaluates -------------------------------------------

    def _evaluate(self, tokens: list[int], start: int) -> Any:
        raise NotImplementedError

    def _keep(self, length: int, tokens: list[int]) -> int:
        raise NotImplementedError
