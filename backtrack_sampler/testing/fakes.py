"""A model without a model, and its logits."""

from __future__ import annotations

import math
import operator
import random
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..provider.base_provider import BaseProvider
from ..provider.memory import Memory
from ..provider.row import Row, Work

__all__ = ["FakeProvider", "ListLogits"]


class _Float(float):
    def item(self) -> float:
        return float(self)


class _Int(int):
    def item(self) -> int:
        return int(self)


class ListLogits(list[float]):
    """Logits as a Python list, with what NumPy arrays and torch tensors share and strategies use.

    Arithmetic and comparisons (with numbers) go value by value; an index is a number, a slice, a
    list of numbers or a mask.
    """

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    def __getitem__(self, index: Any) -> Any:
        if hasattr(index, "__index__"):
            return _Float(super().__getitem__(index))
        return ListLogits(super(ListLogits, self).__getitem__(i) for i in self._places(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        if hasattr(index, "__index__"):
            super().__setitem__(index, float(value))
            return
        places = self._places(index)
        for place, each in zip(places, _values(value, len(places)), strict=True):
            super().__setitem__(place, float(each))

    def _places(self, index: Any) -> Sequence[int]:
        if isinstance(index, slice):
            return range(*index.indices(len(self)))
        if not isinstance(index, (list, range)):
            raise TypeError(f"logits have one index, a number, a slice, a list or a mask, not {index!r}")
        if index and all(isinstance(each, bool) for each in index):
            return [place for place, wanted in zip(range(len(self)), index, strict=True) if wanted]
        return index

    def __eq__(self, other: object) -> Any:
        return super().__eq__(other) if isinstance(other, list) else ListLogits(each == other for each in self)

    def __ne__(self, other: object) -> Any:
        return super().__ne__(other) if isinstance(other, list) else ListLogits(each != other for each in self)

    __hash__ = None

    def max(self) -> float:
        return _Float(max(self))

    def min(self) -> float:
        return _Float(min(self))

    def sum(self) -> float:
        return _Float(sum(self))

    def mean(self) -> float:
        return _Float(sum(self) / len(self))

    def argmax(self) -> int:
        return _Int(self.index(max(self)))

    def argmin(self) -> int:
        return _Int(self.index(min(self)))

    def argsort(self) -> list[int]:
        return sorted(range(len(self)), key=super().__getitem__)

    def any(self) -> bool:
        return any(self)

    def all(self) -> bool:
        return all(self)

    def clip(self, min: float | None = None, max: float | None = None) -> ListLogits:
        low, high = -math.inf if min is None else min, math.inf if max is None else max
        return ListLogits(low if each < low else high if each > high else each for each in self)

    def __neg__(self) -> ListLogits:
        return self * -1  # type: ignore[return-value]

    def __invert__(self) -> ListLogits:
        return ListLogits(not each for each in self)

    def tolist(self) -> list[float]:
        return list(self)

    def copy(self) -> ListLogits:
        return ListLogits(self)


def _values(value: Any, count: int) -> Any:
    """One value for each place: those of another row, or the same number for all."""
    return value if hasattr(value, "__len__") and getattr(value, "ndim", True) else [value] * count


def _each(operate: Callable[[Any, Any], Any]) -> Callable[[ListLogits, Any], ListLogits]:
    def method(self: ListLogits, other: Any) -> ListLogits:
        return ListLogits(operate(a, b) for a, b in zip(self, _values(other, len(self)), strict=True))

    return method


def _swapped(operate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: operate(b, a)


def _in_place(operate: Callable[[Any, Any], Any]) -> Callable[[ListLogits, Any], ListLogits]:
    def method(self: ListLogits, other: Any) -> ListLogits:
        self[:] = _each(operate)(self, other)
        return self

    return method


for _name in ("lt", "le", "gt", "ge", "and_", "or_"):
    setattr(ListLogits, f"__{_name.rstrip('_')}__", _each(getattr(operator, _name)))
for _name in ("add", "sub", "mul", "truediv", "pow"):
    _operate = getattr(operator, _name)
    setattr(ListLogits, f"__{_name}__", _each(_operate))
    setattr(ListLogits, f"__r{_name}__", _each(_swapped(_operate)))
    setattr(ListLogits, f"__i{_name}__", _in_place(_operate))


class FakeProvider(BaseProvider):
    """A deterministic model over a few words, with nothing installed.

    Args:
        vocabulary: the text of each token (bytes for parts of characters); an end token has none.
        logits: tokens to logits; None gives random ones that depend only on seed and tokens.
        eos: the end token's id; None: the last token, where its text is empty; -1: no end token.
        seed: of the random logits.
        context_size: most tokens, None for no limit.
        droppable: False behaves as a recurrent memory that cannot drop a suffix.
        remember: see `BaseProvider`.
        special_tokens: how tokens are written that have no text in the vocabulary, such as "</think>".

    Attributes:
        asked: the (start, new tokens) of each evaluation; in a batch, of each row.
        droppable: as given.
    """

    def __init__(
        self,
        vocabulary: Iterable[str | bytes] = ("a", "b", "c", " ", ".", " ab", ""),
        logits: Callable[[list[int]], Sequence[float]] | None = None,
        *,
        eos: int | None = None,
        seed: int = 0,
        context_size: int | None = None,
        droppable: bool = True,
        remember: int = 64,
        special_tokens: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(remember)
        self._special_tokens = dict(special_tokens or {})
        self.vocabulary = [t.encode() if isinstance(t, str) else t for t in vocabulary]
        if eos is None:
            eos = len(self.vocabulary) - 1 if self.vocabulary[-1] == b"" else -1
        self.eos_token_ids = frozenset([eos] if eos >= 0 else [])
        self.context_size = context_size
        self.vocabulary_size = len(self.vocabulary)
        self.asked: list[tuple[int, list[int]]] = []
        self._logits = logits
        self._seed = seed
        self.droppable = droppable

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Greedy, longest piece first.

        Raises:
            ValueError: the vocabulary cannot spell it.
        """
        data, tokens = text.encode(), []
        written = dict(enumerate(self.vocabulary)) | {t: s.encode() for t, s in self._special_tokens.items()}
        order = sorted(written, key=lambda t: -len(written[t]))
        while data:
            for token in order:
                if written[token] and data.startswith(written[token]):
                    tokens.append(token)
                    data = data[len(written[token]) :]
                    break
            else:
                raise ValueError(f"the fake vocabulary cannot spell {data.decode(errors='replace')!r}")
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(self.vocabulary[token] for token in tokens).decode(errors="replace")

    @property
    def special_tokens(self) -> Mapping[int, str]:
        return self._special_tokens

    def neutral_tokens(self) -> list[int]:
        return []  # nothing depends on what comes before, and the vocabulary may have no full stop

    def encode_within(self, text: str) -> list[int]:
        return self.encode(text)

    def _evaluate(self, tokens: list[int], start: int) -> ListLogits:
        self.asked.append((start, list(tokens)))
        return self.answer(self._evaluated[:start] + tokens)

    def _keep(self, length: int, tokens: list[int]) -> int:
        return length if self.droppable else 0

    def _new_batch(self) -> Memory:
        return _FakeBatch(self, self._remember)

    def answer(self, sequence: list[int]) -> ListLogits:
        """The logits after these tokens, from nothing but them."""
        if self._logits is not None:
            return ListLogits(self._logits(sequence))
        rng = random.Random(hash((self._seed, *sequence)))
        return ListLogits(rng.gauss(0, 2) for _ in self.vocabulary)


class _FakeBatch(Memory):
    """Rows that are lists. Answers come from what they hold, so that a wrong row gives a wrong answer."""

    def __init__(self, provider: FakeProvider, remember: int) -> None:
        super().__init__(provider, remember)
        self._fake: FakeProvider = weakref.proxy(provider)  # no cycle, as in `Memory`
        self._held: list[list[int]] = []

    def _make_room(self, rows: int, length: int) -> None:
        self._held += [[] for _ in range(rows - len(self._held))]

    def _evaluate(self, work: list[Work]) -> list[ListLogits]:
        self._fake.forward_passes += 1
        found = []
        for row, tokens, start in work:
            self._fake.evaluated_tokens += len(tokens)
            self._fake.asked.append((start, list(tokens)))
            held = self._held[row.place]
            held[start:] = tokens
            found.append(self._fake.answer(held))
        return found

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        return length if self._fake.droppable else 0

    def _share(self, source: Row, target: Row, length: int) -> int:
        if not self._fake.droppable and length < len(self._held[source.place]):
            return 0
        self._held[target.place] = self._held[source.place][:length]
        return length

    def reset(self) -> None:
        super().reset()
        self._held = []
