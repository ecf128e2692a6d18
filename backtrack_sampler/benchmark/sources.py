"""Copies of the user's own files that an experiment names: strategies, operators, tasks, lists of phrases.

They are for those who repeat it elsewhere; the experiment itself names them where they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import StorageError

__all__ = ["FOLDER", "keep_sources"]

#: In the folder of a run.
FOLDER = "sources"

_NAMED = re.compile(r"^([^@]+?\.py)(?=:|$)|=@([^,\]|]+)")  # FILE.py:name, and key=@FILE


def keep_sources(experiment: Mapping[str, Any], folder: Path) -> None:
    """Copy them to a folder of the run.

    Args:
        experiment: as it was said.
        folder: of the run.

    Raises:
        StorageError: a copy cannot be written.
    """
    for text in _texts(experiment):
        for match in _NAMED.finditer(text):
            file = Path(match[1] or match[2]).expanduser()
            try:
                if not file.is_file():
                    continue
                (folder / FOLDER).mkdir(exist_ok=True)
                (folder / FOLDER / file.name).write_bytes(file.read_bytes())
            except OSError as error:
                raise StorageError(f"cannot copy {file} to {folder / FOLDER}: {error.strerror or error}") from error


def _texts(said: Any) -> Iterator[str]:
    """All texts in it."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping):
        for each in said.values():
            yield from _texts(each)
    elif isinstance(said, Sequence):
        for each in said:
            yield from _texts(each)
