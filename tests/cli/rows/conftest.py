"""`generate --prompts` with a fake model, in a folder of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from batches import Done, FakeModel, load_instead

from backtrack_sampler.cli.main import main


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    """The model that is loaded, and a folder of one's own to work in."""
    model = FakeModel()
    load_instead(monkeypatch, model)
    monkeypatch.chdir(tmp_path)
    return model


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs generate with --prompts p.txt and --out out.jsonl, where nothing else is given; stdout is for --out -."""

    def run(*arguments: str) -> Done:
        given = list(arguments)
        for name, value in (("--prompts", "p.txt"), ("--out", "out.jsonl"), ("--max-new-tokens", "12")):
            if name not in given:
                given += [name, value]
        code = main(["generate", *given])
        out, err = capfd.readouterr()
        assert out == "" or "-" in given
        return Done(code, err, out)

    return run


@pytest.fixture
def refused(run: Callable[..., Done]) -> Callable[..., str]:
    """Runs a command that must end with exit code 2 and one line, and leave the output as it was."""

    def refused(*arguments: str) -> str:
        before = Path("out.jsonl").read_bytes() if Path("out.jsonl").is_file() else b""
        code, err, _ = run(*arguments)
        assert code == 2, err
        assert re.fullmatch(r"backtrack-sampler: [^\n]+\n", err), err
        assert (Path("out.jsonl").read_bytes() if Path("out.jsonl").is_file() else b"") == before
        return err

    return refused
