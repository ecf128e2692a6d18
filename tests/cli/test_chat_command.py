"""The command `backtrack-sampler chat`: through a pipe, and in a pseudo terminal."""

from __future__ import annotations

import io
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from emulator import FAIR
from talk import Talk, answer_in, assistant, saved, user

from backtrack_sampler.cli.main import main
from backtrack_sampler.testing import FakeProvider
from backtrack_sampler.trace import Trace

NEVER = -math.inf


class FakeChat(FakeProvider):
    """Says a, b and c at random, and says nothing to a question with an `e`."""

    def __init__(self, **options: Any) -> None:
        super().__init__([*"abcdefghij/?: ", "\n", "user", "assistant", "system", ""], self._next, **options)
        self.prompts: list[str] = []
        self.error: BaseException | None = None

    def _next(self, tokens: list[int]) -> list[float]:
        if self.error is not None:
            raise self.error
        silent = 4 in tokens
        letters = [NEVER if silent else 2.0] * 3
        return [*letters, *[NEVER] * (len(self.vocabulary) - 4), 0.0]

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        text = "".join(f"{m['role']}: {m['content']}\n" for m in messages) + "assistant: "
        self.prompts.append(text)
        return text


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def answers(self) -> list[str]:
        return self.out.split("\n")[:-1]

    @property
    def errors(self) -> list[str]:
        return re.findall(r"^backtrack-sampler: (.*)$", self.err, re.MULTILINE)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder to run in: a chat that is ended from outside is saved there."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeChat:
    """A chat model of a few letters in place of the embedded one."""
    provider = FakeChat()
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", lambda *_, **__: provider)
    return provider


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs `chat` in this process with these lines through a pipe."""

    def run(lines: str | bytes, *arguments: str) -> Done:
        data = lines.encode() if isinstance(lines, str) else lines
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code = main(["chat", "--max-new-tokens", "12", "--seed", "1", *arguments])
        return Done(code, *capfd.readouterr())

    return run


# -- through a pipe ---------------------------------------------------------------------------


def test_a_question_a_line(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """Each line is a question, each answer is on stdout and nothing else is; empty lines are no questions."""
    done = chat("a\n\n  \nb c\n  d  ")
    first, second, third = done.answers
    assert (done.code, done.err) == (0, "")
    assert set(done.out) <= set("abc\n")
    assert fake.prompts[-1] == (f"user: a\nassistant: {first}\nuser: b c\nassistant: {second}\nuser: d\nassistant: ")
    assert len(third) > 1
    assert chat("") == (0, "", "")


@pytest.mark.usefixtures("fake")
def test_same_seed_same_chat(chat: Callable[..., Done]) -> None:
    """A seed makes a chat reproducible, each further answer to the same question too."""
    once = chat("a\n/retry\n/retry\n")
    assert once == chat("a\n/retry\n/retry\n")
    assert len(set(once.answers)) == 3
    assert once.answers[0] == chat("a\n").answers[0]
    assert once.answers[0] != chat("a\n", "--seed", "5").answers[0]
    # An answer counts for its question only.
    _, _, third, fourth = chat("a\n/retry\nb\n/undo\nb\n").answers
    assert third == fourth


def test_undo_and_retry(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """/undo takes back a question with its answer, /retry only the answer; then nothing is left to take back."""
    done = chat("a\nb\n/undo\nc\n/retry\n/undo\n/undo\n/undo\n/retry\nd\n")
    assert done.code == 0
    first = done.answers[0]
    asked = [re.findall("user: (.*)", prompt) for prompt in fake.prompts[1:]]
    assert asked == [["a"], ["a", "b"], ["a", "c"], ["a", "c"], ["d"]]
    assert f"assistant: {first}\nuser: c" in fake.prompts[4]
    assert done.errors == ["nothing was asked yet", "nothing was asked yet"]
    assert done.err.startswith("(taken back: b)\n(taken back: c)\n(taken back: a)\n")


def test_slashes(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """An unknown command is one line; // sends a text that begins with /; /exit leaves."""
    done = chat("/bad a\n//a/b\n/ \n/exit\na\n")
    assert (done.code, len(done.answers)) == (0, 1)
    assert [line.split(":")[0] for line in done.errors] == ["no command /bad", "no command /"]
    assert fake.prompts[-1] == "user: /a/b\nassistant: "


@pytest.mark.usefixtures("fake")
def test_help(chat: Callable[..., Done]) -> None:
    """/help names every command, and stdout stays free for answers."""
    done = chat("/help\n")
    assert done.out == ""
    assert set(re.findall(r"^(/\w+)", done.err, re.MULTILINE)) == {
        "/undo", "/retry", "/system", "/strategy", "/operator", "/trace", "/save", "/load", "/help", "/exit",
    }  # fmt: skip


def test_system(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """--system and /system say how to behave; /system alone shows it; it is saved first."""
    done = chat("/system\na\n/system b a d\n/system\nb\n/save x.json\n", "--system", "d")
    assert re.findall("system: (.*)", "".join(fake.prompts[1:])) == ["d", "b a d", "b a d"]
    assert done.err == "d\nb a d\n(5 messages saved to x.json)\n"
    assert saved("x.json")[0] == {"role": "system", "content": "b a d"}
    assert chat("/system\n").err == "(no system message)\n"
    # In a file it counts; on the command line it counts more.
    assert chat("a\n/system\n", "--load", "x.json").err == "b a d\n"
    assert chat("a\n/system\n", "--load", "x.json", "--system", "c").err == "c\n"
    assert fake.prompts[-1].count("system: ") == 1


def test_save_and_load(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """A chat goes on from its file, with --load or /load; the file is the common format."""
    done = chat("a\nb\n/save my chat.json\n/undo\n/save\n")
    first, second = done.answers
    assert saved("my chat.json") == [user("a"), assistant(first)]
    assert done.err == "(4 messages saved to my chat.json)\n(taken back: b)\n(2 messages saved to my chat.json)\n"
    again = chat("b\n/save\n", "--load", "my chat.json")
    assert again.answers == [second]
    assert saved("my chat.json") == [user("a"), assistant(first), user("b"), assistant(second)]
    switched = chat("c\n/load my chat.json\n/retry\n/undo\n/undo\n/retry\n")
    assert switched.errors == ["nothing was asked yet"]
    assert fake.prompts[-1] == f"user: a\nassistant: {first}\nuser: b\nassistant: "
    assert chat("a\n/save\n/load\n").errors == ["write /save FILE", "write /load FILE"]


@pytest.mark.usefixtures("fake")
def test_files_that_cannot_be_loaded(chat: Callable[..., Done], tmp_path: Path) -> None:
    """A broken or foreign file is one line, and the chat stays as it was."""
    (tmp_path / "broken.json").write_text('[{"role": "user"')
    (tmp_path / "other.json").write_text('{"a": 1}')
    done = chat("a\n/load broken.json\n/load other.json\n/load missing.json\n/load .\n/save x.json\n")
    assert [line.split(":")[0] for line in done.errors] == [
        "broken.json is not a saved chat", "other.json is not a saved chat", "cannot read missing.json", "cannot read .",
    ]  # fmt: skip
    assert saved("x.json") == [user("a"), assistant(done.answers[0])]


@pytest.mark.usefixtures("fake")
def test_files_that_cannot_be_saved(chat: Callable[..., Done], tmp_path: Path) -> None:
    """A folder, no folder, and what is no chat are not written over, and the chat goes on."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty.json").touch()
    done = chat(
        "a\n/save .\n/save no/x.json\n/save notes.txt\n/save /dev/null\n/save empty.json\nb\n/save empty.json\n"
    )
    assert [re.sub("[:(].*", "", line).strip() for line in done.errors] == [
        "cannot write .", "cannot write no/x.json", "notes.txt is not a saved chat", "cannot write /dev/null",
    ]  # fmt: skip
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len(saved("empty.json")) == 4


def test_a_turn_that_cannot_be_made(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """A question that does not fit is one line; it is not lost, and the next one takes its place."""
    fake.context_size = 30
    done = chat(f"a\n{'b' * 40}\n/save x.json\n/retry\nb\n/save y.json\n", "--max-new-tokens", "3")
    assert [line.partition(" tokens")[0] for line in done.errors] == ["the question alone makes 47"] * 2
    assert saved("x.json") == [user("a"), assistant(done.answers[0]), user("b" * 40)]
    assert saved("y.json") == [user("a"), assistant(done.answers[0]), user("b"), assistant(done.answers[1])]


def test_a_context_that_fills_up(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """The oldest turns are left out after saying so, once; the file has them, and after /undo they are seen again."""
    fake.context_size = 60
    done = chat("a\nb\nc\nd\nd\n/save x.json\n/undo\n/undo\n/undo\n/undo\nb\n", "--max-new-tokens", "6")
    assert done.code == 0
    assert done.errors == []
    notes = [line for line in done.err.splitlines() if "turn" in line]
    assert notes == [
        "(the oldest 3 turns no longer fit the context of 60 tokens: the model does not see them any more; "
        "/save still has them)",
        "(the model sees all turns again)",
    ]
    assert [message["content"] for message in saved("x.json")[::2]] == ["a", "b", "c", "d", "d"]
    seen = [re.findall("user: (.*)", prompt) for prompt in fake.prompts if prompt.endswith("user: d\nassistant: ")]
    assert seen[-1] == ["d", "d"]
    assert re.findall("user: (.*)", fake.prompts[-1]) == ["a", "b"]


def test_a_longer_limit_than_the_context_has(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """--max-length, which ends a chat as a context does, is named in its place."""
    done = chat("a\nb\nc\n", "--max-new-tokens", "9", "--max-length", "50")
    assert done.errors == []
    assert "(the oldest turn no longer fits the 50 tokens of --max-length: the model does not see it" in done.err


def test_a_context_that_is_full(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """What was written until then is the answer; with --on-context-full raise one line says what happened."""
    fake.context_size = 10
    done = chat("a\n/save x.json\n")
    assert done.errors == []
    assert saved("x.json") == [user("a"), assistant(done.answers[0])]
    again = chat("a\n/save x.json\n", "--on-context-full", "raise")
    assert "the context of 10 tokens is full" in again.errors[0]
    assert again.answers[:1] == done.answers[:1]


BREAKS = '''
from backtrack_sampler import BaseStrategy

class Breaks(BaseStrategy):
    """Fails where a text grows long."""
    def backtrack(self, tokens):
        return -1 if len(tokens) > 2 else 0
'''


def test_a_strategy_that_fails(fake: FakeChat, chat: Callable[..., Done], tmp_path: Path) -> None:
    """It is one line; what was written stays, and the chat goes on."""
    (tmp_path / "breaks.py").write_text(BREAKS)
    done = chat("a\nb\n/save x.json\n", "--strategy", "./breaks.py")
    assert len(done.errors) == 2
    assert "Breaks.backtrack returned -1" in done.errors[0]
    assert [len(answer) for answer in done.answers] == [2, 2]
    assert saved("x.json")[1::2] == [assistant(answer) for answer in done.answers]


@pytest.mark.usefixtures("fake")
def test_no_answer(chat: Callable[..., Done]) -> None:
    """A model that says nothing leaves the question to be asked again; an old answer stays."""
    done = chat("d e\n/save x.json\n/retry\n/undo\na\n")
    assert (done.errors, len(done.answers)) == ([], 1)
    assert saved("x.json") == [user("d e")]


def test_a_line_that_is_no_text(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """Bytes that are not UTF-8 are refused line by line."""
    done = chat(b"\xff\xfe\na\r\n/save \xff.json\n/system \xff\n")
    assert done.code == 0
    assert "use UTF-8" in done.errors[0]
    assert fake.prompts[1] == "user: a\nassistant: "
    assert len(done.errors) == 3


@pytest.mark.usefixtures("fake")
def test_operators_and_strategies(chat: Callable[..., Done]) -> None:
    """Both work as in generate; -v tells on stderr what is taken back, and why."""
    arguments = ["--strategy", 'antislop:slops=["a"]', "--operator", "repetition:max_repetitions=1"]
    quiet = chat("d\nd\n", *arguments)
    assert quiet.err == ""
    assert not re.search(r"a|bb|cc", quiet.out)
    loud = chat("d\nd\n", *arguments, "-v")
    assert loud.out == quiet.out
    lines = loud.err.splitlines()
    assert "taken back: 'a' (AntiSlopStrategy: found 'a')" in lines
    assert all(re.fullmatch(r"taken back: '(a|bb|cc)' \((AntiSlopStrategy|Repetition): .+\)", line) for line in lines)
    assert any("Repetition" in line for line in lines)


@pytest.mark.usefixtures("fake")
def test_strategies_that_change(chat: Callable[..., Done]) -> None:
    """/strategy and /operator replace those of their kind, and show what can be typed again; none takes them away."""
    done = chat(
        'd\n/strategy\n/strategy antislop:slops=["a"] + antislop:slops=["bb"]\nd\n/strategy\n/strategy none\nd\n'
        "/operator none\nd\n/operator\n",
        "--strategy", 'antislop:slops=["c"]', "--operator", "repetition:max_retries=9", "--max-new-tokens", "30", "--seed", "5",
    )  # fmt: skip
    assert done.errors == []
    assert done.err.splitlines() == [
        '/strategy antislop:slops=["c"]', "/operator repetition:max_retries=9",
        '/strategy antislop:slops=["a"] + antislop:slops=["bb"]', "/operator repetition:max_retries=9",
        "/strategy none", "/operator none",
    ]  # fmt: skip
    first, second, third, fourth = done.answers
    assert ("c" in first, "c" in third, "c" in fourth) == (False, True, True)
    assert not re.search("a|bb", second)
    assert [bool(re.search(r"(.)\1\1\1", answer)) for answer in done.answers] == [False, False, False, True]


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/strategy bogus", "no strategy 'bogus'"), ("/strategy antislop + bogus", "no strategy 'bogus'"),
        ("/strategy repetition", "repetition is an operator: use /operator"),
        ("/operator antislop", "antislop is a strategy: use /strategy"),
        ("/strategy chain", "write SPEC + SPEC for a chain, and write /operator NAME for an operator"),
        ("/strategy antislop:slops=@gone.txt", "cannot read gone.txt"),
        ("/strategy antislop:keep_index_buffer=[1", "not JSON"),
        ("/operator repetition:max_retries=0", "Repetition: max_retries must be"),
        ("/operator repetition:max_repetitions=0", "Repetition: "),
        ("/strategy antislop + antislop:slops=5", "AntiSlopStrategy: "),
    ],
)  # fmt: skip
def test_strategies_that_cannot_be_used(chat: Callable[..., Done], command: str, message: str) -> None:
    """An error is one line without options that a chat does not have, and leaves those that there are."""
    done = chat(f"d\n{command}\n/strategy\n/undo\nd\n", "--strategy", 'antislop:slops=["c"]')
    assert len(done.errors) == 1
    assert message in done.errors[0]
    assert not re.search(r"--(strategy|operator)|quote it for the shell|OperatorStrategy", done.errors[0])
    assert '/strategy antislop:slops=["c"]' in done.err.splitlines()
    assert done.answers[0] == done.answers[1]


def test_trace(fake: FakeChat, chat: Callable[..., Done], tmp_path: Path) -> None:
    """/trace writes how the last answer was made, with what the model was given, as a page or as lines."""
    (tmp_path / "home").mkdir()
    done = chat(
        "/trace x.html\nd\n/trace x.html\na\n/trace my trace.jsonl\n/trace x.txt\n/trace no/x.html\n/trace\n",
        "--strategy", 'antislop:slops=["a"]',
    )  # fmt: skip
    assert [re.sub("[:,].*", "", line) for line in done.errors] == [
        "nothing was answered yet", "cannot tell what to write to x.txt",
        f"there is no folder {tmp_path / 'no'} to write x.html to", "write /trace FILE.html",
    ]  # fmt: skip
    assert "trace written to x.html\n" in done.err
    trace = Trace.from_jsonl("my trace.jsonl")
    assert trace.text == done.answers[1]
    assert trace.prompt == f"user: d\nassistant: {done.answers[0]}\nuser: a\nassistant: "
    assert trace.rollbacks > 0
    assert trace.started is not None
    assert [each.name for each in trace.started.strategies] == ["AntiSlopStrategy"]
    assert "<html" in Path("x.html").read_text(encoding="utf-8")


def test_no_system_message(fake: FakeChat, chat: Callable[..., Done]) -> None:
    """/system none takes it away, be it from the command line, from a file or from /system."""
    done = chat("a\n/system none\n/system\na\n/save x.json\n/system c\n/system none\na\n", "--system", "d")
    assert "(no system message)\n" in done.err
    assert [("system: " in prompt) for prompt in fake.prompts if prompt.count("user: a") > 1] == [False] * 2
    assert saved("x.json")[0] == user("a")
    Path("y.json").write_text('[{"role": "system", "content": "b"}]', encoding="utf-8")
    assert chat("/system\n/system none\n/system\n", "--load", "y.json").err == "b\n(no system message)\n"


@pytest.mark.usefixtures("fake")
def test_sampling_options(chat: Callable[..., Done]) -> None:
    """Those of generate; --stats after each answer."""
    done = chat("d\nd\n", "--max-new-tokens", "3", "--temperature", "0", "--stats")
    assert done.answers == ["aaa", "aaa"]
    assert len(re.findall(r"^3 tokens streamed, .* ended by: length$", done.err, re.MULTILINE)) == 2
    assert "c" not in chat("d\n", "--stop", "c", "--max-new-tokens", "40").out
    assert chat("/retry\n", "--max-length", "2").errors == ["nothing was asked yet"]
    assert "the prompt alone has" in chat("a\n", "--max-length", "2").errors[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--load", "missing.json"], "cannot read missing.json"), (["--load", "."], "cannot read"),
        (["--strategy", "nonsense"], "no strategy 'nonsense'"), (["--operator", "nonsense"], "nonsense"),
        (["--top-p", "0"], "--top-p"), (["--max-new-tokens", "0"], "--max-new-tokens"), (["--system", "\udcff"], "not valid"),
        (["--context", "0"], "--context must be"), (["--model", "x"], "unrecognized"), (["--chat"], "unrecognized"),
    ],
)  # fmt: skip
def test_bad_input_is_found_before_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """Whatever can be checked without the model is one line, before it is loaded."""

    def load_provider(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was loaded before everything was checked")

    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", load_provider)
    try:
        code = main(["chat", *arguments])
    except SystemExit as error:  # argparse
        code = error.code  # type: ignore[assignment]
    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(r"backtrack-sampler: [^\n]+\n", err)
    assert message in err


def test_models_that_cannot_chat(monkeypatch: pytest.MonkeyPatch, chat: Callable[..., Done], tmp_path: Path) -> None:
    """A model without a chat template is refused before the first question, a missing one too."""
    assert "no model file" in chat("a\n", str(tmp_path / "missing.gguf")).errors[0]
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", lambda *_, **__: FakeProvider())
    done = chat("a\n")
    assert (done.code, done.out, len(done.errors)) == (2, "", 1)
    assert "chat template" in done.errors[0]


def test_no_input(monkeypatch: pytest.MonkeyPatch, fake: FakeChat, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a standard input there is one line."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["chat"]) == 2
    assert re.fullmatch(r"backtrack-sampler: [^\n]+\n", capfd.readouterr().err)


def test_an_unexpected_error_does_not_lose_the_chat(
    fake: FakeChat, chat: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before such an error ends the chat in one line, it is saved to a file that can be loaded."""
    first = chat("a\n").answers[0]
    loaded = FakeChat()
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", lambda *_, **__: loaded)

    def breaks(text: str, add_special_tokens: bool = False) -> list[int]:
        if "d" in text:
            raise RuntimeError("out of\nmemory")
        return FakeProvider.encode(loaded, text)

    monkeypatch.setattr(loaded, "encode", breaks)
    done = chat("a\nd\nb\n", "--system", "c")
    assert (done.code, len(done.answers)) == (2, 1)
    [file] = tmp_path.glob("backtrack-chat-*.json")
    assert done.err == (
        f"chat saved to {file.name}; go on with --load {file.name}\n"
        "backtrack-sampler: the chat ended on an error (RuntimeError: out of memory)\n"
    )
    assert saved(file) == [
        {"role": "system", "content": "c"}, user("a"), assistant(done.answers[0]), user("d"),
    ]  # fmt: skip
    assert done.answers[0] != "" != first
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", lambda *_, **__: fake)
    assert len(chat("/retry\n", "--load", file.name).answers) == 1


def test_where_nothing_can_be_lost_nothing_is_saved(fake: FakeChat, chat: Callable[..., Done], tmp_path: Path) -> None:
    """A chat that was not begun, or is saved as it is, leaves no other file."""
    assert chat("a\n/save x.json\n").code == 0
    fake.error = RuntimeError("no")
    fake.reset()  # or it would remember what it answered
    for lines, arguments in (("/help\n", []), ("/retry\n", ["--load", "x.json"]), ("/load x.json\n/retry\n", [])):
        chat(lines, *arguments)
    fake.error = None
    encode, calls = fake.encode, iter([False, False, True])  # a prompt is encoded twice

    def breaks(text: str, add_special_tokens: bool = False) -> list[int]:
        if next(calls):
            raise RuntimeError("no")
        return encode(text)

    fake.encode = breaks  # type: ignore[method-assign]
    assert chat("a\n/save x.json\n/retry\n").code == 2
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_that_cannot_be_written(
    fake: FakeChat, chat: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the chat is saved in the home folder, or else with the temporary files."""
    (tmp_path / "gone").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    fake.error = RuntimeError("no")
    done = chat("a\n")
    [file] = (tmp_path / "home").iterdir()
    assert f"chat saved to {file}; go on with --load {file}\n" in done.err
    assert saved(file) == [user("a")]


def test_interrupt_in_a_pipe(fake: FakeChat, chat: Callable[..., Done], tmp_path: Path) -> None:
    """Ctrl-C ends it, as it ends other commands."""
    fake.error = KeyboardInterrupt()
    assert chat("a\n").code == 130
    assert list(tmp_path.iterdir()) == []


def command(lines: str, *arguments: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "backtrack_sampler", "chat", *arguments],
        input=lines, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
        env={**os.environ, **FAIR},
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_a_real_model_through_a_pipe(tmp_path: Path) -> None:
    """Answers of the embedded model as plain text, and nothing else."""
    file = tmp_path / "chat.json"
    arguments = ["--max-new-tokens", "20", "--temperature", "0", "--operator", "repetition:max_repetitions=1"]
    done = command(f"Who was Darwin?\nWhere did he live?\n/save {file}\n", *arguments)
    assert (done.code, done.err) == (0, f"(4 messages saved to {file})\n")
    assert "\x1b" not in done.out
    assert done.out == "".join(message["content"] + "\n" for message in saved(file)[1::2])
    assert "Darwin" in done.out


@pytest.mark.slow
def test_reader_that_goes_away(tmp_path: Path) -> None:
    """Where the reader of the answers ends early, the chat ends quietly, and leaves no file."""
    arguments = [sys.executable, "-m", "backtrack_sampler", "chat", "--max-new-tokens", "200"]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
        env={**os.environ, **FAIR},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"Tell me a tale.\n")
        process.stdin.flush()
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
    assert list(tmp_path.iterdir()) == []


# -- in a terminal ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_whole_conversation(tmp_path: Path) -> None:
    """Questions, commands and files, on one screen."""
    with Talk("--max-new-tokens", "20", "--operator", "repetition", columns=200, rows=80) as talk:
        talk.wait_for_prompt()
        assert talk.screen.display[0].startswith("SmolLM2-135M-Instruct")
        assert "Repetition" in talk.screen.display[0]
        assert "/help" in talk.screen.display[1]

        first = talk.say("Who was Darwin?")
        assert len(answer_in(first).split()) > 5
        assert "--max-new-tokens" in first.split("\n")[-1]
        assert talk.say("") == ""
        second = talk.say("Where did he live?")
        again = talk.say("/retry")
        assert answer_in(again) != answer_in(second)
        assert "no command /bogus" in talk.say("/bogus")
        assert "(4 messages saved to chat.json)" in talk.say("/save chat.json")
        assert saved("chat.json") == [
            user("Who was Darwin?"), assistant(answer_in(first)), user("Where did he live?"), assistant(answer_in(again)),
        ]  # fmt: skip
        assert "(taken back: Where did he live?)" in talk.say("/undo")
        assert "(taken back: Who was Darwin?)" in talk.say("/undo")
        assert "nothing was asked yet" in talk.say("/undo")
        assert "cannot read nowhere" in talk.say("/load nowhere")
        assert "(4 messages loaded from chat.json)" in talk.say("/load chat.json")
        assert answer_in(talk.say("/retry")) != answer_in(talk.say("/retry"))
        assert "/undo" in talk.say("/help")
        talk.send("/exit\r")
        assert talk.wait() == 0
        assert "Traceback" not in talk.raw
    assert [file.name for file in tmp_path.iterdir()] == ["chat.json"]


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["-v", "--strategy", "antislop:slops=the|and"]])
def test_interrupt_an_answer(tmp_path: Path, extra: list[str]) -> None:
    """Ctrl-C stops an answer; what was written is kept, and the chat goes on."""
    with Talk("--context", "2048", "--max-new-tokens", "1500", "--temperature", "1", *extra) as talk:
        talk.wait_for_prompt()
        talk.send("Tell me a long tale.\r")
        talk.until(lambda: len(talk.screen.text.partition("long tale.")[2]) > 60, quiet=False)
        talk.interrupt()
        talk.wait_for_prompt()
        answer, _, _ = talk.screen.text.partition("long tale.")[2].replace("\n", "").partition("^C")
        assert "(stopped; what is written stays)" in talk.screen.text
        talk.say("/save chat.json")
        kept = saved("chat.json")
        assert kept[0] == user("Tell me a long tale.")
        assert len(kept[1]["content"]) > 40
        assert answer.startswith(kept[1]["content"].replace("\n", "")[:40])
        if not extra:
            assert "".join(kept[1]["content"].split()) in "".join(talk.screen.text.split())
        assert "taken back" in talk.say("/undo")
        talk.send("\x04")
        assert talk.wait() == 0
        assert talk.is_restored()


HOLDS = '''
from backtrack_sampler import BaseStrategy

class Holds(BaseStrategy):
    """Lets nothing go after five tokens."""
    def pending(self, tokens):
        return max(0, len(tokens) - 5)
'''


@pytest.mark.slow
def test_interrupt_where_text_is_held(tmp_path: Path) -> None:
    """What -v has shown and the strategy has not let go is erased: what stays on the screen is the answer."""
    (tmp_path / "holds.py").write_text(HOLDS)
    with Talk("--context", "2048", "--max-new-tokens", "1500", "-v", "--strategy", "./holds.py") as talk:
        talk.wait_for_prompt()
        talk.send("Tell me a long tale.\r")
        talk.until(lambda: len(talk.screen.text.partition("long tale.\n")[2]) > 100, quiet=False)
        talk.interrupt()
        talk.wait_for_prompt()
        shown = talk.screen.text.partition("long tale.\n")[2]
        talk.say("/save chat.json")
        kept = saved("chat.json")[1]["content"]
        assert 0 < len(kept) < 60
        assert shown == f"{kept.rstrip()}\n(stopped; what is written stays)\n\n>"


@pytest.mark.slow
def test_leaving() -> None:
    """Ctrl-C clears a line that was begun; at an empty prompt it says how to leave, and the second one leaves."""
    with Talk() as talk:
        talk.wait_for_prompt()
        talk.send("abc")
        talk.until(lambda: talk.screen.text.endswith("> abc"))
        talk.interrupt()
        talk.wait_for_prompt()
        assert "leaves)" not in talk.screen.text
        talk.interrupt()
        talk.until(lambda: "(Ctrl-C again, Ctrl-D or /exit leaves)" in talk.screen.text)
        talk.wait_for_prompt()
        talk.say("/help")
        talk.interrupt()
        talk.until(lambda: talk.screen.text.count("or /exit leaves)") == 2)
        talk.wait_for_prompt()
        talk.interrupt()
        assert talk.wait() == 0
        assert talk.is_restored()
        assert "Traceback" not in talk.raw


@pytest.mark.slow
def test_line_editing() -> None:
    """The arrow keys move in the line, and bring back what was typed before."""
    with Talk() as talk:
        talk.wait_for_prompt()
        assert "no command /a" in talk.say("/a")
        talk.send("\x1b[A")
        talk.until(lambda: talk.screen.text.endswith("> /a"))
        talk.send("c\x1b[Db\r")
        talk.until(lambda: "no command /abc" in talk.screen.text)


@pytest.mark.slow
def test_rollbacks_in_a_terminal() -> None:
    """With -v text is typed, struck out and erased; in the end the screen is what it is without."""
    screens = []
    for extra in ([], ["-v"]):
        with Talk("--max-new-tokens", "40", "--strategy", "antislop:slops=the|and", *extra, columns=40) as talk:
            talk.wait_for_prompt()
            talk.say("Who was Darwin?")
            talk.say("Where did he live?")
            screens.append(talk.screen.text)
            assert ("\x1b[31;9m" in talk.raw) == bool(extra)
    assert screens[0] == screens[1]


@pytest.mark.slow
@pytest.mark.parametrize("verbose", [False, True])
def test_dumb_terminal(verbose: bool) -> None:
    """No escape sequences at all; rollbacks are lines of their own."""
    extra = ["-v"] if verbose else []
    with Talk("--max-new-tokens", "40", "--strategy", "antislop:slops=the|and", *extra, term="dumb") as talk:
        talk.wait_for_prompt()
        shown = talk.say("Who was Darwin?")
        assert bool(re.search(r"^taken back: ' ?\w+' \(AntiSlopStrategy: found", shown, re.MULTILINE)) == verbose
        assert "no command" in talk.say("/bogus")
        talk.interrupt()
        talk.until(lambda: "Ctrl-C again" in talk.screen.text)
        talk.wait_for_prompt()
        talk.send("\x04")
        assert talk.wait() == 0
        assert "\x1b" not in talk.raw


@pytest.mark.slow
def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR leaves out colours and the like; rollbacks are lines of their own."""
    monkeypatch.setenv("NO_COLOR", "1")
    with Talk("-v", "--max-new-tokens", "40", "--strategy", "antislop:slops=the|and") as talk:
        talk.wait_for_prompt()
        assert "taken back: " in talk.say("Who was Darwin?")
        assert "no command" in talk.say("/bogus")
        assert not re.search(r"\x1b\[[\d;]*m", talk.raw)


CONTROLS = '''
from backtrack_sampler import BaseStrategy

class Controls(BaseStrategy):
    """Clears the screen, rings the bell, sets the title."""
    def __init__(self, provider):
        self.tokens = [*provider.encode("A\\x1b[2J\\x07\\x1b]0;x\\x07\\rB"), provider.get_eos_token_id()]
    def on_probs(self, probs, tokens):
        return {self.tokens[len(tokens)]: 1.0}
'''


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["-v"]])
def test_control_characters(tmp_path: Path, extra: list[str]) -> None:
    """Whatever a model writes, the terminal is safe from it."""
    (tmp_path / "controls.py").write_text(CONTROLS)
    with Talk("--strategy", str(tmp_path / "controls.py"), *extra) as talk:
        talk.wait_for_prompt()
        assert talk.say("Hello") == "A\ufffd[2J\ufffd\ufffd]0;x\ufffd\u240dB"
        assert talk.screen.display[0].startswith("SmolLM2")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGHUP", "SIGTERM", "closed"])
def test_hang_up(tmp_path: Path, how: str) -> None:
    """A terminal that goes away in the middle of an answer does not take the chat with it."""
    with Talk("--context", "2048", "--max-new-tokens", "1500", "--temperature", "1") as talk:
        talk.wait_for_prompt()
        talk.send("Tell me a long tale.\r")
        talk.until(lambda: len(talk.screen.text.partition("long tale.")[2]) > 60, quiet=False)
        shown = "".join(talk.screen.text.partition("long tale.\n")[2].split())
        if how == "closed":
            close(talk)
            wait_for_file(tmp_path)
        else:
            talk._child.kill(getattr(signal, how))
            assert talk.wait() == 128 + getattr(signal, how)
            assert "Traceback" not in talk.raw
    [file] = tmp_path.iterdir()
    question, answer = saved(file)
    assert question == user("Tell me a long tale.")
    assert "".join(answer["content"].split()).startswith(shown)
    if how != "closed":
        assert f"chat saved to {file.name}; go on with --load {file.name}" in talk.raw


@pytest.mark.slow
def test_hang_up_at_the_prompt(tmp_path: Path) -> None:
    """Nor does one that goes away at the prompt; a chat that is saved already is not saved again."""
    for number in (1, 2):
        with Talk("--max-new-tokens", "5", *(["--load", "chat.json"] if number == 2 else [])) as talk:
            talk.wait_for_prompt()
            assert ("(2 messages loaded from chat.json)" in talk.screen.text) == (number == 2)
            if number == 1:
                talk.say("Hello")
            talk._child.kill(signal.SIGHUP)
            assert talk.wait() == 129
        [file] = tmp_path.iterdir()
        file.rename("chat.json")
    assert [message["role"] for message in saved("chat.json")] == ["user", "assistant"]


@pytest.mark.slow
def test_a_terminal_that_goes_away_unsaid(tmp_path: Path) -> None:
    """Where hang-ups are ignored, as after nohup, the end of the input is not taken for Ctrl-D."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        talk = Talk("--max-new-tokens", "5")
    finally:
        signal.signal(signal.SIGHUP, before)
    with talk:
        talk.wait_for_prompt()
        talk.say("Hello")
        close(talk)
        wait_for_file(tmp_path)
    [file] = tmp_path.iterdir()
    assert saved(file)[0] == user("Hello")


def close(talk: Talk) -> None:
    """Close the terminal, as its window does."""
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), talk._child.fileno())


def wait_for_file(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(folder.glob("backtrack-chat-*.json")):
        assert time.monotonic() < deadline, "the chat was not saved"
        time.sleep(0.1)
