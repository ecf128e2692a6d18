"""The rows of a table: what each arm has scored, item by item, with its controls beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import InputError
from .arms import Arm

__all__ = ["BEST_OF_N", "EQUAL_COST", "MAJORITY", "ORACLE", "Outcome", "Row"]

#: Controls that are drawn anew for each strategy, until they have cost as many tokens as it has.
BEST_OF_N, MAJORITY, ORACLE = "best-of-n", "majority", "oracle pass@n"
EQUAL_COST = (BEST_OF_N, MAJORITY, ORACLE)


class Outcome(NamedTuple):
    """One item of one row, its repeats averaged.

    Attributes:
        item, cluster: see `Item`; an item that is like no other is its own cluster.
        score: mean over the repeats, from 0 to 1.
        drawn: tokens drawn for it, mean over the repeats.
        kept: tokens that stand, mean over the repeats.
        rollbacks: mean over the repeats.
        repeats: how many they are.
        failed: how many of them ended with an error.
        forwards: forward passes that it takes alone, mean over the repeats; see `Record.forwards`.
    """

    item: str
    cluster: str
    score: float
    drawn: float
    kept: float
    rollbacks: float
    repeats: int = 1
    failed: int = 0
    forwards: float = 0.0


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: unique in a table.
        kind: "strategy" for what is to be shown; "control" for a decoder that draws once and takes nothing
            back; "equal cost" for best-of-n and majority; "oracle" for pass@n, which knows the answer.
        arm: what writes it; of an "equal cost" or "oracle" row, the arm that its samples are of.
        outcomes: task -> its items, in order.
        baseline: of a strategy, the control with the same sampling that takes nothing back.
        beside: of a strategy, `EQUAL_COST` names -> rows that have cost as many tokens on each item.
        development: task -> score on the development split, of a row that was tuned there; otherwise empty.

    Raises:
        InputError: a strategy without its controls, or with controls on other items.
    """

    name: str
    kind: str
    arm: Arm
    outcomes: Mapping[str, Sequence[Outcome]]
    baseline: Row | None = None
    beside: Mapping[str, Row] = field(default_factory=dict)
    development: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind != "strategy":
            return
        if self.baseline is None or set(self.beside) != set(EQUAL_COST):
            raise InputError(f"{self.name} cannot be shown without its controls: baseline, {', '.join(EQUAL_COST)}")
        mine = self._items
        for control in (self.baseline, *self.beside.values()):
            if control._items != mine:
                raise InputError(f"{self.name} and its control {control.name} were not asked the same items")

    @property
    def _items(self) -> dict[str, list[str]]:
        return {task: [each.item for each in outcomes] for task, outcomes in self.outcomes.items()}
