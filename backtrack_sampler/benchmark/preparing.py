"""What an experiment needs besides a model: made and tried before one is loaded, which may take minutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import BacktrackError, StrategyError
from .config.asked import AskedItems, asked_of
from .config.experiment import RECORDS, Experiment
from .config.problems import Problem, in_yaml, refusal
from .places import check_folder
from .store import Store
from .tuning.study import try_storage

__all__ = ["Prepared", "prepare", "storage_of"]


class Prepared(NamedTuple):
    """What is there before the model is.

    Attributes:
        asked: tasks and items.
        store: what was written already.
    """

    asked: AskedItems
    store: Store


def prepare(experiment: Experiment, allow_code_execution: bool = False) -> Prepared:
    """Make tasks and items, the folder, and what a study is kept in; let each task find out whether it can score.

    Raises:
        InputError: with everything that is wrong, each with its place in the file.
    """
    asked = asked_of(experiment, allow_code_execution)
    folder = experiment.folder / RECORDS
    problems: list[Problem] = []
    try:
        store = Store(folder)
        check_folder(folder)
    except BacktrackError as error:
        problems.append(_problem(error, "evaluation", "output_dir"))
    problems += _of_storage(experiment) if not problems else []
    problems += _of_tasks(asked)
    if problems:
        raise refusal(problems, experiment.file)
    return Prepared(asked, store)


def storage_of(experiment: Experiment) -> str:
    """Where its studies are kept."""
    return experiment.hpo.storage or str(experiment.folder / "study.journal")


def _of_storage(experiment: Experiment) -> Iterator[Problem]:
    if not experiment.to_tune():
        return
    try:
        try_storage(storage_of(experiment))
    except BacktrackError as error:
        said = experiment.hpo.storage is not None
        yield _problem(error, *(("hpo", "storage") if said else ("evaluation", "output_dir")))


def _of_tasks(asked: AskedItems) -> Iterator[Problem]:
    for index, (task, _) in enumerate(asked.test):
        place = ("evaluation", "tasks", index)
        try:
            task.prepare()
        except BacktrackError as error:
            yield _problem(error, *place)
        except Exception as error:  # a task may be anybody's
            yield _problem(StrategyError.of(f"prepare() of {task.name}", error), *place)


def _problem(error: BacktrackError, *place: str | int) -> Problem:
    return Problem(place, in_yaml(str(error)))
