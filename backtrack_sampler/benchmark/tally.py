"""Counts the texts of an experiment while they are written, for whoever shows how far it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .drawing import Drawer, Wanted
from .progress import Progress
from .records import Record

__all__ = ["Tally"]


class Tally:
    """How many texts are over, of how many: of the whole, and of what is at work.

    Args:
        progress: what is told of it.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0
        self._total = 0
        self._who = ""
        self._of_task: Counter[str] = Counter()
        self._in_task: Counter[str] = Counter()

    def plan_more(self, texts: int) -> None:
        """So many more texts are to come, or fewer."""
        self._total += texts
        self._progress.plan(self._total, self._done)

    def plan(self, wanted: Sequence[Wanted], who: str, drawer: Drawer) -> None:
        """These texts are to come, those that are known already left out; `who` writes them."""
        self._who = who
        self._in_task = Counter(each.task.name for each in wanted)
        self._of_task = Counter(each.task.name for each in wanted if drawer.knows(each))
        known = self._of_task.total()
        self._done += known
        self._total = self._done + len(wanted) - known
        self._progress.plan(self._total, self._done)

    def on_record(self, wanted: Wanted, record: Record) -> None:
        """A text is over."""
        self._done += 1
        self._progress.text()
        task = wanted.task.name
        if self._in_task[task] and not wanted.sample:
            self._of_task[task] += 1
            self._progress.working(self._who, task, self._of_task[task], self._in_task[task])
