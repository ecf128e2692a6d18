"""Where a study is kept: it outlives its workers, and several of them share it.

Needs Optuna; a file also needs `filelock`, whose locks the system itself takes from a process that dies. Optuna's
own locks of journal files are files, and stay when their process is killed: others wait for half a minute, or
for ever where the path is relative.
"""

from __future__ import annotations

import logging
import re
import threading
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from ...errors import InputError
from ..private import without_secrets
from .storage_check import JOURNAL, database_of
from .storage_names import journal_of
from .study_trials import WORKER, fail

__all__ = ["StudyStorage"]

_log = logging.getLogger(__name__)

_FILES = ("sqlite",)  # databases that are files
_LOCKED = 60.0  # seconds until a lock that somebody holds is an error: they are held for milliseconds
_BEAT, _GRACE = 30, 120  # seconds between signs of life in a database, and without one until a worker counts as dead
_UNSIGNED = timedelta(seconds=60)  # a trial is signed as soon as it is begun


class StudyStorage:
    """A storage, open while a worker works on a study in it.

    Args:
        said: see `journal_of`; None keeps the study in memory, for one worker.

    Attributes:
        name: what to call it; without a password.
        worker: who opened it; unique.

    Raises:
        InputError: it cannot be used: locked, not reachable, or something else.
        MissingPackageError: the database's own package is not installed.
    """

    def __init__(self, said: str | None) -> None:
        _quiet()
        self.worker = uuid.uuid4().hex
        self.name = "memory" if said is None else said
        self._stale: list[FrozenTrial] = []
        self._file: Path | None = None  # beside it, each worker holds a lock while it lives
        self._database: RDBStorage | None = None  # one that is no file: there, workers give signs of life
        self._held = ExitStack()
        self.optuna = self._opened(said)

    def _opened(self, said: str | None) -> BaseStorage:
        if said is None:
            return optuna.storages.InMemoryStorage()
        path = journal_of(said)
        if path is not None:
            with self.errors():
                self._keep_beside(path)
                _check_journal(path)
                try:
                    return JournalStorage(JournalFileBackend(str(path), lock_obj=_Lock(path)))
                except (ValueError, KeyError, TypeError, AssertionError) as error:  # what it makes of other files
                    raise _no_journal(path) from error
        url = database_of(said)
        self.name = without_secrets(said)
        with self.errors():
            return self._opened_database(url)

    def _opened_database(self, url: sqlalchemy.URL) -> BaseStorage:
        text = url.render_as_string(hide_password=False)
        if url.get_backend_name() not in _FILES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._database = _twice(
                    text,
                    heartbeat_interval=_BEAT,
                    grace_period=_GRACE,
                    heartbeat_stale_trial_callback=lambda study, trial: self._stale.append(trial),
                )
            return self._database
        with ExitStack() as alone:  # or two that find no tables both make them
            if url.database and url.database != ":memory:":
                self._keep_beside(Path(url.database))
                alone.enter_context(FileLock(f"{url.database}.flock", timeout=_LOCKED))
            return _twice(text, engine_kwargs={"connect_args": {"timeout": _LOCKED}})

    def _keep_beside(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab"):  # says now, and plainly, where it cannot be written
            pass
        self._file = path.absolute()

    def __enter__(self) -> StudyStorage:
        if self._file is not None:
            with self.errors():
                self._held.enter_context(FileLock(self._lock_of(self.worker), timeout=_LOCKED))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
        if self._file is not None:
            with suppress(OSError):  # whatever it is, it has no part in what was found
                for worker in self._workers():
                    self._is_dead(worker)  # and its lock goes

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What goes wrong with the storage becomes one line."""
        try:
            yield
        except optuna.exceptions.UpdateFinishedTrialError:  # no fault of the storage: somebody else has ended it
            raise
        except Timeout as error:
            raise InputError(f"{self.name} is locked by another process: end it, or give another storage") from error
        except optuna.exceptions.StorageInternalError as error:
            raise self._unusable(error.__cause__ or error) from error
        except (OSError, sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: BaseException) -> InputError:
        why = getattr(error, "strerror", None) or getattr(error, "orig", None) or error
        first = next(iter(str(why).splitlines()), type(error).__name__)
        return InputError(f"the study's storage {self.name} cannot be used: {first}")

    def lost(self, study: optuna.Study) -> list[FrozenTrial]:
        """The trials that have ended because the process that ran them has; each is given to one caller only."""
        if self._database is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.storages.fail_stale_trials(study)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        found = [trial for trial in running if self._has_lost_its_worker(trial) and fail(study, trial.number)]
        stale, self._stale = self._stale, []
        return stale + found

    def _has_lost_its_worker(self, trial: FrozenTrial) -> bool:
        worker = trial.user_attrs.get(WORKER)
        if worker is None:  # it died before it could say so, or has only just begun
            return trial.datetime_start is None or datetime.now() - trial.datetime_start > _UNSIGNED
        return self._file is not None and self._is_dead(worker)

    def _is_dead(self, worker: str) -> bool:
        try:
            with FileLock(self._lock_of(worker), timeout=0):
                pass
        except Timeout:
            return False
        self._lock_of(worker).unlink(missing_ok=True)
        return True

    def _workers(self) -> list[str]:
        """All that have a lock beside the file, dead ones too."""
        assert self._file is not None
        form = re.compile(re.escape(self._file.name) + r"\.([0-9a-f]{32})\.lock")
        return [found[1] for each in self._file.parent.iterdir() if (found := form.fullmatch(each.name))]

    def ask(self, study: optuna.Study) -> optuna.Trial:
        """Begin a trial."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)  # it is `alive` that gives it
            return study.ask()

    @contextmanager
    def alive(self, study: optuna.Study, number: int) -> Iterator[None]:
        """Others are told that a trial is being run; it is to be signed in here."""
        if self._database is None:  # the lock says it
            yield
            return
        with self.errors():
            study_id = self._database.get_study_id_from_name(study.study_name)
            trial_id = self._database.get_trial_id_from_study_id_trial_number(study_id, number)
            self._database.record_heartbeat(trial_id)  # Optuna never misses a trial that has given none
        done = threading.Event()
        thread = threading.Thread(target=_beat, args=(self._database, trial_id, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _lock_of(self, worker: str) -> Path:
        assert self._file is not None
        return self._file.with_name(f"{self._file.name}.{worker}.lock")


class _Lock:
    """Lets one process at a time append to a journal.

    What a process that was killed has written of a line goes away: with the next line after it, nobody could
    read the file again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_name(path.name + ".flock"), timeout=_LOCKED, poll_interval=0.01)

    def acquire(self) -> bool:
        self._lock.acquire()
        try:
            _drop_half_line(self._path)
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        self._lock.release()


def _drop_half_line(path: Path) -> None:
    with open(path, "rb+") as file:
        end = file.seek(0, 2)
        if not end:
            return
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _check_journal(path: Path) -> None:
    """Refuse to append to somebody's file."""
    with open(path, "rb") as file:
        begin = file.read(len(JOURNAL))
    if not JOURNAL.startswith(begin):
        raise _no_journal(path)


def _no_journal(path: Path) -> InputError:
    return InputError(f"{path} is not the journal of a study: give another file")


def _twice(url: str, **options: Any) -> RDBStorage:
    """Two workers that begin at the same time make the same tables: one of them finds them there."""
    try:
        return RDBStorage(url, **options)
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
        return RDBStorage(url, **options)


def _beat(database: RDBStorage, trial_id: int, done: threading.Event) -> None:
    while not done.wait(_BEAT):
        try:
            database.record_heartbeat(trial_id)
        except (optuna.exceptions.OptunaError, sqlalchemy.exc.SQLAlchemyError) as error:  # it may come back
            _log.warning("the study's database does not take a sign of life: %s", error)


def _quiet() -> None:
    """Optuna says nothing by itself; what is wrong goes where everybody's warnings go."""
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
