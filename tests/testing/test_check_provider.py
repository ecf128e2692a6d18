"""The check of providers bites: rows that a strategy could not index, memories that are wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from backtrack_sampler.testing import FakeProvider, ListLogits, check_provider


class Spelling(FakeProvider):
    """A fake that can spell the text, and hands out its rows through a function."""

    def __init__(self, form: Any = ListLogits, **options: Any) -> None:
        super().__init__([*"abcdefghijklmnopqrstuvwxyz ", ""], eos=27, **options)
        self.form = form

    def answer(self, sequence: list[int]) -> Any:
        return self.form(super().answer(sequence))


@pytest.mark.parametrize("form", [ListLogits, lambda row: np.array(row, np.float32), torch.tensor])
@pytest.mark.parametrize("droppable", [True, False])
def test_rows_in_every_library_pass(form: Any, droppable: bool) -> None:
    """Lists of ours, arrays and tensors; also where the memory cannot drop a suffix."""
    check_provider(Spelling(form, droppable=droppable))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (tuple, r"Spelling\._evaluate returned no row of logits \(AttributeError.*return a NumPy array"),
        (list, r"Spelling\.logits returned a list: return a NumPy array"),
        (lambda row: None, r"Spelling\._evaluate returned no row"),
        (lambda row: np.array([row], np.float32), r"Spelling\.logits returned float32, shape \(1, 28\): .*\(vocab,\)"),
        (lambda row: torch.tensor([row]), r"Spelling\.logits returned float32, shape \(1, 28\)"),
        (lambda row: np.array(row), r"Spelling\.logits returned float64, shape \(28,\)"),
        (lambda row: torch.tensor(row, dtype=torch.bfloat16), r"Spelling\.logits returned bfloat16"),
        (
            lambda row: np.array(row[:-1], np.float32),
            r"Spelling\.logits returned 27 logits, and its vocabulary_size is 28",
        ),
    ],
)
def test_a_row_that_a_strategy_could_not_index(form: Any, message: str) -> None:
    """Another type, shape, dtype or length is refused in one line that names class and method."""
    with pytest.raises(AssertionError, match=message):
        check_provider(Spelling(form))


class Frozen(Spelling):
    def logits(self, tokens: Any) -> Any:
        row = np.array(super().logits(tokens), np.float32)
        row.flags.writeable = False
        return row


class OwnMemory(Spelling):
    def logits(self, tokens: Any) -> Any:
        return self.peek(tokens)


class LosesToken(Spelling):
    """Drops one token too many where it goes back."""

    def _evaluate(self, tokens: list[int], start: int) -> Any:
        held = getattr(self, "held", [])[:start]
        self.held = held + tokens
        return self.answer(self.held)

    def _keep(self, length: int, tokens: list[int]) -> int:
        self.held = tokens[: length - 1] + [0] * (length > 0)
        return length


class Drifts(Spelling):
    """Gives another answer each time."""

    def answer(self, sequence: list[int]) -> Any:
        return super().answer([*sequence, len(self.asked)])


class Forgets(Spelling):
    """Remembers no logits."""

    def peek(self, tokens: Any) -> Any:
        self._one.reset()
        return super().peek(tokens)


class OtherPeek(Spelling):
    def peek(self, tokens: Any) -> Any:
        return super().peek(tokens) + 1

    def logits(self, tokens: Any) -> Any:
        return super().peek(tokens).copy()


class Inventive(Spelling):
    def recall(self, tokens: Any) -> Any:
        return self.peek(tokens)


class Silent(Spelling):
    def recall(self, tokens: Any) -> Any:
        found = super().recall(tokens)
        return found if found is None or self._batch is None else found - 1


class NeverResets(Spelling):
    def reset(self) -> None:
        pass


class MixesRows(Spelling):
    def logits_batch(self, sequences: Any) -> Any:
        return super().logits_batch(sequences)[::-1]


class AcceptsNothing(Spelling):
    def logits(self, tokens: Any) -> Any:
        return super().logits(tokens or [0])


class Misspells(Spelling):
    def decode(self, tokens: Any) -> str:
        return super().decode(tokens).upper()


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (Frozen, r"Frozen\.logits returned what cannot be changed in place"),
        (OwnMemory, r"OwnMemory\.logits returned its own memory"),
        (LosesToken, r"LosesToken: going back by 5 and on with something else changed"),
        (Drifts, r"Drifts: going back by 5 and on with something else changed"),
        (Forgets, r"Forgets: going back by 5 cost a forward pass"),
        (OtherPeek, r"OtherPeek\.peek changed the logits by 1"),
        (Inventive, r"Inventive\.recall knows the logits of tokens that nobody asked for"),
        (Silent, r"Silent\.recall of row 0 changed the logits by 1"),
        (NeverResets, r"NeverResets\.reset has forgotten nothing"),
        (MixesRows, r"MixesRows\.logits_batch gave row 0 the logits of row 2"),
        (AcceptsNothing, r"AcceptsNothing\.logits\(\[\]\) must raise InputError"),
        (Misspells, r"Misspells\.decode\(encode\(text\)\) is not the text"),
    ],
)
def test_a_provider_that_is_wrong(provider: type[Spelling], message: str) -> None:
    """Each breach is found, and the provider is named."""
    with pytest.raises(AssertionError, match=message):
        check_provider(provider())


def test_infinite_logits_count_as_equal() -> None:
    """A model may ban a token for good: -inf is the same as -inf."""

    class Bans(Spelling):
        def answer(self, sequence: list[int]) -> Any:
            row = super().answer(sequence)
            row[0] = -math.inf
            return row

    check_provider(Bans())
