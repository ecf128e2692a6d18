"""Time to save what was written, when the terminal is closed or the program is told to end."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError

__all__ = ["hang_up_raises", "rescued"]


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


def rescued(what: str, ending: str, save: Callable[[Path], None]) -> Path | None:
    """Save what no file has yet, wherever that is possible; returns where, or None.

    Args:
        what: is part of the file's name.
        ending: of the name.
        save: writes it to a path, or raises InputError.
    """
    name = time.strftime(f"backtrack-{what}-%Y%m%d-%H%M%S-{os.getpid()}{ending}")
    for folder in (Path(), Path(os.path.expanduser("~")), Path(tempfile.gettempdir())):
        with suppress(InputError):
            save(folder / name)
            return folder / name
    return None
