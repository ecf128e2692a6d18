"""All that an experiment has found: what tables, pages and files are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .arms import Arm
from .records import Record
from .rows import Row
from .tasks import Item

__all__ = ["Results", "Trial"]


@dataclass(frozen=True)
class Trial:
    """One setting that was tried while something was tuned.

    Attributes:
        tuned: the name of what was tuned, as in `Row.name`.
        number: its number in the study.
        parameters: what was tried.
        value: its mean score on the development split, as far as it was run; None where it has failed at once.
        state: "complete", "pruned" or "failed".
        items: items that it was run on.
        drawn: tokens drawn for an item, on average.
        error: why it has failed; "" otherwise.
    """

    tuned: str
    number: int
    parameters: Mapping[str, Any]
    value: float | None
    state: str
    items: int = 0
    drawn: float = 0.0
    error: str = ""


@dataclass
class Results:
    """What an experiment has found.

    Attributes:
        about: how it came to be: "experiment" (the configuration), "seed", "model" (name, engine, sha256),
            "versions" (of packages), "machine", "started", "seconds"; JSON.
        rows: of the table: first the controls that draw once, then each strategy.
        items: task -> item id -> the item.
        records: (arm key, task, item id, repeat) -> what was written, of all arms.
        samples: (strategy's arm key, task, item id, repeat) -> what its controls at equal cost chose among, in order.
        trials: what was tried while tuning.
        traces: (arm key, task, item id, repeat) -> the page of that text's trace, beside the report.
        complete: False where it was interrupted: then the items are those that all arms have answered.
        planned: task -> how many items there are to be.
    """

    about: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    items: dict[str, dict[str, Item]] = field(default_factory=dict)
    records: dict[tuple[str, str, str, int], Record] = field(default_factory=dict)
    samples: dict[tuple[str, str, str, int], Sequence[Record]] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    traces: dict[tuple[str, str, str, int], str] = field(default_factory=dict)
    complete: bool = True
    planned: dict[str, int] = field(default_factory=dict)

    def changed(self, row: Row, other: Row, task: str) -> list[tuple[Record, Record]]:
        """The texts of two rows that are worth different scores: same items, repeats and seeds.

        Only of items that the row has an outcome of, as the table: where a run was interrupted, there are texts of
        more. Rows of controls that choose among samples have no texts of their own: they give nothing here.
        """
        found, answered = [], {each.item for each in row.outcomes.get(task, ())}
        for arm_key, name, item, repeat in self._of(row.arm, task):
            mine = self.records[arm_key, name, item, repeat]
            theirs = self.records.get((other.arm.key, name, item, repeat))
            if item in answered and theirs is not None and mine.score != theirs.score:
                found.append((mine, theirs))
        return found

    def _of(self, arm: Arm, task: str) -> list[tuple[str, str, str, int]]:
        return [key for key in self.records if key[0] == arm.key and key[1] == task]
