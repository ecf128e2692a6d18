"""What `generate` shows, on a fake model that wants to write always the same."""

from __future__ import annotations

import io
import re
import string
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emulator import Terminal

from backtrack_sampler.cli.main import main
from backtrack_sampler.guidance import QUIT, Menu
from backtrack_sampler.testing import FakeProvider

WORDS = [" a", " time", " there", " was", " a", " house", ".", "\n", "It", " was", " of", " gold", "."]
TEXT = " a time fine was a house.\nIt was of gold."
FOUND = "taken back: ' there was' (AntiSlopStrategy: found 'there was')"
ARGUMENTS = ["--temperature", "0", "--max-new-tokens", str(len(WORDS)), "--strategy", "antislop:slops=there was|of a"]
VOCABULARY = sorted({*WORDS, " fine", *string.printable, "漢"})


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """The model: next comes the next of the words, and if not that, " fine"."""

    def logits(tokens: list[int]) -> list[float]:
        words = WORDS[len(tokens) - prompt.length :]
        return [9.0 * (word == words[0]) + 5.0 * (word == " fine") for word in VOCABULARY]

    class Prompted(FakeProvider):
        length = 0

        def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
            tokens = super().encode(text, add_special_tokens)
            self.length = self.length or len(tokens)  # the first that is asked for
            return tokens

        def encode_within(self, text: str) -> list[int]:
            return FakeProvider.encode(self, text)

    prompt = Prompted(VOCABULARY, logits, eos=0)
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", lambda *_, **__: prompt)
    return prompt


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Terminal]:
    """Runs `generate` in a terminal that has all it writes, and returns it."""
    monkeypatch.setattr("backtrack_sampler.terminal.live_text.time.sleep", lambda _: None)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(*arguments: str, columns: int = 40, rows: int = 12, code: int = 0) -> Terminal:
        terminal = Terminal(columns, rows)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(rows))
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main(["generate", *ARGUMENTS, *arguments]) == code
        return terminal

    return run


@pytest.mark.parametrize("extra", [[], ["--show-rollbacks"]])
@pytest.mark.parametrize(("term", "no_color"), [("xterm", ""), ("xterm", "1"), ("dumb", "")])
def test_a_pipe_gets_the_text_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, extra: list[str], term: str, no_color: str
) -> None:
    """Without the prompt, unbroken; rollbacks are lines on stderr, if they are asked for."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert main(["generate", "Once upon", *ARGUMENTS, *extra]) == 0
    assert capsys.readouterr() == (TEXT + "\n", f"{FOUND}\n" if extra else "")


def test_prompt_and_text_in_a_terminal(run: Callable[..., Terminal]) -> None:
    """The prompt is dimmed, the text follows it, lines break at words, and the cursor is on a new line."""
    terminal = run("Once upon", columns=23)
    assert terminal.screen.text == "Once upon a time fine\nwas a house.\nIt was of gold."
    assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (3, 0)
    assert terminal.getvalue().startswith("\x1b[2mOnce upon\x1b[0m a time")


def test_rollbacks_in_a_terminal(run: Callable[..., Terminal]) -> None:
    """Text is typed, struck out and erased, and the summary comes below it."""
    terminal = run("Once upon", "--show-rollbacks", "--stats")
    assert "\x1b[31;9m there was\x1b[0m" in terminal.getvalue()
    shown, _, rest = terminal.screen.text.partition("\n\n")
    assert shown == "Once upon a time fine was a house.\nIt was of gold."
    summary = "Taken back: once, 2 tokens, 13 stand.\n  after token   2: ' there was'\n      (found 'there was')\n("
    assert rest.startswith(summary)
    assert "13 tokens streamed, 2 taken back in 1" in rest


@pytest.mark.parametrize(("term", "no_color"), [("xterm", "1"), ("dumb", "")])
def test_rollbacks_without_colours(
    run: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch, term: str, no_color: str
) -> None:
    """They are lines of their own, in the form that the chat has, and no style is set."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", no_color)
    terminal = run("Once upon", "--show-rollbacks", columns=70)
    assert terminal.screen.text == f"Once upon a time\n{FOUND}\n fine was a house.\nIt was of gold."
    assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (4, 0)
    assert not re.search(r"\x1b\[[\d;]*m", terminal.getvalue())
    assert term != "dumb" or "\x1b" not in terminal.getvalue()


def test_no_color_breaks_lines_too(run: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR leaves out the dimming and nothing else."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("Once upon", columns=23).screen.text == "Once upon a time fine\nwas a house.\nIt was of gold."


def test_log_beside_the_text(run: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stderr goes elsewhere, the lines of the text are not broken for it."""
    monkeypatch.setenv("TERM", "dumb")
    log = io.StringIO()
    monkeypatch.setattr("backtrack_sampler.cli.shown_text.print", lambda *a, **_: log.write(*a), raising=False)
    monkeypatch.setattr(Terminal, "isatty", lambda self: self is sys.stdout and sys.stderr is not None)
    terminal = Terminal(70, 5)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", log)
    assert main(["generate", *ARGUMENTS, "Once upon", "--show-rollbacks"]) == 0
    assert terminal.screen.text == "Once upon" + TEXT
    assert log.getvalue() == FOUND


@pytest.mark.parametrize("extra", [[], ["--show-rollbacks"]])
def test_chat_shows_the_question(
    run: Callable[..., Terminal], provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, extra: list[str]
) -> None:
    """On lines of its own, and not the template around it."""
    monkeypatch.setattr(provider, "chat_prompt", lambda messages: f"[user]{messages[0]['content']}[model]")
    terminal = run("Where to?", "--chat", *extra)
    assert terminal.screen.text.startswith("Where to?\n\n a time fine was a house.\nIt was of gold.")


def test_long_prompt(run: Callable[..., Terminal]) -> None:
    """Its last lines are shown; control characters in it do nothing."""
    terminal = run("word " * 400 + "end\x0b", columns=23, rows=12)
    assert terminal.screen.text == (
        "…\nword word word word\nword word word word\nend\ufffd a time fine was\na house.\nIt was of gold."
    )


def test_prompt_from_stdin(run: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown like another, without the end of its last line."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("One\n\tand two\n"))
    assert run("-").screen.text == "One\n        and two a time fine was a\nhouse.\nIt was of gold."


INTERRUPTS = '''
from backtrack_sampler import BaseStrategy

class Interrupts(BaseStrategy):
    """Lets nothing go after six tokens; then comes Ctrl-C, or what is given."""
    def __init__(self, error=""):
        self.error = error

    def pending(self, tokens):
        return max(0, len(tokens) - 6)

    def on_probs(self, probs, tokens):
        if len(tokens) == 9:
            raise ValueError(self.error) if self.error else KeyboardInterrupt
        return probs
'''


@pytest.mark.parametrize("extra", [[], ["--show-rollbacks"]])
@pytest.mark.parametrize(("error", "code"), [("", 130), ("broken", 2)])
def test_broken_off(run: Callable[..., Terminal], tmp_path: Path, extra: list[str], error: str, code: int) -> None:
    """What was pending is erased; the cursor is on a new line, and no style is left on."""
    (tmp_path / "interrupts.py").write_text(INTERRUPTS)
    spec = f"{tmp_path / 'interrupts.py'}:Interrupts" + (f":error={error}" if error else "")
    terminal = run("Once upon", *extra, "--strategy", spec, code=code, rows=20)
    assert terminal.screen.text.split("\n")[0] == "Once upon a time fine was a house"
    assert ".\nIt" not in terminal.screen.text
    assert ("Taken back: once" in terminal.screen.text) == bool(extra)
    assert terminal.screen.cursor.x == 0
    assert not terminal.screen.cursor.attrs.strikethrough
    assert terminal.getvalue().rpartition("\x1b[")[2].startswith(("0m", "J"))


def test_person_has_the_terminal(run: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a person chooses on a screen, prompt and text come when that is given back."""
    written: list[str] = []

    class Screen:
        def choose(self, menu: Menu) -> int:
            written.append(sys.stdout.getvalue())  # type: ignore[attr-defined]
            return 0 if menu.text != " a time" else QUIT

        def close(self) -> None:
            pass

    monkeypatch.setattr("backtrack_sampler.strategy.human_guidance_strategy._terminal", Screen)
    terminal = run("Once upon", "--show-rollbacks", "--strategy", "human-guidance")
    assert set(written) == {""}
    assert terminal.screen.text == "Once upon a time"


def test_prompt_that_is_refused(run: Callable[..., Terminal], provider: FakeProvider) -> None:
    """It is not shown, and nothing is said of a stream that never began."""
    provider.context_size = 4
    terminal = run("Once upon", "--show-rollbacks", code=2)
    assert terminal.screen.text.startswith("backtrack-sampler: the prompt has 9 toke")
