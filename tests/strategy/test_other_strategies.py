"""Adaptive temperature, debug and chain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtrack_sampler import (
    AdaptiveTemperatureStrategy,
    BacktrackSampler,
    BaseStrategy,
    ChainStrategy,
    DebugStrategy,
    InputError,
    Rollback,
)
from backtrack_sampler.testing import FakeProvider


def test_adaptive_temperature_is_quest_best_tokens() -> None:
    """Beta is the polynomial of the entropy in nats, at least 1, and 1 up to an entropy of 0.5."""
    row = np.array([2.0, 1.0, 0.5, 0.0, -1.0] * 3, np.float32)
    shares = np.exp(row) / np.exp(row).sum()
    x = float(-(shares * np.log(shares)).sum())
    beta = max(1.0, float(np.polyval([-0.037, 0.481, -2.3, 4.917, -1.791], x)))
    assert beta > 1
    np.testing.assert_allclose(AdaptiveTemperatureStrategy().on_logits(row.copy(), []), row * beta, rtol=1e-4)
    sure = np.array([9.0, 0.0, 0.0], np.float32)
    np.testing.assert_array_equal(AdaptiveTemperatureStrategy().on_logits(sure.copy(), []), sure)
    with pytest.raises(InputError, match="poly_coeffs"):
        AdaptiveTemperatureStrategy([])


def test_adaptive_temperature_begins_at_an_entropy_of_a_half() -> None:
    """Just below it nothing changes; just above, any beta that is more than 1 multiplies."""
    for share, entropy, factor in ((0.80, 0.5004, 1.5), (0.801, 0.4990, 1.0)):
        assert -(share * math.log(share) + (1 - share) * math.log(1 - share)) == pytest.approx(entropy, abs=1e-4)
        row = np.log(np.array([share, 1 - share], np.float32))
        np.testing.assert_allclose(AdaptiveTemperatureStrategy([1.5]).on_logits(row.copy(), []), row * factor)
        np.testing.assert_array_equal(AdaptiveTemperatureStrategy([0.9]).on_logits(row.copy(), []), row)


def test_debug_prints_the_two_most_probable(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a step on stderr, so that it does not mix with the text."""
    provider = FakeProvider(["a", "b", "c"], lambda _: [2.0, 1.0, -50.0], eos=-1)
    list(BacktrackSampler(provider, DebugStrategy(provider)).generate("a", max_new_tokens=2, seed=1))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    best, second = 1 / (1 + math.exp(-1)), 1 / (1 + math.e)
    assert lines[0].split() == ["0:", "'a'", f"{best:.4f}", "'b'", f"{second:.4f}"]


class Asks(BaseStrategy):
    """Asks for tokens back at some length, once, and records what it hears."""

    def __init__(self, at: int, count: int) -> None:
        self.at, self.count, self.heard, self.asked = at, count, [], False

    def backtrack(self, tokens) -> int:
        if len(tokens) == self.at and not self.asked:
            self.asked = True
            return self.count
        return 0

    def on_rollback(self, tokens) -> None:
        self.heard.append(len(tokens))

    def pending(self, tokens) -> int:
        return min(self.count, len(tokens))


class AsksMore(Asks):
    pass


def test_in_a_chain_the_first_that_asks_wins_and_all_hear() -> None:
    """One rollback, by the first; all are told; what is held is the most careful one's."""
    first, second = Asks(4, 1), AsksMore(4, 3)
    events = []
    sampler = BacktrackSampler(FakeProvider(eos=-1), ChainStrategy([first, second]))
    tokens = list(sampler.generate("a", max_new_tokens=8, seed=1, on_event=events.append))
    rollbacks = [(e.who, len(e.tokens)) for e in events if isinstance(e, Rollback)]
    assert rollbacks == [("Asks", 1), ("AsksMore", 3)]
    assert first.heard == second.heard == [3, 1]
    assert len(tokens) == 8


def test_a_chain_needs_a_strategy() -> None:
    """An empty one is refused, and so is what is no strategy."""
    with pytest.raises(InputError, match="at least one"):
        ChainStrategy([])
    twice = DebugStrategy(FakeProvider())
    with pytest.raises(InputError, match="same strategy object is there twice"):
        ChainStrategy([twice, twice])
    with pytest.raises(InputError, match="not a strategy"):
        ChainStrategy(["antislop"])
