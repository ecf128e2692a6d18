"""What a person can choose from: candidates with their texts, highest first, made when somebody looks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import overload

from ..candidates import ArrayCandidates, normalised
from ..provider.base_provider import BaseProvider
from ..sampling import total
from .base_strategy import Candidates

__all__ = ["Options", "TextOf", "shares_of"]

_INCOMPLETE = "\ufffd"  # what a part of a character decodes to; an option may complete it


def shares_of(probs: Candidates) -> Mapping[int, float]:
    """The candidates, highest first, whatever other strategies did to them, and summing to one."""
    whole = total(probs)
    if math.isinf(whole):
        probs = {token: 1.0 for token, weight in probs.items() if math.isinf(weight)}
        whole = float(len(probs))
    if not isinstance(probs, ArrayCandidates):
        probs = dict(sorted(probs.items(), key=lambda pair: -pair[1]))
    return normalised(probs, whole)


class TextOf:
    """The text of a token after some others; "" for the end."""

    def __init__(self, provider: BaseProvider, before: Sequence[int]) -> None:
        self._decode = provider.decode
        self._eos = provider.eos_token_ids
        self._before = before
        self._known = len(provider.decode(before).rstrip(_INCOMPLETE))

    def __call__(self, token: int) -> str:
        if token in self._eos:
            return ""
        return self._decode([*self._before, token])[self._known :] or f"(token {token})"


class Options:
    """Candidates, highest first; those that nobody looks at are neither ordered nor decoded."""

    def __init__(self, shares: Mapping[int, float], text_of: TextOf) -> None:
        self._shares = shares
        self._text_of = text_of
        self._unseen: Iterator[int] = iter(shares)
        self._seen: list[int] = []
        self._texts: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._shares)

    def token(self, index: int) -> int:
        self._seen += islice(self._unseen, max(0, index + 1 - len(self._seen)))
        return self._seen[index]

    def share(self, index: int) -> float:
        return float(self._shares[self.token(index)])

    def __getitem__(self, index: int) -> tuple[str, float]:
        token = self.token(index)
        if token not in self._texts:
            self._texts[token] = self._text_of(token)
        return self._texts[token], self.share(index)

    def part(self, start: int, end: int) -> Sequence[tuple[str, float]]:
        """Some of them, as a screen sees them."""
        return _Part(self, range(start, end))


class _Part(Sequence[tuple[str, float]]):
    def __init__(self, options: Options, where: range) -> None:
        self._options = options
        self._where = where

    def __len__(self) -> int:
        return len(self._where)

    @overload
    def __getitem__(self, index: int) -> tuple[str, float]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[str, float]]: ...
    def __getitem__(self, index: int | slice) -> tuple[str, float] | Sequence[tuple[str, float]]:
        if isinstance(index, slice):
            return _Part(self._options, self._where[index])
        return self._options[self._where[index]]
