"""Tasks by name: ours, HumanEval, a file of one's own, and whatever lm-evaluation-harness has."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any

from ... import specs
from ...discovery import class_of_file, path_and_class
from ...errors import InputError, MissingPackageError
from .. import tasks
from .base_task import Task
from .generated import GeneratedTask

__all__ = ["find_task", "ladder", "task_names"]

HUMANEVAL = "humaneval"

# Modules that are not looked into: what they need may be missing, and takes long to import.
_OTHERS = ("find", "human_eval", "lm_eval_index", "lm_eval_task")


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
            NAME[:key=value,...] of a task of lm-evaluation-harness, see `LmEvalTask`.
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
    if "include_path=" not in rest:  # else it is looked for there
        _check_harness(name)
    return _imported("lm_eval_task", "LmEvalTask")(spec, **usual)  # type: ignore[no-any-return]


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


def _check_harness(name: str) -> None:
    """Refuse a name that lm-evaluation-harness does not have either.

    Raises:
        InputError: with what is like it.
        MissingPackageError: it is not installed, and nothing of ours is like it.
    """
    ours = task_names()
    near = difflib.get_close_matches(name.lower(), ours, 2)
    try:
        known = _imported("lm_eval_index", "task_manager")().task_index
    except MissingPackageError as error:
        if near:
            raise _unlike(name, near) from error
        raise MissingPackageError(f"task {name} is none of {', '.join(ours)}, and {error}") from error
    if name in known:
        return
    near += difflib.get_close_matches(name, known, 3)
    if near:
        raise _unlike(name, near)
    raise InputError(
        f"no task {name!r}: use one of {', '.join(ours)}, a path like ./my.py:MyTask, or what lm_eval ls tasks lists"
    )


def _unlike(name: str, near: Sequence[str]) -> InputError:
    return InputError(f"no task {name!r}: did you mean {' or '.join(dict.fromkeys(near))}?")
