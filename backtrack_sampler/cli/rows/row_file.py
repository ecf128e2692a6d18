"""The file that rows are written to, so that the same command goes on from it whatever has ended the program.

A line is a row, or, first of all and where they have changed, `{"settings": {...}}`: how the rows after it
were made. A row that is there again, after one that has failed, is in its place. Standard library only.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...errors import InputError
from ...options import SessionOptions
from ...trace.files import write_atomically
from .differences import differences, repeated_only
from .job import Job
from .lines import BEGINNINGS, Entry, encoded, entry_of, given_of

__all__ = ["RowFile", "RowPipe", "opened"]


class RowPipe:
    """Rows that go to standard output; there is nothing to go on from.

    Attributes:
        count: rows that are written.
        failed: those that were there at the beginning, and stay, with an error.
        retried: how many of the missing rows are there, but have failed.
        missing: indices of rows to be written, in order; those of unusable prompts are not among them.
        accepted: what differs from the settings in the file, and is accepted; for people.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.count = 0
        self.failed = 0
        self.retried = 0
        self.accepted: list[str] = []
        self.missing = {index: None for index in range(job.n * len(job.prompts)) if not job.prompts[index // job.n].bad}

    def begin(self) -> None:
        """The first row is about to be written."""

    def append(self, row: Entry) -> None:
        """Write a row that is over; in one piece, so that a line that was begun is one that was cut off."""
        self._add(encoded(row))
        self._note(row["index"])

    def interrupted(self) -> None:
        """Ctrl-C came, perhaps just after a row was written: count again."""

    def tidy(self) -> None:
        """Nothing more is written."""

    def _note(self, index: int) -> None:
        del self.missing[index]
        self.count += 1

    def _add(self, data: bytes) -> None:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"cannot write the output: {error.strerror or error}") from error


class RowFile(RowPipe):
    """The rows that are in a file, and those that are added.

    Args:
        job: what is to be written.
        file: where to; unbuffered. It is changed only where all of its lines belong to this job.

    Raises:
        InputError: a line does not belong to this job; the message names it.
    """

    def __init__(self, job: Job, file: io.FileIO) -> None:
        super().__init__(job)
        self._file = file
        self._changed: list[str] = []  # names of the settings
        self._stated = False  # whether a line with settings is there
        self._rows: dict[int, tuple[int, Entry]] = {}  # index -> number of its line, and what it says
        self._replaced: set[int] = set()  # numbers of lines
        file.seek(0)
        data = file.readall()
        *lines, last = data.split(b"\n")
        torn = entry_of(last) is None and any(last.startswith(each) or each.startswith(last) for each in BEGINNINGS)
        entries = [self._read(line, number) for number, line in enumerate(lines if torn else [*lines, last], 1)]
        self._lines = len(entries)  # of earlier runs
        self._check_settings(entries)
        self._take_rows(entries)
        if torn:
            file.truncate(len(data) - len(last))
        else:
            self._add(b"\n")

    def begin(self) -> None:
        """Say how the rows that follow are made, unless the file says so already."""
        if self._stated and not self._changed:
            return
        said: Entry = {"settings": self._job.settings}
        with suppress(PackageNotFoundError):
            said["version"] = version("backtrack_sampler")
        if self._changed:
            said["accepted"] = self._changed
        self._add(encoded(said))

    def interrupted(self) -> None:
        self._file.seek(0)
        for line in self._file.readall().split(b"\n")[self._lines :]:
            entry = entry_of(line)
            if entry is not None and entry.get("index") in self.missing:
                self._note(entry["index"])

    def tidy(self) -> None:
        """Leave one line for each row: those that have failed, and are there again, go."""
        if not self._replaced:
            return
        self._file.seek(0)
        lines = self._file.readall().decode().split("\n")
        kept = [line for number, line in enumerate(lines, 1) if number not in self._replaced]
        try:
            write_atomically(self._job.place, "\n".join(kept))
        except InputError as error:  # nothing is lost, and the next run tries again
            print(f"backtrack-sampler: {error}; where a row is there twice, the last one counts", file=sys.stderr)

    def _note(self, index: int) -> None:
        super()._note(index)
        if before := self._rows.get(index):
            self._replaced.add(before[0])

    def _add(self, data: bytes) -> None:
        try:
            while data:  # once, but where the disk fills up: then the second time says so
                data = data[self._file.write(data) :]
        except OSError as error:
            raise InputError(f"cannot write {self._job.place}: {error.strerror or error}") from error

    # -- what is there -------------------------------------------------------------------------

    def _place(self, number: int) -> str:
        return f"{self._job.place}, line {number}"

    def _read(self, line: bytes, number: int) -> Entry:
        entry = entry_of(line)
        if entry is None:
            raise InputError(
                f"{self._place(number)}: this is no row that this command has written: "
                "remove that line, and its row is written again, or give another --out"
            )
        if "settings" in entry:
            self._stated |= "index" not in entry
        elif not self._stated:
            raise InputError(
                f"{self._place(number)}: no line above says with which settings this row was written, as where "
                "--out - has written it: give another --out"
            )
        return entry

    def _check_settings(self, entries: list[Entry]) -> None:
        """Compare with the settings that were in force last; what they have replaced was accepted then."""
        last = max((place for place, entry in enumerate(entries) if "index" not in entry), default=0)
        for number, entry in enumerate(entries[last:], last + 1):
            if "settings" not in entry:
                continue
            old, new = entry["settings"], self._job.settings
            # What it does not say was not there to be chosen when it was written.
            defaults = {each.name: each.default for each in fields(SessionOptions) if each.name in new}
            changed = differences({**old, **defaults, **old}, new)
            if "index" in entry:
                changed |= repeated_only(given_of(entry))
            if not changed:
                continue
            if "n" in changed or not self._job.accept_changes:
                offered = self._job.offered and "n" not in changed
                accept = ", or --accept-changes for the rows to come" if offered else ""
                raise InputError(
                    f"{self._place(number)}: {', '.join(changed.values())}: go on with what it was, "
                    f"{'' if accept else 'or '}give another --out{accept}"
                )
            self._changed, self.accepted = list(changed), list(changed.values())
            return

    def _take_rows(self, entries: list[Entry]) -> None:
        """Check each row, and note it."""
        settings: Entry = {}
        for number, entry in enumerate(entries, 1):
            settings = entry.get("settings", settings)
            if "index" in entry:
                self._take(number, entry, settings)
        for index, (_, entry) in self._rows.items():
            if "error" in entry and self._job.retry_failed:
                self.retried += 1
                continue
            super()._note(index)
            self.failed += "error" in entry

    def _take(self, number: int, row: Entry, settings: Entry) -> None:
        job, place, index = self._job, self._place(number), row["index"]
        if index >= job.n * len(job.prompts):
            raise InputError(
                f"{place}: this is of prompt number {index // job.n + 1}, and there are only {len(job.prompts)} now: "
                "leave all prompts where they were, or give another --out"
            )
        prompt = job.prompts[index // job.n]
        if prompt.bad:
            raise InputError(
                f"{place}: this is of {prompt.place}, which cannot be used now ({prompt.bad}): mend it as it was, "
                "or give another --out"
            )
        seed = self._seed(index, settings)
        new = {**prompt.given, "seed": row["seed"] if seed is None else seed}
        changed = differences({**given_of(row), "seed": row["seed"]}, new)
        if changed:
            raise InputError(
                f"{place} and {prompt.place}: {', '.join(changed.values())}: go on with what it was, "
                "or give another --out"
            )
        if before := self._rows.get(index):
            if "error" not in before[1]:
                raise InputError(f"{place}: row {index} is there twice: remove one of the two")
            self._replaced.add(before[0])
        self._rows[index] = number, row

    def _seed(self, index: int, settings: Entry) -> int | None:
        """The seed that a row must have, given the settings that it was written with; None: any."""
        own = self._job.prompts[index // self._job.n].given.get("seed")
        if own is not None:
            return self._job.seed_of(index)
        first = settings.get("seed")
        return first + index if isinstance(first, int) else None


@contextmanager
def opened(path: Path) -> Iterator[io.FileIO]:
    """The file to read and append to, for nobody else until this is over."""
    if path.exists() and not path.is_file():
        raise InputError(f"cannot write {path}: it is a device or a pipe, give a plain file")
    try:
        file = io.FileIO(path, "a+")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl = importlib.import_module("fcntl")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(path) from None
        except (ImportError, OSError):
            pass  # Windows, or a file system without locks
        if not _is_at(file, path):
            raise _in_use(path)  # it has just put another file in the place of this one
        yield file


def _is_at(file: io.FileIO, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    return False


def _in_use(path: Path) -> InputError:
    return InputError(f"another run is writing to {path}: wait for its end, or give another --out")
