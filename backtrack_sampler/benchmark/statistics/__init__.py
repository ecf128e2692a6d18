"""How far scores can be trusted: clustered errors, paired differences, corrected p-values.

Sequences of numbers in, named tuples out; nothing here knows of models or texts.
"""

from .estimates import (
    ALPHA,
    POWER,
    Difference,
    Estimate,
    Pairs,
    difference,
    estimate,
    holm,
    mean_difference,
    mean_estimate,
    smallest_visible,
    standard_error,
)

__all__ = [
    "ALPHA", "POWER", "Difference", "Estimate", "Pairs", "difference", "estimate", "holm", "mean_difference",
    "mean_estimate", "smallest_visible", "standard_error",
]  # fmt: skip
