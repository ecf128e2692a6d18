"""What was written is kept: a folder of files to which lines are only ever added.

Every process adds to a file of its own, so nobody waits for a lock, several machines may share the folder,
and a process that is killed loses at most the line that it was about to write.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

from ..errors import InputError
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
        self._file: int | None = None
        self._synced = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in sorted(self.folder.glob("*.jsonl")):
                self._read(file)
        except OSError as error:
            raise InputError(f"cannot use the folder {self.folder}: {error.strerror or error}") from error

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        """The record that is kept under a key, by this process or one before it."""
        return self._records.get(key)

    def add(self, record: Record) -> None:
        """Keep a record: it is in its file when this returns.

        Raises:
            InputError: it cannot be written. What was kept before stays.
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
            raise InputError(
                f"cannot write to {self.folder}: {error.strerror or error}; all that was kept before is safe, "
                "--resume goes on from there"
            ) from error
        self._records[record.key] = record

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{os.urandom(3).hex()}.jsonl"
        return os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)

    def _read(self, file: Path) -> None:
        """Take what can be read; what a process was killed over is written again."""
        for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                record = Record.from_dict(json.loads(line.decode("utf-8", "surrogatepass")))
            except (ValueError, TypeError, KeyError):
                _log.warning("%s, line %d is no whole record: that text is written again", file, number)
                continue
            self._records.setdefault(record.key, record)
