"""Arms on items: all of them together, block of items after block, so that a table can be made at any time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

from ..errors import BacktrackError
from .arms import Arm
from .controls import PICKS, Spending, together
from .drawing import Drawer, Wanted
from .records import Record
from .rows import ORACLE, Outcome, Row
from .tasks import Item, Task

__all__ = ["Asked", "Measurement", "Partial", "partly"]

_BLOCK = 32  # items; part of what is measured, for tokens that are left over go from one block to the next
_SMALL_BLOCK = 8  # the same where settings are tried, some of which are to be given up early


class Asked(NamedTuple):
    """A task, and the items of it that are asked."""

    task: Task
    items: Sequence[Item]


class Partial(NamedTuple):
    """What is known of an arm after some blocks.

    Attributes:
        items: items answered, of all tasks together.
        score: mean over the tasks of the mean over their items.
        drawn: tokens drawn for an item, mean over all.
        planned: items that it will have been run on at the end; 0 if that is not known.
    """

    items: int
    score: float
    drawn: float
    planned: int = 0


def _blocks(asked: Sequence[Asked], size: int) -> Iterator[list[tuple[Task, Sequence[Item]]]]:
    """The first block of each task, then the second of each, and so on."""
    longest = max((len(items) for _, items in asked), default=0)
    for start in range(0, longest, size):
        yield [(task, block) for task, items in asked if (block := items[start : start + size])]


def partly(drawer: Drawer, arm: Arm, asked: Sequence[Asked], repeats: int = 1) -> Iterator[Partial]:
    """Measure one arm alone; what is known of it each time that all tasks have got on by a block.

    Raises:
        BacktrackError: all texts of a task's block have failed.
    """
    planned = sum(len(items) for _, items in asked)
    scores: dict[str, list[float]] = {}
    drawn: list[int] = []
    for blocks in _blocks(asked, _SMALL_BLOCK):
        wanted = [
            Wanted(arm, task, item, repeat) for task, block in blocks for item in block for repeat in range(repeats)
        ]
        records = iter(drawer.records(wanted))  # of all tasks at once: larger batches
        for task, block in blocks:
            found = list(islice(records, len(block) * repeats))
            if all(record.error for record in found):  # its setting is no worse than others: it does not run
                raise BacktrackError(f"all texts of task {task.name} failed, the first with: {found[0].error}")
            scores.setdefault(task.name, []).extend(record.score for record in found)
            drawn += [record.drawn for record in found]
        means = [sum(each) / len(each) for each in scores.values()]
        yield Partial(len(drawn) // repeats, sum(means) / len(means), sum(drawn) / len(drawn), planned)


class Measurement:
    """What several arms are worth on the same items.

    Args:
        drawer: gives the records.
        controls: arms that draw once and take nothing back.
        strategies: arms that are to be shown beside them.
        baselines: strategy's key -> the control with the same sampling.
        pools: strategy's key -> the arm that its controls at equal cost draw from.
        asked: tasks and items.
        repeats: texts of each arm for each item.

    Attributes:
        controls, strategies: as given.
        records: (arm's key, task, item, repeat) -> what was written.
        samples: (strategy's key, task, item, repeat) -> what its controls at equal cost choose among.
        done: task -> items that all arms have answered, in order.
    """

    def __init__(
        self,
        drawer: Drawer,
        controls: Sequence[Arm],
        strategies: Sequence[Arm],
        baselines: Mapping[str, Arm],
        pools: Mapping[str, Arm],
        asked: Sequence[Asked],
        repeats: int = 1,
    ) -> None:
        self.records: dict[tuple[str, str, str, int], Record] = {}
        self.samples: dict[tuple[str, str, str, int], Sequence[Record]] = {}
        self.done: dict[str, list[Item]] = {task.name: [] for task, _ in asked}
        self._drawer = drawer
        self.controls = controls
        self.strategies = strategies
        self._baselines = baselines
        self._pools = pools
        self._asked = asked
        self._repeats = repeats
        self._spending: dict[tuple[str, str, int], Spending] = {}

    def blocks(self) -> Iterator[str]:
        """Measure; yields the name of a task when all arms have answered some more of its items."""
        for task, block in chain.from_iterable(_blocks(self._asked, _BLOCK)):
            self._draw(task, block)
            self._draw_at_equal_cost(task, block)
            self.done[task.name] += block
            yield task.name

    def wanted(self, task: Task, items: Sequence[Item]) -> list[Wanted]:
        """The texts of all arms for some items, without the samples of controls at equal cost."""
        arms = [*self.controls, *self.strategies]
        return [Wanted(arm, task, item, repeat) for item in items for arm in arms for repeat in range(self._repeats)]

    def _draw(self, task: Task, block: Sequence[Item]) -> None:
        wanted = self.wanted(task, block)
        for (arm, _, item, repeat, _), record in zip(wanted, self._drawer.records(wanted), strict=True):
            self.records[arm.key, task.name, item.id, repeat] = record

    def _draw_at_equal_cost(self, task: Task, block: Sequence[Item]) -> None:
        # Two rows may be one arm: what was tuned may be what it was before.
        arms = {arm.key: arm for arm in self.strategies}.values()
        pairs = [(arm, repeat) for arm in arms for repeat in range(self._repeats)]
        asking = []
        for arm, repeat in pairs:
            spending = self._spending.setdefault((arm.key, task.name, repeat), Spending())
            asking.append(spending.spend([self.records[arm.key, task.name, item.id, repeat].drawn for item in block]))

        def draw(wanted: Sequence[tuple[int, int, int]]) -> list[Record]:
            texts = []
            for number, place, sample in wanted:
                arm, repeat = pairs[number]
                texts.append(Wanted(self._pools[arm.key], task, block[place], repeat, sample))
            return self._drawer.records(texts)

        for (arm, repeat), samples in zip(pairs, together(asking, draw), strict=True):
            for item, some in zip(block, samples, strict=True):
                self.samples[arm.key, task.name, item.id, repeat] = some

    # -- rows ----------------------------------------------------------------------------------

    def rows(self, development: Mapping[str, Mapping[str, float]] | None = None) -> list[Row]:
        """The rows of the table, of the items that all arms have answered; first the controls.

        Args:
            development: strategy's name -> task -> score on the development split, of those that were tuned.
        """
        controls = {arm.key: Row(arm.name, "control", arm, self._outcomes(arm)) for arm in self.controls}
        strategies = [
            Row(
                arm.name, "strategy", arm, self._outcomes(arm), controls[self._baselines[arm.key].key],
                {
                    name: Row(
                        f"{arm.name}, {name}", "oracle" if name == ORACLE else "equal cost", self._pools[arm.key],
                        self._chosen(arm, name),
                    )
                    for name in PICKS
                },
                (development or {}).get(arm.name, {}),
            )
            for arm in self.strategies
        ]  # fmt: skip
        return [*controls.values(), *strategies]

    def _outcomes(self, arm: Arm) -> dict[str, list[Outcome]]:
        """What an arm has scored itself."""
        return {
            task: [_averaged(item, [[record] for record in self._of(arm, task, item)], _own) for item in items]
            for task, items in self.done.items()
            if items
        }

    def _chosen(self, arm: Arm, name: str) -> dict[str, list[Outcome]]:
        """What a control at equal cost has scored beside it."""
        return {
            task: [
                _averaged(
                    item, [self.samples[arm.key, task, item.id, repeat] for repeat in range(self._repeats)], PICKS[name]
                )
                for item in items
            ]
            for task, items in self.done.items()
            if items
        }  # fmt: skip

    def _of(self, arm: Arm, task: str, item: Item) -> list[Record]:
        return [self.records[arm.key, task, item.id, repeat] for repeat in range(self._repeats)]


def _own(samples: Sequence[Record]) -> float:
    return samples[0].score


def _averaged(item: Item, repeats: Sequence[Sequence[Record]], pick: Callable[[Sequence[Record]], float]) -> Outcome:
    """One item: the mean over its repeats, each of which chooses among samples and has drawn all of them."""

    def mean(of: Callable[[Sequence[Record]], float]) -> float:
        return math.fsum(map(of, repeats)) / len(repeats)

    return Outcome(
        item=item.id,
        cluster=item.cluster or item.id,
        score=mean(pick),
        drawn=mean(lambda samples: sum(each.drawn for each in samples)),
        kept=mean(lambda samples: sum(each.kept for each in samples)),
        rollbacks=mean(lambda samples: sum(each.rollbacks for each in samples)),
        repeats=len(repeats),
        failed=sum(any(each.error for each in samples) for samples in repeats),
        forwards=mean(lambda samples: sum(each.forwards for each in samples)),
    )
