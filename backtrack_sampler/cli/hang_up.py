"""A terminal that is closed under a program. Standard library only."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["hang_up_raises"]


@contextmanager
def hang_up_raises() -> Iterator[None]:
    """The terminal is closed, or the program is told to end: SystemExit, so that there is time to save."""

    def leave(number: int, _: Any) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    names = ("SIGHUP", "SIGTERM")
    wanted = [getattr(signal, name) for name in names if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        wanted = []
    # Where it is ignored, as after nohup, that is meant.
    signals = {each: signal.getsignal(each) for each in wanted if signal.getsignal(each) is not signal.SIG_IGN}
    try:
        for each in signals:
            signal.signal(each, leave)
        yield
    finally:
        for each, before in signals.items():
            signal.signal(each, before)
