"""One function, many arguments, several threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

__all__ = ["side_by_side"]

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(
    function: Callable[[T], R], arguments: Sequence[T], threads: int
) -> Generator[tuple[int, R | Exception], None, None]:
    """The index and result of each, as they are ready; or what the function has raised.

    After an exception no further one is begun, and what is under way comes to its end. Where the iterator is left
    (Ctrl-C), nobody waits: the threads are daemons, unlike those of `concurrent.futures`, which a program waits for
    before it ends.

    Args:
        threads: how many at most.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, R | Exception] | None] = queue.SimpleQueue()
    stop = threading.Event()
    for index in range(len(arguments)):
        todo.put(index)

    def work() -> None:
        while not stop.is_set():
            try:
                index = todo.get_nowait()
            except queue.Empty:
                break
            try:
                done.put((index, function(arguments[index])))
            except Exception as error:
                stop.set()
                done.put((index, error))
        done.put(None)

    running = min(threads, len(arguments))
    try:
        for _ in range(running):
            threading.Thread(target=work, daemon=True, name="judge").start()
        while running:
            found = done.get()
            if found is None:
                running -= 1
            else:
                yield found
    finally:
        stop.set()
