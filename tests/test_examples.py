"""The examples run as they are, on the embedded model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str, typed: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder, input=typed, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )  # fmt: skip


@pytest.mark.slow
def test_basic_generation() -> None:
    """Writes the same prompt twice; only with the operator was anything taken back, and the texts differ."""
    done = run("basic_generation.py")
    assert done.returncode == 0, done.stderr
    without, with_operator = done.stdout.strip().split("\n--- ")
    assert without.startswith("--- no operator: 0 rollbacks []\nThe best thing about dragons")
    assert with_operator.startswith("NGramOverlap(ngram_size=4, backtrack_count=1): ")
    assert " 0 rollbacks" not in with_operator
    assert without.split("\n", 1)[1] != with_operator.split("\n", 1)[1]


@pytest.mark.slow
def test_interactive_chat() -> None:
    """Answers each line, and ends with the input."""
    done = run("interactive_chat.py", typed="Who are you?\nAnd who am I?\n")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().split("\n")) >= 2
    assert ">" not in done.stdout[:2]


@pytest.mark.slow
def test_demo() -> None:
    """Both tales, and for each a list of what was taken back."""
    done = run("demo.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Taken back: ") == 2
    assert "found '" in done.stdout


@pytest.mark.slow
def test_basic_benchmarking(tmp_path: Path) -> None:
    """The table with its controls, and texts that were changed; once more, nothing is drawn again."""
    tables = []
    for _ in range(2):
        done = run("basic_benchmarking.py", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        tables.append(done.stdout)
    assert tables[0] == tables[1]
    for row in ("baseline", "greedy", "probability-threshold", "ngram-overlap", "best-of-n", "majority", "oracle"):
        assert row in tables[0]
    assert " took back " in tables[0]


def test_an_experiment_that_is_not_there() -> None:
    """One line, no traceback."""
    done = run("basic_benchmarking.py", "/nowhere.yaml")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot read /nowhere.yaml" in done.stderr


@pytest.mark.parametrize("name", ["basic_generation.py", "interactive_chat.py"])
def test_a_model_that_is_not_there(name: str) -> None:
    """One line, no traceback."""
    done = run(name, "/nowhere.gguf")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no model file at /nowhere.gguf" in done.stderr


@pytest.mark.slow
def test_rl_training(tmp_path: Path) -> None:
    """A run and two texts; once more, with more decisions, it goes on where it was."""
    for steps in ("512", "1024"):
        done = run("rl_training.py", "--steps", steps, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Once upon a time there was the sea") == 2
        assert "--- never going back, 0 rollbacks" in done.stdout
        policy = json.loads((tmp_path / "rl_output" / "seed_0" / "policy.json").read_text())
        assert policy["trained"]["steps"] >= int(steps)
    done = run("rl_training.py", "--steps", "0", folder=tmp_path)
    assert done.stderr.startswith("rl_training: ")
    assert "Traceback" not in done.stderr
