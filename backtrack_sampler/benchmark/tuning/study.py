"""Tuning: which parameters of an operator or a strategy score best on the development split.

The search is Optuna's. A study lies in a storage that several processes and machines share, and goes on where it
was after a crash: see `study_storage` and `study_worker`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import MissingPackageError
from ..arms import Arm
from ..measuring import Partial
from ..results import Trial
from .ranges import Choice
from .search_space import Tuning

if TYPE_CHECKING:
    import optuna

__all__ = ["Measure", "OnTrial", "Partial", "Tuned", "trials_of", "try_storage", "tune"]


Measure: TypeAlias = Callable[[Arm], Iterator[Partial]]
OnTrial: TypeAlias = Callable[[Trial, int], None]


@dataclass(frozen=True)
class Tuned:
    """The best setting that was found.

    Attributes:
        arm: what writes with it.
        parameters: of what was tuned.
        value: its mean score on the development split: the best of several, and so too high by some luck.
        trials: all that were tried, by all workers.
    """

    arm: Arm
    parameters: Mapping[str, Choice]
    value: float
    trials: Sequence[Trial]


def tune(
    tuning: Tuning,
    sampling: Mapping[str, Any],
    measure: Measure,
    *,
    storage: str | None = None,
    study_name: str = "tuning",
    seed: int = 0,
    on_trial: OnTrial | None = None,
    about: Mapping[str, Any] | None = None,
    startup: int = 10,
    warm_up: int = 16,
) -> Tuned:
    """Try settings until so many have been tried, by all who work on the study, and return the best.

    The first one tried is what nobody has tuned: the spec and its defaults, where they are in the search space.
    A setting is given up (pruned) where its mean so far is below the median of the others at the same item. One
    that raises has failed, and is no score; where a process dies over a setting, another one tries it again.

    Args:
        sampling: see `sampling_of`.
        measure: runs an arm on the development split, always on the same items in the same order and in
            blocks of one size, and yields its running mean after each block. The caller sees to it that
            none of these items is reported on.
        storage: see `storage_names.journal_of`; None for one process and no resuming.
        study_name: of the studies of an experiment. What is tuned, and `about`, are added in short, so that
            nothing is mixed with what was found under other settings.
        seed: same seed, one worker: same settings tried.
        on_trial: told each trial that this process has finished, and how many all have.
        about: what else decides the scores: model, tasks, items; JSON.
        startup: settings drawn at random before the search learns; half as many before it prunes.
        warm_up: items before a setting may be pruned.

    Raises:
        InputError: the storage cannot be used, or all settings failed.
        MissingPackageError: Optuna is not installed.
        KeyboardInterrupt, OSError, ModelError and whatever else is not a setting's fault: as it is raised; the
            setting is tried again by whoever goes on.
    """
    with _installed():
        from .study_worker import Worker
    with Worker(tuning, sampling, measure, storage, on_trial) as worker:
        worker.open_study(study_name, seed, about or {}, startup, warm_up)
        worker.work()
        return worker.best()


def try_storage(storage: str) -> None:
    """Open a storage, which makes it where it is not there, and close it: what is wrong with it is said now.

    Raises:
        InputError: it cannot be used.
        MissingPackageError: Optuna is not installed, or the database's own package.
    """
    with _installed():
        from .study_storage import StudyStorage
    with StudyStorage(storage):
        pass


@contextmanager
def _installed() -> Iterator[None]:
    """A module that is missing is a package to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("backtrack_sampler"):
            raise
        raise MissingPackageError(
            f"{error.name} is not installed: pip install 'backtrack_sampler[benchmark]'"
        ) from error


def trials_of(study: optuna.Study) -> list[Trial]:
    """What was tried in a study, by all workers, in the order of their numbers.

    What is not finished is left out, and so is what was tried again because its process had died.
    """
    from .study_trials import finished, trial_of

    tuned = str(study.user_attrs.get("tuned", study.study_name))
    return [trial_of(tuned, each) for each in finished(study.get_trials(deepcopy=False))]
