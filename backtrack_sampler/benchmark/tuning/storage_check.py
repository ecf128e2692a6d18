"""Whether a study can be kept where a configuration says, as far as that shows before anything is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError, MissingPackageError
from ..places import check_file
from ..private import without_secrets
from .storage_names import journal_of

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["JOURNAL", "check_storage", "database_of"]

#: What each line of a journal begins with.
JOURNAL = b'{"op_code":'
_SQLITE = b"SQLite format 3\0"


def check_storage(said: str) -> None:
    """Refuse a storage that names none, whose file cannot be used, or whose database nothing here can speak to.

    Raises:
        InputError, MissingPackageError: with what to do, and without a password.
    """
    path = journal_of(said)
    if path is not None:
        check_file(path, JOURNAL, "the journal of a study")
        return
    url = database_of(said)
    in_memory = url.database in (None, "", ":memory:")
    if url.get_backend_name() == "sqlite" and not in_memory and "uri" not in url.query:
        check_file(Path(url.database or "").absolute(), _SQLITE, "a database of SQLite")


def database_of(said: str) -> sqlalchemy.URL:
    """The database that a URL names, whose package is there.

    Raises:
        InputError: it is no URL, or one of a kind of database that is not known.
        MissingPackageError: the database's own package is not installed.
    """
    try:
        import sqlalchemy
    except ImportError as error:
        raise MissingPackageError("sqlalchemy is not installed: pip install 'backtrack_sampler[benchmark]'") from error
    try:
        url = sqlalchemy.make_url(said)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise InputError(
            "the study's storage is not a URL of a database: write it as postgresql://name:password@host/database"
        ) from error
    shown = without_secrets(said)
    try:
        url.get_dialect().import_dbapi()
    except sqlalchemy.exc.NoSuchModuleError as error:
        raise InputError(f"{shown}: no database is called {url.drivername}: write such as sqlite:///PATH") from error
    except ImportError as error:
        raise MissingPackageError(f"{shown} needs the package {error.name}: pip install {error.name}") from error
    return url
