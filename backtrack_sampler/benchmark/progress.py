"""How far an experiment is: two bars in a terminal, now and then a line in a log. tqdm draws the bars."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TextIO

__all__ = ["BarProgress", "LineProgress", "Progress", "progress_on"]

_log = logging.getLogger(__name__)
_ALL = "{{percentage:3.0f}}%|{{bar}}| {{n_fmt}} of {{total_fmt}} {unit} [{{elapsed}}, {{remaining}} left]"
_LONGEST = 40  # characters of a row's name beside its bar
_ROW = "{percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} [{remaining} left] {desc}"


class Progress:
    """How far an experiment is; this one shows nothing, and logs what is begun.

    Calls may come in any order and as often as one likes.
    """

    def __init__(self) -> None:
        self._at_work = ("", "")

    def plan(self, texts: int, done: int | None = None) -> None:
        """How many texts there are to be in all; it may become known better on the way.

        Args:
            done: how many of them are over. Those that `text` has not counted were there before this run, and
                have no part in the time that is left. None: as `text` has counted.
        """

    def working(self, row: str, task: str, done: int, total: int) -> None:
        """What is at work now, and how far that is."""
        if (row, task) != self._at_work:
            self._at_work = (row, task)
            _log.info("at work: %s, %s (%d of %d)", row, task, done, total)

    def text(self, n: int = 1) -> None:
        """So many more texts are over."""

    def note(self, line: str) -> None:
        """Something that somebody should read."""
        _log.info("%s", line)

    def close(self) -> None:
        """It is over, or was interrupted."""


class BarProgress(Progress):
    """A bar for the whole experiment, and below it one for what is at work now.

    Args:
        file: a terminal.
        unit: what is counted.
    """

    def __init__(self, file: TextIO, unit: str = "texts") -> None:
        super().__init__()
        from tqdm.auto import tqdm

        self._tqdm: Any = tqdm
        self._file = file
        self._form = _ALL.format(unit=unit)
        self._all: Any = None
        self._row: Any = None

    def plan(self, texts: int, done: int | None = None) -> None:
        if self._all is None:
            self._all = self._bar(self._form, texts, 0, done or 0)
        bar = self._all
        if done is not None:
            bar.n, bar.initial = done, bar.initial + done - bar.n
        bar.total = max(texts, bar.n)
        bar.refresh()

    def working(self, row: str, task: str, done: int, total: int) -> None:
        before = self._at_work
        super().working(row, task, done, total)
        if before == self._at_work:
            self._row.total = total
            self._row.update(done - self._row.n)
            return
        if self._row is not None:
            self._row.close()
        name = row if len(row) <= _LONGEST else f"{row[: _LONGEST - 1]}…"
        # What was there before says nothing of the time that is left.
        self._row = self._bar(_ROW, total, 1, done, f"{name}, {task}")

    def text(self, n: int = 1) -> None:
        if self._all is not None:
            self._all.total = max(self._all.total, self._all.n + n)
            self._all.update(n)

    def note(self, line: str) -> None:
        self._tqdm.write(line, file=self._file)

    def close(self) -> None:
        if self._row is not None:
            self._row.close()
        if self._all is not None:
            self._all.close()

    def _bar(self, form: str, total: int, position: int, done: int, name: str = "") -> Any:
        # Texts come in bursts: the average since the beginning says more than that of the last second.
        return self._tqdm(
            total=total, initial=done, position=position, bar_format=form, desc=name, smoothing=0, miniters=1,
            dynamic_ncols=True, leave=position == 0, file=self._file, disable=False,
        )  # fmt: skip


class LineProgress(Progress):
    """A line now and then, for logs.

    Args:
        file: where to.
        every: seconds between two lines.
        clock: seconds.
        unit: what is counted.
    """

    def __init__(
        self, file: TextIO, every: float = 60.0, clock: Callable[[], float] = time.monotonic, unit: str = "texts"
    ) -> None:
        super().__init__()
        self._unit = unit
        self._file = file
        self._every = every
        self._clock = clock
        self._started = self._said = clock()
        self._total = self._done = self._before = 0
        self._row = ""

    def plan(self, texts: int, done: int | None = None) -> None:
        if done is not None:
            self._done, self._before = done, self._before + done - self._done
        self._total = texts
        self._say_now_and_then()

    def working(self, row: str, task: str, done: int, total: int) -> None:
        super().working(row, task, done, total)
        self._row = f"; at work: {row}, {task}, {done:,} of {total:,}"
        self._say_now_and_then()

    def text(self, n: int = 1) -> None:
        self._done += n
        self._say_now_and_then()

    def note(self, line: str) -> None:
        print(line, file=self._file, flush=True)

    def close(self) -> None:
        if self._done:
            self._say()

    def _say_now_and_then(self) -> None:
        if self._clock() - self._said >= self._every:
            self._say()

    def _say(self) -> None:
        self._said = self._clock()
        gone, here = self._said - self._started, self._done - self._before
        total = max(self._total, self._done)
        left = f", about {_hours(gone / here * (total - self._done))} left" if here and total > self._done else ""
        share = f" ({100 * self._done // total}%)" if total else ""
        print(
            f"{self._done:,} of {total:,} {self._unit}{share}, {_hours(gone)} gone{left}{self._row}",
            file=self._file, flush=True,
        )  # fmt: skip


def progress_on(file: TextIO | None = None, unit: str = "texts") -> Progress:
    """Bars where that is a terminal and tqdm is installed, otherwise lines.

    Args:
        file: None: standard error.
        unit: what is counted.
    """
    file = sys.stderr if file is None else file
    if file.isatty():
        try:
            return BarProgress(file, unit)
        except ImportError:
            pass
    return LineProgress(file, unit=unit)


def _hours(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
