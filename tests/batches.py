"""What the tests of `generate --prompts` share: a fake model, and its files written and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backtrack_sampler.testing import FakeProvider

VOCABULARY = ["a", "b", "c", " ", "☃", "."]
Row = dict[str, Any]


class FakeModel(FakeProvider):
    """A few letters at random; it counts how often it was loaded, and may fail."""

    def __init__(self) -> None:
        super().__init__([*VOCABULARY, ""])
        self.loaded = 0
        self.before_answer: Callable[[], None] = lambda: None

    def answer(self, sequence: list[int]) -> Any:
        self.before_answer()
        return super().answer(sequence)

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        if messages[0]["content"] == "c":
            raise LookupError("no system message")
        return "".join(f"{message['content']}." for message in messages)


def load_instead(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    """Commands load this model, whatever they are told to; it counts in `loaded` how often."""

    def load_provider(*_: Any, **__: Any) -> Any:
        model.loaded += 1
        return model

    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", load_provider)


class Done(NamedTuple):
    code: int
    err: str
    out: str = ""


def write_prompts(*prompts: str) -> None:
    Path("p.txt").write_text("".join(f"{prompt}\n" for prompt in prompts), encoding="utf-8")


def write_json(*prompts: Any) -> None:
    """A line for each; a text is a line as it is."""
    lines = [prompt if isinstance(prompt, str) else json.dumps(prompt) for prompt in prompts]
    Path("p.jsonl").write_text("".join(f"{line}\n" for line in lines))


def lines(file: str | Path = "out.jsonl") -> list[Row]:
    """All lines: rows, and those with settings."""
    data = Path(file).read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def read(file: str | Path = "out.jsonl") -> list[Row]:
    return [line for line in lines(file) if "index" in line]


def texts(file: str | Path = "out.jsonl") -> dict[int, str]:
    """index -> text; each index is there once."""
    rows = read(file)
    found = {row["index"]: row["text"] for row in rows}
    assert len(found) == len(rows)
    return found


def count_rows(data: bytes) -> int:
    """How many rows are complete, also while the file is being written; the line at the top is none."""
    return sum(line.startswith(b'{"index"') for line in data.split(b"\n")[:-1])
