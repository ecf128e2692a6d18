"""The harness's own command with our model in it."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lm_eval.tasks
import pytest

from backtrack_sampler.benchmark.harness import __main__ as lm_eval_command
from backtrack_sampler.testing import FakeProvider

TASKS = Path(__file__).parent / "lm_eval_tasks"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A fake model, our tasks alone, and nothing asked of pip; the arguments that models were loaded with."""
    loaded: list[Any] = []

    def load(*arguments: Any, **options: Any) -> FakeProvider:
        loaded.append((arguments, options))
        return FakeProvider([*"0123456789+=\n", "add up.", ""])

    only_ours = functools.partial(lm_eval.tasks.TaskManager, include_defaults=False)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", only_ours)
    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda _: None)
    monkeypatch.setattr("backtrack_sampler.benchmark.harness.lm.load_provider", load)
    root, ours = logging.getLogger(), logging.getLogger("lm_eval")
    before = (root.handlers[:], root.level, ours.level)
    yield loaded
    root.handlers[:], root.level = before[0], before[1]
    ours.setLevel(before[2])


def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], quick: list[Any]) -> None:
    """Our model is taken where none is named; strategies come as JSON; results say what was written how."""
    arguments = {"strategy": "antislop:slops=1|2,whole_words=true", "seed": 5}
    code = lm_eval_command.main([
        "--tasks", "our_sums", "--include_path", str(TASKS), "--limit", "2", "--model_args", json.dumps(arguments),
        "--output_path", str(tmp_path / "out"), "--log_samples",
    ])  # fmt: skip
    assert code == 0
    assert "our_sums" in capsys.readouterr().out
    assert quick == [((None, None), {})]
    (file,) = tmp_path.glob("out/**/results_*.json")
    config = json.loads(file.read_text())["config"]
    assert config["backtrack_strategies"] == [arguments["strategy"]]
    assert config["backtrack_seed"] == 5
    assert config["backtrack_streams"] | {"generated": 2, "failed": 0} == config["backtrack_streams"]
    assert len(list(tmp_path.glob("out/**/samples_our_sums_*.jsonl"))) == 1


def test_what_cannot_be_used(capsys: pytest.CaptureFixture[str], quick: list[Any]) -> None:
    """One line on stderr, and 2; nothing was loaded."""
    code = lm_eval_command.main([
        "run", "--tasks", "our_sums", "--include_path", str(TASKS), "--model_args", "strategy=nonsense"
    ])  # fmt: skip
    assert code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("lm-eval: no strategy 'nonsense'")
    assert not quick


@pytest.mark.parametrize(
    ("given", "run"),
    [
        (["--tasks", "a"], ["run", "--model", "backtrack", "--tasks", "a"]),
        (["run", "--tasks", "a"], ["run", "--model", "backtrack", "--tasks", "a"]),
        (["run", "--model", "hf"], None),
        (["run", "--model=hf"], None),
        (["run", "--config", "a.yaml"], None),
        (["ls", "tasks"], None),
        (["--help"], None),
        ([], None),
    ],
)
def test_which_model(given: list[str], run: list[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, unless another is named, or nothing is run."""
    called: list[list[str]] = []
    monkeypatch.setattr("lm_eval.__main__.cli_evaluate", lambda: called.append(__import__("sys").argv[1:]))
    assert lm_eval_command.main(given) == 0
    assert called == [run or given]
