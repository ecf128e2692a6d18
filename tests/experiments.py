"""What the tests of experiments share: tasks that need nothing, and a configuration as YAML."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler.benchmark.tasks import Item, Score, Task
from backtrack_sampler.errors import InputError

SMALL = """\
strategies: [repetition]
evaluation: {tasks: [sums], limit: 4, output_dir: out}
"""


class Sums(Task):
    """1+1, as often as one likes."""

    def __init__(self, name: str, shots: int | None, chat: bool) -> None:
        self.name = name
        self.shots = shots
        self.chat = chat

    def items(self, split: str = "test", limit: int | None = None) -> list[Item]:
        return [Item(f"{split}{index}", "1+1=") for index in range(min(limit or 300, 300))]

    def score(self, item: Item, text: str) -> Score:
        return Score(float(text == "2"), text)


def find_task(spec: str, shots: int | None = None, chat: bool = False, allow_code_execution: bool = False) -> Task:
    """Tasks named sums, products and gcd; many, which takes few examples; and humaneval, which runs what a model has
    written."""
    name = spec.partition(":")[0].lower()
    if name == "many" and (shots or 0) > 5:
        raise InputError("many takes 5 examples at most")
    if name not in ("sums", "products", "gcd", "gsm8k", "many", "humaneval"):
        raise InputError(f"no task {spec!r}: did you mean sums?")
    if name == "humaneval" and not allow_code_execution:
        raise InputError("humaneval runs what the model has written: --allow-code-execution agrees to that")
    return Sums(spec.lower(), shots, chat)


def put_module(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    """A module of the benchmark suite is this one."""
    module = types.ModuleType(f"backtrack_sampler.benchmark.{name}")
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def write(text: str, name: str = "e.yaml") -> Path:
    file = Path(name)
    file.write_text(text, encoding="utf-8")
    return file
