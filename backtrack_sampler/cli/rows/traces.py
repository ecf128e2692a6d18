"""A trace for each row of a batch, in files of their own. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...trace import Trace
from ...trace.files import ENDINGS, check_path
from ..trace import write

__all__ = ["RowTraces"]


class RowTraces:
    """Where the traces of rows go: folders, which are made, or names with {index} in them.

    Args:
        places: `pages` is the same as `pages/{index}.html`.

    Raises:
        InputError: nothing can be written there.
    """

    def __init__(self, places: Sequence[str]) -> None:
        self._names = [_name(place) for place in places]

    def write(self, index: int, trace: Trace) -> None:
        """Write a row's trace; one that is there from an earlier run is replaced."""
        for name in self._names:
            write(trace, name.with_name(name.name.replace("{index}", str(index))))


def _name(place: str) -> Path:
    name = Path(place)
    if "{index}" not in name.name:
        if name.suffix.lower() in ENDINGS:
            raise InputError(
                f"--trace {place} is one file, and there are many rows: give a folder, or write {{index}} in the name"
            )
        name = name / "{index}.html"
    try:
        name.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {name.parent} for traces: {error.strerror or error}") from error
    return check_path(name)
