"""The section of a configuration, and the judges that it stands for."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from judge_server import Reply, numbered, served, texts
from pydantic import BaseModel, ValidationError

from backtrack_sampler import InputError, rl
from backtrack_sampler.benchmark.config.problems import problems_of
from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.benchmark.tasks.find import find_task
from backtrack_sampler.rl.judges.base_judge import Answer, Judge
from backtrack_sampler.rl.judges.checker_judge import CheckerJudge
from backtrack_sampler.rl.judges.from_config import JudgeSection, make_judge
from backtrack_sampler.rl.judges.heuristic_judge import HeuristicJudge
from backtrack_sampler.rl.judges.openai_judge import OpenAIJudge
from backtrack_sampler.testing import FakeProvider

KEY = "sk-planted-0123456789abcdef"


class Around(BaseModel):
    """A section with a section in it."""

    judge: JudgeSection


def section(text: str) -> JudgeSection:
    return JudgeSection.model_validate(yaml.safe_load(text) or {})


def made(text: str, cache: Path | None = None, **options: Any) -> Judge:
    return make_judge(section(text), FakeProvider(), cache, **options)


def problems(data: Any) -> list[tuple[str, str]]:
    """What is wrong, as a command would say it."""
    with pytest.raises(ValidationError) as caught:
        JudgeSection.model_validate(data)
    assert KEY not in str(caught.value)
    return [(".".join(map(str, each.place)), each.said) for each in problems_of(caught.value, data, JudgeSection, {})]


def test_without_anything_it_is_the_heuristic() -> None:
    """And where it is named."""
    for text in ("", "kind: heuristic"):
        judge = made(text)
        assert isinstance(judge, HeuristicJudge)
        assert 0 < judge.scores([Answer("a", "b", Item("1", "a"))])[0] <= 1
        with pytest.raises(InputError, match="give its provider"):
            make_judge(section(text), None, None)


def test_the_seeds_section_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for a key is none: then the environment's counts."""
    printed = 'model: "gpt-4-turbo-preview"\napi_key: "sk-..." # Or set OPENAI_API_KEY env var'
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(InputError, match="^no key for the judge at api.openai.com"):
        made(printed)
    with served() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        judge = made(printed)
        assert isinstance(judge, OpenAIJudge)
        judge.check()
    assert server.keys == [f"Bearer {KEY}"]
    assert server.requests[0]["model"] == "gpt-4-turbo-preview"


def test_all_keys_of_a_model_arrive(tmp_path: Path) -> None:
    """Each at the judge, or in what it sends."""
    with served(Reply(delay=0.05)) as server:
        judge = made(
            f"{{model: m, api_key: {KEY}, base_url: '{server.url}', timeout: 7, max_retries: 0, concurrency: 2, max_calls: 6,"
            " template: '{prompt} {text}?', temperature: 1, max_tokens: 9}",
            tmp_path / "c.sqlite",
        )
        judge.scores(numbered(6))
        assert judge.scores(numbered(6))
        assert (tmp_path / "c.sqlite").exists()
        with pytest.raises(Exception, match="budget of 6"):
            judge.check()
        bare = made(f"{{model: m, base_url: '{server.url}', temperature: null, max_tokens: null}}")
        bare.check()
        assert isinstance(judge, OpenAIJudge)
        assert (judge._asking.endpoint.timeout, judge._asking.endpoint.max_retries) == (7, 0)
    assert server.most == 2
    assert (server.requests[0]["temperature"], server.requests[0]["max_tokens"]) == (1, 9)
    assert server.requests[0]["messages"][0]["content"].startswith("The sky is  text ")
    assert not {"temperature", "max_tokens"} & set(server.requests[-1])


def test_a_task_is_found_by_its_name() -> None:
    """With its parameters; programs are run only where that is allowed."""
    judge = made("task: sums:digits=2")
    assert isinstance(judge, CheckerJudge)
    item = find_task("sums:digits=2").items(limit=1)[0]
    assert judge.scores([Answer("", f" {item.data['answer']}", item), Answer("", " 1", item)]) == [1, 0]
    with pytest.raises(InputError, match="run"):
        made("task: humaneval").check()


def test_a_checker_is_found_in_its_file(tmp_path: Path) -> None:
    """By name, or without where there is only one."""
    (tmp_path / "one.py").write_text("def good(prompt, text):\n    return text in prompt\n\nHELP = 1\n")
    (tmp_path / "two.py").write_text(
        "def one(prompt, text):\n    return 1\n\ndef two(prompt, text):\n    return 0.5\n\nclass Three:\n    pass\n"
    )
    for name in ("one.py", "one.py:good"):
        assert made(f"checker: {tmp_path / name}").scores(texts("sky", "x")) == [1, 0]
    assert made(f"checker: {tmp_path / 'two.py'}:two").scores(texts("x")) == [0.5]
    for name, why in (
        ("two.py", "must hold one checker (found: one, two)"),
        ("two.py:four", "has no checker four (found: one, two)"),
        ("two.py:Three", "has no checker Three (found: one, two): Three is no function of a prompt and a text"),
        ("one.py:HELP", "HELP is no function of a prompt and a text"),
        ("none.py:good", "no file at"),
        ("good", "must be FILE.py:function, not"),
    ):
        ((place, said),) = problems({"checker": str(tmp_path / name)})
        assert place == "checker"
        assert why in said


@pytest.mark.parametrize(
    ("data", "place", "why"),
    [
        ({"model": "m", "task": "sums"}, "", "has task and model, which are judges of their own: leave all but one out"),
        ({"kind": "heuristic", "model": "m", "api_key": KEY}, "", "has kind and model, which"),
        ({"api_key": KEY}, "", "has api_key, which is for a model: name the model that judges, or leave it out"),
        ({"kind": "heuristic", "timeout": 3.0}, "", "has timeout, which is for a model"),
        ({"kind": "gpt"}, "kind", "cannot be used"),
        ({"model": ""}, "model", "cannot be used"),
        ({"task": "sums:digits=0"}, "task", "digits must be a whole number, at least 1"),
        ({"model": "m", "api_key": 12345678}, "api_key", "must be text: put it in quotes"),
        ({"model": "m", "api_key": [KEY]}, "api_key", "must be text: put it in quotes"),
        ({"model": "m", "api_kee": KEY}, "api_kee", "is not known here: did you mean api_key?"),
        ({"model": "m", "template": "{text}"}, "template", "the judge's template has no {prompt}"),
        ({"model": "m", "timeout": 0}, "timeout", "must be more than 0"),
        ({"model": "m", "timeout": "3"}, "timeout", "must be a number"),
        ({"model": "m", "max_retries": -1}, "max_retries", "must be at least 0"),
        ({"model": "m", "concurrency": 0}, "concurrency", "must be at least 1"),
        ({"model": "m", "max_calls": 1.5}, "max_calls", "must be a whole number"),
        ({"model": "m", "temperature": -1}, "temperature", "must be at least 0"),
        ({"model": "m", "max_tokens": True}, "max_tokens", "must be a whole number, not true"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_plain_words(data: Any, place: str, why: str) -> None:
    """With its place, and never with the key."""
    ((where, said),) = problems(data)
    assert where == place
    assert why in said
    assert KEY not in said
    assert "12345678" not in said


def test_the_key_is_in_nothing_that_is_made_of_a_section() -> None:
    """Not in a dump, `repr`, a pickle, nor in what a section around it gives; and what was written can be read again."""
    around = Around(judge=section(f"{{model: m, api_key: {KEY}, max_calls: 7}}"))
    assert around.judge.api_key is not None
    assert around.judge.api_key.get_secret_value() == KEY
    judge = around.judge
    shown = [
        judge.model_dump(),
        judge.model_dump(mode="json"),
        judge.model_dump_json(),
        judge,
        around,
        around.model_dump(),
        dict(judge),
        vars(judge),
    ]
    for each in shown:
        assert KEY not in repr(each) + str(each)
    for each in (judge, around):
        assert KEY.encode() not in pickle.dumps(each)
    assert "api_key" not in around.model_dump()["judge"]
    again = JudgeSection.model_validate(yaml.safe_load(yaml.safe_dump(judge.model_dump(exclude_unset=True))))
    assert again.model_dump() == pickle.loads(pickle.dumps(judge)).model_dump() == judge.model_dump()
    assert again.api_key is None
    assert judge.model_copy().api_key == judge.api_key
    assert not re.search("sk-", repr(judge))


def test_whatever_was_written_in_full_can_be_read_again() -> None:
    """A dump with all values, also those that nobody gave."""
    for text in ("", "{model: m}", "task: sums"):
        written = yaml.safe_dump(section(text).model_dump())
        assert section(written).model_dump() == section(text).model_dump()


def test_the_heuristic_needs_no_client() -> None:
    """The client of an endpoint is imported where one is asked, and only there."""
    program = (
        "import sys\nfrom backtrack_sampler.rl.judges.from_config import JudgeSection, make_judge\n"
        "from backtrack_sampler.testing import FakeProvider\n"
        "make_judge(JudgeSection(), FakeProvider(), None)\nassert 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_it_takes_to_judge_in_python_can_be_imported_from_one_place() -> None:
    """All judges, what they are made of, and how a configuration becomes one."""
    wanted = {
        "Answer", "CheckerJudge", "HeuristicJudge", "Judge", "JudgeError", "JudgeSection", "OpenAIJudge", "PairwiseJudge",
        "make_judge",
    }  # fmt: skip
    assert wanted <= set(rl.__all__)
    for name in rl.__all__:
        assert getattr(rl, name).__name__ == name
