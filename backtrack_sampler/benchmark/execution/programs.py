"""Running programs that a model wrote: each in a process and a folder of its own, behind limits.

A program gets a new Python process with an empty environment, an empty folder that is deleted afterwards, nothing
to read and nowhere to print to; limits on memory, processor time, file sizes and processes, only ever lowered; and,
where the platform has them, the kernel's walls (see `guard`). It is killed with all that it has started. `guards`
says what holds here. None of this is a sandbox against a program that was made to break out: run what you do not
trust at all in a container or on a machine of its own.

That a program has ended well is known by a nonce, not by its exit status or by what it prints.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

__all__ = [
    "ENDED_EARLY", "ERROR", "FAILED", "PASSED", "TIMED_OUT", "Execution", "Limits", "execute", "execute_all", "guards",
]  # fmt: skip

#: How a program has ended: all of it was run; it raised; its time was over; its process was gone before its end.
PASSED, FAILED, TIMED_OUT, ENDED_EARLY = "passed", "failed", "timed out", "ended early"
#: It could not be run at all: this says nothing of the program.
ERROR = "error"

_GUARD = Path(__file__).with_name("guard")
_LONGEST_REPORT = 4096
_KILLED = {128 + number for name in ("SIGKILL", "SIGXCPU") if (number := getattr(signal, name, None))}
_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")  # without which a Python may not even start


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        seconds: processor time, to the next whole second: how busy the machine is does not change what passes.
        wall: seconds on the clock, for a program that waits; None: four times the processor time.
        memory: bytes of address space.
        file_size: bytes of each file that it writes; files, folders and links together may be a hundred.
        processes: with threads; of the user, where a program has no user of its own.
    """

    seconds: float = 5.0
    wall: float | None = None
    memory: int = 1 << 30
    file_size: int = 1 << 20
    processes: int = 16

    @property
    def on_the_clock(self) -> float:
        """Seconds until it is killed."""
        return 4 * self.seconds if self.wall is None else self.wall


class Execution(NamedTuple):
    """How a program has ended.

    Attributes:
        outcome: `PASSED`, `FAILED`, `TIMED_OUT`, `ENDED_EARLY` or `ERROR`.
        detail: one line: what it raised, how its process ended, or why it could not be run.
        seconds: processor time, Python's start included; time on the clock where the platform does not tell.
        missing: guards that do not hold here, and why.
    """

    outcome: str
    detail: str = ""
    seconds: float = 0.0
    missing: Mapping[str, str] = {}

    @property
    def passed(self) -> bool:
        return self.outcome == PASSED


def execute(parts: Sequence[str], limits: Limits = Limits()) -> Execution:
    """Run a program, in parts that share one namespace, so that no part can swallow the next.

    It passes if every part comes to its end. `__name__` is "program" there.

    Args:
        parts: Python code, one after the other.
        limits: what it may use.
    """
    try:
        with (
            _own_folder() as folder,
            tempfile.TemporaryFile() as request,
            tempfile.TemporaryFile() as report,
        ):
            return _executed(parts, limits, folder, request, report)
    except OSError as error:  # no room on the disk, no memory for a process
        return Execution(ERROR, f"a program could not be run: {error}")


def execute_all(programs: Sequence[tuple[Sequence[str], Limits]], workers: int | None = None) -> Iterator[Execution]:
    """Run many programs side by side; the results are in the order of the programs.

    Args:
        programs: parts and limits of each; see `execute`.
        workers: how many at a time; None: one for each processor that this process may use.
    """
    # Who stops in between waits for those that run; `map` takes back the others.
    with ThreadPoolExecutor(workers or processors(), thread_name_prefix="program") as pool:
        yield from pool.map(lambda program: execute(*program), programs)


def guards() -> dict[str, str]:
    """What does not hold on this machine, and why; empty where everything does."""
    return dict(execute(["pass"]).missing)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _executed(parts: Sequence[str], limits: Limits, folder: str, request: IO[bytes], report: IO[bytes]) -> Execution:
    # Both are files: nobody waits for a pipe to be read, and no report is longer than a file may be.
    nonce = secrets.token_hex(16)
    lowered = {
        "memory": limits.memory,
        "processor time": math.ceil(limits.seconds),
        "file size": limits.file_size,
        "processes": limits.processes,
        "core files": 0,
    }
    asked = {"parts": list(parts), "nonce": nonce, "parent": os.getpid(), "limits": lowered}
    request.write(json.dumps(asked).encode())
    request.seek(0)
    process = subprocess.Popen(
        # As -I, but for the environment, which is ours: it makes sets of strings the same in every run.
        [sys.executable, "-s", "-P", str(_GUARD)],
        stdin=request, stdout=report, stderr=report, cwd=folder, env=_environment(folder), start_new_session=True,
    )  # fmt: skip
    code, seconds, killed = (_wait_posix if hasattr(os, "wait4") else _wait)(process, limits.on_the_clock)
    report.seek(0)
    said = report.read(_LONGEST_REPORT).decode(errors="replace")
    before, found, after = said.partition(nonce)
    missing = _missing(before)
    how = after.strip() if found else ""
    if how == "passed":
        return Execution(PASSED, "", seconds, missing)
    if how:
        return Execution(FAILED, how, seconds, missing)
    if killed or (code in _KILLED and seconds > limits.seconds - 1):
        return Execution(TIMED_OUT, f"after {seconds:.1f} s of processor time", seconds, missing)
    if before.startswith("{"):
        return Execution(ENDED_EARLY, f"exit status {code}", seconds, missing)
    return Execution(ERROR, f"Python did not start (exit status {code}): {' '.join(before.split())[-300:]}", seconds)


@contextmanager
def _own_folder() -> Iterator[str]:
    """A folder for a program, deleted with all that it has made: what cannot be deleted is no reason to end a run."""
    folder = tempfile.TemporaryDirectory(prefix="program-", ignore_cleanup_errors=True)
    try:
        yield folder.name
    finally:
        with suppress(OSError, RuntimeError):  # folders in folders, deeper than Python goes
            folder.cleanup()


def _environment(folder: str) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return {
        **{name: os.environ[name] for name in _LIBRARIES if name in os.environ},
        **dict.fromkeys(threads, "1"),
        **dict.fromkeys(("HOME", "TMPDIR", "TMP", "TEMP"), folder),
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": "0",
    }


def _wait_posix(process: subprocess.Popen[bytes], wall: float) -> tuple[int, float, bool]:
    """Exit status as in a shell, seconds of processor time, and whether its time was over."""
    over = threading.Event()

    def kill() -> None:
        over.set()
        _kill_group(process.pid)

    timer = threading.Timer(wall, kill)
    timer.start()
    try:
        if hasattr(os, "waitid"):  # it stays a zombie, so that its number is nobody else's when its group is killed
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        else:
            process.wait()
    finally:
        timer.cancel()
        timer.join()
        _kill_group(process.pid)  # what it has started, and itself, should this thread have been interrupted
    if process.returncode is not None:  # macOS before Python 3.13
        return _as_in_shells(process.returncode), wall if over.is_set() else 0.0, over.is_set()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return _as_in_shells(process.returncode), used.ru_utime + used.ru_stime, over.is_set()


def _wait(process: subprocess.Popen[bytes], wall: float) -> tuple[int, float, bool]:
    """The same where there are no process groups: what it has started may go on."""
    begun, over = time.monotonic(), False
    try:
        process.wait(wall)
    except subprocess.TimeoutExpired:
        over = True
    finally:
        process.kill()
    return _as_in_shells(process.wait()), time.monotonic() - begun, over


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS: a group of zombies
        pass


def _as_in_shells(code: int) -> int:
    return code if code >= 0 else 128 - code


def _missing(said: str) -> dict[str, str]:
    """The guards that could not be put up."""
    try:
        found = json.loads(said.partition("\n")[0])
        return {str(name): str(why) for name, why in found.items()}
    except (ValueError, AttributeError):  # it did not come so far, or a program has written over it
        return {}
