"""The contract of providers, as a check that their authors run."""

from __future__ import annotations

import math
from typing import Any

from ..errors import BacktrackError
from ..provider.base_provider import BaseProvider

__all__ = ["check_provider"]


def check_provider(provider: BaseProvider, text: str = "the quick brown fox", tolerance: float = 1e-4) -> None:
    """Check what every provider must keep to, on a real or a fake model.

    The same tokens give the same logits, whatever was asked before: after going back by 1, 5, 40 and
    all but one, after other texts, and where one row of a batch goes back; the logits are the
    caller's to change; going back inside the window costs no evaluation; a prefix is evaluated once.

    Args:
        provider: the model; it is reset.
        text: something its vocabulary can spell.
        tolerance: largest difference between logits that counts as equal.

    Raises:
        AssertionError: with what was broken.
    """
    tokens = provider.encode(text)
    assert tokens, f"encode({text!r}) gave no tokens"
    assert provider.decode(tokens).strip() == text.strip(), "decode(encode(text)) is not the text"
    while len(tokens) < 50:
        tokens = tokens + tokens
    tokens = tokens[:50]

    def one_by_one(count: int) -> list[float]:
        for length in range(1, count + 1):
            row = provider.logits(tokens[:length])
        return _values(row)

    provider.reset()
    fresh = {count: one_by_one(count) for count in (1, 10, 45, 49, 50)}
    row = provider.logits(tokens)
    row[0] = math.inf
    assert _values(provider.logits(tokens))[0] != math.inf, "logits() returned its own memory"
    for back in (1, 5, 40, 49):
        one_by_one(50)
        before = provider.forward_passes
        found = _values(provider.logits(tokens[: 50 - back]))
        _same(found, fresh[50 - back], tolerance, f"going back by {back}")
        assert provider.forward_passes == before, f"going back by {back} cost a forward pass"
    provider.logits(tokens[::-1])
    _same(one_by_one(45), fresh[45], tolerance, "coming back after another text")
    _check_rows(provider, tokens, tolerance)
    try:
        provider.logits([])
    except BacktrackError:
        return
    raise AssertionError("logits([]) must raise InputError")


def _check_rows(provider: BaseProvider, tokens: list[int], tolerance: float) -> None:
    """One row of a batch goes back, and the others stay where they are."""
    begun = [tokens[:10], tokens[5:25], tokens[20:28]]
    lengths = (8, 3, 8)
    grown = [
        [_values(row) for row in provider.logits_batch([row + tokens[:count] for row in begun])]
        for count in range(max(lengths) + 1)
    ]
    sequences = [row + tokens[:count] for row, count in zip(begun, lengths, strict=True)]
    for _ in range(2):
        found = provider.logits_batch(sequences)
        for index, count in enumerate(lengths):
            what = f"row {index} of a batch, in which row 1 went back,"
            _same(_values(found[index]), grown[count][index], tolerance, what)
            found[index][0] = math.inf  # the second time must not find it


def _values(row: Any) -> list[float]:
    return [float(value) for value in row.tolist()] if hasattr(row, "tolist") else list(row)


def _same(found: list[float], expected: list[float], tolerance: float, what: str) -> None:
    worst = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    assert worst <= tolerance, f"{what} changed the logits by {worst:.2g}"
