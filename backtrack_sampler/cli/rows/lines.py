"""The lines of a file of rows: each a row, or the settings of those that follow. Standard library only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import InputError
from ...prompts import OUTCOME

__all__ = ["BEGINNINGS", "Entry", "encoded", "entry_of", "given_of", "read_rows"]

Entry: TypeAlias = dict[str, Any]

#: How a line begins. One that was cut off begins so, too.
BEGINNINGS = (b'{"index": ', b'{"settings": ')
#: What every row says. Besides it there is "prompt" or "messages", and in files of earlier versions "settings".
_KINDS = {
    "index": int, "sample": int, "seed": int, "text": str, "tokens": int, "discarded": int, "rollbacks": int,
    "finish_reason": str,
}  # fmt: skip
_OWN = {*OUTCOME, "settings"}


def encoded(entry: Entry) -> bytes:
    """The line for a row or settings."""
    # Half a character, as file names and JSON may have, is written as JSON escapes it.
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def entry_of(line: bytes) -> Entry | None:
    """The row, or the settings, that a line is; None where it is neither."""
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("settings", {}), dict):
        return None
    if "index" not in found:
        return found if "settings" in found and "text" not in found else None
    fits = all(type(found.get(name)) is kind for name, kind in _KINDS.items()) and found["index"] >= 0
    return found if fits and (isinstance(found.get("prompt"), str) or "messages" in found) else None


def given_of(row: Entry) -> Entry:
    """What a row repeats of its prompt."""
    return {name: value for name, value in row.items() if name not in _OWN}


def read_rows(path: Path) -> list[Entry]:
    """The rows in a file, in order of their index; of those that were tried again, the last.

    What stands behind the last line break is being written, or was cut off, and does not count.

    Raises:
        InputError: it cannot be read, or a line is none that was written here.
    """
    rows: dict[int, Entry] = {}
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    for number, line in enumerate(lines, 1):
        entry = entry_of(line)
        if entry is None:
            raise InputError(f"{path}, line {number}: this is no row that generate --prompts has written")
        if "index" in entry:
            rows[entry["index"]] = entry
    return [rows[index] for index in sorted(rows)]
