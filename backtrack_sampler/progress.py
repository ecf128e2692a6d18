"""A bar on stderr for a batch, where tqdm is installed."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from .stats import Stats

__all__ = ["Progress"]

_REDRAW = 0.2  # seconds between two looks at what the rows have cost
_FORMAT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {remaining} left{postfix}]"


class Progress:
    """A bar that counts rows; with what they have cost, how many have failed, and the time that is left.

    The time that is left comes from the rows of this run alone. Without tqdm nothing is shown.

    Args:
        total: rows in all.
        done: those that were over before this run.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        self._failed = 0
        self._shown = 0.0
        self._bar: Any = None
        with suppress(ImportError):
            from tqdm.auto import tqdm

            # Rows come in bursts: the average of the whole run says more than that of the last second.
            self._bar = tqdm(
                total=total, initial=done, bar_format=_FORMAT, smoothing=0, dynamic_ncols=True, disable=False
            )

    def row(self, failed: bool) -> None:
        """A row is over."""
        self._failed += failed
        if self._bar is not None:
            self._bar.update()

    @property
    def is_due(self) -> bool:
        """Whether it is time to `show` again."""
        return self._bar is not None and time.monotonic() - self._shown > _REDRAW

    def show(self, stats: Stats) -> None:
        """Say what all rows of this run have cost until now."""
        if self._bar is not None:
            speed = stats.emitted / max(stats.seconds, 1e-9)
            failed = f", {self._failed} failed" if self._failed else ""
            self._bar.set_postfix_str(f"{speed:.0f} tokens/s, {stats.rollbacks} rollbacks{failed}")
            self._shown = time.monotonic()

    def close(self) -> None:
        """Leave the bar as it is, and the cursor below it."""
        if self._bar is not None:
            self._bar.close()
