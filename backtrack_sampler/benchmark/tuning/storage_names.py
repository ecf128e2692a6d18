"""How a configuration names the storage of a study; needs nothing installed."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ..places import whole_path

__all__ = ["journal_of"]

_JOURNAL = "journal:"
_ENDINGS = (".journal", ".log")


def journal_of(said: str) -> Path | None:
    """The file that "journal:PATH", or a path ending in .journal or .log, names; None for a database.

    All workers append to it, also over NFS where that has locks. Anything with "://" is the URL of a database.

    Raises:
        InputError: it is neither.
    """
    if said.startswith(_JOURNAL):
        path = said.removeprefix(_JOURNAL)
        if not path.strip() or path.startswith("//"):
            raise InputError(f"storage {said!r} names no file: write journal:PATH")
        return whole_path(path).absolute()
    if "://" not in said:
        if said.endswith(_ENDINGS) and said not in _ENDINGS:
            return whole_path(said).absolute()
        raise InputError(
            f"storage must be journal:PATH, a path that ends in .journal or .log, or the URL of a database, as "
            f"sqlite:///PATH, not {said!r}"
        )
    if said.startswith("redis"):
        raise InputError(
            "storage cannot be Redis, which does not tell when a worker has died: use a database or a file"
        )
    return None
