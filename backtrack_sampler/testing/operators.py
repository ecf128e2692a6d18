"""The contract of operators, as a check that their authors run."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..errors import StrategyError
from ..operators import BaseOperator, FunctionOperator, HistoryOperator, Step
from .names import check_names, name_of

__all__ = ["check_operator"]


def check_operator(make: Callable[[], BaseOperator | Callable[[Step], int]], walks: int = 200) -> None:
    """Walk an operator forwards and back at random, and check what every operator must keep to.

    It asks for no more tokens than there are, nor than its `lookback` has promised; after a rollback,
    its own or another's, it judges as one that has only seen what is left; `reset` forgets all.

    Args:
        make: a new operator, or a plain function of a step: `check_operator(lambda: my_function)`.
        walks: how many random walks, of up to 40 steps each.

    Raises:
        AssertionError: with what was broken.
    """
    walked = _operator(make)
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
        replayed = _operator(make)
        for step in left:
            replayed(step)
        text = [step.token for step in left]
        advice = f"{name}.backtrack(n) must forget the last n steps and nothing more, {name}.reset all of them"
        # A function has no memory; what waits for it is known once it was asked.
        assert walked.lookback == replayed.lookback or isinstance(walked, FunctionOperator), (
            f"{name}.lookback is {walked.lookback} after rollbacks to {text}, and {replayed.lookback} after {text} "
            f"alone: {advice}"
        )
        again: list[Step] = left[:]
        for _ in range(12):
            step = _random_step(rng)
            first, second = _judged(walked, left, step), _judged(replayed, again, step)
            assert first == second, (
                f"after rollbacks to {text} {name} takes back {first}, and {second} if it has seen nothing else: "
                f"{advice}"
            )


def _operator(make: Callable[[], BaseOperator | Callable[[Step], int]]) -> BaseOperator:
    made = make()
    is_function = callable(made) and not isinstance(made, (BaseOperator, type))
    operator = FunctionOperator(made) if is_function else made
    assert isinstance(operator, BaseOperator), (
        f"make returned {made!r}: return an operator, or a function of a step (check_operator(lambda: MyOperator()))"
    )
    return operator


def _judged(operator: BaseOperator, steps: list[Step], step: Step) -> int:
    """Show it one more step, and check the number."""
    name = name_of(operator)
    lookback = operator.lookback
    most = len(steps) + 1 if lookback is None else min(len(steps), lookback) + 1
    steps.append(step)
    try:
        asked = operator(step)
    except StrategyError as error:
        raise AssertionError(str(error)) from error
    assert hasattr(asked, "__index__"), f"{name} returned {asked!r}: return how many tokens to take back, 0 for none"
    assert 0 <= asked <= len(steps), f"{name} asked for {asked} of {len(steps)} tokens"
    assert asked <= most, f"{name} asked for {asked} tokens, though its lookback said {lookback}: at most {most}"
    return asked


def _random_step(rng: random.Random) -> Step:
    weights = [rng.expovariate(1) ** 3 for _ in range(3)]
    shares = sorted((w / sum(weights) for w in weights), reverse=True)
    token = rng.randrange(3)
    return Step(token, "abc"[token], shares[token], rng.gauss(-18, 3), dict(enumerate(shares)))
