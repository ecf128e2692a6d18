"""`backtrack-sampler guide` with a script in place of the terminal and a fake model: where the text goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler.cli import arguments, guide
from backtrack_sampler.cli.main import main
from backtrack_sampler.errors import InputError
from backtrack_sampler.guidance import BACK, QUIT, Answer, Insert, Menu
from backtrack_sampler.options import SessionOptions
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.trace import Trace

WORDS = ["", " one", " two", " three", "Count:"]

Run = Callable[..., int]


class Person:
    """Answers one after the other; what is an exception is raised."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self.menus: list[Menu] = []

    def choose(self, menu: Menu) -> Answer:
        self.menus.append(menu)
        answer = next(self._answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        pass


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command with a person's answers, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(guide, "check_terminal", lambda: None)

    def run_with(answers: list[Any], *more: str, provider: FakeProvider | None = None) -> int:
        model = provider or FakeProvider(WORDS, lambda tokens: [0, 3, 2, 1, -9], eos=0)
        monkeypatch.setattr(arguments, "provider_of", lambda options: model)
        monkeypatch.setattr(guide, "CursesScreen", lambda looks_ahead: Person(answers))
        return main(["guide", "Count:", *more])

    return run_with


def test_the_text_is_told_and_written(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The prompt and the text to the terminal and to the file; the trace to its files; messages beside them."""
    assert run([0, 1, BACK, 2, QUIT], "--out", "t.txt", "--trace", "t.html", "--trace", "t.jsonl") == 0
    out, err = capsys.readouterr()
    assert out == "Count: one three\n"
    assert Path("t.txt").read_text() == out
    assert err == "text written to t.txt\ntrace written to t.html\ntrace written to t.jsonl\n"
    trace = Trace.from_jsonl("t.jsonl")
    assert (trace.text, trace.reason) == (" one three", "end")


@pytest.mark.parametrize(
    ("why", "code"),
    [(KeyboardInterrupt(), 130), (SystemExit(143), 143), (InputError("the terminal is gone: start again"), 2)],
)
def test_nothing_is_lost_however_it_ends(
    run: Run, capsys: pytest.CaptureFixture[str], why: BaseException, code: int
) -> None:
    """Ctrl-C, a signal and a lost terminal: text and trace are complete, as if the person had ended it."""
    answers = [0, Insert(" three"), why]
    if isinstance(why, SystemExit):
        with pytest.raises(SystemExit) as left:
            run(answers, "--out", "t.txt", "--trace", "t.jsonl")
        assert left.value.code == code
    else:
        assert run(answers, "--out", "t.txt", "--trace", "t.jsonl") == code
    assert capsys.readouterr().out == Path("t.txt").read_text() == "Count: one three\n"
    trace = Trace.from_jsonl("t.jsonl")
    assert (trace.text, trace.reason) == (" one three", "end")


def test_nothing_is_lost_between_two_questions(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C while the model computes, and a strategy that fails: what was not taken back is there."""

    def logits(tokens: list[int]) -> list[float]:
        if tokens[-1] == 3:
            raise KeyboardInterrupt
        return [0, 3, 2, 1, -9]

    provider = FakeProvider(WORDS, logits, eos=0)
    assert run([0, 1, BACK, 0, 2], "--out", "t.txt", "--trace", "t.jsonl", provider=provider) == 130
    assert capsys.readouterr().out == Path("t.txt").read_text() == "Count: one one three\n"
    assert Trace.from_jsonl("t.jsonl").drawn == 5

    Path("fails.py").write_text(
        "from backtrack_sampler import BaseStrategy\n\n\nclass Fails(BaseStrategy):\n"
        "    def on_next_token(self, tokens, probs):\n        assert len(tokens) < 2\n"
    )
    assert run([0, 1], "--strategy", "fails.py") == 2
    out, err = capsys.readouterr()
    assert out == "Count: one two\n"
    assert "Fails.on_next_token" in err


def test_nothing_chosen_leaves_the_file_as_it_was(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Yesterday's text is not replaced by a prompt."""
    Path("t.txt").write_text("yesterday")
    for answers, code in (([QUIT], 0), ([KeyboardInterrupt()], 130)):
        assert run(answers, "--out", "t.txt") == code
        assert Path("t.txt").read_text() == "yesterday"
        out, err = capsys.readouterr()
        assert out == ("Count:\n" if code == 0 else "")
        assert "nothing was chosen: t.txt is left as it was" in err


def test_a_file_that_cannot_be_written_in_the_end(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is told all the same, the other files are written, and the error is said."""

    def full(path: Path, text: str) -> None:
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(guide, "write_atomically", full)
    assert run([0, QUIT], "--out", "t.txt", "--trace", "t.jsonl") == 2
    out, err = capsys.readouterr()
    assert out == "Count: one\n"
    assert "No space left" in err
    assert Path("t.jsonl").exists()


def test_strategies_work_along(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What they take back is asked again, and the person is told what went."""
    assert run([0, 1, 1, QUIT], "--strategy", 'antislop:slops=["one two"]') == 0
    assert capsys.readouterr().out == "Count: three\n"


@pytest.mark.parametrize(
    ("more", "retries", "discarded"),
    [
        ([], 2**63 - 1, 2**63 - 1),
        (["--strategy", "antislop"], 10_000, 100_000),
        (["--operator", "never", "--max-retries", "7", "--max-discarded", "9"], 7, 9),
    ],
)
def test_budgets(run: Run, monkeypatch: pytest.MonkeyPatch, more: list[str], retries: int, discarded: int) -> None:
    """A person alone takes back as much as they like; with strategies, which may never be content, there is an end."""
    seen: list[SessionOptions] = []
    monkeypatch.setattr(guide.Trace, "__call__", lambda self, event: seen.append(getattr(event, "options", None)))
    run([QUIT], *more)
    assert (seen[0].max_retries, seen[0].max_discarded) == (retries, discarded)


def test_the_budget_counts_steps_back(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A step back is a rollback like others: where a budget is given, it is used up by them as well."""
    assert run([0, 1, BACK, 0, BACK, 0], "--max-discarded", "3") == 0
    out, err = capsys.readouterr()
    assert out == "Count: one\n"
    assert "the text ends where nothing was left to draw" in err


def test_a_chat_shows_the_question_above_the_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And tells the answer alone."""
    people: list[Person] = []

    def make(looks_ahead: bool) -> Person:
        people.append(Person([0, QUIT]))
        return people[-1]

    monkeypatch.setattr(FakeProvider, "chat_prompt", lambda self, messages: messages[-1]["content"])
    monkeypatch.setattr(guide, "check_terminal", lambda: None)
    model = FakeProvider(WORDS, lambda tokens: [0, 3, 2, 1, -9], eos=0)
    monkeypatch.setattr(arguments, "provider_of", lambda options: model)
    monkeypatch.setattr(guide, "CursesScreen", make)
    assert main(["guide", "Count:", "--chat", "--out", "t.txt"]) == 0
    assert people[0].menus[0].prompt == "Count:\n\n"
    assert Path("t.txt").read_text() == " one\n"
