"""A judge that compares two texts."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeServer, asked_about, numbered, served, texts

import backtrack_sampler
from backtrack_sampler import InputError, rl
from backtrack_sampler.rl.judges.base_judge import JudgeError
from backtrack_sampler.rl.judges.pairwise import PairwiseJudge


def compared(request: dict[str, Any]) -> tuple[str, str]:
    """The texts that a request has as A and B."""
    first, second = (asked_about(request, f"<text_{name}>\n", f"\n</text_{name}>") for name in "AB")
    return first, second


def judge_at(server: JudgeServer, **options: Any) -> PairwiseJudge:
    return PairwiseJudge(
        lambda prompt: f"{prompt} blue", "judge-1", **{"base_url": server.url, "max_retries": 1, **options}
    )


def longer(request: dict[str, Any]) -> str:
    first, second = map(len, compared(request))
    return "tie" if first == second else "A" if first > second else "Text B is better."


def test_a_text_is_compared_with_the_reference_in_both_places() -> None:
    """Better is 1, worse 0, and a tie 0.5."""
    with served(longer) as server:
        judge = judge_at(server)
        judge.check()
        assert judge.scores(texts("x" * 99, "x", "The sky is grey")) == [1, 0, 0.5]
        assert judge.scores([]) == []
    pairs = [compared(each) for each in server.requests[1:]]
    assert sorted(pairs) == sorted(
        pair
        for text in ("x" * 99, "x", "The sky is grey")
        for pair in ((text, "The sky is blue"), ("The sky is blue", text))
    )
    assert "<prompt>\nThe sky is\n</prompt>" in server.requests[1]["messages"][0]["content"]
    report = judge.report()
    assert (report["judge"], report["pairs"], report["contradictions"], report["calls"]) == (
        "judge-1 (pairwise)",
        3,
        0,
        7,
    )
    judge.close()


@pytest.mark.parametrize("place", ["A", "B"])
def test_a_judge_that_likes_a_place_says_nothing(place: str) -> None:
    """Whoever contradicts himself has said 0.5, and it is counted."""
    with served(place) as server:
        judge = judge_at(server)
        assert judge.scores(numbered(3)) == [0.5] * 3
        assert judge.report()["contradictions"] == 3


def test_half_a_verdict_is_half_a_point() -> None:
    """A win and a tie are 0.75; a loss and nonsense 0.25."""
    with served(lambda asked: "A" if compared(asked)[0] == "x" else "tie") as server:
        assert judge_at(server).scores(texts("x")) == [0.75]
    with served(lambda asked: "B" if compared(asked)[0] == "x" else "Who knows?") as server:
        judge = judge_at(server)
        assert judge.scores(texts("x")) == [0.25]
        assert (judge.report()["nonsense"], judge.report()["calls"]) == (1, 3)
        assert "no choice between A and B in 'Who knows?'" in judge.report()["nonsense_example"]


def test_what_was_compared_is_not_paid_for_again(tmp_path: Path) -> None:
    """A file is shared with other judges."""
    with served(longer) as server:
        for _ in range(2):
            judge = judge_at(server, cache=tmp_path / "replies.sqlite")
            assert judge.scores(texts("x")) == [0]
            judge.close()
    assert len(server.requests) == 2
    assert judge.report()["cached"] == 2


def test_what_goes_wrong_is_told_as_by_the_other_judge() -> None:
    """Budget, template, nonsense, unknown options."""
    with served(longer) as server:
        with pytest.raises(JudgeError, match="budget of 1 calls"):
            judge_at(server, max_calls=1).scores(texts("x"))
        with pytest.raises(InputError, match=r"no \{first\} and no \{second\}"):
            judge_at(server, template="{prompt}")
        with pytest.raises(TypeError, match="temprature"):
            judge_at(server, temprature=1)
    with served("Who knows?") as server, pytest.raises(JudgeError, match="are of no use"):
        judge_at(server).scores(numbered(10))
    assert "key" not in repr(judge_at(server, api_key="sk-0123456789"))
    assert "sk-" not in repr(judge_at(server, api_key="sk-0123456789"))


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands in the documentation, but for the address, and the training, which takes its time."""
    whole = rl.train
    seen: dict[str, Any] = {}

    def training(*given: Any, **more: Any) -> None:
        seen.update(inspect.signature(whole).bind(*given, **more).arguments)

    monkeypatch.setattr(rl, "train", training)
    monkeypatch.setattr(backtrack_sampler, "load_provider", lambda: None)
    monkeypatch.chdir(tmp_path)
    documentation = inspect.getdoc(PairwiseJudge) or ""
    example = textwrap.dedent(documentation.partition("::\n")[2].partition("\n\nArgs:")[0])
    with served(longer) as server:
        assert "http://127.0.0.1:8000/v1" in example
        exec(example.replace("http://127.0.0.1:8000/v1", server.url), {})
        judge, prompts = seen["judge"], seen["prompts"]
        assert judge.scores([texts("x" * 99)[0]._replace(prompt=prompt) for prompt in prompts]) == [1] * len(prompts)
        judge.close()
    assert seen["config"].output_dir == "pairs"
