"""Where a study cannot be kept: what is said before anything is opened."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from backtrack_sampler.benchmark.tuning.storage_check import check_storage
from backtrack_sampler.errors import InputError, MissingPackageError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("said", ["study.db", "", ".log", "journal:", "journal://host/x", "redis://localhost"])
def test_what_names_no_storage(said: str) -> None:
    """One line says what can be written instead."""
    with pytest.raises(InputError, match="^storage ") as error:
        check_storage(said)
    assert "\n" not in str(error.value)


def test_what_can_be_used_is_not_made() -> None:
    """A file that is to be, of a journal or of SQLite; and what a study has begun."""
    for said in ("a/b.journal", "journal:b", "sqlite:///a/c.db", "sqlite://", "sqlite:///:memory:"):
        check_storage(said)
    assert list(Path().iterdir()) == []
    Path("begun.journal").write_text('{"op_code":0}\n')
    sqlite3.connect("begun.db").executescript("create table a (b)").close()
    check_storage("begun.journal")
    check_storage("sqlite:///begun.db")


def test_files_of_others() -> None:
    """A log, a text and a folder are left as they are."""
    Path("notes.log").write_text("hello\n")
    Path("folder.journal").mkdir()
    for said, why in (
        ("notes.log", "notes.log is not the journal of a study: give another file"),
        ("sqlite:///notes.log", "notes.log is not a database of SQLite: give another file"),
        ("folder.journal", "folder.journal is a folder, and a file is needed"),
        ("notes.log/a.journal", "notes.log is a file, and a folder is needed"),
        ("~nosuchuser/a.journal", "nobody knows where ~nosuchuser is at home"),
    ):
        with pytest.raises(InputError, match=why):
            check_storage(said)


def test_databases_that_nothing_here_can_speak_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown kind, no URL, and one whose package is not installed; its password is not said."""
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    for said, why in (
        ("foo://me:secret@host/db", r"foo://me:\*\*\*@host/db: no database is called foo"),
        ("postgresql://me:secret@host:port/db", "is not a URL of a database"),
        ("postgresql+psycopg2://me:secret@host/db", "needs the package psycopg2: pip install psycopg2"),
    ):
        with pytest.raises((InputError, MissingPackageError), match=why) as error:
            check_storage(said)
        assert "secret" not in str(error.value)
