"""Debug: print what the model thinks. The simplest strategy, and a skeleton for new ones."""

from __future__ import annotations

import sys
from itertools import islice

from ..provider.base_provider import BaseProvider
from .base_strategy import BaseStrategy, Candidates

__all__ = ["DebugStrategy"]


class DebugStrategy(BaseStrategy):
    """Prints the two most probable tokens and their probabilities at each step.

    Args:
        provider: for its `decode`.
    """

    def __init__(self, provider: BaseProvider) -> None:
        self._decode = provider.decode

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        best = islice(probs, 2)
        shown = "  ".join(f"{self._decode([token])!r} {probs[token]:.4f}" for token in best)
        print(f"{len(tokens):4d}: {shown}", file=sys.stderr)
        return probs
