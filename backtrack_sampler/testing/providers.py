"""The contract of providers, as a check that their authors run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import BacktrackError
from ..provider.base_provider import BaseProvider

__all__ = ["check_provider"]


def check_provider(provider: BaseProvider, text: str = "the quick brown fox", tolerance: float = 1e-4) -> None:
    """Check what every provider must keep to, on a real or a fake model.

    A row of logits is an array or tensor that strategies can index and change. The same tokens give
    the same logits, whatever was asked before: after going back by 1, 5, 40 and all but one, after
    other texts, and where one row of a batch goes back; `peek`, `peek_batch` and `recall` give the
    same; the logits are the caller's to change; going back inside the window costs no evaluation; a
    prefix is evaluated once.

    Args:
        provider: the model; it is reset.
        text: something its vocabulary can spell.
        tolerance: largest difference between logits that counts as equal.

    Raises:
        AssertionError: with what was broken.
    """
    name = type(provider).__name__
    tokens = provider.encode(text)
    assert tokens, f"{name}.encode({text!r}) gave no tokens"
    assert provider.decode(tokens).strip() == text.strip(), f"{name}.decode(encode(text)) is not the text"
    while len(tokens) < 50:
        tokens = tokens + tokens
    tokens = tokens[:50]

    def one_by_one(text: list[int]) -> list[float]:
        for length in range(1, len(text) + 1):
            row = provider.logits(text[:length])
        return _values(row)

    def free(what: str, cost: int) -> None:
        assert provider.forward_passes == cost, f"{name}: {what} cost a forward pass"

    provider.reset()
    _check_row(name, _row(provider, tokens[:1]), provider.vocabulary_size)
    others = {back: tokens[: 50 - back] + [t for t in tokens if t != tokens[50 - back]][:2] for back in (5, 40)}
    fresh = {}
    for back, other in others.items():
        provider.reset()
        fresh[-back] = one_by_one(other)
    provider.reset()
    fresh |= {count: one_by_one(tokens[:count]) for count in (1, 10, 45, 49, 50)}
    row = provider.logits(tokens)
    row[0] = math.inf
    assert _values(provider.logits(tokens))[0] != math.inf, f"{name}.logits returned its own memory"
    for back in (5, 40, 1, 49):
        _same(one_by_one(tokens), fresh[50], tolerance, f"{name}: writing the same again")
        before = provider.forward_passes
        found = _values(provider.logits(tokens[: 50 - back]))
        _same(found, fresh[50 - back], tolerance, f"{name}: going back by {back}")
        free(f"going back by {back}", before)
        if back in others:
            what = f"{name}: going back by {back} and on with something else"
            _same(one_by_one(others[back]), fresh[-back], tolerance, what)
    before = provider.forward_passes
    _same(_values(provider.peek(tokens[:1])), found, 0.0, f"{name}.peek")
    _same(_values(provider.recall(tokens[:1])), found, 0.0, f"{name}.recall")
    assert provider.recall(tokens[::-1]) is None, f"{name}.recall knows the logits of tokens that nobody asked for"
    free("peek and recall of what was asked before", before)
    provider.logits(tokens[::-1])
    _same(one_by_one(tokens[:45]), fresh[45], tolerance, f"{name}: coming back after another text")
    _check_rows(provider, name, tokens, tolerance)
    provider.reset()
    assert provider.recall(tokens[:10]) is None, f"{name}.reset has forgotten nothing"
    try:
        provider.logits([])
    except BacktrackError:
        return
    raise AssertionError(f"{name}.logits([]) must raise InputError")


def _check_rows(provider: BaseProvider, name: str, tokens: list[int], tolerance: float) -> None:
    """One row of a batch goes back, and the others stay where they are."""
    begun = [tokens[:10], tokens[5:25], tokens[20:28]]
    lengths = (8, 3, 8)
    grown = [
        [_values(row) for row in provider.logits_batch([row + tokens[:count] for row in begun])]
        for count in range(max(lengths) + 1)
    ]
    sequences = [row + tokens[:count] for row, count in zip(begun, lengths, strict=True)]
    alone = [_values(provider.logits(sequence)) for sequence in sequences]
    for index, count in enumerate(lengths):
        # Rounding may differ with the size of a batch, so it is only the nearest.
        distances = [_distance(grown[count][index], row, sum) for row in alone]
        nearest = distances.index(min(distances))
        assert distances[index] == distances[nearest], (
            f"{name}.logits_batch gave row {index} the logits of row {nearest}"
        )
    for _ in range(2):
        found = provider.logits_batch(sequences)
        for index, count in enumerate(lengths):
            what = f"{name}: row {index} of a batch, in which row 1 went back,"
            _same(_values(found[index]), grown[count][index], tolerance, what)
            found[index][0] = math.inf  # the second time must not find it
    before = provider.forward_passes
    for index, row in enumerate(provider.peek_batch(sequences)):
        expected = grown[lengths[index]][index]
        _same(_values(row), expected, tolerance, f"{name}.peek_batch")
        _same(_values(provider.recall(sequences[index])), expected, tolerance, f"{name}.recall of row {index}")
    assert provider.forward_passes == before, f"{name}: what a batch was just asked cost a forward pass"


def _row(provider: BaseProvider, tokens: list[int]) -> Any:
    try:
        return provider.logits(tokens)
    except (AttributeError, TypeError, ValueError) as error:  # rows are remembered and copied on the way
        raise AssertionError(
            f"{type(provider).__name__}._evaluate returned no row of logits ({type(error).__name__}: {error}): "
            "return a NumPy array or a torch tensor, float32, shape (vocab,)"
        ) from error


def _check_row(name: str, row: Any, vocabulary_size: int | None) -> None:
    """Whether it is what strategies are promised: float32, shape (vocab,), to be indexed and changed."""
    wanted = "return a NumPy array or a torch tensor, float32, shape (vocab,)"
    assert hasattr(row, "shape"), f"{name}.logits returned a {type(row).__name__}: {wanted}"
    dtype = str(getattr(row, "dtype", "float32")).rpartition(".")[2]
    kind = (dtype, len(row.shape))
    assert kind == ("float32", 1), f"{name}.logits returned {dtype}, shape {tuple(row.shape)}: {wanted}"
    assert vocabulary_size in (None, len(row)), (
        f"{name}.logits returned {len(row)} logits, and its vocabulary_size is {vocabulary_size}"
    )
    try:
        row[[0, len(row) - 1]] = -math.inf
        row[:1] = 0.0
        row *= 0.5
    except Exception as error:
        raise AssertionError(f"{name}.logits returned what cannot be changed in place ({error}): {wanted}") from error


def _values(row: Any) -> list[float]:
    return [float(value) for value in row.tolist()]


def _distance(found: list[float], expected: list[float], over: Callable[[Iterable[float]], float]) -> float:
    return over(0.0 if a == b else abs(a - b) for a, b in zip(found, expected, strict=True))


def _same(found: list[float], expected: list[float], tolerance: float, what: str) -> None:
    worst = _distance(found, expected, max)
    assert worst <= tolerance, f"{what} changed the logits by {worst:.2g}"
