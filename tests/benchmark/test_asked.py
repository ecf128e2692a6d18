"""The items of an experiment: what is said of those that cannot be asked, before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from experiments import write

from backtrack_sampler.benchmark.config import asked_of, plan_of, read_experiment
from backtrack_sampler.errors import InputError

TASKS = """
from backtrack_sampler.benchmark.tasks import Item, Score, Task
from backtrack_sampler.errors import InputError

class Base(Task):
    def __init__(self):
        self.name = type(self).__name__.lower()
    def items(self, split="test", limit=None):
        return self.made(split)[:limit]
    def score(self, item, text):
        return Score(1.0)

class Good(Base):
    def made(self, split):
        return [Item(f"{split}{n}", "a") for n in range(9)]
class Same(Base):
    def made(self, split):
        return [Item("same", "a"), Item("same", "b")]
class Both(Base):
    def made(self, split):
        return [Item("1", split)]
class Empty(Base):
    def made(self, split):
        return []
class Broken(Base):
    def made(self, split):
        raise OSError("no network")
class Strange(Base):
    def made(self, split):
        return ["1+1="]
class Nothing(Base):
    def items(self, split="test", limit=None):
        return None
class Undeveloped(Base):
    def made(self, split):
        if split == "development":
            raise InputError("there is nothing to tune on")
        return [Item("1", "a")]
"""
TUNED = "operator_to_tune: repetition\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tasks.py").write_text(TASKS)


def said_of(*tasks: str, more: str = "") -> str:
    """The one thing that is said of them."""
    names = ", ".join(f"tasks.py:{each}" for each in tasks)
    experiment = read_experiment(write(f"evaluation:\n  tasks: [{names}]\n{more}"))
    for make in (asked_of, plan_of):
        with pytest.raises(InputError) as error:
            make(experiment)
    return str(error.value)


def test_items_of_the_splits_that_are_needed() -> None:
    """Those to tune on are made where something is tuned, as many as are wanted of each."""
    limits = "evaluation: {tasks: ['tasks.py:Good'], limit: 3, development_limit: 2}\n"
    test, development = asked_of(read_experiment(write(limits)))
    assert [[item.id for item in items] for _, items in test] == [["test0", "test1", "test2"]]
    assert development == []
    test, development = asked_of(read_experiment(write(limits + TUNED)))
    assert [[item.id for item in items] for _, items in development] == [["development0", "development1"]]
    assert test[0].task is development[0].task


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("Same", "task same has two items with the id 'same': give each an id of its own"),
        ("Empty", "task empty has no items in its test split: its items() must return some"),
        ("Broken", "the items of broken raised OSError: no network (tasks.py, line 27)"),
        ("Strange", "task strange has '1+1=' among its items: its items() must return a list of Item"),
        ("Nothing", "task nothing has no items in its test split: its items() must return some"),
    ],
)
def test_items_that_cannot_be_asked(task: str, said: str) -> None:
    """Nothing collapses, nothing comes late: each with the line of its task and what to do."""
    assert said_of("Good", task).startswith(f"e.yaml, line 2: evaluation.tasks[1]: {said}")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("Both", "task both has two items with the id '1', one in each split: give each an id of its own"),
        ("Undeveloped", "there is nothing to tune on"),
    ],
)
def test_items_to_tune_on(task: str, said: str) -> None:
    """They are looked at as well, where something is tuned."""
    assert said_of(task, more=TUNED) == f"e.yaml, line 2: evaluation.tasks[0]: {said}"
    assert asked_of(read_experiment(write(f"evaluation: {{tasks: ['tasks.py:{task}']}}\n"))).test


def test_every_task_is_told() -> None:
    """All at once."""
    experiment = read_experiment({"evaluation": {"tasks": ["tasks.py:Same", "tasks.py:Empty"]}})
    with pytest.raises(InputError, match="the configuration has 2 errors") as error:
        asked_of(experiment)
    notes: list[Any] = error.value.__notes__
    assert [note.partition(": task ")[0] for note in notes] == [
        "the configuration: evaluation.tasks[0]", "the configuration: evaluation.tasks[1]",
    ]  # fmt: skip


def test_where_a_file_is_from_is_no_part_of_what_it_says() -> None:
    """Two experiments that say the same are equal, and it is not written."""
    text = "evaluation: {tasks: ['tasks.py:Good'], output_dir: out}\n"
    one, other = read_experiment(write(text)), read_experiment(write("# x\n" + text, "f.yaml"))
    assert one.file.name != other.file.name
    assert one == other
    assert "file" not in one.model_dump()
