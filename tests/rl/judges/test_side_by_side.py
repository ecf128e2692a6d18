"""One function for many arguments at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from backtrack_sampler.rl.judges.side_by_side import side_by_side


def test_all_results_come_with_their_index() -> None:
    """Each once, with one thread, a few, or more than there are arguments; none for no arguments."""
    for threads in (1, 3, 50):
        assert sorted(side_by_side(str, list(range(10)), threads)) == [(n, str(n)) for n in range(10)]
    assert list(side_by_side(str, [], 3)) == []


def test_as_many_run_at_once_as_there_are_threads() -> None:
    """All of them meet at a barrier, which one after the other would never pass."""
    barrier = threading.Barrier(4)
    assert len(list(side_by_side(lambda _: barrier.wait(10), list(range(8)), 4))) == 8


def test_a_result_comes_as_soon_as_it_is_there() -> None:
    """Whoever is fast does not wait for who is slow."""
    waiting = threading.Event()
    found = side_by_side(lambda n: waiting.wait(10) if n == 0 else n, [0, 1, 2], 2)
    assert [next(found), next(found)] == [(1, 1), (2, 2)]
    waiting.set()
    assert list(found) == [(0, True)]


def test_after_an_error_nothing_new_is_begun() -> None:
    """What was under way comes to its end, and is told."""
    begun = []
    slow = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            slow.wait(10)
        if number == 1:
            raise ValueError("no")
        return number

    found = []
    for each in side_by_side(work, list(range(100)), 2):
        found.append(each)
        slow.set()
    (error,) = [each for _, each in found if isinstance(each, Exception)]
    assert str(error) == "no"
    assert (0, 0) in found
    assert len(begun) < 5


def test_who_leaves_waits_for_nobody() -> None:
    """Left half-way, nothing new is begun; and a process ends though a thread is still at work."""
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        return number

    found = side_by_side(work, list(range(1000)), 2)
    next(found)
    found.close()
    time.sleep(0.1)
    assert len(begun) < 10
    program = (
        "import time\nfrom backtrack_sampler.rl.judges.side_by_side import side_by_side\n"
        "for _ in side_by_side(lambda n: time.sleep(60 * n), [0, 1], 2): break"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_only_exceptions_are_results() -> None:
    """An exception is yielded, not raised."""
    ((index, error),) = side_by_side(lambda n: 1 / n, [0], 1)
    assert index == 0
    with pytest.raises(ZeroDivisionError):
        raise error  # type: ignore[misc]
