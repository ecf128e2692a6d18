"""Rows of logits in any library: a NumPy array, a torch tensor on any device, a Python list. Neither is imported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["copy_of", "entropy", "host", "log_total", "on_device", "scale", "scores", "top_of_rows"]


def top_of_rows(rows: Iterable[Any], count: int) -> list[tuple[Any, Any]] | None:
    """The best `count` of each row, as `candidates` takes them, in one selection and one transfer.

    Returns:
        None where nothing is to be selected. (Rows in the processor's own memory are best read one by one.)
    """
    rows = list(rows)
    if not count:
        return None
    import numpy as np
    import torch

    # One whole number says all: in its upper half the bits of the logit, which order as numbers do when those of
    # negative ones are turned round; in its lower half the id, turned round as well, so that ties go to the lower.
    x = torch.stack(rows).float() + 0.0  # and no -0.0
    bits = torch.where(x.isnan(), math.nan, x).view(torch.int32).long()
    ids = torch.arange(x.shape[1], device=x.device)
    keys = ((bits ^ ((bits >> 31) & 0x7FFFFFFF)) << 32) | (0xFFFFFFFF - ids)
    best = keys.topk(min(count, x.shape[1])).values.cpu().numpy()
    upper = best >> 32
    values = (upper ^ ((upper >> 31) & 0x7FFFFFFF)).astype(np.int32).view(np.float32)
    return list(zip(0xFFFFFFFF - (best & 0xFFFFFFFF), values, strict=True))


def is_torch(array: Any) -> bool:
    """Whether this is a torch tensor; torch is not imported to find out."""
    return type(array).__module__.partition(".")[0] == "torch"


def on_device(row: Any) -> bool:
    """Whether a row is in another memory than the processor's."""
    return is_torch(row) and bool(row.device.type != "cpu")


def host(logits: Any) -> Any:
    """A row as a NumPy array, the same memory where that can be."""
    return logits.detach().float().cpu().numpy() if is_torch(logits) else logits


def copy_of(logits: Any) -> Any:
    """An independent copy, in the same library."""
    return logits.clone() if is_torch(logits) else logits.copy()


def scale(logits: Any, temperature: float) -> Any:
    """Divide by the temperature, in place where the library can. 0 (greedy) leaves them alone."""
    if temperature in (0, 1):
        return logits
    if isinstance(logits, list):
        logits[:] = [value / temperature for value in logits]
    else:
        logits /= temperature
    return logits


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
    import numpy as np

    x = host(logits)
    shifted = np.maximum(x - x.max(), np.float32(-1e30))
    spread = np.exp(shifted)
    whole = spread.sum()
    return float(np.log(whole) - (spread * shifted).sum() / whole)


def log_total(logits: Any) -> float:
    """Log of the sum of the exponentials: a logit less this is a log-probability, in nats."""
    if on_device(logits):
        return float(logits.float().logsumexp(0))  # one number to fetch, not a row
    x = host(logits)
    peak = float(max(x) if isinstance(x, list) else x.max())
    if math.isinf(peak):  # nothing can be drawn, or something is forced
        return peak
    if isinstance(x, list):
        return peak + math.log(math.fsum(math.exp(value - peak) for value in x))
    import numpy as np

    return peak + math.log(np.exp(x - np.float32(peak)).sum(dtype=np.float64))


def scores(block: Any, tokens: Sequence[int]) -> list[tuple[float, bool]]:
    """What each row of logits says of a token: its log-probability, in nats, and whether none is more probable.

    Args:
        block: shape (tokens, vocab), a tensor or an array; or a list of rows.
        tokens: one for each row.
    """
    if isinstance(block, list):
        return [
            (float(row[token]) - log_total(row), int(row.argmax()) == token)
            for row, token in zip(block, tokens, strict=True)
        ]
    if is_torch(block):
        import torch

        ids = torch.tensor(list(tokens), device=block.device)
        block = block.float()
        values = block.gather(1, ids[:, None])[:, 0] - block.logsumexp(1)
        return list(zip(values.tolist(), (block.argmax(1) == ids).tolist(), strict=True))
    import numpy as np

    peaks = block.max(axis=1)
    totals = peaks + np.log(np.exp(block - peaks[:, None]).sum(axis=1, dtype=np.float64))
    values = block[np.arange(len(block)), list(tokens)] - totals
    return list(zip(values.tolist(), (block.argmax(axis=1) == np.asarray(tokens)).tolist(), strict=True))
