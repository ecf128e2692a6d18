"""The contract, for every strategy that discovery finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backtrack_sampler import (
    AntiSlopStrategy,
    BaseStrategy,
    CreativeWritingStrategy,
    HumanGuidanceStrategy,
    OperatorStrategy,
    ReplaceStrategy,
)
from backtrack_sampler.discovery import strategy_names
from backtrack_sampler.operators import EntropyThreshold, NGramOverlap, ProbabilityThreshold, Repetition
from backtrack_sampler.specs import parse_spec
from backtrack_sampler.testing import check_strategy


class Steady:
    """A person who always answers the same to the same question."""

    def choose(self, menu: Any) -> int:
        return len(menu.text) % len(menu.options) if menu.options else 0

    def close(self) -> None:
        pass


#: Those that need more than a provider, or are worth checking with other parameters too.
MAKERS: dict[str, list[Callable[[Any], BaseStrategy]]] = {
    "antislop": [
        lambda p: AntiSlopStrategy(p, {"ab": 1, "b c": 0.5}, regexes=[r"c+ "], whole_words=True),
        lambda p: AntiSlopStrategy(p, ["a", "b", "c b"], skip_tokens=2),
        lambda p: AntiSlopStrategy(p, {"a": 0.9, "b ": 0.6, ". ": 0.3}),
    ],
    "creative_writing": [
        lambda p: CreativeWritingStrategy(p),
        lambda p: CreativeWritingStrategy(p, 0.5, 3),
        lambda p: CreativeWritingStrategy(p, 0.9, 3),
    ],
    "human_guidance": [lambda p: HumanGuidanceStrategy(p, screen=Steady())],
    "operator": [
        lambda p: OperatorStrategy(Repetition(1), max_retries=2),
        lambda p: OperatorStrategy(NGramOverlap(2, 3), 2, max_retries=1),
        lambda p: OperatorStrategy(ProbabilityThreshold(0.1, 2), max_retries=1),
        lambda p: OperatorStrategy(EntropyThreshold(0.9, 2), retry="resample", max_retries=3),
    ],
    "replace": [
        lambda p: ReplaceStrategy(p, ["ab", "c"], "b ", max_replacements=3),
        lambda p: ReplaceStrategy(p, ["b", " "], "a.c", max_new_tokens_for_replace=9, skip_tokens=1, max_prob=0.9),
        lambda p: ReplaceStrategy(p, "a", ""),
    ],
}  # fmt: skip


def cases() -> list[Any]:
    """Each strategy that discovery finds, with what makes it; one that is only dropped into the folder, too."""
    found: list[Any] = [pytest.param(lambda p: BaseStrategy(), id="base")]
    # A chain is but a list of strategies; those of `rl` are checked in its own tests.
    for name in sorted({*strategy_names()} - {"chain", "rl-policy", "random-policy"}):
        for number, make in enumerate(MAKERS.get(name) or [parse_spec(name).build]):
            found.append(pytest.param(make, id=f"{name}-{number}"))
    return found


@pytest.mark.parametrize("make", cases())
def test_every_strategy_keeps_to_the_contract(make: Callable[[Any], BaseStrategy]) -> None:
    """It ends, leaves nothing behind, and follows what others take back, on lists, arrays and tensors."""
    check_strategy(make)


def test_none_is_forgotten() -> None:
    """What is made here with parameters is what discovery knows by that name."""
    assert set(MAKERS) <= set(strategy_names())
