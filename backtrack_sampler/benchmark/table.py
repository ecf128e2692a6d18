"""The table: every row with its price, and every strategy with what it must be measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .entries import ALL_TASKS, Entry
from .rows import Row

__all__ = ["Table"]


@dataclass
class Table:
    """What an experiment has found, with intervals, differences and verdicts.

    Attributes:
        rows: controls that draw once, and strategies; those that are `beside` a strategy stand with it.
        tasks: names of those with items, in order.
        columns: `ALL_TASKS` where there are several tasks, then each task.
    """

    rows: Sequence[Row]

    def entry(self, name: str, column: str = ALL_TASKS) -> Entry:
        """What is said of a row; where there is one task only, it is all tasks."""
        raise NotImplementedError

    def entries(self, column: str = ALL_TASKS) -> list[Entry]:
        """Of all rows, in order."""
        raise NotImplementedError
