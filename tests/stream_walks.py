"""What streams do to a memory that holds several of them, at random."""

from __future__ import annotations

import random
from collections.abc import Iterator


def random_tokens(seed: float, count: int, vocabulary: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(3, vocabulary) for _ in range(count)]


def walk(
    seed: int, steps: int, vocabulary: int, longest: int, singles: float
) -> Iterator[tuple[list[list[int]], list[int] | None]]:
    """Four streams that grow, go back by up to 400, end, begin, share beginnings and change places.

    Args:
        longest: most tokens of a stream.
        singles: how often one of them is asked for by itself afterwards.

    Yields:
        The streams to ask for at once, all or some; and one to ask for alone, or None.
    """
    rng = random.Random(seed)
    streams = [random_tokens(rng.random(), length, vocabulary) for length in (450, 60, 20, 5)]
    yield streams[:2], None  # the others come later: the memory grows
    for _ in range(steps):
        for index, tokens in enumerate(streams):
            chance = rng.random()
            if chance < 0.25:
                tokens = tokens[: max(1, len(tokens) - rng.choice([1, 5, 18, 40, 400]))]
            elif chance < 0.33:
                tokens = random_tokens(rng.random(), rng.choice([1, 9, 60, 300]), vocabulary)
            elif chance < 0.43:
                tokens = rng.choice(streams)[: rng.choice([20, 50, 600])]
            new = random_tokens(rng.random(), rng.choice([0, 1, 1, 1, 1, 3, 20]), vocabulary)
            streams[index] = (tokens + new)[:longest]
        asked = streams if rng.random() < 0.7 else rng.sample(streams, rng.randint(1, len(streams)))
        yield list(asked), rng.choice(streams) if rng.random() < singles else None
