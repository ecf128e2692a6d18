"""Tasks that are drawn from a seed: what holds for each of them, whatever its parameters."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.benchmark.arms import digest
from backtrack_sampler.benchmark.tasks.base_task import DEVELOPMENT, TEST, Item
from backtrack_sampler.benchmark.tasks.find import ladder
from backtrack_sampler.benchmark.tasks.generated import EXAMPLES, GeneratedTask
from backtrack_sampler.errors import InputError
from backtrack_sampler.prompts import request_of

Some = dict[str, Any]

_SOME: dict[str, st.SearchStrategy[Some]] = {
    "sums": st.fixed_dictionaries({"digits": st.integers(1, 4), "terms": st.integers(2, 4)}),
    "products": st.fixed_dictionaries({"digits": st.integers(1, 4)}),
    "gcd": st.fixed_dictionaries({"largest": st.integers(5, 200)}),
    "lcm": st.fixed_dictionaries({"largest": st.integers(5, 200)}),
    "countdown": st.fixed_dictionaries(
        {"numbers": st.integers(2, 5), "largest": st.integers(10, 100), "lowest": st.integers(0, 5), "highest": st.integers(20, 1000), "operations": st.sampled_from(["+-*/", "+-", "+-*"])}
    ),
    "needle": st.fixed_dictionaries({"statements": st.integers(2, 20)}),
    "sudoku": st.fixed_dictionaries({"blanks": st.integers(6, 10)}) | st.just({"size": 9, "blanks": 20}),
}  # fmt: skip
_FORM = st.fixed_dictionaries({"shots": st.integers(0, EXAMPLES), "chat": st.booleans()})
FAMILIES = pytest.mark.parametrize("family", sorted(_SOME))

#: What the items of a task are at its defaults. Where one changes, so must the task's version.
_PINNED = {
    ("countdown", "1"): "7c37e42111e1f6e3",
    ("gcd", "1"): "ef9f5c8641a9762f",
    ("lcm", "1"): "595a032ed38f0c7c",
    ("needle", "1"): "9308722cb5b6e37c",
    ("products", "1"): "2d6312cd5ff065b3",
    ("sudoku", "1"): "fb9ac99f944e242b",
    ("sums", "1"): "c269497b7476b32b",
}


def _task(family: str, *parameters: Some) -> GeneratedTask[Any]:
    made: Any = ladder()[family]
    return made(**{name: value for each in parameters for name, value in each.items()})


def _question(item: Item) -> str:
    """The last line that is asked."""
    prompt: Any = item.prompt
    return prompt.splitlines()[-1] if isinstance(prompt, str) else prompt[-1]["content"].splitlines()[-1]


def test_every_rung_is_tried_here() -> None:
    """A task that is added is added to these tests too."""
    assert set(ladder()) == set(_SOME)


@FAMILIES
def test_enough_items_at_the_defaults(family: str) -> None:
    """400 items to test and 200 to develop on: different prompts, first each problem once."""
    task = _task(family)
    for split, count in ((TEST, 400), (DEVELOPMENT, 200)):
        items = task.items(split)
        assert len(items) == len({item.id for item in items}) == len({item.prompt for item in items}) == count
        clusters = [item.cluster for item in items]
        assert len(set(clusters)) > 10
        assert len(set(clusters[: len(set(clusters))])) == len(set(clusters))


@FAMILIES
@settings(max_examples=8)
@given(data=st.data())
def test_splits_never_meet(family: str, data: st.DataObject) -> None:
    """No problem of one split is in the other, not even in a task with other parameters; none is shown solved."""
    one, other = (_task(family, data.draw(_SOME[family]), data.draw(_FORM)) for _ in range(2))
    test, development = (task.items(split, 15) for task, split in ((one, TEST), (other, DEVELOPMENT)))
    assert not {item.cluster for item in test} & {item.cluster for item in development}
    assert not {item.id for item in test} & {item.id for item in development}
    shown = {one.canonical(example) for example in one.examples()}
    assert len(shown) == EXAMPLES
    assert not shown & {item.cluster for item in (*test, *one.items(DEVELOPMENT, 15))}


@FAMILIES
@settings(max_examples=8)
@given(data=st.data())
def test_items_are_always_the_same(family: str, data: st.DataObject) -> None:
    """The same items at each call and in each new task; a longer list begins with the shorter one; all of it is
    JSON, and can be drawn."""
    parameters = data.draw(_SOME[family]), data.draw(_FORM)
    split = data.draw(st.sampled_from([TEST, DEVELOPMENT]))
    task = _task(family, *parameters)
    items = task.items(split, 15)
    assert items == task.items(split, 15) == _task(family, *parameters).items(split, 15)
    assert items[:7] == task.items(split, 7)
    for item in items[:3]:
        assert asdict(item) == json.loads(json.dumps(asdict(item)))
        request_of({"prompt" if isinstance(item.prompt, str) else "messages": item.prompt, **item.options})


@FAMILIES
@settings(max_examples=8)
@given(data=st.data())
def test_canonical_answers_are_right_and_others_wrong(family: str, data: st.DataObject) -> None:
    """The answer of an item is worth 1, with white space around it too. With a character more or less, or with
    anything after it, it is worth 0."""
    task = _task(family, data.draw(_SOME[family]))
    for item in task.items(TEST, 10):
        right = item.data["answer"]
        assert task.score(item, f" {right}\n").value == task.score(item, right).value == 1
        assert task.score(item, right).answer == task.score(item, f" {right} ").answer
        place = data.draw(st.integers(0, len(right)))
        character = data.draw(st.sampled_from("0123456789abcxyz+*,;:!?'\"#_=٣é\0"))
        for wrong in (
            right[:place] + character + right[place:],
            f"{right} {right}",
            f"{right} .5",
            f"{right}; x",
            "",
            " ",
        ):
            assert task.score(item, wrong).value == 0, wrong


@FAMILIES
@settings(max_examples=60)
@given(text=st.text() | st.text("0123456789 +-*/()=.\n_") | st.sampled_from([
    "(" * 100_000, "9" * 100_000, "1+" * 50_000, "1 / 0", "\ud800", "__import__('os').system('true')", "2**9**9**9",
]))  # fmt: skip
def test_checkers_take_any_text(family: str, text: str) -> None:
    """Whatever a model writes is worth something from 0 to 1; nothing is raised, run, opened or imported."""
    task = _task(family)
    (item,) = task.items(TEST, 1)
    with _nothing_run() as happened:
        score = task.score(item, text)
    assert score.value in (0, 1)
    assert not score.error
    assert (score.value == 0) or score.answer is not None
    assert not happened


_watched: list[list[str]] = []
_hooked: list[bool] = []


def _audit(event: str, _: Any) -> None:
    if _watched and event.split(".")[0] in (
        "compile",
        "exec",
        "import",
        "open",
        "os",
        "subprocess",
        "socket",
        "ctypes",
    ):
        _watched[-1].append(event)


@contextmanager
def _nothing_run() -> Iterator[list[str]]:
    """What Python reports of programs, files and modules meanwhile."""
    if not _hooked:  # a hook stays for good
        sys.addaudithook(_audit)
        _hooked.append(True)
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        _watched.pop()


def test_what_is_run_is_seen() -> None:
    """The watch sees what it is for."""
    with _nothing_run() as happened:
        eval("1")
    assert happened


@FAMILIES
def test_names_say_what_is_not_usual(family: str) -> None:
    """A task is called by its family and the parameters that are not as usual: the same name, the same prompts."""
    assert _task(family).name == family
    assert _task(family, {"shots": 1, "chat": True}).name == f"{family}:shots=1,chat=true"


@FAMILIES
@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"shots": -1}, "shots must be"), ({"shots": 9}, "shots must be at most 8"), ({"shots": 1.5}, "shots must be")],
)
def test_wrong_shots(family: str, wrong: Some, message: str) -> None:
    """Shots are a whole number from 0 to 8."""
    with pytest.raises(InputError, match=message):
        _task(family, wrong)


def test_wrong_splits_and_limits() -> None:
    """A split that there is not, a limit of 0, and a task with hardly a problem are refused."""
    with pytest.raises(InputError, match="split must be test or development, not 'train'"):
        _task("sums").items("train")
    with pytest.raises(InputError, match="limit must be a whole number, at least 1"):
        _task("sums").items(limit=0)
    with pytest.raises(InputError, match="gcd:largest=3 has too few problems to ask any"):
        _task("gcd", {"largest": 3}).items()


def test_as_many_items_as_there_are() -> None:
    """A limit beyond all problems in all ways gives those that there are; of endless problems, as many as wanted."""
    items = _task("sums").items(limit=10**6)
    assert 400 < len(items) == len({item.id for item in items}) < 1000
    assert len(_task("needle").items(limit=1000)) == 1000
    assert _task("sums").items(limit=10**25) == items


@pytest.mark.parametrize("chat", [False, True])
def test_shots(chat: bool) -> None:
    """So many solved examples come before the question; the ones of a prompt are the same for many."""
    items = _task("sums", {"chat": chat, "shots": 3}).items()
    if chat:
        assert all(len(item.prompt) == 7 for item in items)
        assert [message["role"] for message in items[0].prompt] == ["user", "assistant"] * 3 + ["user"]
        before = {json.dumps(item.prompt[:-1]) for item in items}
    else:
        before = {item.prompt[: item.prompt.index(_question(item))] for item in items}
        lines = max(before, key=len).splitlines()
        assert lines[0] == "Add the numbers."
    task = _task("sums")
    assert len(before) <= 2 * len(task.wordings)


@FAMILIES
def test_without_shots(family: str) -> None:
    """Without examples the instruction and the question are there."""
    task = _task(family, {"shots": 0})
    (item,) = task.items(limit=1)
    assert item.prompt.startswith(f"{task.instruction}\n")
    (item,) = _task(family, {"shots": 0, "chat": True}).items(limit=1)
    assert [message["role"] for message in item.prompt] == ["user"]


@FAMILIES
def test_items_are_those_of_their_version(family: str) -> None:
    """Results are stored under a task's version: who changes prompts, order or data raises it."""
    task = _task(family)
    said = [asdict(item) for split in (TEST, DEVELOPMENT) for item in task.items(split)]
    assert digest(said) == _PINNED[family, task.version]
