"""Adaptive temperature: colder where the model hesitates.

Quest-Best-Tokens by Pleias (Alexander Doria): a polynomial of the entropy of the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import entropy
from ..errors import InputError
from .base_strategy import BaseStrategy

__all__ = ["AdaptiveTemperatureStrategy"]


class AdaptiveTemperatureStrategy(BaseStrategy):
    """Multiplies the logits by beta >= 1, a polynomial of their entropy in nats.

    Up to an entropy of 0.5 the distribution is left alone.

    Args:
        poly_coeffs: of the polynomial, highest power first.
    """

    def __init__(self, poly_coeffs: Sequence[float] = (-0.037, 0.481, -2.3, 4.917, -1.791)) -> None:
        if not poly_coeffs:
            raise InputError("poly_coeffs must have at least one coefficient")
        self._coefficients = tuple(poly_coeffs)

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        x = entropy(logits)
        if x > 0.5:
            beta = 0.0
            for coefficient in self._coefficients:
                beta = beta * x + coefficient
            if beta > 1:
                logits *= beta
        return logits
