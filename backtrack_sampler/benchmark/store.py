"""What was written is kept: a folder of files to which lines are only ever added.

Every process adds to a file of its own, so nobody waits for a lock, several machines may share the folder,
and a process that is killed loses at most the line that it was about to write. What others add is found by
`refresh`.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, StorageError
from .records import Record

__all__ = ["Store"]

_log = logging.getLogger(__name__)
_SYNC = 2.0  # seconds between two moments at which even a power failure loses nothing


class Store:
    """Records by their keys.

    Args:
        folder: made where it is not there. All records that are in it are read.

    Raises:
        InputError: the folder cannot be read or written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._records: dict[str, Record] = {}
        self._again: set[str] = set()  # keys of what has failed in a process before this one
        self._file: int | None = None
        self._name = ""
        self._ends: dict[str, int] = {}  # file -> how far it was read
        self._synced = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot use the folder {self.folder}: {error.strerror or error}") from error
        self.refresh()
        self._again = {key for key, record in self._records.items() if record.error}
        for file, end in self._ends.items():
            if (self.folder / file).stat().st_size > end:
                _log.warning("the last line of %s is not whole: that text is written again", self.folder / file)

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        """The record that is kept under a key, by this process or another one.

        What has failed in a process before this one may have been the machine's fault: it is tried once more.
        """
        return None if key in self._again else self._records.get(key)

    def refresh(self) -> None:
        """Read what other processes have added since the last time.

        Raises:
            InputError: it cannot be read.
        """
        try:
            for file in sorted(self.folder.glob("*.jsonl")):
                if file.name != self._name and file.stat().st_size > self._ends.get(file.name, 0):
                    self._read(file)
        except OSError as error:
            raise InputError(f"cannot use the folder {self.folder}: {error.strerror or error}") from error

    def add(self, record: Record) -> None:
        """Keep a record: it is in its file when this returns.

        Raises:
            StorageError: it cannot be written. What was kept before stays.
        """
        line = json.dumps(record.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n"
        data = line.encode("utf-8", "surrogatepass")
        try:
            if self._file is None:
                self._file = self._open()
            while data:  # once, but where the disk fills up: then the second time says so
                data = data[os.write(self._file, data) :]
            if time.monotonic() - self._synced > _SYNC:
                os.fsync(self._file)
                self._synced = time.monotonic()
        except OSError as error:
            self.close()  # half a line may be in it: what comes next begins another file
            raise StorageError(
                f"cannot write to {self.folder}: {error.strerror or error}; all that was kept before is safe, "
                "--resume goes on from there"
            ) from error
        self._records[record.key] = record
        self._again.discard(record.key)

    def close(self) -> None:
        """Let go of the file; a power failure loses nothing then."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a full disk, which was said
                os.fsync(file)
            os.close(file)

    def _open(self) -> int:
        self._name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{os.urandom(3).hex()}.jsonl"
        return os.open(self.folder / self._name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)

    def _read(self, file: Path) -> None:
        """Take the whole lines that were not read yet: the last one may not be there to its end."""
        begin = self._ends.get(file.name, 0)
        with file.open("rb") as lines:
            lines.seek(begin)
            data = lines.read()
        end = data.rfind(b"\n") + 1
        self._ends[file.name] = begin + end
        for line in data[:end].split(b"\n"):
            if not line.strip():
                continue
            try:
                record = Record.from_dict(json.loads(line.decode("utf-8", "surrogatepass")))
            except (ValueError, TypeError, KeyError):
                _log.warning("%s has a line that is no whole record: that text is written again", file)
                continue
            known = self._records.get(record.key)
            if known is None or known.error:
                self._records[record.key] = record
                self._again.discard(record.key)
