"""Where studies are kept: what is refused, and what a process leaves behind that was killed."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from filelock import FileLock

from backtrack_sampler.benchmark.arms import Arm, sampling_of
from backtrack_sampler.benchmark.tuning import study_storage, study_worker
from backtrack_sampler.benchmark.tuning.search_space import Tuning
from backtrack_sampler.benchmark.tuning.storage_names import journal_of
from backtrack_sampler.benchmark.tuning.study import Partial, Tuned, tune
from backtrack_sampler.benchmark.tuning.study_trials import WORKER
from backtrack_sampler.errors import InputError, MissingPackageError

Calls = list[str]


def _tune(storage: str | None, n_trials: int = 4, error_in: int = 0) -> tuple[Calls, Tuned]:
    """Tune, and say which arms were measured."""
    calls: Calls = []

    def measure(arm: Arm) -> Iterator[Partial]:
        calls.append(arm.strategies[0][1])
        if len(calls) == error_in:
            raise KeyboardInterrupt
        yield Partial(8, 0.5, 20.0)

    tuning = Tuning("repetition", "operator", "repetition", n_trials=n_trials)
    return calls, tune(tuning, sampling_of(), measure, storage=storage)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A worker that is interrupted leaves everything as a killed one does."""

    def tune_and_die(storage: str, **options: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(study_worker.Worker, "_give_back", lambda self, number: None)
            with pytest.raises(KeyboardInterrupt):
                _tune(storage, error_in=2, **options)

    return tune_and_die


@pytest.mark.parametrize("ending", [".journal", ".log"])
def test_a_path_that_ends_so_is_a_journal(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without "journal:" before it; relative ones are those of the current folder."""
    monkeypatch.chdir(tmp_path)
    assert journal_of(f"a/study{ending}") == tmp_path / "a" / f"study{ending}"
    assert journal_of("journal:study") == tmp_path / "study"
    assert journal_of("sqlite:///study.log") is None
    _tune(f"a/study{ending}")
    assert [each.name for each in (tmp_path / "a").iterdir() if each.suffix not in (".flock", ".lock")] == [
        f"study{ending}"
    ]


def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    """A log that is no journal is not appended to, whether its line ends or not."""
    for text in ("hello", "hello\n", '{"a": 1}\n{"b": 2}\n', '{"op_code":99,"worker_id":"a"}\n'):
        file = tmp_path / "notes.log"
        file.write_text(text)
        with pytest.raises(InputError, match="notes.log is not the journal of a study"):
            _tune(str(file))
        assert file.read_text() == text


def test_a_folder_is_no_storage(tmp_path: Path) -> None:
    """One line, with its name."""
    (tmp_path / "a.journal").mkdir()
    with pytest.raises(InputError, match=r"a\.journal cannot be used: Is a directory"):
        _tune(str(tmp_path / "a.journal"))
    with pytest.raises(InputError, match=r"cannot be used: unable to open database file|cannot be used: Is a dir"):
        _tune(f"sqlite:///{tmp_path}")


def test_a_locked_journal_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds it for longer than anybody needs."""
    monkeypatch.setattr(study_storage, "_LOCKED", 0.0)
    with (
        FileLock(tmp_path / "a.journal.flock"),
        pytest.raises(InputError, match=r"a\.journal is locked by another process"),
    ):
        _tune(str(tmp_path / "a.journal"))


def test_a_locked_database_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where it cannot be opened, and later where it is locked in the middle."""
    monkeypatch.setattr(study_storage, "_LOCKED", 0.0)
    file = tmp_path / "a.db"
    connection = sqlite3.connect(file, isolation_level=None)

    def lock() -> None:
        connection.execute("BEGIN EXCLUSIVE")

    lock()
    with pytest.raises(InputError, match=r"a\.db cannot be used: database is locked"):
        _tune(f"sqlite:///{file}")
    connection.rollback()

    def measure(arm: Arm) -> Iterator[Partial]:
        lock()
        yield Partial(8, 0.5, 20.0)

    with pytest.raises(InputError, match=r"a\.db cannot be used: database is locked"):
        tune(Tuning("repetition", "operator", "repetition"), sampling_of(), measure, storage=f"sqlite:///{file}")
    connection.rollback()
    connection.close()
    calls, found = _tune(f"sqlite:///{file}")
    assert len(calls) == len(found.trials) == 4


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://me:secret@host/db", "nosuch"),
        ("postgresql://me:secret@host:port/db", "is not a URL of a database"),
    ],
)
def test_a_url_that_cannot_be_opened_is_one_line_without_its_password(url: str, message: str) -> None:
    """An unknown kind of database, or no URL."""
    with pytest.raises(InputError, match=message) as error:
        _tune(url)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_database_without_its_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps the password to itself."""
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(MissingPackageError, match="needs the package psycopg2: pip install psycopg2") as error:
        _tune("postgresql+psycopg2://me:secret@localhost/db")
    assert "secret" not in str(error.value)


def test_without_optuna_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every extra."""
    for name in [each for each in sys.modules if each.startswith("backtrack_sampler.benchmark.tuning.study_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        MissingPackageError, match=r"optuna is not installed: pip install 'backtrack_sampler\[benchmark\]'"
    ):
        _tune(None)


@pytest.mark.parametrize("half", ['{"op_code":4,"wor', '{"op', "{"])
def test_half_a_line_of_a_killed_process_is_dropped(tmp_path: Path, half: str, killed: Any) -> None:
    """Otherwise the next line would follow it, and nobody could read the journal again."""
    file = tmp_path / "a.journal"
    killed(str(file))
    with open(file, "a") as journal:
        journal.write(half)
    calls, found = _tune(str(file))
    assert len(calls) == 3
    assert len(found.trials) == 4
    assert all(line.endswith("}\n") for line in file.read_text().splitlines(keepends=True))


def test_locks_of_killed_processes_hold_nobody_up(tmp_path: Path, killed: Any) -> None:
    """Their files may lie there, also Optuna's own; a worker that ends leaves none of its own."""
    (tmp_path / "a.journal.lock").symlink_to("a.journal")
    (tmp_path / "a.journal.flock").touch()
    (tmp_path / f"a.journal.{'0' * 32}.lock").touch()  # of one that was between two trials
    killed(f"journal:{tmp_path / 'a.journal'}")
    _tune(f"journal:{tmp_path / 'a.journal'}")
    assert {each.name for each in tmp_path.iterdir()} == {"a.journal", "a.journal.lock", "a.journal.flock"}


@pytest.mark.parametrize("where", ["journal:{}/a.journal", "sqlite:///{}/a.db"])
def test_what_a_dead_worker_was_trying_is_tried_again(where: str, tmp_path: Path, killed: Any) -> None:
    """Its parameters are the next ones."""
    storage = where.format(tmp_path)
    whole, _ = _tune(None)
    killed(storage)
    calls, found = _tune(storage)
    assert calls[0] == whole[1]
    assert len(calls) == 3
    assert [each.number for each in found.trials] == [0, 2, 3, 4]


@pytest.mark.parametrize("where", ["journal:{}/a.journal", "sqlite:///{}/a.db"])
def test_what_a_living_worker_tries_is_left_to_it(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is asked for in the middle of another's trial waits for it, and does not do it again."""
    storage = where.format(tmp_path)

    class Waited(Exception):
        pass

    def give_up(seconds: float) -> None:
        raise Waited

    monkeypatch.setattr(study_worker.time, "sleep", give_up)

    def measure(arm: Arm) -> Iterator[Partial]:
        with pytest.raises(Waited):
            _tune(storage, n_trials=1)
        yield Partial(8, 0.5, 20.0)

    found = tune(Tuning("repetition", "operator", "repetition", n_trials=1), sampling_of(), measure, storage=storage)
    assert [each.state for each in found.trials] == ["complete"]


@pytest.mark.parametrize("files", [("sqlite",), ()])
def test_a_trial_that_nobody_has_signed_is_given_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...]
) -> None:
    """A process that dies between beginning a trial and signing it has not chosen anything yet."""
    monkeypatch.setattr(study_storage, "_FILES", files)
    storage = f"sqlite:///{tmp_path}/a.db"
    _tune(storage, 1)
    (study_name,) = optuna.get_all_study_names(storage)
    optuna.load_study(study_name=study_name, storage=storage).ask()
    with study_storage.StudyStorage(storage) as opened:
        study = optuna.load_study(study_name=study_name, storage=opened.optuna)
        assert opened.lost(study) == []
        monkeypatch.setattr(study_storage, "_UNSIGNED", study_storage.timedelta(seconds=-1))
        assert [each.number for each in opened.lost(study)] == [1]
    calls, found = _tune(storage, 2)
    assert len(calls) == 1
    assert [each.number for each in found.trials] == [0, 2]


def test_a_worker_of_a_database_elsewhere_counts_as_dead_without_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: Any
) -> None:
    """Where there is no file to lock, the database's clock decides."""
    monkeypatch.setattr(study_storage, "_FILES", ())
    storage = f"sqlite:///{tmp_path}/a.db"
    killed(storage)
    (study_name,) = optuna.get_all_study_names(storage)
    engine = sqlalchemy.create_engine(storage)
    with study_storage.StudyStorage(storage) as opened:
        study = optuna.load_study(study_name=study_name, storage=opened.optuna)
        assert study.trials[1].user_attrs[WORKER]
        assert opened.lost(study) == []
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00'"))
        assert opened.lost(study) != []
        assert opened.lost(study) == []


def test_with_signs_of_life_a_killed_workers_trial_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: Any
) -> None:
    """As in a file, only later."""
    monkeypatch.setattr(study_storage, "_FILES", ())
    storage = f"sqlite:///{tmp_path}/a.db"
    whole, _ = _tune(None)
    killed(storage)
    with sqlalchemy.create_engine(storage).begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00'"))
    calls, found = _tune(storage)
    assert calls[0] == whole[1]
    assert [each.number for each in found.trials] == [0, 2, 3, 4]
