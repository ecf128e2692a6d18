"""The contract of operators, as a check that their authors run."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..operators import BaseOperator, HistoryOperator, Step
from .names import check_names, name_of

__all__ = ["check_operator"]


def check_operator(make: Callable[[], BaseOperator], walks: int = 200) -> None:
    """Walk an operator forwards and back at random, and check what every operator must keep to.

    It asks for no more tokens than there are, nor than its `lookback` has promised; after a rollback,
    its own or another's, it judges as one that has only seen what is left; `reset` forgets all.

    Args:
        make: a new operator.
        walks: how many random walks, of up to 40 steps each.

    Raises:
        AssertionError: with what was broken.
    """
    walked = make()
    name = name_of(walked)
    check_names(walked, BaseOperator, HistoryOperator)
    for seed in range(walks):
        rng = random.Random(seed)
        walked.reset()
        left: list[Step] = []
        for _ in range(rng.randint(1, 40)):
            asked = _judged(walked, left, _random_step(rng))
            # Its own request may be refused, and others take tokens back too.
            back = rng.choice([0, asked, rng.randint(0, len(left))])
            if back:
                walked.backtrack(back)
                del left[len(left) - back :]
        replayed = make()
        for step in left:
            replayed(step)
        text = [step.token for step in left]
        assert walked.lookback == replayed.lookback, (
            f"{name}.lookback is {walked.lookback} after rollbacks to {text}, and {replayed.lookback} after {text} "
            f"alone: {name}.backtrack(n) must forget the last n steps, and nothing more"
        )
        again: list[Step] = left[:]
        for _ in range(12):
            step = _random_step(rng)
            first, second = _judged(walked, left, step), _judged(replayed, again, step)
            assert first == second, (
                f"after rollbacks to {text} {name} takes back {first}, and {second} if it has seen nothing else: "
                f"{name}.backtrack(n) must forget the last n steps, and nothing more"
            )


def _judged(operator: BaseOperator, steps: list[Step], step: Step) -> int:
    """Show it one more step, and check the number."""
    name = name_of(operator)
    lookback = operator.lookback
    most = len(steps) + 1 if lookback is None else min(len(steps), lookback) + 1
    steps.append(step)
    asked = operator(step)
    assert isinstance(asked, int), f"{name} returned {asked!r}: return how many tokens to take back, 0 for none"
    assert 0 <= asked <= len(steps), f"{name} asked for {asked} of {len(steps)} tokens"
    assert asked <= most, f"{name} asked for {asked} tokens, though its lookback said {lookback}: at most {most}"
    return asked


def _random_step(rng: random.Random) -> Step:
    weights = [rng.expovariate(1) ** 3 for _ in range(3)]
    shares = sorted((w / sum(weights) for w in weights), reverse=True)
    token = rng.randrange(3)
    return Step(token, "abc"[token], shares[token], rng.gauss(-18, 3), dict(enumerate(shares)))
