"""Selecting candidates from a NumPy row of logits, and candidates too many for a dict.

With top-k or min-p a few dozen candidates remain, and they are a plain dict. Without, a vocabulary of
262,144 would cost 15 ms a token just to become Python objects: `ArrayCandidates` is the same mapping,
`{token: probability}`, highest first, kept as an array until somebody looks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, MutableMapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from .errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "DICT_LIMIT",
    "ArrayCandidates",
    "checked_peak",
    "entropy_of",
    "few",
    "from_array",
    "moved_by",
    "normalised",
    "top",
]

DICT_LIMIT = 4096  # more candidates than this stay an array
_LARGE = 1 << 16  # a vocabulary above this is not read twice
_DRAW_BLOCK = 512  # entries per block in the two-level draw


class ArrayCandidates(MutableMapping[int, float]):
    """`{token: probability}` over a whole vocabulary, highest first, without the dict.

    A weight of zero means "not a candidate", so `del` and setting to zero are the same thing.

    Args:
        weights: shape (vocab,), none negative; owned by this object. Probabilities are shares of their sum.
    """

    def __init__(self, weights: npt.NDArray[np.float32]) -> None:
        self._weights = weights
        self._sums: npt.NDArray[np.float64] | None = None  # of blocks, added up; None after a change
        self._scale = 1.0
        self._scale = 1.0 / (self.total() or 1.0)

    def __getitem__(self, token: int) -> float:
        weight = float(self._weights[token]) if 0 <= token < len(self._weights) else 0.0
        if weight == 0.0:
            raise KeyError(token)
        return weight * self._scale

    def __setitem__(self, token: int, probability: float) -> None:
        if not 0 <= token < len(self._weights):
            raise KeyError(token)
        if not probability >= 0:
            raise ValueError(f"the probability of token {token} is {probability}")
        self._weights[token] = probability / self._scale
        self._sums = None

    def __delitem__(self, token: int) -> None:
        self[token]  # raises KeyError where there is nothing to delete
        self[token] = 0.0

    def __len__(self) -> int:
        return int((self._weights != 0).sum())

    def __bool__(self) -> bool:
        return self.total() > 0

    def clear(self) -> None:
        """No candidate is left."""
        self._weights.fill(0)
        self._sums = None

    def __iter__(self) -> Iterator[int]:
        # The first few are what nearly every reader wants; sorting everything can wait. The order is that of
        # the beginning, whatever changes meanwhile.
        weights = self._weights.copy()
        head = top(weights, min(64, len(weights)))[0].tolist()
        rest = ((-weights).argsort(kind="stable")[len(head) :].tolist() for _ in range(1))
        for token in chain(head, chain.from_iterable(rest)):
            if self._weights[token] > 0:
                yield token

    def __repr__(self) -> str:
        return f"ArrayCandidates({len(self)} of {len(self._weights)} tokens)"

    def __copy__(self) -> ArrayCandidates:
        other = object.__new__(type(self))
        other._weights, other._sums, other._scale = self._weights.copy(), self._sums, self._scale
        return other

    def _added_up(self) -> npt.NDArray[np.float64]:
        import numpy as np

        if self._sums is None:
            whole = len(self._weights) // _DRAW_BLOCK * _DRAW_BLOCK
            sums = self._weights[:whole].reshape(-1, _DRAW_BLOCK).sum(axis=1)
            self._sums = np.append(sums, self._weights[whole:].sum()).cumsum(dtype=np.float64)
        return self._sums

    def total(self) -> float:
        """The sum of all probabilities."""
        return float(self._added_up()[-1]) * self._scale

    def normalised(self) -> ArrayCandidates:
        """The same, summing to one."""
        return ArrayCandidates(self._weights)

    def entropy(self) -> float:
        """In nats; the probabilities must sum to one."""
        import numpy as np

        weights = self._weights[self._weights > 0] * np.float32(self._scale)
        return -float((weights * np.log(weights)).sum(dtype=np.float64))

    def best(self) -> int:
        """The token with the highest weight, the first of equals."""
        return int(self._weights.argmax())

    def draw(self, rng: random.Random) -> int:
        """One token in proportion to its weight; there must be one, and none infinite.

        Looks at the sums of blocks first and then inside the block that was hit: one cheap pass.
        """
        import numpy as np

        sums = self._added_up()
        target = rng.random() * float(sums[-1])
        block = min(int(sums.searchsorted(target, side="right")), len(sums) - 1)
        before = float(sums[block - 1]) if block else 0.0
        inside = self._weights[block * _DRAW_BLOCK : (block + 1) * _DRAW_BLOCK].cumsum(dtype=np.float64)
        index = int(inside.searchsorted(target - before, side="right"))
        token = block * _DRAW_BLOCK + index
        if index < len(inside) and self._weights[token] > 0:
            return token
        # Rounding put the target on the far edge: the last token with weight before it.
        return int(np.flatnonzero(self._weights[: token + 1])[-1])


def from_array(
    x: Any, top_k: int | None, top_p: float | None, min_p: float | None, temperature: float, bias: Mapping[int, float]
) -> MutableMapping[int, float]:
    """Candidates from a row of which more than a few may remain; see `sampling.candidates`."""
    import numpy as np

    weights = np.divide(x, temperature, dtype=np.float32)
    for token, more in bias.items():
        weights[token] = moved_by(float(weights[token]), more)
    peak = checked_peak(float(weights.max()))
    if peak == -math.inf:
        return {}
    if peak == math.inf:
        weights = np.where(weights == peak, np.float32(0), np.float32(-np.inf))  # forced, in equal shares
        peak = 0.0
    ids = None
    if top_k and top_k < len(x):
        ids = top(weights, top_k)[0]
    elif min_p:
        ids = np.flatnonzero(weights >= peak + math.log(min_p))
    if ids is not None and len(ids) <= DICT_LIMIT:
        order = ids[(-weights[ids]).argsort(kind="stable")]
        return few(order.tolist(), weights[order].tolist(), top_p, min_p)
    if ids is not None:
        kept = weights[ids]
        weights.fill(-np.inf)
        weights[ids] = kept
    weights -= np.float32(peak)
    np.exp(weights, out=weights)
    if min_p:
        weights[weights < min_p] = 0
    if top_p is not None and top_p < 1:
        weights[~_nucleus(weights, top_p)] = 0
    return ArrayCandidates(weights)


def few(ids: list[int], values: list[float], top_p: float | None, min_p: float | None) -> dict[int, float]:
    """Softmax over pairs of token and logit, sorted highest first; then min-p, then top-p."""
    if not values or checked_peak(values[0]) == -math.inf:
        return {}
    peak = values[0]
    if peak == math.inf:  # somebody forced these, in equal shares
        weights = [1.0 for value in values if value == math.inf]
    else:
        exp = math.exp
        weights = [exp(value - peak) for value in values]
    while weights[-1] == 0.0 or (min_p and weights[-1] < min_p):  # banned, or too far behind
        weights.pop()
    if top_p is not None and top_p < 1:
        enough = top_p * math.fsum(weights)
        mass = 0.0
        for count, weight in enumerate(weights, 1):
            mass += weight
            if mass >= enough:
                del weights[count:]
                break
    whole = math.fsum(weights)
    return dict(zip(ids, [weight / whole for weight in weights], strict=False))


def moved_by(logit: float, bias: float) -> float:
    """A logit with its bias; a ban also takes what somebody has forced."""
    return logit + bias if bias > -math.inf else bias


def checked_peak(peak: float) -> float:
    """The highest logit; raises ModelError where it is NaN."""
    if peak != peak:
        raise ModelError(
            "the model returned NaN logits: load it in float32 or bfloat16, or check the strategy's on_logits"
        )
    return peak


def top(x: Any, k: int) -> tuple[Any, Any]:
    """Ids and values of the k largest of a NumPy array, highest first, ties to the lower id.

    The k-th largest of the maxima of columns is a lower bound for the k-th largest value, so nothing sorts
    the vocabulary. A large one is read once: only a column with a maximum above the bound can hold one. For
    a small one that is more calls than it is worth: after a forward pass each finds its code out of the caches.
    """
    import numpy as np

    large = len(x) > _LARGE
    width = 2048 if large else 512
    whole = len(x) - len(x) % width
    if not whole or 4 * k > width:
        large, maxima = False, np.partition(x, len(x) - k)[len(x) - k :]
    else:
        rows, rest = x[:whole].reshape(-1, width), x[whole:]
        maxima = rows.max(axis=0)
        if len(rest):
            np.maximum(maxima[: len(rest)], rest, out=maxima[: len(rest)])
    ordered = np.sort(maxima)  # NaN comes last
    bound = ordered[-k]
    checked_peak(float(ordered[-1]))
    if large:
        columns = (maxima >= bound).nonzero()[0]
        row, column = (rows[:, columns] >= bound).nonzero()
        ids = np.append(row * width + columns[column], whole + (rest >= bound).nonzero()[0])  # rising
    else:
        ids = (x >= bound).nonzero()[0]
    values = x[ids]
    order = (-values).argsort(kind="stable")[:k]
    return ids[order], values[order]


def _nucleus(weights: Any, top_p: float) -> Any:
    """Mask of the smallest set with at least `top_p` of the mass, without sorting everything.

    The bits of a positive float32 order as an integer does, so the upper 16 bits are bins:
    add up the bins, find the one where the mass is reached, and sort only that one.
    """
    import numpy as np

    keys = (weights.view(np.int32) >> 16).astype(np.intp)
    mass = np.bincount(keys, weights=weights)
    above = mass[::-1].cumsum()[::-1]  # mass of this bin and all higher ones
    enough = top_p * above[0]
    border = int(np.flatnonzero(above >= enough)[-1])
    mask = keys > border
    inside = np.flatnonzero(keys == border)
    inside = inside[np.argsort(-weights[inside], kind="stable")]
    missing = enough - (above[border] - mass[border])
    count = int(weights[inside].cumsum(dtype=np.float64).searchsorted(missing, side="left")) + 1
    mask[inside[:count]] = True
    return mask


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
        return probs.normalised()
    return {token: p / whole for token, p in probs.items()}
