"""How long the threads of an engine wait for each other before they sleep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["short_spins"]


@contextmanager
def short_spins(count: int) -> Iterator[None]:
    """Import an engine in here, and its threads look for work `count` times before they sleep.

    GNU's OpenMP, which PyTorch and llama.cpp come with on Linux, reads this once, when it is loaded. Its own
    300,000 are milliseconds in which a thread holds a core that another process has taken from the one it is
    waiting for: on a machine that is not idle, speed falls, and now and then to a hundredth (see
    benchmarks/threads.py). An engine that was imported before, and what the user has set, stay as they are.
    """
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = str(count)
    try:
        yield
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)
