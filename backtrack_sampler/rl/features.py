"""What a policy sees of a stream: a few numbers from 0 to 1 for each token drawn.

The first four are those of backtracking-llm (Molnár and Tajti). Training and use compute them here, so that the
same tokens give the same numbers, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..candidates import entropy_of
from ..checks import check_count
from ..errors import InputError
from ..operators import Step

__all__ = ["DEFAULT_FEATURES", "FEATURES", "Features", "Place", "repetition"]

WINDOW = 5  # tokens that the repetition is counted over, the new one among them


class Place(NamedTuple):
    """Where a token was drawn.

    Attributes:
        tokens: the last `WINDOW` tokens, the new one among them.
        length: tokens of the continuation, the new one among them.
        limit: most tokens that the continuation may have; None where there is no limit.
        attempts: how often something was taken back from exactly here.
        max_attempts: how often that may happen.
    """

    tokens: Sequence[int]
    length: int
    limit: int | None
    attempts: int
    max_attempts: int


def _entropy(step: Step) -> float:
    count = len(step.candidates)
    return min(1.0, max(0.0, entropy_of(step.candidates)) / math.log(count)) if count > 1 else 0.0


def repetition(tokens: Sequence[Any]) -> float:
    """Share of tokens that stand before among the same."""
    return 1 - len(set(tokens)) / len(tokens) if tokens else 0.0


def _rank(step: Step) -> float:
    count = len(step.candidates)
    if count < 2:
        return 0.0
    rank = next((rank for rank, token in enumerate(step.candidates) if token == step.token), count - 1)
    return min(1.0, math.log1p(rank) / math.log(count))


def _remaining(place: Place) -> float:
    return 1.0 if not place.limit else max(0.0, 1 - place.length / place.limit)


#: Each feature by its name, and what it is of a step at a place; `reach` is `Features.max_seq_length`.
FEATURES: Mapping[str, Callable[[Step, Place, int], float]] = {
    "position": lambda step, place, reach: min(1.0, place.length / reach),
    "top_probability": lambda step, place, reach: next(iter(step.candidates.values()), 0.0),
    "entropy": lambda step, place, reach: _entropy(step),
    "repetition": lambda step, place, reach: repetition(place.tokens),
    "probability": lambda step, place, reach: step.probability,
    "rank": lambda step, place, reach: _rank(step),
    "remaining": lambda step, place, reach: _remaining(place),
    "attempts": lambda step, place, reach: min(1.0, place.attempts / place.max_attempts),
}

#: What the original has.
DEFAULT_FEATURES = ("position", "top_probability", "entropy", "repetition")


@dataclass(frozen=True)
class Features:
    """Which numbers a policy sees, in this order.

    Attributes:
        names: of these:
            "position": tokens of the continuation, over `max_seq_length`;
            "top_probability": the highest probability that the model gave here;
            "entropy": of the candidates, over that of as many equal ones;
            "repetition": share of the last five tokens that stand among them already;
            "probability": that of the token drawn;
            "rank": its rank among n candidates, ln(1 + rank) / ln(n): 0 for the most probable one;
            "remaining": tokens left until the limit, over the limit;
            "attempts": how often something was taken back from exactly here, over how often it may be.
            Candidates are those of a `Step`: what was banned here after a rollback is among them.
        max_seq_length: tokens at which "position" is 1; as in training, also where texts are longer.
    """

    names: tuple[str, ...] = DEFAULT_FEATURES
    max_seq_length: int = 128

    def __post_init__(self) -> None:
        check_count("max_seq_length", self.max_seq_length)
        if unknown := [name for name in self.names if name not in FEATURES]:
            raise InputError(f"there is no feature {unknown[0]!r}: use some of {', '.join(FEATURES)}")
        if not self.names or len(set(self.names)) < len(self.names):
            raise InputError("features must be at least one, and each only once")

    def of(self, step: Step, place: Place) -> list[float]:
        """What is seen of a step: `len(names)` numbers in [0, 1]."""
        return [FEATURES[name](step, place, self.max_seq_length) for name in self.names]
