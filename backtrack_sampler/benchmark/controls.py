"""Controls at equal cost: what else could have been done with as many drawn tokens, and nothing taken back.

A strategy that takes tokens back draws more of them. With those one could as well draw several answers and
choose: the one that the model itself finds most probable, or the one that most agree on. So many samples are
drawn on the same items, from the same model with the same sampling, until they have cost as much.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeAlias

from .records import Record
from .rows import BEST_OF_N, MAJORITY, ORACLE

__all__ = ["PICKS", "Asking", "Spending", "best_of_n", "majority", "oracle", "together"]

Asking: TypeAlias = Generator[list[tuple[int, int]], Sequence[Record], list[list[Record]]]


class Spending:
    """How many samples a control may draw, block of items after block, at the price of a strategy.

    Each item gets one sample, for it must be answered. As long as more than half of what another one costs
    is left of the strategy's tokens, the item that is furthest behind what the strategy drew there gets
    another. What a block leaves over, or owes, goes to the next: in the end both have drawn as many tokens,
    to about half a sample. No score is looked at.

    Attributes:
        left: tokens that the blocks until now have left over; negative where they owe.
    """

    def __init__(self) -> None:
        self.left = 0.0

    def spend(self, budgets: Sequence[int]) -> Asking:
        """The samples of each item of a block: a generator, so that many can be drawn for together.

        Args:
            budgets: tokens that the strategy drew on each item.

        Yields:
            Samples that are wanted, each as the number of its item and its own; it is to be sent their records.

        Returns:
            For each item its samples.
        """
        samples = [[record] for record in (yield [(item, 0) for item in range(len(budgets))])]
        spent = [_cost(records[0]) for records in samples]
        left = self.left + sum(budgets) - sum(spent)
        while budgets and left > (mean := sum(spent) / sum(map(len, samples))) / 2:
            behind = sorted(range(len(budgets)), key=lambda item: (spent[item] - budgets[item], item))
            chosen = behind[: max(1, round(left / mean))]  # at most one for each item and round
            for item, record in zip(chosen, (yield [(item, len(samples[item])) for item in chosen]), strict=True):
                samples[item].append(record)
                spent[item] += _cost(record)
                left -= _cost(record)
        self.left = left
        return samples


def together(
    asking: Sequence[Asking], draw: Callable[[Sequence[tuple[int, int, int]]], Sequence[Record]]
) -> list[list[list[Record]]]:
    """Run several at once, and draw what all of them want next in one batch.

    Args:
        asking: what `Spending.spend` gives.
        draw: gives records; each is wanted as the number in `asking`, that of its item, and its own.

    Returns:
        What each of them has returned.
    """
    returned: list[list[list[Record]]] = [[] for _ in asking]
    answers: dict[int, Sequence[Record] | None] = dict.fromkeys(range(len(asking)))
    while answers:
        wanted: dict[int, list[tuple[int, int]]] = {}
        for number, answer in answers.items():
            try:
                wanted[number] = next(asking[number]) if answer is None else asking[number].send(answer)
            except StopIteration as over:
                returned[number] = over.value
        records = iter(draw([(number, item, sample) for number, pairs in wanted.items() for item, sample in pairs]))
        answers = {number: [next(records) for _ in pairs] for number, pairs in wanted.items()}
    return returned


def _cost(record: Record) -> int:
    """Tokens drawn; a text that has failed at once has cost something as well, or it would be tried for ever."""
    return max(1, record.drawn)


def best_of_n(samples: Sequence[Record]) -> float:
    """The score of the sample with the highest mean log-probability a token; the first of equals."""
    return max(samples, key=lambda each: -math.inf if each.log_probability is None else each.log_probability).score


def majority(samples: Sequence[Record]) -> float:
    """The score of the answer that most samples give (self-consistency; Wang et al., arXiv 2203.11171).

    Among answers that are given as often, the one that the model finds more probable; samples without an
    answer have no vote. Where none has one, this is best-of-n.
    """
    votes = Counter(each.answer for each in samples if each.answer is not None)
    if not votes:
        return best_of_n(samples)
    most = max(votes.values())
    return best_of_n([each for each in samples if each.answer is not None and votes[each.answer] == most])


def oracle(samples: Sequence[Record]) -> float:
    """The best score among the samples: what one could have who knows the right answer already."""
    return max(each.score for each in samples)


#: How each control chooses.
PICKS: Mapping[str, Callable[[Sequence[Record]], float]] = {
    BEST_OF_N: best_of_n,
    MAJORITY: majority,
    ORACLE: oracle,
}
