"""Tasks by name: ours, HumanEval, a file of one's own, and whatever lm-evaluation-harness has."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import Any

from ... import specs
from ...discovery import class_of_file, path_and_class
from ...errors import InputError
from .. import tasks
from .base_task import Task
from .generated import GeneratedTask

__all__ = ["find_task", "ladder", "task_names"]

HUMANEVAL = "humaneval"

_OTHERS = ("find", "human_eval", "lm_eval_task")  # modules that are not looked into: what they need may be missing


def task_names() -> list[str]:
    """The names of the tasks that are ours, HumanEval among them."""
    return sorted([*ladder(), HUMANEVAL])


@cache
def ladder() -> dict[str, type[GeneratedTask[Any]]]:
    """The tasks that are drawn from a seed, by name: those of all modules beside this one."""
    found = {}
    for module in pkgutil.iter_modules(tasks.__path__):
        if module.name not in _OTHERS:
            for cls in vars(importlib.import_module(f"{tasks.__name__}.{module.name}")).values():
                if inspect.isclass(cls) and issubclass(cls, GeneratedTask) and not inspect.isabstract(cls):
                    found[cls.family] = cls
    return dict(sorted(found.items()))


def find_task(spec: str, shots: int | None = None, chat: bool = False, allow_code_execution: bool = False) -> Task:
    """Find and make a task.

    Args:
        spec: NAME[:key=value,...] of one of ours, `humaneval`, FILE.py:Class[:key=value,...] of one's own, or
            the name of a task of lm-evaluation-harness.
        shots: solved examples before each question, where a task takes `shots` and the spec does not say;
            None: as many as is usual there.
        chat: ask in conversations, where a task takes `chat` and the spec does not say.
        allow_code_execution: see `HumanEval`; passed on to every task that takes it.

    Raises:
        InputError: there is no such task, or it does not take these values. Nothing was downloaded.
        MissingPackageError: it needs a package that is not installed.
    """
    name, rest = specs.split_name(spec, "task")
    usual = {"chat": chat, "allow_code_execution": allow_code_execution} | ({} if shots is None else {"shots": shots})
    path, wanted = path_and_class(name)
    if path:
        return _made(class_of_file(path, wanted, "task", tasks, _is_task), spec, name, rest, usual)
    plain = name.replace("-", "_").lower()
    if plain in ladder():
        return _made(ladder()[plain], spec, name, rest, usual)
    if plain.replace("_", "") == HUMANEVAL:
        return _made(_imported("human_eval", "HumanEval"), spec, name, rest, usual)
    known = _harness_names()
    if name not in known:
        raise _unknown(name, known)
    if rest:
        raise InputError(f"task {name} is of lm-evaluation-harness, and takes no parameters here: write {name} alone")
    made: Task = _imported("lm_eval_task", "LmEvalTask")(name, shots=shots, chat=chat)
    return made


def _made(cls: type[Task], spec: str, name: str, rest: str, usual: dict[str, Any]) -> Task:
    """A task of a class; what `usual` says counts where the class takes it and the spec does not say."""
    known = specs.parameters(cls)
    own = {key: value for key, value in known.items() if key != "allow_code_execution"}  # never said in a file
    arguments, files = specs.read_arguments(f"task {name}", rest, own)
    arguments = {key: value for key, value in usual.items() if key in known} | arguments
    task: Task = specs.made(cls, arguments, f"task {name}")
    if files := specs.file_of(name) | files:  # what was said under an older one counts no more
        task.version = " ".join([task.version, *files.values()])
    if not getattr(task, "name", ""):
        task.name = spec
    return task


def _is_task(cls: type[Any]) -> bool:
    return issubclass(cls, Task) and not inspect.isabstract(cls)


def _imported(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"{tasks.__name__}.{module}"), name)


@cache
def _harness_names() -> frozenset[str]:
    """What lm-evaluation-harness has; nothing where it is not installed. Takes seconds: it reads thousands of files."""
    if importlib.util.find_spec("lm_eval") is None:
        return frozenset()
    from lm_eval.tasks import TaskManager

    return frozenset(TaskManager().all_tasks)


def _unknown(name: str, harness: Iterable[str]) -> InputError:
    ours = task_names()
    near = [*difflib.get_close_matches(name.lower(), ours, 2), *difflib.get_close_matches(name, list(harness), 3)]
    if near:
        return InputError(f"no task {name!r}: did you mean {' or '.join(dict.fromkeys(near))}?")
    known = f"use one of {', '.join(ours)}, a path like ./my.py:MyTask, or any of lm-evaluation-harness"
    missing = "" if harness else ' once it is installed: pip install "backtrack_sampler[benchmark]"'
    return InputError(f"no task {name!r}: {known}{missing}")
