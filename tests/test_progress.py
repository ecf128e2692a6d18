"""The bar of a batch."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from backtrack_sampler import BacktrackSampler, BaseStrategy
from backtrack_sampler.testing import FakeProvider


class Fails(BaseStrategy):
    def on_next_token(self, tokens: list[int], probs: Any) -> None:
        raise ZeroDivisionError


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [bar for bar in capsys.readouterr().err.split("\r") if bar.strip()]


def test_it_begins_where_the_run_was(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of earlier runs are counted, and have no part in the time that is left."""
    batch = BacktrackSampler(FakeProvider(["a", "b", ""])).generate_batch(["a"] * 4, max_new_tokens=5)
    rows = batch.results(progress=True, done=36)
    bars = []
    for _ in rows:
        bars += shown(capsys)
    bars += shown(capsys)
    assert re.match(r" 90%\|.*\| 36/40 \[00:00, \? left\]$", bars[0])
    assert re.match(r"100%\|.*\| 40/40 \[00:00, 00:00 left, \d+ tokens/s, 0 rollbacks\]$", bars[-1].rstrip())


def test_it_counts_what_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """At the end all of it is there."""
    batch = BacktrackSampler(FakeProvider(["a", "b"])).generate_batch(["a"] * 3, Fails, max_new_tokens=5)
    assert len(list(batch.results(progress=True))) == 3
    assert shown(capsys)[-1].rstrip().endswith(" tokens/s, 0 rollbacks, 3 failed]")


def test_without_tqdm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shown, and nothing fails."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    batch = BacktrackSampler(FakeProvider(["a", "b"])).generate_batch(["a"] * 3, Fails, max_new_tokens=5)
    assert len(batch.dicts(progress=True)) == 3
    assert capsys.readouterr().err == ""
