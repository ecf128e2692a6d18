"""Pure functions from logits to a token: scale, select candidates, draw.

Logits are one row, shape (vocab,), in the backend's own library: a NumPy array, a torch tensor
(on any device) or, from fakes, a Python list. Candidates are `{token: probability}`, highest
first, and from there on everything is plain Python.

Filters apply in the order min-p, top-k, top-p, each to what the one before has left, as
backtrack_sampler 3.x did. Selection is exact: ties at the border go to the lower token id.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from .candidates import ArrayCandidates
from .errors import InputError, ModelError

__all__ = [
    "candidates",
    "check_filters",
    "copy_of",
    "draw",
    "entropy",
    "most_probable",
    "scale",
    "top_ids",
    "total",
]

_DICT_LIMIT = 4096  # more candidates than this stay an array


def check_filters(temperature: float, top_k: int | None, top_p: float | None, min_p: float | None) -> None:
    """Raise InputError, with what to do, where a sampling parameter makes no sense."""
    for name, value in (("temperature", temperature), ("top_p", top_p), ("min_p", min_p)):
        if value is None and name != "temperature":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{name} must be a number, not {value!r}")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise InputError(f"temperature must be 0 (greedy) or more, not {temperature}")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 0):
        raise InputError(f"top_k must be a whole number of tokens, or 0 for no limit, not {top_k!r}")
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"top_p must be more than 0 and at most 1, not {top_p}")
    if min_p is not None and not 0 <= min_p <= 1:
        raise InputError(f"min_p must be between 0 and 1, not {min_p}")


def scale(logits: Any, temperature: float) -> Any:
    """Divide by the temperature, in place where the library can. 0 (greedy) leaves them alone."""
    if temperature in (0, 1):
        return logits
    if isinstance(logits, list):
        logits[:] = [value / temperature for value in logits]
    else:
        logits /= temperature
    return logits


def copy_of(logits: Any) -> Any:
    """An independent copy, in the same library."""
    return logits.clone() if _is_torch(logits) else logits.copy()


def candidates(
    logits: Any,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> MutableMapping[int, float]:
    """What remains to draw from: `{token: probability}`, highest first, summing to one.

    Args:
        logits: shape (vocab,), any of the three kinds; not changed. -inf bans a token.
        top_k: keep so many; None or 0 keeps all.
        top_p: keep the smallest set of at least this probability mass.
        min_p: keep what is at least this fraction as probable as the most probable.

    Returns:
        A dict, or an `ArrayCandidates` where more than 4,096 remain. Empty if all are banned.

    Raises:
        ModelError: the logits contain NaN.
    """
    if isinstance(logits, list):
        return _from_list(logits, top_k, top_p, min_p)
    if _is_torch(logits):
        logits = logits.detach().float()
        if logits.is_cuda and top_k and top_k < len(logits):
            values, ids = logits.topk(top_k)
            return _few(ids.cpu().numpy(), values.cpu().numpy(), top_p, min_p)
        logits = logits.cpu().numpy()
    return _from_array(logits, top_k, top_p, min_p)


def _is_torch(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] == "torch"


def _from_array(x: Any, top_k: int | None, top_p: float | None, min_p: float | None) -> MutableMapping[int, float]:
    import numpy as np

    if x.dtype != np.float32:
        x = x.astype(np.float32)
    if top_k and top_k <= _DICT_LIMIT and top_k < len(x):
        return _sorted_few(*_top(x, top_k), top_p, min_p)
    peak = _checked_peak(float(x.max()))
    if peak == -math.inf:
        return {}
    ids = None
    if peak == math.inf:
        ids = np.flatnonzero(x == np.inf)
        return _few(ids, x[ids], top_p, min_p)
    if top_k and top_k < len(x):
        ids = _top(x, top_k)[0]
    elif min_p:
        ids = np.flatnonzero(x >= peak + math.log(min_p))
    if ids is not None and len(ids) <= _DICT_LIMIT:
        return _few(ids, x[ids], top_p, min_p)
    if ids is None:
        weights = np.exp(x - np.float32(peak))
    else:
        weights = np.zeros(len(x), np.float32)
        weights[ids] = np.exp(x[ids] - np.float32(peak))
    if min_p:
        weights[weights < min_p] = 0
    if top_p is not None and top_p < 1:
        weights[~_nucleus(weights, top_p)] = 0
    weights /= np.float32(weights.sum(dtype=np.float64))
    return ArrayCandidates(weights)


def _few(ids: Any, values: Any, top_p: float | None, min_p: float | None) -> dict[int, float]:
    """The same from a handful of (id, logit) pairs, as a plain dict."""
    import numpy as np

    order = np.argsort(-values, kind="stable")
    return _sorted_few(ids[order], values[order], top_p, min_p)


def _sorted_few(ids: Any, values: Any, top_p: float | None, min_p: float | None) -> dict[int, float]:
    """The same, highest first."""
    import numpy as np

    # After a forward pass nothing of this is in the processor's caches, so every call counts.
    if not len(values) or not np.isfinite(values[0]) or min_p or (top_p is not None and top_p < 1):
        return _filtered(ids.tolist(), values.tolist(), top_p, min_p)
    weights = values.astype(np.float64)
    weights -= weights[0]
    np.exp(weights, out=weights)
    weights /= weights.sum()
    probs = dict(zip(ids.tolist(), weights.tolist(), strict=True))
    if weights[-1] == 0.0:  # banned, or too far behind to count
        probs = {token: share for token, share in probs.items() if share > 0.0}
    return probs


def _from_list(logits: list[float], top_k: int | None, top_p: float | None, min_p: float | None) -> dict[int, float]:
    if any(value != value for value in logits):
        _checked_peak(math.nan)
    ids = sorted(range(len(logits)), key=lambda token: -logits[token])
    ids = ids[: top_k or None]
    return _filtered(ids, [logits[token] for token in ids], top_p, min_p)


def _filtered(ids: list[int], values: list[float], top_p: float | None, min_p: float | None) -> dict[int, float]:
    """Softmax over pairs sorted highest first; then min-p, then top-p."""
    if not values or _checked_peak(values[0]) == -math.inf:
        return {}
    peak = values[0]
    if peak == math.inf:  # somebody forced these, in equal shares
        weights = [1.0 for value in values if value == math.inf]
    else:
        weights = [math.exp(value - peak) for value in values]
    while weights[-1] == 0.0 or (min_p and weights[-1] < min_p):
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
    return {token: weight / whole for token, weight in zip(ids, weights, strict=False)}


def _checked_peak(peak: float) -> float:
    if peak != peak:
        raise ModelError(
            "the model returned NaN logits: load it in float32 or bfloat16, or check the strategy's on_logits"
        )
    return peak


def top_ids(x: Any, k: int) -> list[int]:
    """Ids of the k largest values of a NumPy array, highest first, ties to the lower id."""
    result: list[int] = _top(x, k)[0].tolist()
    return result


def _top(x: Any, k: int) -> tuple[Any, Any]:
    """Ids and values of the k largest, highest first, ties to the lower id.

    The k-th largest of the maxima of blocks is a lower bound for the k-th largest value, so one
    pass finds the bound and one more the few values above it: nothing sorts the vocabulary.
    """
    size = len(x)
    blocks = max(512, 4 * k)
    width = size // blocks
    if width >= 2:
        used = blocks * width
        maxima = x[:used].reshape(width, blocks).max(axis=0)  # blocks are columns: whole rows at a time
        kth = blocks - k
    else:
        maxima, kth = x.copy(), size - k
    maxima.partition(kth)
    _checked_peak(float(maxima[kth:].max()))
    ids = (x >= maxima[kth]).nonzero()[0]
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


def total(probs: Mapping[int, float]) -> float:
    """The sum of the weights; infinite where one of them forces its token.

    Raises:
        InputError: a weight is NaN or negative.
    """
    if isinstance(probs, ArrayCandidates):
        least, whole = probs.bounds()
    else:
        least, whole = min(probs.values(), default=0.0), sum(probs.values())
    if whole != whole or least < 0:
        raise InputError("a probability is NaN or negative: check the strategy's on_probs")
    return whole


def draw(probs: MutableMapping[int, float], rng: random.Random) -> int | None:
    """One token in proportion to its weight (they need not sum to one); None if nothing can be drawn.

    An infinite weight forces its token. Uses at most one `rng.random()`.

    Raises:
        InputError: a weight is NaN or negative.
    """
    whole = total(probs)
    if whole == 0.0:
        return None
    if whole == math.inf:
        return most_probable(probs)
    if isinstance(probs, ArrayCandidates):
        return probs.draw(rng)
    target = rng.random() * whole
    last = None
    for token, weight in probs.items():
        if weight > 0.0:
            last = token
            target -= weight
            if target < 0.0:
                break
    return last


def most_probable(probs: MutableMapping[int, float]) -> int | None:
    """The token with the highest weight (the first of equals); None if nothing can be drawn.

    Raises:
        InputError: a weight is NaN or negative.
    """
    if total(probs) == 0.0:
        return None
    if isinstance(probs, ArrayCandidates):
        return probs.best()
    return max(probs, key=probs.__getitem__)


def entropy(logits: Any) -> float:
    """Shannon entropy, in nats, of the softmax of logits of shape (vocab,). Banned tokens count zero."""
    if isinstance(logits, list):
        values: Sequence[float] = [value for value in logits if value != -math.inf]
        if not values:
            return 0.0
        peak = max(values)
        weights = [math.exp(value - peak) for value in values]
        whole = math.fsum(weights)
        spread = math.fsum(w * (v - peak) for w, v in zip(weights, values, strict=True))
        return math.log(whole) - spread / whole
    if _is_torch(logits):
        shifted = logits - logits.max()
        weights = shifted.exp()
        whole = weights.sum()
        # -inf * 0 is NaN; a banned token contributes nothing.
        spread = (weights * shifted.clamp_min(-1e30)).sum()
        return float(whole.log() - spread / whole)
    import numpy as np

    shifted = np.maximum(logits - logits.max(), np.float32(-1e30))
    weights = np.exp(shifted)
    whole = weights.sum()
    return float(np.log(whole) - (weights * shifted).sum() / whole)
