"""What the tests of `train-rl` and `eval-rl` share: a small model in a file, checkers, a configuration, and a server."""

from __future__ import annotations

import shlex
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from judge_server import Reply, asked_about
from safetensors.numpy import load_file, save_file

from backtrack_sampler.cli.main import main

#: A file with a model is what a subprocess can load, too; it may take its time, so that it
#: can be interrupted.
MODELS = """
import math, os, time
from backtrack_sampler.testing import FakeProvider, ListLogits

class Tiny(FakeProvider):
    model_name = "tiny"

    def __init__(self):
        super().__init__(["a", "b", "c", " ", ".", "\\f", ""])

    def answer(self, sequence):
        time.sleep(float(os.environ.get("TAKE_YOUR_TIME", 0)))
        return super().answer(sequence)

    def chat_prompt(self, messages):
        return "".join(f"{each['content']}." for each in messages)

class Other(Tiny):
    model_name = "other"

class Ending(Tiny):
    # The token that ends a text is less probable than the others.
    def answer(self, sequence):
        likely = dict.fromkeys([0, 1], -0.9) | {6: -1.6}
        return ListLogits(likely.get(token, -math.inf) for token in range(7))
"""
CHECKERS = """
def letters(prompt, text):
    return text.count("b") / max(1, len(text))

def length(prompt, text):
    return min(1.0, len(text) / 12)

def alike(prompt, text):
    return 0.5

def nothing(prompt, text):
    return float("nan")

def breaks(prompt, text):
    raise LookupError("no such thing")
"""
PROMPTS = ["a b", "b", "c c", "ab", "ba", "a a"]
CONFIG: dict[str, Any] = {
    "model_name_or_path": "models.py:Tiny",
    "output_dir": "run",
    "judge": {"checker": "checkers.py:letters"},
    "env": {"max_backtrack": 2, "max_seq_length": 6},
    "training": {
        "total_timesteps": 96, "n_envs": 4, "n_steps": 8, "batch_size": 16, "n_epochs": 1, "net_arch": [8],
        "lstm_hidden_size": 6, "checkpoint_every": 64, "evaluate_every": 64,
    },
}  # fmt: skip


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What a command says that has failed: one line, and no text."""
        assert (self.code, self.out) == (2, ""), self
        lines = [each for each in self.err.splitlines() if each.startswith("backtrack-sampler: ")]
        assert len(lines) == 1, self.err
        assert self.err.endswith(f"{lines[0]}\n")
        assert "Traceback" not in self.err
        return lines[0]


def merged(changes: dict[str, Any]) -> dict[str, Any]:
    """The configuration with other values; those of a section are put among its own, but for a judge's."""
    found = dict(CONFIG)
    for name, value in changes.items():
        among = isinstance(value, dict) and name in ("env", "training")
        found[name] = {**found[name], **value} if among else value
    return found


def configure(name: str = "rl.yaml", **changes: Any) -> str:
    """Write the configuration, see `merged`; returns its name."""
    Path(name).write_text(yaml.safe_dump(merged(changes)), encoding="utf-8")
    return name


def lay_out(folder: Path) -> None:
    """Models, checkers and prompts in a folder."""
    (folder / "models.py").write_text(MODELS)
    (folder / "checkers.py").write_text(CHECKERS)
    (folder / "prompts.txt").write_text("".join(f"{each}\n" for each in PROMPTS))


def command_of(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command in this process."""

    def command(*arguments: str) -> Done:
        try:
            code = main(arguments)
        except SystemExit as error:  # argparse
            code = int(error.code or 0)
        return Done(code, *capfd.readouterr())

    return command


def weights(folder: str | Path) -> dict[str, bytes]:
    """Those of a run's policy, to the bit."""
    return {name: each.tobytes() for name, each in load_file(Path(folder) / "policy.safetensors").items()}


def make_restless(folder: str | Path) -> None:
    """Change a run's policy so that it goes back often, and not always, whatever it has learned."""
    rng = np.random.default_rng(4)
    file = Path(folder) / "policy.safetensors"
    changed = {name: rng.normal(0, 1.5, each.shape).astype(np.float32) for name, each in load_file(file).items()}
    save_file(changed, file)


def restless_run(folder: str, **changes: Any) -> None:
    """Train in a folder of the current one, with a configuration that is changed, a policy that goes back often."""
    assert main(["train-rl", "--config", configure(output_dir=folder, **changes), "--prompts", "prompts.txt"]) == 0
    make_restless(folder)


def go_to_a_copy(original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, columns: int) -> Path:
    """So that each test has a folder of its own, with all that was trained there."""
    shutil.copytree(original, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("COLUMNS", str(columns))
    return copy


def rate(request: dict[str, Any]) -> Reply:
    """A judge's reply that depends on nothing but the text."""
    return Reply(str(1 + zlib.crc32(asked_about(request).encode()) % 10))


def printed(err: str) -> list[str]:
    """The arguments of the command that a message names, after "to go on:"."""
    words = shlex.split(err[err.index("to go on: ") :].removeprefix("to go on: "))
    assert words[0] == "backtrack-sampler"
    return words[1:]
