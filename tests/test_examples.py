"""The examples run as they are, on the embedded model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        input=typed, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_WAIT_POLICY": "passive"},
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


@pytest.mark.parametrize("name", ["basic_generation.py", "interactive_chat.py"])
def test_a_model_that_is_not_there(name: str) -> None:
    """One line, no traceback."""
    done = run(name, "/nowhere.gguf")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no model file at /nowhere.gguf" in done.stderr
