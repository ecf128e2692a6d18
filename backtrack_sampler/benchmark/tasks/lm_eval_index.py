"""The tasks of lm-evaluation-harness: found by name with nothing loaded, and loaded without waiting for a network."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import importlib.metadata
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ...errors import InputError, MissingPackageError
from ...provider import hub

__all__ = ["check_drawn", "config_of", "digest_of", "load", "task_manager"]

_EVALUATE = "HF_EVALUATE_OFFLINE"
_SCORED = {"multiple_choice", "loglikelihood", "loglikelihood_rolling"}


@functools.cache
def task_manager(include_path: str | None = None, defaults: bool = True) -> Any:
    """The harness's index of tasks. It reads thousands of files, which takes seconds: once in a process.

    Args:
        include_path: a folder with more of them, which are taken first.
        defaults: whether those that come with the harness are among them.

    Raises:
        MissingPackageError: it is not installed.
        InputError: there is no such folder.
    """
    try:
        tasks = importlib.import_module("lm_eval.tasks")
    except ImportError as error:
        raise MissingPackageError('lm_eval is not installed: pip install "backtrack_sampler[benchmark]"') from error
    if include_path is not None and not Path(include_path).is_dir():
        raise InputError(f"there is no folder {include_path}: include_path is where tasks are defined in YAML")
    return tasks.TaskManager(include_path=include_path, include_defaults=defaults)


def config_of(name: str, include_path: str | None = None) -> tuple[Any, dict[str, Any]]:
    """The manager that knows a task, and what its YAML says, with nothing loaded; functions are not resolved.

    Raises:
        InputError: there is no such task, or it is a group of them, or it is scored by log-likelihoods.
    """
    manager = task_manager(include_path, False) if include_path is not None else task_manager()
    if include_path is not None and name not in manager.task_index:
        manager = task_manager(include_path)
    entry = manager.task_index.get(name)
    if entry is None:
        near = difflib.get_close_matches(name, manager.all_subtasks, 3)
        hint = (
            f"did you mean {' or '.join(near)}?"
            if near
            else "lm_eval ls tasks lists them, and include_path=FOLDER adds yours"
        )
        raise InputError(f"lm-evaluation-harness has no task {name!r}: {hint}")
    if name not in manager.all_subtasks:
        members = sorted(entry.tags) or [
            each if isinstance(each, str) else each.get("task") for each in entry.cfg["task"]
        ]
        raise InputError(
            f"{name} is a group of tasks: name those that you mean, such as {', '.join(map(str, members[:3]))}"
        )
    config: dict[str, Any] = dict(entry.cfg or {})
    check_drawn(name, config.get("output_type"))
    return manager, config


def check_drawn(name: str, output_type: str | None) -> None:
    """Refuse a task in which nothing is drawn.

    Raises:
        InputError: saying how it is measured instead.
    """
    if output_type in _SCORED:
        raise InputError(
            f"{name} is scored by log-likelihoods: nothing is drawn there, so no strategy can change it; the model "
            f"itself is measured by python -m backtrack_sampler.benchmark.harness --tasks {name}"
        )


def digest_of(manager: Any, name: str) -> str:
    """What tells whether the definition of a task is still the same: YAML, the Python beside it, the harness."""
    entry = manager.task_index[name]
    found = hashlib.sha256(json.dumps(entry.cfg, sort_keys=True, default=str).encode())
    found.update(importlib.metadata.version("lm_eval").encode())
    for file in sorted(Path(entry.yaml_path).parent.glob("*.py")) if entry.yaml_path else []:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def load(manager: Any, name: str, config: Mapping[str, Any]) -> Any:
    """The harness's task, with its data.

    Where the hub does not answer, only what was downloaded before is asked for, and that at once: the
    harness would ask again and again, for half a minute.

    Raises:
        InputError: its data cannot be had here, or its definition cannot be used.
        MissingPackageError: it needs a package of its own.
    """
    offline = not hub.answers()
    try:
        with _offline() if offline else nullcontext(), _errors_alone():
            (task,) = manager.load([name])["tasks"].values()
    except ImportError as error:
        package = error.name or "a package"
        raise MissingPackageError(
            f"task {name} needs {package}, which is not installed: pip install {package}"
        ) from error
    except Exception as error:  # a task is a program of anybody's, and its data come from anywhere
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if offline and isinstance(error, OSError):  # which all errors of networks and files are
            source = f" ({config['dataset_path']})" if config.get("dataset_path") else ""
            raise InputError(
                f"the data of {name}{source} are not on this computer, and the hub cannot be reached: run it once with "
                f"a network ({reason})"
            ) from error
        raise InputError(f"task {name} cannot be loaded ({reason})") from error
    return task


@contextmanager
def _errors_alone() -> Iterator[None]:
    """The harness logs advice on each task that it loads, for those who write tasks."""
    logger = logging.getLogger("lm_eval")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _offline() -> Iterator[None]:
    """The libraries that data are loaded with ask no network; they look for that in these places each time."""
    flags = [("huggingface_hub.constants", "HF_HUB_OFFLINE"), ("datasets.config", "HF_HUB_OFFLINE")]
    if "evaluate" in sys.modules:  # importing it takes seconds, and few tasks need it
        flags.append(("evaluate.config", _EVALUATE))
    places = [(importlib.import_module(module), flag) for module, flag in flags]
    before = [getattr(module, flag) for module, flag in places]
    variable = os.environ.get(_EVALUATE)
    try:
        os.environ[_EVALUATE] = "1"  # where a task imports it now
        for module, flag in places:
            setattr(module, flag, True)
        yield
    finally:
        for (module, flag), value in zip(places, before, strict=True):
            setattr(module, flag, value)
        if variable is None:
            del os.environ[_EVALUATE]
        else:
            os.environ[_EVALUATE] = variable
