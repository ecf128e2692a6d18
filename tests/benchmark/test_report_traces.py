"""Which streams of an experiment are traced, and where their pages are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backtrack_sampler import BacktrackSampler, BaseStrategy, InputError
from backtrack_sampler.benchmark.arms import Arm, digest, sampling_of
from backtrack_sampler.benchmark.drawing import Wanted
from backtrack_sampler.benchmark.records import Record
from backtrack_sampler.benchmark.report.traces import TraceKeeper
from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.testing import FakeProvider

BASELINE, STRATEGY = Arm("baseline"), Arm("mine", (("operator", "repetition"),))
OTHER = Arm("other", (("operator", "repetition"),), sampling_of(top_k=3))
PROVIDER = FakeProvider(["a", " b", "</script>", " c"])


class Once(BaseStrategy):
    """Takes the third token back, once."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted

    def backtrack(self, tokens: list[int]) -> int:
        if self.wanted and len(tokens) == 3:
            self.wanted = False
            return 1
        return 0

    def pending(self, tokens: list[int]) -> int:
        return len(tokens)


def run(
    keeper: TraceKeeper, items: Sequence[str], *, arm: Arm = STRATEGY, task: str = "sums", back: bool = True,
    scores: tuple[float, float] = (1.0, 0.0),
) -> dict[tuple[str, str, str, int], Record]:  # fmt: skip
    """Write a text for each item; the records of the arm and of its baseline. All listen before the first begins."""
    asked: Any = SimpleNamespace(name=task)
    sampler = BacktrackSampler(PROVIDER)
    streams = [
        (keeper.listener(Wanted(arm, asked, Item(item, "a b")), sampler.stream("a b", max_new_tokens=5)), item)
        for item in items
    ]
    records = {}
    for listener, item in streams:
        sampler = BacktrackSampler(PROVIDER, Once(back))
        text = sampler.generate_text("a b", max_new_tokens=5, seed=1, on_event=listener)
        for who, score in zip((arm, BASELINE), scores, strict=True):
            key = who.key, task, item, 0
            records[key] = Record(digest(list(key)), *key, 0, 1, text, None, score, 5, 6, 1, 5, None, "length")
    keeper.settle(records, {STRATEGY.key: BASELINE, OTHER.key: BASELINE})
    return records


def test_what_has_changed_is_traced(tmp_path: Path) -> None:
    """A text with another score than its baseline's has a page, with what was taken back."""
    keeper = TraceKeeper(PROVIDER, tmp_path)
    records = run(keeper, ["one"])
    links = keeper.links(records)
    assert list(links) == [(STRATEGY.key, "sums", "one", 0)]
    (link,) = links.values()
    page = (tmp_path / link).read_text()
    assert "What was taken back" in page
    assert '"rollbacks":1' in page
    assert '"prompt":"a b"' in page


@pytest.mark.parametrize("case", [{"back": False}, {"scores": (1.0, 1.0)}])
def test_what_has_not_changed_is_not(tmp_path: Path, case: dict[str, Any]) -> None:
    """Where nothing was taken back, or the score is the same, there is no page, and not even a folder."""
    keeper = TraceKeeper(PROVIDER, tmp_path)
    assert keeper.links(run(keeper, ["one"], **case)) == {}
    assert list(tmp_path.iterdir()) == []


def test_so_many_and_no_more(tmp_path: Path) -> None:
    """Each arm and task has the first `limit`; a run that goes on counts those of the one before, and links them."""
    keeper = TraceKeeper(PROVIDER, tmp_path, limit=3)
    names = [f"item {n}" for n in range(7)]
    records = run(keeper, names[:2])
    assert len(keeper.links(records)) == 2
    again = TraceKeeper(PROVIDER, tmp_path, limit=3)
    records |= run(again, names[2:])
    assert [key[2] for key in again.links(records)] == names[:3]
    records |= run(again, names, task="sums:digits=2") | run(again, names, arm=OTHER)
    assert len(again.links(records)) == 9
    asked: Any = SimpleNamespace(name="sums")
    stream = BacktrackSampler(PROVIDER).stream("a", max_new_tokens=1)
    assert again.listener(Wanted(STRATEGY, asked, Item("new", "a")), stream) is None


def test_none_are_wanted(tmp_path: Path) -> None:
    """A limit of 0 records nothing."""
    keeper = TraceKeeper(PROVIDER, tmp_path, limit=0)
    assert keeper.links(run(keeper, ["one"])) == {}


def test_names_are_safe(tmp_path: Path) -> None:
    """Whatever tasks and items are called, files stay in their folder, have plain names, and no two the same."""
    keeper = TraceKeeper(PROVIDER, tmp_path, limit=20)
    names = ["../../etc/passwd", "a/b", "a b", "a:b", "A B", "漢字", "", "x" * 500, "CON", "\x00", "\ud800"]
    links = keeper.links(run(keeper, names[:5], task="t:a=1,b=/../") | run(keeper, names[5:], task="t:a=1,b=/../"))
    assert [key[2] for key in links] == names
    assert len(set(links.values())) == len(names)
    assert all(re.fullmatch(r"traces/[a-z0-9-]{1,120}\.html", link) for link in links.values())
    assert sorted(f"traces/{file.name}" for file in (tmp_path / "traces").iterdir()) == sorted(links.values())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the way is said in a line."""
    (tmp_path / "traces").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        run(TraceKeeper(PROVIDER, tmp_path), ["one"])


def test_few_wait(tmp_path: Path) -> None:
    """However many streams run before scores are known, only some are kept in memory."""
    keeper = TraceKeeper(PROVIDER, tmp_path, limit=2)
    held = []
    settle = keeper.settle
    keeper.settle = lambda *given: (held.append(len(keeper._waiting)), settle(*given))[1]  # type: ignore[method-assign, func-returns-value]
    run(keeper, [str(n) for n in range(40)])
    assert held == [6]
    assert keeper._waiting == {}


def test_traces_of_other_texts_are_not_linked(tmp_path: Path) -> None:
    """After another seed, or another model, the folder holds traces of the same arm, task and item: they are not of
    these texts, and do not count among them."""
    before = TraceKeeper(PROVIDER, tmp_path, limit=1, of="seed 0")
    run(before, ["one"])
    after = TraceKeeper(PROVIDER, tmp_path, limit=1, of="seed 1")
    key = (STRATEGY.key, "sums", "one", 0)
    other = Record("another key", *key, 0, 1, "", None, 1.0, 5, 6, 1, 5, None, "length")
    assert after.links({key: other}) == {}
    assert len(after.links(run(after, ["one"]))) == 1
