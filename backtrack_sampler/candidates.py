"""Candidates too many for a dict: the same mapping, kept as an array until somebody looks.

With top-k or min-p a few dozen candidates remain, and they are a plain dict. Without, a
vocabulary of 262,144 would cost 15 ms a token just to become Python objects. This view costs
about one pass over the array and behaves the same: `{token: probability}`, highest first.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ArrayCandidates", "entropy_of", "normalised"]

_BLOCK = 512  # entries per block in the two-level draw


class ArrayCandidates(MutableMapping[int, float]):
    """`{token: probability}` over a whole vocabulary, highest first, without the dict.

    A weight of zero means "not a candidate", so `del` and setting to zero are the same thing.

    Args:
        weights: shape (vocab,), non-negative, need not sum to one; owned by this object.
    """

    def __init__(self, weights: npt.NDArray[np.float32]) -> None:
        self._weights = weights

    def __getitem__(self, token: int) -> float:
        if not 0 <= token < len(self._weights):
            raise KeyError(token)
        weight = float(self._weights[token])
        if weight == 0.0:
            raise KeyError(token)
        return weight

    def __setitem__(self, token: int, probability: float) -> None:
        if not 0 <= token < len(self._weights):
            raise KeyError(token)
        self._weights[token] = probability

    def __delitem__(self, token: int) -> None:
        self[token]  # raises KeyError where there is nothing to delete
        self._weights[token] = 0.0

    def __len__(self) -> int:
        return int((self._weights != 0).sum())

    def __iter__(self) -> Iterator[int]:
        # The first few are what nearly every reader wants; sorting everything can wait.
        from .sampling import top_ids

        head = top_ids(self._weights, min(64, len(self._weights)))
        for token in head:
            if self._weights[token] > 0:
                yield token
        if len(head) < len(self._weights):
            for token in (-self._weights).argsort(kind="stable")[len(head) :].tolist():
                if self._weights[token] > 0:
                    yield token

    def __repr__(self) -> str:
        return f"ArrayCandidates({len(self)} of {len(self._weights)} tokens)"

    def __copy__(self) -> ArrayCandidates:
        return ArrayCandidates(self._weights.copy())

    def bounds(self) -> tuple[float, float]:
        """The smallest weight, and the sum of all."""
        return float(self._weights.min()), float(self._weights.sum(dtype="float64"))

    def normalised(self, whole: float) -> ArrayCandidates:
        """The same, divided by their sum."""
        return ArrayCandidates(self._weights / type(self._weights[0])(whole))

    def entropy(self) -> float:
        """In nats; the weights must sum to one."""
        import numpy as np

        weights = self._weights[self._weights > 0]
        return -float((weights * np.log(weights)).sum(dtype=np.float64))

    def best(self) -> int:
        """The token with the highest weight, the first of equals."""
        return int(self._weights.argmax())

    def draw(self, rng: random.Random) -> int:
        """One token in proportion to its weight; there must be one, and none infinite.

        Sums in blocks first and then inside the block that was hit: exact, and one cheap pass.
        """
        import numpy as np

        starts = np.arange(0, len(self._weights), _BLOCK)
        sums = np.add.reduceat(self._weights, starts, dtype=np.float64).cumsum()
        target = rng.random() * float(sums[-1])
        block = min(int(sums.searchsorted(target, side="right")), len(sums) - 1)
        before = float(sums[block - 1]) if block else 0.0
        inside = self._weights[block * _BLOCK : (block + 1) * _BLOCK].cumsum(dtype=np.float64)
        index = int(inside.searchsorted(target - before, side="right"))
        token = block * _BLOCK + index
        if index < len(inside) and self._weights[token] > 0:
            return token
        # Rounding put the target on the far edge: the last token with weight before it.
        return int(np.flatnonzero(self._weights[: min(token + 1, len(self._weights))])[-1])


def entropy_of(probs: Mapping[int, float]) -> float:
    """Shannon entropy, in nats, of candidates that sum to one."""
    if isinstance(probs, ArrayCandidates):
        return probs.entropy()
    return -math.fsum(p * math.log(p) for p in probs.values() if p > 0)


def normalised(probs: Mapping[int, float], whole: float) -> Mapping[int, float]:
    """Candidates divided by their sum; the same object where that is one already."""
    if abs(whole - 1.0) < 1e-6:
        return probs
    if isinstance(probs, ArrayCandidates):
        return probs.normalised(whole)
    return {token: p / whole for token, p in probs.items()}
