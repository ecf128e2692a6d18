"""Memories of backends that evaluate one stream at a time: of a single stream, and of several in turn."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from .memory import Memory
from .row import Owner, Row, Work

__all__ = ["Backend", "OneRow", "SeparateMemories"]

_SINGLY = 64  # so many tokens at the most are evaluated one at a time because they were the first time


class Backend(ABC):
    """What evaluates a single stream. Every provider is one; it implements `_evaluate` and `_keep`."""

    @abstractmethod
    def _evaluate(self, tokens: list[int], start: int) -> Any:
        """Evaluate new tokens after the first `start`, and return the last one's logits.

        Returns:
            float32, shape (vocab,); the next call may overwrite it.
        """

    @abstractmethod
    def _keep(self, length: int, tokens: list[int]) -> int:
        """Make the memory hold a beginning of `tokens`, as long as can be had.

        Args:
            length: so many tokens at the beginning agree with what the memory holds now.
            tokens: what will be asked for. A saved state of a longer beginning of it may be restored
                instead; then `_saved` is asked for.

        Returns:
            How many tokens of `tokens` the memory holds now. A memory that cannot drop a suffix
            returns less than `length`, 0 at the least: never a wrong memory.
        """

    def _saved(self) -> tuple[Any | None, int, int]:
        """Of the state that `_keep` has just restored: its logits, and its row's `prompt` and `whole`.

        Logits are needed where the state is of all that is asked for.
        """
        return None, 0, 0

    def _is_intact(self) -> bool:
        """Asked before every request: whether nobody else has used the same memory."""
        return True

    def _fork(self) -> Backend | None:
        """The same model with another memory; None where there can be only one."""
        return None


class OneRow(Memory):
    """One stream, in a backend that knows no more than that.

    Args:
        owner: see `Memory`.
        remember: see `Memory`.
        backend: what evaluates the stream; None: the owner itself.
    """

    def __init__(self, owner: Any, remember: int, backend: Backend | None = None) -> None:
        super().__init__(owner, remember)
        self._backend: Backend | Any = weakref.proxy(owner) if backend is None else backend

    @property
    def tokens(self) -> list[int]:
        """What the backend's memory holds."""
        return self._rows[0].tokens if self._rows else []

    @property
    def prompt(self) -> tuple[int, int]:
        """Of its row, `prompt` and `whole`."""
        return (self._rows[0].prompt, self._rows[0].whole) if self._rows else (0, 0)

    def logits(self, sequences: list[list[int]]) -> list[Any]:
        if not self._backend._is_intact():
            self.reset()
        return super().logits(sequences)

    def reset(self) -> None:
        super().reset()
        self._backend._keep(0, [])

    def fork(self) -> OneRow:
        """A memory for another stream of the same model; this one where the backend can hold no second."""
        backend = self._backend._fork()
        return self if backend is None else OneRow(self._owner, 1, backend)

    def _evaluate(self, work: list[Work]) -> Iterator[Any]:
        for row, tokens, start in work:
            prompt = max(0, row.prompt - start)
            again = len(tokens) - prompt  # of a stream that has gone back to a saved state
            singly = self._owner.piece > 1 and again <= _SINGLY
            parts = [tokens[:prompt], *([token] for token in tokens[prompt:])] if singly else [tokens]
            for part in filter(None, parts):
                raw = self._backend._evaluate(part, start)
                self._owner.forward_passes += 1
                self._owner.evaluated_tokens += len(part)
                start += len(part)
            yield raw

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        kept = self._backend._keep(length, tokens)
        if kept > length:  # a saved state was restored
            self._forget(row, length)
            row.tokens = tokens[:kept]
            raw, row.prompt, row.whole = self._backend._saved()
            if raw is not None:
                self._remember_logits(row, raw)
        return kept

    def _share(self, source: Row, target: Row, length: int) -> int:
        return 0


class SeparateMemories(Memory):
    """For models that cannot be batched: a memory for each row, evaluated one after the other.

    Args:
        owner: see `Memory`.
        remember: see `Memory`.
        fork: makes a memory of the same model. One that always returns the same is right as well, and
            slow: it is filled anew for each row.
    """

    def __init__(self, owner: Owner, remember: int, fork: Callable[[], OneRow]) -> None:
        super().__init__(owner, remember)
        self._fork = fork
        self._memories: dict[Row, OneRow] = {}

    def reset(self) -> None:
        super().reset()
        self._memories = {}

    def _evaluate(self, work: list[Work]) -> Iterator[Any]:
        for row, tokens, start in work:
            memory = self._memories.get(row) or self._memories.setdefault(row, self._fork())
            yield memory.logits([row.tokens[:start] + tokens])[0]

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        return length  # each memory finds out for itself

    def _share(self, source: Row, target: Row, length: int) -> int:
        return 0

    def _move_together(self, rows: list[Row]) -> None:
        pass  # nothing is sliced
