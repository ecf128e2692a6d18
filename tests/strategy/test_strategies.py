"""The contract, for every strategy that needs nothing but a provider."""

from __future__ import annotations

import pytest

from backtrack_sampler import (
    AdaptiveTemperatureStrategy,
    AntiSlopStrategy,
    BaseStrategy,
    ChainStrategy,
    CreativeWritingStrategy,
    DebugStrategy,
    ReplaceStrategy,
)
from backtrack_sampler.testing import check_strategy

MAKERS = {
    "base": lambda p: BaseStrategy(),
    "adaptive": lambda p: AdaptiveTemperatureStrategy(),
    "anti-slop": lambda p: AntiSlopStrategy(p, {"ab": 1, "b c": 0.5}, regexes=[r"c+ "], whole_words=True),
    "creative": lambda p: CreativeWritingStrategy(p, 0.5, 3),
    "debug": lambda p: DebugStrategy(p),
    "replace": lambda p: ReplaceStrategy(p, ["ab", "c"], "b ", max_replacements=3),
    "replace-by-nothing": lambda p: ReplaceStrategy(p, "a", ""),
    "chain": lambda p: ChainStrategy([
        CreativeWritingStrategy(p, 0.4, 3), ReplaceStrategy(p, "c", "ab a"), AntiSlopStrategy(p, ["ba"])
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_every_strategy_keeps_to_the_contract(name: str) -> None:
    """It ends, leaves nothing behind when reset or abandoned, and what it streamed never changes."""
    check_strategy(MAKERS[name])
