"""What an experiment asks: its tasks with their items, made and checked before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...errors import BacktrackError, InputError, StrategyError
from ..measuring import Asked
from ..tasks.base_task import DEVELOPMENT, TEST, Item, Task
from .experiment import Experiment
from .problems import Problem, in_yaml, refusal

__all__ = ["AskedItems", "asked_of"]


class AskedItems(NamedTuple):
    """The tasks of an experiment, each with its items.

    Attributes:
        test: what is reported on.
        development: what is tuned on; nothing where nothing is tuned.
    """

    test: list[Asked]
    development: list[Asked]


def asked_of(experiment: Experiment, allow_code_execution: bool = False) -> AskedItems:
    """Make all tasks and all items that are needed.

    Raises:
        InputError: with every task whose items cannot be had, or that are not what items must be.
    """
    asked = experiment.evaluation
    limits: dict[str, int | None] = {TEST: asked.limit}
    if experiment.to_tune():
        limits[DEVELOPMENT] = asked.development_limit or asked.limit
    found: dict[str, list[Asked]] = {TEST: [], DEVELOPMENT: []}
    problems = []
    for index, task in enumerate(experiment.find_tasks(allow_code_execution)):
        try:
            splits = {split: _items(task, split, limit) for split, limit in limits.items()}
            _check_ids(task, splits.get(DEVELOPMENT, []), splits[TEST])
        except BacktrackError as error:
            problems.append(Problem(("evaluation", "tasks", index), in_yaml(str(error))))
            continue
        for split, items in splits.items():
            found[split].append(Asked(task, items))
    if problems:
        raise refusal(problems, experiment.file)
    return AskedItems(found[TEST], found[DEVELOPMENT])


def _items(task: Task, split: str, limit: int | None) -> list[Item]:
    try:
        items = list(task.items(split, limit) or ())
    except BacktrackError:
        raise
    except Exception as error:  # a task may be anybody's
        raise StrategyError.of(f"the items of {task.name}", error) from error
    if not items:
        raise InputError(f"task {task.name} has no items in its {split} split: its items() must return some")
    if (wrong := next((each for each in items if not isinstance(each, Item)), None)) is not None:
        raise InputError(f"task {task.name} has {wrong!r} among its items: its items() must return a list of Item")
    return items


def _check_ids(task: Task, development: Sequence[Item], test: Sequence[Item]) -> None:
    """Refuse items of one name: of their texts, one would be taken for that of the other."""
    known: dict[str, str] = {}
    for split, items in ((DEVELOPMENT, development), (TEST, test)):
        for item in items:
            if item.id in known:
                where = "" if known[item.id] == split else ", one in each split"
                raise InputError(
                    f"task {task.name} has two items with the id {item.id!r}{where}: give each an id of its own"
                )
            known[item.id] = split
