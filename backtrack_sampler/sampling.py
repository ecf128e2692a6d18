"""Pure functions from logits to a token: select candidates, draw.

Logits are one row, shape (vocab,), in the backend's own library: a NumPy array, a torch tensor (on any
device) or, from fakes, a Python list. Candidates are `{token: probability}`, highest first, and from
there on everything is plain Python.

Filters apply in the order min-p, top-k, top-p, each to what the one before has left, as
backtrack_sampler 3.x did. Selection is exact: ties at the border go to the lower token id.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Mapping, MutableMapping
from itertools import accumulate
from typing import Any

from .arrays import host
from .candidates import DICT_LIMIT, ArrayCandidates, checked_peak, few, from_array, moved_by, top

__all__ = ["candidates", "draw", "most_probable", "total"]

_NOTHING: Mapping[int, float] = {}


def candidates(
    logits: Any,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    *,
    temperature: float = 1.0,
    bias: Mapping[int, float] = _NOTHING,
    best: tuple[Any, Any] | None = None,
) -> MutableMapping[int, float]:
    """What remains to draw from: `{token: probability}`, highest first, summing to one.

    Args:
        logits: shape (vocab,), any of the three kinds; not changed. -inf bans a token.
        top_k: keep so many; None or 0 keeps all.
        top_p: keep the smallest set of at least this probability mass.
        min_p: keep what is at least this fraction as probable as the most probable.
        temperature: to divide by, above 0.
        bias: token -> what to add after that; -inf bans it.
        best: ids and logits of the best `top_k + len(bias)` tokens or more, highest first, where
            that is known; see `arrays.top_of_rows`.

    Returns:
        A dict, or an `ArrayCandidates` where more than 4,096 remain. Empty if all are banned.

    Raises:
        ModelError: the logits contain NaN.
    """
    size, wanted = len(logits), (top_k or 0) + len(bias)
    if isinstance(logits, list):
        checked_peak(math.nan if any(value != value for value in logits) else 0.0)
        ids = sorted(range(size), key=lambda token: -logits[token])
        values = [logits[token] for token in ids]
    elif top_k and wanted < size and wanted <= DICT_LIMIT:
        found = top(host(logits), wanted) if best is None else best
        ids, values = found[0].tolist(), found[1].tolist()
    else:
        return from_array(host(logits), top_k, top_p, min_p, temperature, bias)
    if temperature != 1:
        values = [value / temperature for value in values]
    if bias:  # the rest keep their order among themselves, so none can be missing
        moved = [(-moved_by(float(logits[token]) / temperature, more), token) for token, more in bias.items()]
        rest = [(-value, token) for token, value in zip(ids, values, strict=True) if token not in bias]
        ordered = sorted(rest + moved)
        ids, values = [token for _, token in ordered], [-value for value, _ in ordered]
    if top_k:
        ids, values = ids[:top_k], values[:top_k]
    return few(ids, values, top_p, min_p)


def total(probs: Mapping[int, float]) -> float:
    """The sum of the weights; infinite where one of them forces its token.

    Raises:
        TypeError: a weight is no number.
        ValueError: a weight is NaN or negative.
    """
    if isinstance(probs, ArrayCandidates):
        return probs.total()
    whole = float(sum(probs.values()))
    if whole != whole or min(probs.values(), default=0) < 0:
        raise ValueError("a probability is NaN or negative")
    return whole


def draw(probs: Mapping[int, float], rng: random.Random, whole: float | None = None) -> int | None:
    """One token in proportion to its weight; None if nothing can be drawn.

    Goes through the tokens in the order of their ids, which does not depend on how candidates are kept, so
    that the same seed draws the same from lists and arrays. Uses at most one `rng.random()`.

    Args:
        probs: weights that need not sum to one; an infinite one forces its token.
        rng: where chance comes from.
        whole: their `total`, where that is known.

    Raises:
        TypeError, ValueError: as `total`.
    """
    whole = total(probs) if whole is None else whole
    if whole == 0.0:
        return None
    if whole == math.inf:
        return most_probable(probs)
    if isinstance(probs, ArrayCandidates):
        return probs.draw(rng)
    ids = sorted(probs)
    sums = list(accumulate(map(probs.__getitem__, ids)))
    index = bisect_right(sums, rng.random() * sums[-1])
    # Rounding may put it on the far edge; and what has no weight adds nothing to its sum.
    return ids[index] if index < len(ids) else ids[bisect_right(sums, sums[-1] * (1 - 2**-52))]


def most_probable(probs: Mapping[int, float]) -> int | None:
    """The token with the highest weight (the first of equals); None if nothing can be drawn."""
    if isinstance(probs, ArrayCandidates):
        return probs.best() if probs.total() else None
    best = max(probs, key=probs.__getitem__, default=None)
    return best if best is not None and probs[best] > 0 else None
