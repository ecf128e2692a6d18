"""Tasks by name."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backtrack_sampler.benchmark.tasks import find
from backtrack_sampler.benchmark.tasks.arithmetic import Sums
from backtrack_sampler.benchmark.tasks.base_task import Item
from backtrack_sampler.benchmark.tasks.find import find_task, task_names
from backtrack_sampler.errors import InputError, MissingPackageError

MINE = '''
from .base_task import Item, Score, Task

class Echo(Task):
    """Says it again."""
    def __init__(self, word="hi", shots=0):
        self.word, self.shots = word, shots
        if word == "bad":
            raise RuntimeError("no such word")
    def items(self, split="test", limit=None):
        return [Item("1", f"Say {self.word}:")]
    def score(self, item, text):
        return Score(float(text.strip() == self.word))
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task of one's own, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(MINE)
    return tmp_path / "my.py"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A harness with three tasks, and a HumanEval that runs nothing; what was made of the former."""
    made: list[Any] = []

    class Human(Sums):
        family = "human"

        def __init__(self, limit: int = 1, allow_code_execution: bool = False) -> None:
            if not allow_code_execution:
                raise InputError("allow it")
            self.limit = limit
            self.name = "humaneval"

    known = {
        "LmEvalTask": lambda spec, **options: made.append((spec, options)) or SimpleNamespace(name=spec),
        "HumanEval": Human,
        "task_manager": lambda: SimpleNamespace(task_index=dict.fromkeys(("gsm8k", "hellaswag", "arc_easy"))),
    }
    monkeypatch.setattr(find, "_imported", lambda module, name: known[name])
    return made


def test_names() -> None:
    """Ours are those of the ladder, and HumanEval."""
    assert task_names() == ["countdown", "gcd", "humaneval", "lcm", "needle", "products", "sudoku", "sums"]


@pytest.mark.parametrize("name", [name for name in task_names() if name != "humaneval"])
def test_every_name_gives_its_task(name: str) -> None:
    """A task is called as it was asked for."""
    assert find_task(name).name == name
    assert find_task(name.upper()).name == name


def test_parameters() -> None:
    """Parameters are read as those of strategies; what is said outside counts where the spec says nothing."""
    task = find_task("sums:digits=2, terms=3", shots=2, chat=True)
    assert (task.digits, task.terms, task.shots, task.chat) == (2, 3, 2, True)
    assert task.name == "sums:digits=2,terms=3,shots=2,chat=true"
    assert find_task("sums:shots=1,chat=no", shots=2, chat=True).name == "sums:shots=1"
    assert find_task("sums:digits=1").name == find_task("sums", shots=Sums().shots).name == "sums"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sums:digit=2", "task sums has no parameter 'digit': it takes digits, terms, shots, chat"),
        ("sums:digits=0", "task sums: digits must be a whole number, at least 1, not 0"),
        ("sums:digits", "task sums: write 'digits' as key=value"),
        ("", "write the task as NAME:key=value"),
        ("sumz", "no task 'sumz': did you mean sums?"),
        ("human-evil", "no task 'human-evil': did you mean humaneval?"),
        ("hellaswig", "no task 'hellaswig': did you mean hellaswag?"),
        ("no.py", "no file at no.py"),
        ("my.py:Other", r"my.py has no task Other \(found: Echo\)"),
        ("my.py:Item", "Item is no subclass of Task"),
        ("my.py:Echo:word=bad", "Echo does not take these values"),
        ("my.py:loud=1", "task my.py has no parameter 'loud'"),
        ("humaneval", "task humaneval: allow it"),
        ("humaneval:allow_code_execution=true", "has no parameter 'allow_code_execution'"),
    ],
)
def test_what_there_is_not(spec: str, message: str, harness: list[Any], mine: Path) -> None:
    """Each is one line that says what to do."""
    with pytest.raises(InputError, match=message) as raised:
        find_task(spec)
    assert "\n" not in str(raised.value)
    assert not harness


def test_nothing_like_it(harness: list[Any]) -> None:
    """All of ours are named where none is near."""
    with pytest.raises(InputError, match=r"use one of countdown, .*, a path like ./my.py:MyTask, or what lm_eval ls"):
        find_task("qqqqqq")


def test_without_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name like one of ours is a slip; for another one the package is asked for."""

    def missing(module: str, name: str) -> Any:
        def manager() -> Any:
            raise MissingPackageError('lm_eval is not installed: pip install "backtrack_sampler[benchmark]"')

        return manager

    monkeypatch.setattr(find, "_imported", missing)
    with pytest.raises(InputError, match=r"no task 'sumz': did you mean sums\?"):
        find_task("sumz")
    with pytest.raises(
        MissingPackageError, match=r"task gsm8k is none of countdown, .*, and lm_eval is not installed: pip"
    ):
        find_task("gsm8k")


@pytest.mark.slow
def test_the_real_harness() -> None:
    """One of its tasks is found without its data, and a name that is nearly one is not."""
    assert find_task("gsm8k:filter=flexible-extract", shots=2, chat=True).name == "gsm8k:filter=flexible-extract"
    with pytest.raises(InputError, match="no task 'gsm8kk': did you mean .*gsm8k"):
        find_task("gsm8kk")


def test_a_file(mine: Path) -> None:
    """A class in a file, whose class may be left out; only what it takes is passed on."""
    task = find_task("my.py:word=ho", shots=3, chat=True, allow_code_execution=True)
    assert task.items() == [Item("1", "Say ho:")]
    assert task.shots == 3
    assert task.name == "my.py:word=ho"
    assert find_task(f"{mine}:Echo").score(Item("1", ""), "hi").value == 1


def test_a_file_that_changes_has_another_version(mine: Path) -> None:
    """What an old checker said does not count for a new one."""
    before = find_task("my.py").version
    assert before == find_task("my.py").version
    mine.write_text(MINE.replace("strip", "rstrip"))
    assert find_task("my.py").version != before


def test_humaneval_and_the_harness(harness: list[Any]) -> None:
    """HumanEval is ours, and gets the user's consent; other names are the harness's, with their parameters."""
    assert find_task("humaneval:limit=2", shots=5, allow_code_execution=True).limit == 2
    assert find_task("human_eval", allow_code_execution=True).name == "humaneval"
    assert find_task("gsm8k:filter=strict", shots=5, chat=True).name == "gsm8k:filter=strict"
    assert find_task("mine:include_path=folder").name == "mine:include_path=folder"
    assert harness == [
        ("gsm8k:filter=strict", {"shots": 5, "chat": True, "allow_code_execution": False}),
        ("mine:include_path=folder", {"chat": False, "allow_code_execution": False}),
    ]


def test_modules_that_need_packages_are_not_looked_into() -> None:
    """Our own names are known without them."""
    find.ladder.cache_clear()
    loaded: list[str] = []
    real = importlib.import_module
    try:
        importlib.import_module = lambda name, *rest: loaded.append(name) or real(name, *rest)  # type: ignore[assignment]
        assert "sums" in task_names()
    finally:
        importlib.import_module = real
    assert loaded
    assert not any(name.endswith(("human_eval", "lm_eval_task")) for name in loaded)
