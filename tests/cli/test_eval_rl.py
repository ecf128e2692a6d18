"""The command `eval-rl`: a small run, measured to its end beside all that could be had instead."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rl_runs import Done, command_of, configure, go_to_a_copy, lay_out, restless_run

from backtrack_sampler.specs import parse_spec

HEURISTICS = [
    "probability-threshold", "entropy-threshold", "probability-margin", "probability-drop", "probability-trend",
    "logit-threshold", "repetition", "ngram-overlap",
]  # fmt: skip
FEW = ["--limit", "2", "--repeats", "1"]
Eval = Callable[..., Done]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a model and a run, whose policy goes back often."""
    folder = tmp_path_factory.mktemp("runs")
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        restless_run("my run", training={"held_out": 0.4})
        yield folder


@pytest.fixture(autouse=True)
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One of one's own, with all that."""
    return go_to_a_copy(trained, tmp_path / "here", monkeypatch, 100)


@pytest.fixture
def evaluate(capfd: pytest.CaptureFixture[str]) -> Eval:
    """Runs eval-rl."""
    command = command_of(capfd)
    return lambda *arguments: command("eval-rl", *arguments)


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""

    def load_provider(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", load_provider)


def lines_written() -> int:
    return sum(len(file.read_text().splitlines()) for file in Path("my run/evaluation/records").rglob("*.jsonl"))


@pytest.mark.usefixtures("no_loading")
def test_what_is_no_run(evaluate: Eval) -> None:
    """A folder without one, and one that has not come to its end, are refused in one line; so are numbers that are too
    small."""
    Path("empty").mkdir()
    for name in ("nowhere", "empty"):
        assert evaluate(name).line == (
            f"backtrack-sampler: there is no trained policy in {name}: train one with backtrack-sampler train-rl"
        )
    for option, value, least in (("--limit", "0", 1), ("--repeats", "0", 1), ("--trials", "-1", 0)):
        assert (
            evaluate("my run", option, value).line
            == f"backtrack-sampler: {option} must be at least {least}, not {value}"
        )
    Path("my run/policy.json").unlink()
    assert "there is no trained policy in my run" in evaluate("my run").line


@pytest.mark.usefixtures("no_loading")
def test_a_run_whose_files_are_broken(evaluate: Eval) -> None:
    """One line with the file."""
    file = Path("my run/prompts.json")
    said = file.read_text()
    file.write_text("{")
    assert "my run/prompts.json cannot be read" in evaluate("my run", "--check").line
    file.write_text(said)
    for text in ("judge: [", "- 1\n", "training: {total_timesteps: no}\n"):
        Path("my run/config.yml").write_text(text)
        assert "config" in evaluate("my run", "--check").line


@pytest.mark.usefixtures("no_loading")
def test_check(evaluate: Eval) -> None:
    """--check says what would be run, and runs nothing: no model is loaded, nothing is drawn or asked."""
    before = {file: file.read_bytes() for file in Path("my run").rglob("*") if file.is_file()}
    done = evaluate("my run", "--check", "--limit", "2", "--repeats", "5", "--trials", "7")
    assert (done.code, done.err) == (0, "")
    said = " ".join(done.out.split())
    assert "judged (2 items)" in said
    assert "policy, policy, actions drawn, random policy" in said
    assert all(f"{name} tuned" in said or f"{name} (" in said for name in HEURISTICS)
    assert "7 trials at each temperature" in said
    assert "2 items x 5 repeats" in said
    new = {file for file in Path("my run").rglob("*") if file.is_file()} - set(before)
    assert {file.name for file in new} <= {"task.py"}
    assert all(file.read_bytes() == data for file, data in before.items())


def test_a_run_is_measured_to_its_end(evaluate: Eval, capfd: pytest.CaptureFixture[str]) -> None:
    """Beside never going back, a random policy of the same rate, every heuristic, min-p, greedy and best-of-n. Again, it
    goes on where it was; a policy that has learned more is measured once more, and nothing else is."""
    done = evaluate("my run", *FEW, "--trials", "1")
    assert done.code == 0, done.err
    rows = done.out
    for name in (
        "policy",
        "policy, actions drawn",
        "random policy",
        "baseline",
        "greedy",
        "min-p",
        "top-p",
        "best-of-n",
    ):
        assert name in rows, name
    for name in HEURISTICS:
        assert f"{name} tuned" in rows, name
    assert "report written to" in done.err
    assert Path("my run/evaluation/report.html").is_file()
    rates = json.loads(Path("my run/rates.json").read_text())["rates"]
    assert len(rates) == 3
    assert sum(rates) == pytest.approx(1)
    assert rates[0] < 0.9
    said = yaml.safe_load(Path("my run/evaluation.yaml").read_text())
    by_chance = parse_spec(said["strategies"][2]["strategy"]).arguments
    assert by_chance == {"rates": [round(rate, 6) for rate in rates], "max_retries": 10, "max_discarded": 24}
    written = lines_written()

    again = evaluate("my run", *FEW, "--trials", "1")
    assert (again.code, again.out) == (0, rows)
    assert "looking how often" not in again.err
    assert lines_written() == written
    own = command_of(capfd)("benchmark", "--config", "my run/evaluation.yaml", "--resume")
    assert (own.code, own.out) == (0, rows)

    settings = json.loads(Path("my run/policy.json").read_text())
    settings["normaliser"]["mean"][0] += 0.3
    Path("my run/policy.json").write_text(json.dumps(settings))
    more = evaluate("my run", *FEW, "--trials", "1")
    assert more.code == 0
    assert "looking how often" in more.err
    assert 4 <= lines_written() - written < written / 3


def test_it_goes_on_after_an_interruption(
    evaluate: Eval, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C: exit code 130 and what is kept; the same command ends with what an undisturbed one says."""
    shutil.copytree("my run", "other")
    ended: list[bool] = []
    text = Path("models.py").read_text()
    Path("models.py").write_text(f"import sys\n{text}".replace(
        "        time.sleep(float", "        sys.modules['rl_runs'].on_answer()\n        time.sleep(float"
    ))  # fmt: skip

    def on_answer() -> None:
        if lines_written() > 4 and not ended:
            ended.append(True)
            raise KeyboardInterrupt

    monkeypatch.setattr("rl_runs.on_answer", on_answer, raising=False)
    done = evaluate("my run", *FEW, "--trials", "0")
    assert done.code == 130, done
    assert "Traceback" not in done.err
    assert "to go on: backtrack-sampler benchmark --config 'my run/evaluation.yaml' --resume" in done.err
    written = lines_written()
    assert written
    again = evaluate("my run", *FEW, "--trials", "0")
    assert again.code == 0
    assert lines_written() > written
    for name in HEURISTICS:
        assert f"{name} tuned" not in again.out
    monkeypatch.setattr("rl_runs.on_answer", lambda: None)
    shutil.rmtree("my run")
    Path("other").rename("my run")
    assert evaluate("my run", *FEW, "--trials", "0").out == again.out


def test_a_policy_whose_judge_was_a_task(evaluate: Eval, capfd: pytest.CaptureFixture[str]) -> None:
    """It is measured on the task's test split, of which it has seen nothing."""
    Path("task.py").write_text(
        "from backtrack_sampler.benchmark.tasks import Item, Score, Task\n\nclass Letters(Task):\n"
        "    name, max_new_tokens = 'letters', 6\n"
        "    def items(self, split='test', limit=None):\n"
        "        return [Item(f'{split}{n}', p) for n, p in enumerate('a b c ab ba'.split())][:limit]\n"
        "    def score(self, item, text):\n        return Score(float('b' in text), text)\n"
    )
    config = configure(output_dir="task run", judge={"task": "task.py:Letters"})
    assert command_of(capfd)("train-rl", "--config", config).code == 0
    done = evaluate("task run", "--limit", "3", "--repeats", "1", "--trials", "0")
    assert done.code == 0, done.err
    assert "letters" in done.out
    assert yaml.safe_load(Path("task run/evaluation.yaml").read_text())["evaluation"]["tasks"] == ["task.py:Letters"]
