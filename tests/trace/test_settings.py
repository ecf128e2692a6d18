"""Settings and parameters in words short enough to be read."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import numpy as np
import pytest

from backtrack_sampler import OperatorStrategy, Participant, ReplaceStrategy, SessionOptions, Started
from backtrack_sampler.operators import NGramOverlap, Step
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.trace.settings import options_of, parameters_of, plain


def short(value: Any) -> str:
    (text,) = parameters_of(Participant("X", {"x": value}))
    return text.removeprefix("x=")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (True, "True"),
        (None, "None"),
        (math.inf, "inf"),
        (np.float32(0.5), "0.5"),
        (np.int64(3), "3"),
        ("</think>", "“</think>”"),
        ("\nWait", "“↵Wait”"),
        (r"not\b.{1,60}", r"“not\b.{1,60}”"),
        (["a", "b", "c", "d", "e"], "[“a”, “b”, “c”, “d”, “e”]"),
        (("a", "b", "c", "d", "e", "f"), "[“a”, “b”, “c”, … 6 in all]"),
        ({"b", "a"}, "[“a”, “b”]"),
        ([["city", 3]], "[[“city”, 3]]"),
        ({"city": 3, "a": 0.5}, "{“city”: 3, “a”: 0.5}"),
        ({number: number for number in range(8000)}, "{“0”: 0, “1”: 1, “2”: 2, … 8,000 in all}"),
        ("x" * 8000, "“" + "x" * 100 + "…”"),
        (range(4), "range(0, 4)"),
        (threading.Lock(), "<unlocked _thread.lock object>"),
        (max, "“max”"),
        ("<function Some.<locals>.rule at 0x7f38a183e840>", "“rule”"),  # as older files have it
    ],
)
def test_parameters(value: Any, text: str) -> None:
    """Each on one line: of long lists and texts the beginning, of other things their names, and never an address."""
    assert short(value) == text
    json.loads(json.dumps(plain(value)))


def test_parameters_of_an_operator() -> None:
    """They are shown as the operator's own; a function has none."""

    def no_z(step: Step) -> int:
        return 0

    def told(strategy: OperatorStrategy, saved: bool) -> list[str]:
        parameters = strategy._arguments
        return parameters_of(
            Participant(str(strategy), json.loads(json.dumps(plain(parameters))) if saved else parameters)
        )

    for saved in (False, True):
        assert told(OperatorStrategy(NGramOverlap(3)), saved) == ["ngram_size=3, backtrack_count=1"]
        assert told(OperatorStrategy(NGramOverlap(3), retry="resample"), saved)[1:] == ["retry=“resample”"]
        assert told(OperatorStrategy(no_z, 2), saved) == ["backtrack_every_n=2"]
        assert told(OperatorStrategy(lambda step: 0), saved) == []


def test_parameters_of_a_strategy() -> None:
    """Those that it was made with, without the provider."""
    strategy = ReplaceStrategy(FakeProvider(), "</think>", replace="\nWait", max_prob=0.5)
    assert parameters_of(Participant(str(strategy), strategy._arguments)) == [
        "find=“</think>”", "replace=“↵Wait”", "max_prob=0.5",
    ]  # fmt: skip


def test_options() -> None:
    """Seed and temperature always; filters and limits where there are any; the rest where it is not as usual."""
    usual = SessionOptions(seed=3, top_k=0)
    assert options_of(Started((), usual, model="m")) == [("model", "m"), ("seed", "3"), ("temperature", "1.0")]
    other = SessionOptions(
        seed=3, temperature=0, min_p=0.1, max_new_tokens=1, stop=("a", "\n"), max_retries=5, on_exhausted="accept"
    )
    assert options_of(Started((), other)) == [
        ("seed", "3"), ("temperature", "0 (greedy)"), ("top-k", "50"), ("min-p", "0.1"), ("at most", "1 token"),
        ("stop at", "“a”, “↵”"), ("max retries", "5"), ("on exhausted", "accept"),
    ]  # fmt: skip
