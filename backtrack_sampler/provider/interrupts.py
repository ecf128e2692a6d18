"""Ctrl-C during calls of an engine that calls Python back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["interrupts_kept"]


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Let a Ctrl-C take effect afterwards.

    ctypes prints and drops what a callback raises, KeyboardInterrupt too: llama.cpp, which logs through
    a callback while it loads a model or makes a context, would take the Ctrl-C and go on.
    """
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield  # signals are handled elsewhere, or not by Python
        return
    pressed = False

    def note(*_: object) -> None:
        nonlocal pressed
        pressed = True

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if pressed:
            signal.raise_signal(signal.SIGINT)
