"""Heuristics that judge each token and say how many to take back. `OperatorStrategy` makes them strategies."""

from .base_operator import BaseOperator, FunctionOperator, HistoryOperator, Never, Step
from .probability_operators import (
    EntropyThreshold,
    LogitThreshold,
    ProbabilityDrop,
    ProbabilityMargin,
    ProbabilityThreshold,
    ProbabilityTrend,
)
from .repetition_operators import NGramOverlap, Repetition

__all__ = [
    "BaseOperator",
    "EntropyThreshold",
    "FunctionOperator",
    "HistoryOperator",
    "LogitThreshold",
    "NGramOverlap",
    "Never",
    "ProbabilityDrop",
    "ProbabilityMargin",
    "ProbabilityThreshold",
    "ProbabilityTrend",
    "Repetition",
    "Step",
]
