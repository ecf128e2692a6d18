"""What a judge has said is kept in a file, so that the same question is never paid for twice.

One SQLite file, which several processes may use at once. An answer is in it when `put` returns: whoever is killed after
that has lost nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...errors import InputError, StorageError

__all__ = ["Cache", "digest"]

_OURS = 0x42544A31  # what SQLite's header says of a file that is ours
_TABLE = "CREATE TABLE replies (question TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
_PATIENCE = 60.0  # seconds to wait for another process that is writing


def digest(question: Mapping[str, Any]) -> str:
    """What a question is kept under: the same for all whose parts are equal."""
    text = json.dumps(question, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Cache:
    """Replies by the digests of their questions. Threads may share it.

    Args:
        path: a file, which is made where it is not there; None keeps replies as long as the process runs.

    Raises:
        InputError: the file cannot be read or written, or is something else.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._name = ":memory:" if path is None else os.fspath(path)
        self._lock = threading.Lock()
        try:
            if path is not None:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self._name, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"the judge's cache {self._name} cannot be opened: {_reason(error)}") from error
        try:
            self._begin()
        except sqlite3.Error as error:
            self._file.close()
            raise InputError(
                f"the judge's cache {self._name} cannot be used ({_reason(error)}): name another file, or move it away"
            ) from error
        except InputError:
            self._file.close()
            raise

    def get(self, key: str) -> str | None:
        """The reply to a question; None where nobody has asked it yet.

        Raises:
            StorageError: the file cannot be read any more.
        """
        with self._using():
            row = self._file.execute("SELECT reply FROM replies WHERE question = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: str, reply: str) -> None:
        """Keep a reply. Where another process was faster, its reply stays.

        Raises:
            StorageError: it cannot be written. What was kept before stays.
        """
        reply = reply.encode(errors="replace").decode()  # SQLite takes no half characters
        with self._using():
            self._file.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, reply))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, suppress(sqlite3.Error):
            self._file.close()

    def _begin(self) -> None:
        """Make the table in a new file; refuse a file that is somebody else's."""
        self._file.execute("BEGIN IMMEDIATE")  # two that begin at once do so one after the other
        (mark,) = self._file.execute("PRAGMA application_id").fetchone()
        (tables,) = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != _OURS and tables:
            raise InputError(f"{self._name} is another program's database, no judge's cache: name another file")
        if not tables:
            self._file.execute(f"PRAGMA application_id = {_OURS}")
            self._file.execute(_TABLE)
        self._file.execute("SELECT question, reply FROM replies LIMIT 1")
        self._file.execute("COMMIT")
        # A reply costs no wait for the disk: only a power failure can lose one, and then the file is still whole.
        with suppress(sqlite3.OperationalError):  # another process is just doing it, or the file system cannot
            self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def _using(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise StorageError(
                    f"the judge's cache {self._name} cannot be used any more ({_reason(error)}): make room or move it "
                    "away, and go on with --resume"
                ) from error


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return " ".join((said or str(error)).split())
