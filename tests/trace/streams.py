"""Streams with random rollbacks on a fake model, to record."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from backtrack_sampler import BacktrackSampler, BaseStrategy, Stats, TakeBack, Trace
from backtrack_sampler.testing import FakeProvider

#: Words, parts of characters, and everything that a page or a file could trip over.
VOCABULARY: list[str | bytes] = [
    "a", " b", "word ", " the", "STOP", "so STOP it", "S", "T", "\n", "\n\n", "\t", " ", "  ", "漢", "é", "e\u0301",
    b"\xe6", b"\xbc", b"\xa2", b"\xf0\x9f", b"\x98\x80", b"\xff", "\r\n", "\u2028", "\x00", "\x1b[2J", "\u202eabc",
    "<script>alert(1)</script>", "</script>", "<!--", "-->", "&lt;", "<img src=x onerror=alert(1)>", "{{data}}", " שלום", "",
]  # fmt: skip


class GoesBack(BaseStrategy):
    """Takes back up to everything that is held; tokens are released by the dozen."""

    def __init__(self, seed: int, often: float) -> None:
        self._random = random.Random(seed)
        self._often = often

    def backtrack(self, tokens: list[int]) -> int:
        held = (len(tokens) - 1) % 12 + 1
        if self._random.random() >= self._often:
            return 0
        return TakeBack(self._random.randint(1, held), self._random.choice(["", "so", "<b>why</b>"]))

    def at_end(self, tokens: list[int]) -> int:
        return 1 if tokens and len(tokens) % 12 and self._random.random() < 0.1 else 0

    def pending(self, tokens: list[int]) -> int:
        return len(tokens) % 12


def record(
    seed: int, often: float = 0.3, *, stop: Sequence[str] = (), tokens: int = 40, eos: int | None = None, **options: Any
) -> tuple[Trace, str, Stats]:
    """One stream: its trace, its text and what it has cost."""
    provider = FakeProvider(VOCABULARY, eos=eos, seed=seed)
    trace = Trace(provider, "a the")
    sampler = BacktrackSampler(provider, GoesBack(seed, often))
    settings = {"max_new_tokens": tokens, "temperature": 2.0, "seed": seed, "max_discarded": 20 * tokens, **options}
    text = sampler.generate_text("a the", stop=list(stop), on_event=trace, **settings)
    return trace, text, sampler.stats


def taken_back(words: Sequence[str | bytes], rollbacks: Sequence[tuple[int, int]], **options: Any) -> tuple[Trace, str]:
    """A stream in which these words are drawn one after the other, and then an end token.

    Each rollback is (after so many draws, take so many tokens back).
    """

    class Scripted(BaseStrategy):
        def __init__(self) -> None:
            self.drawn = 0
            self.left = list(rollbacks)

        def on_probs(self, probs: Any, tokens: list[int]) -> Any:
            best = min(self.drawn, len(words))
            others = {token: share / 2 for token, share in probs.items() if token != best}
            return {best: 0.5 + probs.get(best, 0.0) / 2, **others}

        def on_next_token(self, tokens: list[int], probs: Any) -> None:
            self.drawn += 1

        def backtrack(self, tokens: list[int]) -> int:
            if self.left and self.left[0][0] == self.drawn:
                return TakeBack(self.left.pop(0)[1], "scripted")
            return 0

        def pending(self, tokens: list[int]) -> int:
            return len(tokens) if self.left else 0

    provider = FakeProvider([*words, ""])
    trace = Trace(provider, [0])
    sampler = BacktrackSampler(provider, Scripted())
    text = sampler.generate_text([0], temperature=0, on_event=trace, **options)
    return trace, text


def broken_off() -> Trace:
    """A stream of "abbbb" whose reader goes away after the first token."""

    class Holds(BaseStrategy):
        drawn = 0

        def on_next_token(self, tokens: list[int], probs: Any) -> None:
            self.drawn = len(tokens)

        def pending(self, tokens: list[int]) -> int:
            return len(tokens) - (self.drawn >= 5)

    provider = FakeProvider(["a", "b"], lambda tokens: [0.0, 1.0] if len(tokens) > 1 else [1.0, 0.0])
    trace = Trace(provider, [1])
    stream = BacktrackSampler(provider, Holds()).stream_text([1], temperature=0, on_event=trace)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    return trace
