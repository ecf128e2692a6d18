"""A trained policy in the other commands: `generate`, rows, `compare`, `chat` and `benchmark`."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rl_runs import Done, command_of, go_to_a_copy, lay_out, restless_run

from backtrack_sampler import BacktrackSampler
from backtrack_sampler.discovery import load_provider
from backtrack_sampler.rl import RlPolicyStrategy

MODEL = ["--model", "models.py:Tiny"]
SHORT = ["--max-new-tokens", "12"]
ALGORITHMS = ["ppo", "recurrent_ppo"]
TASK = '''
from backtrack_sampler.benchmark.tasks import Item, Score, Task

class Letters(Task):
    """Is there a b?"""
    name = "letters"
    max_new_tokens = 6
    def items(self, split="test", limit=None):
        return [Item(str(n), prompt) for n, prompt in enumerate(["a", "b c", "c"])][:limit]
    def score(self, item, text):
        return Score(float("b" in text), text)
'''


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with models and two runs, of which each goes back often."""
    folder = tmp_path_factory.mktemp("runs")
    lay_out(folder)
    (folder / "task.py").write_text(TASK)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for algorithm in ALGORITHMS:
            restless_run(algorithm, training={"algorithm": algorithm})
        yield folder


@pytest.fixture(autouse=True)
def folder(trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One of one's own, with all that."""
    return go_to_a_copy(trained, tmp_path / "here", monkeypatch, 80)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    return command_of(capfd)


def in_python(run: str, prompt: str, seed: int, **options: Any) -> str:
    """What the strategy writes there."""
    provider = load_provider("models.py:Tiny")
    return BacktrackSampler(provider, RlPolicyStrategy(provider, run, **options)).generate_text(
        prompt, max_new_tokens=12, seed=seed
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_generate_writes_what_the_strategy_writes(command: Callable[..., Done], algorithm: str) -> None:
    """The same text for the same seed; another than without it, for it takes tokens back."""
    others: list[bool] = []
    back: list[bool] = []
    for seed in range(4):
        arguments = ["generate", "a b", *MODEL, *SHORT, "--seed", str(seed)]
        done = command(*arguments, "--strategy", f"rl-policy:policy={algorithm}", "--stats")
        assert done.code == 0
        back.append(", 0 taken back" not in done.err)
        assert done.out == in_python(algorithm, "a b", seed) + "\n"
        drawn = command(*arguments, "--strategy", f"rl-policy:policy={algorithm},deterministic=false")
        assert drawn.code == 0
        assert drawn.out == in_python(algorithm, "a b", seed, deterministic=False) + "\n"
        others += [done.out != drawn.out, done.out != command(*arguments).out]
    assert any(others[::2])
    assert sum(others[1::2]) >= 2
    assert sum(back) >= 2
    file = command(
        "generate",
        "a b",
        *MODEL,
        *SHORT,
        "--seed",
        "3",
        "--strategy",
        f"rl-policy:policy={algorithm}/policy.safetensors",
    )
    assert file.out == done.out


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_rows_are_those_of_single_texts(command: Callable[..., Done], algorithm: str) -> None:
    """Many in one batch, each with what the policy remembers of it."""
    spec = f"rl-policy:policy={algorithm}"
    done = command("generate", *MODEL, *SHORT, "--prompts", "prompts.txt", "--out", "out.jsonl", "--n", "2", "--seed", "5",
                   "--strategy", spec)  # fmt: skip
    assert done.code == 0, done.err
    top, *rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert len(rows) == 12
    for row in rows:
        assert row["text"] == in_python(algorithm, row["prompt"], row["seed"])
    assert sum(row["rollbacks"] for row in rows) > 12
    # A policy that has learned more since then writes other texts: they would not be rows of one file.
    said = json.dumps(top["settings"])
    assert f"{algorithm}/policy.safetensors" in said
    shutil.copy(
        Path("ppo" if algorithm != "ppo" else "recurrent_ppo") / "policy.safetensors", f"{algorithm}/policy.safetensors"
    )
    done = command("generate", *MODEL, *SHORT, "--prompts", "prompts.txt", "--out", "out.jsonl", "--n", "2", "--seed", "5",
                   "--strategy", spec)  # fmt: skip
    assert done.code == 2
    assert "Traceback" not in done.err


def test_compare_and_chat(command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a contender like any other, also beside others; and what answers in a chat, whose seed is its own."""
    done = command("compare", "a b", *MODEL, *SHORT, "--seeds", "3", "--strategy", "rl-policy:policy=ppo", "--strategy",
                   "rl-policy:policy=recurrent_ppo", "--with-operator", "repetition", "--out", "x.json")  # fmt: skip
    assert done.code == 0, done.err
    assert "rl-policy:policy=ppo" in done.out
    texts = json.loads(Path("x.json").read_text())["texts"]
    mine = [each for each in texts if each["contender"] == "rl-policy:policy=ppo"]
    assert [each["text"] for each in mine] == [in_python("ppo", "a b", each["seed"]) for each in mine]
    answers = []
    for more in ([], ["--strategy", "rl-policy:policy=ppo"], ["--strategy", "rl-policy:policy=ppo"]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a b\nb\n/stats\n"), encoding="utf-8"))
        done = command("chat", "models.py:Tiny", *SHORT, "--seed", "1", *more)
        assert done.code == 0, done.err
        answers.append(done.out)
    assert answers[0] != answers[1] == answers[2]


def test_a_row_of_a_benchmark(command: Callable[..., Done]) -> None:
    """Its row is drawn once, and once more when the policy has learned something: the others stay as they are."""
    Path("e.yaml").write_text(
        "model_name_or_path: models.py:Tiny\nstrategies: ['rl-policy:policy=ppo']\n"
        "evaluation: {tasks: ['task.py:Letters'], limit: 3, output_dir: out}\n"
    )
    done = command("benchmark", "--config", "e.yaml")
    assert done.code == 0, done.err
    assert "rl-policy" in done.out

    def written() -> int:
        return sum(len(file.read_text().splitlines()) for file in Path("out/records").rglob("*.jsonl"))

    before = written()
    assert command("benchmark", "--config", "e.yaml", "--resume").code == 0
    assert written() == before
    settings = json.loads(Path("ppo/policy.json").read_text())
    settings["normaliser"]["mean"][0] += 0.3
    Path("ppo/policy.json").write_text(json.dumps(settings))
    assert command("benchmark", "--config", "e.yaml", "--resume").code == 0
    assert 3 <= written() - before < before


def test_a_policy_of_another_model(command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are named, and how to use it all the same; where the model lies does not matter."""
    arguments = ["generate", "a b", *SHORT, "--seed", "1"]
    other = command(*arguments, "--model", "models.py:Other", "--strategy", "rl-policy:policy=ppo")
    assert other.line == (
        "backtrack-sampler: RlPolicyStrategy: this policy was trained on tiny, and this model is other: train one for it "
        "with backtrack-sampler train-rl, or pass any_model=true"
    )
    done = command(*arguments, "--model", "models.py:Other", "--strategy", "rl-policy:policy=ppo,any_model=true")
    assert done.code == 0, done.err
    text = Path("models.py").read_text()
    Path("models.py").write_text(text.replace('"tiny"', '"/models/of/mine/tiny"'))
    assert command(*arguments, *MODEL, "--strategy", "rl-policy:policy=ppo").code == 0


def changed(**changes: Any) -> None:
    """Edit the settings of a policy by hand."""
    file = Path("ppo/policy.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_files_that_cannot_be_used(command: Callable[..., Done]) -> None:
    """Settings that are another policy's, a folder without one, a zip that nobody vouches for: one line each, which
    names both sides; no text is written."""

    def refused(policy: str) -> str:
        return command("generate", "a b", *MODEL, *SHORT, "--strategy", f"rl-policy:policy={policy}").line

    assert "there is no policy at nowhere: a folder with policy.safetensors and policy.json is needed" in refused(
        "nowhere"
    )
    said = refused("ppo/policy.zip")
    assert "to load ppo/policy.zip runs code that its maker put there: load the folder with policy.safetensors" in said
    done = command(
        "generate", "a b", *MODEL, *SHORT, "--seed", "1", "--strategy", "rl-policy:policy=ppo/policy.zip,trust=True"
    )
    assert done.code == 0, done.err
    assert done.out == in_python("ppo/policy.zip", "a b", 1, trust=True) + "\n"
    changed(features={"names": ["entropy", "rank"], "max_seq_length": 6})
    assert "this policy's network has 4 inputs, but its settings name 2 features (entropy, rank)" in refused("ppo")
    changed(features={"names": ["entropy", "nose"], "max_seq_length": 6})
    assert "there is no feature 'nose'" in refused("ppo")
    shutil.copy("recurrent_ppo/policy.json", "ppo/policy.json")
    changed(max_backtrack=5)
    assert "this policy's network has 3 actions, but its settings say 6 (max_backtrack 5)" in refused("ppo")
    Path("ppo/policy.json").write_text("{")
    assert "ppo/policy.json is no policy's" in refused("ppo")
    Path("recurrent_ppo/policy.safetensors").write_bytes(b"no weights")
    assert "cannot be read as safetensors" in refused("recurrent_ppo")
    Path("ppo/policy.zip").unlink()
    assert "there is no policy at ppo/policy.zip" in refused("ppo/policy.zip,trust=true")
