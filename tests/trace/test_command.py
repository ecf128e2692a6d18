"""`backtrack-sampler generate --trace` and `backtrack-sampler trace`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulator import Program

from backtrack_sampler import InputError, Trace
from backtrack_sampler.cli.main import main
from backtrack_sampler.testing import FakeProvider

STRATEGY = ["--strategy", 'antislop:slops=["b"]']


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A model of a few words in place of the embedded one."""
    provider = FakeProvider(["x", " a", " b", ""], lambda tokens: [-math.inf, 2, 2, -math.inf])
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", lambda *_, **__: provider)
    return provider


@pytest.mark.usefixtures("fake")
def test_files_of_both_kinds(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """--trace writes a page or a file for later, each where it says, and leaves the text as it is."""
    page, saved = tmp_path / "x.html", tmp_path / "x.jsonl"
    arguments = ["generate", "x", *STRATEGY, "--max-new-tokens", "20", "--seed", "1"]
    assert main([*arguments, "--trace", str(page), "--trace", str(saved)]) == 0
    out, err = capfd.readouterr()
    assert err == f"trace written to {page}\ntrace written to {saved}\n"
    trace = Trace.from_jsonl(saved)
    assert (trace.text + "\n", trace.emitted, trace.prompt) == (out, 20, "x")
    assert trace.discarded > 0
    assert main(arguments) == 0
    assert capfd.readouterr().out == out
    assert main(["trace", str(saved), "--out", str(tmp_path / "again.html")]) == 0
    assert main(["trace", str(saved)]) == 0
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()
    assert set(tmp_path.iterdir()) == {page, saved, tmp_path / "again.html"}


@pytest.mark.usefixtures("fake")
def test_stop_string(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The text of the trace is what was printed, to the character, also before a stop string."""
    arguments = ["generate", "x", "--stop", "a a", "--seed", "1", "--trace", str(tmp_path / "x.jsonl")]
    assert main(arguments) == 0
    text = capfd.readouterr().out[:-1]
    assert text.endswith(" ")
    assert Trace.from_jsonl(tmp_path / "x.jsonl").text == text


@pytest.mark.usefixtures("fake")
def test_with_rollbacks_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--trace and --show-rollbacks hear of the same events."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    saved = tmp_path / "x.jsonl"
    arguments = ["--max-new-tokens", "5", "--seed", "1", "--show-rollbacks", "--trace", str(saved)]
    assert main(["generate", "x", *STRATEGY, *arguments]) == 0
    out = capfd.readouterr().out
    trace = Trace.from_jsonl(saved)
    assert out.count("\x1b[31;9m") == trace.rollbacks > 0
    assert trace.text == " a a a a a"


def test_written_when_the_stream_fails(fake: FakeProvider, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was recorded is written also where the context is full, and the error is still said."""
    fake.context_size = 10
    saved = tmp_path / "x.jsonl"
    assert main(["generate", "x", "--trace", str(saved), "--on-context-full", "raise"]) == 2
    out, err = capfd.readouterr()
    assert err.startswith(f"trace written to {saved}\nbacktrack-sampler: the context of 10 tokens is full")
    trace = Trace.from_jsonl(saved)
    assert (trace.text + "\n", trace.reason) == (out, "context")


@pytest.mark.usefixtures("fake")
def test_nothing_to_write(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where not a token was drawn, an old file stays as it is."""
    (tmp_path / "x.html").write_text("old")
    assert main(["generate", "x", "--max-length", "1", "--trace", str(tmp_path / "x.html")]) == 2
    assert "trace" not in capfd.readouterr().err
    assert (tmp_path / "x.html").read_text() == "old"


@pytest.mark.slow
def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the text: the trace until then is written."""
    saved = tmp_path / "x.jsonl"
    arguments = ["--max-new-tokens", "2000", "--context", "2048", "--trace", str(saved)]
    with Program("generate", "Once upon a time", *arguments, columns=500) as program:
        program.until(lambda: len(program.raw) > 80, quiet=False)
        program.interrupt()
        assert program.wait() == 130
        assert f"trace written to {saved}" in program.raw
        assert "Traceback" not in program.raw
    trace = Trace.from_jsonl(saved)
    assert trace.reason == ""
    assert trace.emitted > 3


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command that must end with exit code 2 and one line, before a model is loaded."""

    def load_provider(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was loaded before everything was checked")

    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", load_provider)

    def run(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert re.fullmatch(r"backtrack-sampler: [^\n]+\n", err), err
        return err

    return run


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("x.txt", ".html or .jsonl"),
        ("missing/x.html", "no folder"),
        ("", ".html or .jsonl"),
        ("folder.html", "a folder"),
    ],
)
def test_checked_before_the_model_is_loaded(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, message: str
) -> None:
    """A trace that could not be written in the end is refused at the beginning."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.html").mkdir()
    assert message in refused("generate", "x", "--trace", "fine.html", "--trace", file)
    assert not (tmp_path / "fine.html").exists()


def test_traces_that_cannot_be_shown(refused: Callable[..., str], tmp_path: Path) -> None:
    """A saved trace that is missing or broken, and a page that cannot be written, are one line."""
    assert "cannot read" in refused("trace", str(tmp_path / "missing.jsonl"))
    assert "cannot read" in refused("trace", "")
    (tmp_path / "x.jsonl").write_text("{}\n")
    assert "x.jsonl, line 1: format is missing" in refused("trace", str(tmp_path / "x.jsonl"))
    assert "in .html" in refused("trace", str(tmp_path / "x.jsonl"), "--out", "x.txt")


@pytest.mark.usefixtures("fake")
def test_a_disk_that_fills_up(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the trace cannot be written in the end, the text is there and one line says why."""

    def fails(self: Trace, path: Path) -> None:
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(Trace, "to_html", fails)
    assert main(["generate", "x", "--max-new-tokens", "2", "--trace", str(tmp_path / "x.html")]) == 2
    out, err = capfd.readouterr()
    assert len(out.split()) == 2
    assert re.fullmatch(r"backtrack-sampler: cannot write [^\n]+: No space left on device\n", err)
