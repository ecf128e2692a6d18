"""The command `backtrack-sampler`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulator import FAIR, Program

from backtrack_sampler.cli.main import main
from backtrack_sampler.testing import FakeProvider

PROMPT = "Once upon a time"
SHORT = ["--max-new-tokens", "12", "--seed", "3"]

SHOUT = '''
from .base_strategy import BaseStrategy

class Shout(BaseStrategy):
    """Nothing but exclamation marks."""
    def __init__(self, provider, mark="!"):
        self.token = provider.encode(mark)[0]

    def on_probs(self, probs, tokens):
        return {self.token: 1.0}
'''


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backtrack_sampler", *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
        env={**os.environ, **FAIR}, **options,
    )  # fmt: skip


def generate(*arguments: str, **options: Any) -> str:
    """The text of a run that must succeed and say nothing else."""
    done = command("generate", PROMPT, *arguments, **options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")
    return done.stdout[:-1]


# -- end to end, on the embedded model ------------------------------------------------------


@pytest.mark.slow
def test_same_seed_same_text() -> None:
    """A seed makes the text reproducible; another one gives another text."""
    first = generate(*SHORT)
    assert first
    assert generate(*SHORT) == first
    assert generate("--max-new-tokens", "12", "--seed", "4") != first


@pytest.mark.slow
def test_rollbacks_in_a_pipe_are_plain_text() -> None:
    """--show-rollbacks changes nothing in a pipe; on stderr there is a line for each."""
    options = ["--strategy", 'antislop:slops=["the"]', "--max-new-tokens", "40", "--seed", "1"]
    shown = command("generate", PROMPT, *options, "--show-rollbacks")
    assert shown.stdout == generate(*options) + "\n"
    assert "the" not in shown.stdout.lower()
    lines = shown.stderr.strip().split("\n")
    assert all(re.fullmatch(r"taken back: '.+' \(AntiSlopStrategy: found '[Tt]he'\)", line) for line in lines)


@pytest.mark.slow
def test_stats_are_on_stderr() -> None:
    """--stats says in one line what it has cost, apart from the text."""
    done = command("generate", PROMPT, *SHORT, "--stats", "--strategy", "antislop:slops=a|e|i")
    assert done.returncode == 0
    line = re.fullmatch(
        r"12 tokens streamed, (\d+) taken back in (\d+) rollbacks, \d+ forward passes, \d+ tokens evaluated, "
        r"[\d.]+ s \([\d.]+ tokens/s\), ended by: length\n",
        done.stderr,
    )
    assert line is not None
    assert int(line[1]) >= int(line[2]) > 0
    assert not set(done.stdout) & set("aeiAEI")


@pytest.mark.slow
def test_chat() -> None:
    """--chat applies the model's template, with and without a system message: other text than without."""
    plain = generate(*SHORT)
    chat = generate(*SHORT, "--chat")
    assert len({plain, chat, generate(*SHORT, "--chat", "--system", "You are a pirate.")}) == 3
    assert "<|im" not in chat


@pytest.mark.slow
def test_stop() -> None:
    """--stop ends the text before any of its strings, without changing what stands before."""
    text = generate(*SHORT)
    words = text.split()
    stop = words[3]
    assert generate(*SHORT, "--stop", "nowhere in it", "--stop", stop) == text[: text.index(stop)]


@pytest.mark.slow
def test_strategies_chain(tmp_path: Path) -> None:
    """--strategy can be repeated, and be a class in a file."""
    (tmp_path / "shout.py").write_text(SHOUT)
    shout = ["--strategy", f"{tmp_path / 'shout.py'}:Shout"]
    assert generate(*SHORT, *shout) == "!" * 12
    assert generate(*SHORT, "--strategy", "./shout.py:mark=?", cwd=tmp_path) == "?" * 12
    replaced = generate(*SHORT, *shout, "--strategy", "replace:find=!!,replace=?,max_replacements=2")
    assert replaced == "??" + "!" * 10


@pytest.mark.slow
def test_prompt_from_stdin() -> None:
    """The prompt `-` is read from stdin; the end of its last line is not part of it."""
    for given in (PROMPT, PROMPT + "\n"):
        done = command("generate", "-", *SHORT, input=given)
        assert done.stdout == generate(*SHORT) + "\n"


@pytest.mark.slow
def test_reader_that_goes_away() -> None:
    """Where the reader of a pipe ends early, the command ends quietly."""
    arguments = [sys.executable, "-m", "backtrack_sampler", "generate", PROMPT, "--max-new-tokens", "200"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


FULL = "backtrack-sampler: cannot write the output: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [["strategies"], pytest.param(["generate", PROMPT, *SHORT], marks=pytest.mark.slow)]
)
def test_output_that_is_full(arguments: list[str], unbuffered: str) -> None:
    """Where the output cannot be written there is one line, also where Python finds it out at the very end."""
    program = [sys.executable, "-m", "backtrack_sampler", *arguments]
    environment = {**os.environ, **FAIR, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (2, FULL)


def test_output_that_is_closed(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard output there is one line, too."""
    monkeypatch.setattr(sys, "stdout", None)
    assert "standard output is closed" in refused("strategies")


@pytest.mark.slow
def test_full_context(capfd: pytest.CaptureFixture[str]) -> None:
    """When the context is full the text ends, and one line says so; it is an error where that is asked for."""
    arguments = ["generate", PROMPT, "--context", "64", "--max-new-tokens", "9999", "--seed", "1"]
    assert main(arguments) == 0
    text, err = capfd.readouterr()
    assert len(text.split()) > 20
    assert err == "backtrack-sampler: the text ends where the model's context was full: see --context\n"
    assert main([*arguments, "--on-context-full", "raise"]) == 2
    out, err = capfd.readouterr()
    assert out == text
    assert re.fullmatch(r"backtrack-sampler: the context of \d+ tokens is full after \d+ new ones: .*\n", err)


@pytest.mark.slow
def test_prompt_longer_than_the_context(capfd: pytest.CaptureFixture[str]) -> None:
    """A prompt that does not fit is refused in one line, and no text is written."""
    assert main(["generate", "word " * 400, "--context", "64"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"backtrack-sampler: the prompt has 40\d tokens and the model's context holds \d+: .*\n", err)


# -- in a terminal --------------------------------------------------------------------------


@pytest.mark.slow
def test_rollbacks_in_a_terminal() -> None:
    """What is typed and erased ends as the text that a pipe gets, after the prompt and with lines broken at words."""
    options = ["--strategy", 'antislop:slops=["the", "and"]', "--max-new-tokens", "30", "--seed", "2"]
    text = PROMPT + generate(*options)
    for extra in ([], ["--show-rollbacks"]):
        with Program("generate", PROMPT, *options, *extra, columns=30, rows=40) as program:
            assert program.wait() == 0
            shown, _, summary = program.screen.text.partition("\n\nTaken back: ")
            assert ("\x1b[31;9m" in program.raw) == bool(summary) == bool(extra)
            assert shown.split() == text.split()
            assert len(shown.split("\n")) > 3
            assert program.raw.startswith(f"\x1b[2m{PROMPT}\x1b[0m")
            assert program.is_restored()


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["--show-rollbacks"]])
def test_interrupt(extra: list[str]) -> None:
    """Ctrl-C in the middle of the text ends it with exit code 130 and no traceback."""
    with Program("generate", PROMPT, "--max-new-tokens", "2000", "--context", "2048", *extra) as program:
        program.until(lambda: len(program.screen.text) > 100, quiet=False)
        program.interrupt()
        assert program.wait() == 130
        assert "Traceback" not in program.raw
        assert "Error" not in program.raw
        assert "^C" not in program.screen.text
        assert (program.screen.cursor.x, program.screen.cursor.attrs.fg) == (0, "default")


# -- what cannot be done ----------------------------------------------------------------------


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""

    def load_provider(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was loaded before everything was checked")

    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", load_provider)


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must end with exit code 2, no text, and one line on stderr, which it returns."""

    def run(*arguments: str) -> str:
        try:
            code = main(arguments)
        except SystemExit as error:  # argparse
            code = error.code  # type: ignore[assignment]
        out, err = capfd.readouterr()
        assert (code, out) == (2, ""), err
        assert re.fullmatch(r"backtrack-sampler: [^\n]+\n", err), err
        return err

    return run


BROKEN_STRATEGY = "raise ValueError('two\\nlines')"


@pytest.mark.usefixtures("no_loading")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "prompt is empty"), ([" \n"], "prompt is empty"), (["x\udcff"], "use UTF-8"),
        (["x", "--strategy", "nonsense"], "no strategy 'nonsense': use one of adaptive-temperature, antislop, "),
        (["x", "--strategy", "Creative_Writin"], "did you mean creative-writing?"),
        (["x", "--strategy", "repetition"], "repetition is an operator: use --operator"),
        (["x", "--strategy", "NGramOverlap"], "NGramOverlap is an operator: use --operator"),
        (["x", "--operator", "chain"], "no operator 'chain': use one of entropy-threshold, "),
        (["x", "--operator", "adaptive_temperature"], "adaptive_temperature is a strategy: use --strategy"),
        (["x", "--operator", "neverr"], "did you mean never?"),
        (["x", "--strategy", "antislop:nonsense=1"], "no parameter 'nonsense'"),
        (["x", "--strategy", "replace:find=a"], "needs replace"),
        (["x", "--strategy", "antislop:slops=[the]"], "not JSON"),
        (["x", "--strategy", "antislop:slops=@nowhere.txt"], "cannot read"),
        (["x", "--strategy", "./nowhere.py:Mine"], "no file at"),
        (["x", "--strategy", "./broken.py:Mine"], "cannot be imported: ValueError: two lines"),
        (["x", "--strategy", "./syntax.py"], "cannot be imported: SyntaxError"),
        (["x", "--top-p", "0"], "top_p"), (["x", "--top-p", "1.5"], "top_p"), (["x", "--top-p", "nan"], "top_p"),
        (["x", "--min-p", "-1"], "min_p"), (["x", "--top-k", "-1"], "top_k"), (["x", "--top-k", "1.5"], "invalid int"),
        (["x", "--temperature", "-0.1"], "temperature"), (["x", "--temperature", "inf"], "temperature"),
        (["x", "--temperature", "warm"], "invalid float"), (["x", "--max-new-tokens", "0"], "max_new_tokens"),
        (["x", "--max-length", "0"], "max_length"), (["x", "--stop", ""], "stop"), (["x", "--seed", "x"], "invalid int"),
        (["x", "--context", "0"], "--context must be"), (["x", "--system", "Be brief."], "--system needs --chat"),
        (["x", "--max-retries", "0"], "max_retries"), (["x", "--max-discarded", "-1"], "max_discarded"),
        (["x", "--on-exhausted", "cry"], "invalid choice"), (["x", "--on-context-full", "accept"], "invalid choice"),
        (["x", "--nonsense"], "unrecognized"),
        ([], "required: PROMPT"),
    ],
)  # fmt: skip
def test_bad_input_is_found_before_the_model_is_loaded(
    refused: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    """Whatever can be checked without the model is checked before it is loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(BROKEN_STRATEGY)
    (tmp_path / "syntax.py").write_text("class Mine(:")
    assert message in refused("generate", *arguments)


@pytest.mark.usefixtures("no_loading")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--choices", "0"], "number of choices"), (["x", "--min-autopass", "2"], "min_autopass"),
        (["x", "--min-autopass", "nan"], "min_autopass"), (["x"], "needs a terminal"), ([""], "prompt is empty"),
        (["x", "--top-p", "0"], "top_p"), (["x", "--strategy", "antislop"], "unrecognized"),
    ],
)  # fmt: skip
def test_guide_checks_before_the_model_is_loaded(
    refused: Callable[..., str], arguments: list[str], message: str
) -> None:
    """So does guide, which needs a terminal too."""
    assert message in refused("guide", *arguments)


@pytest.mark.parametrize("arguments", [[], ["nonsense"]])
def test_no_command(refused: Callable[..., str], arguments: list[str]) -> None:
    """Without a command, or with an unknown one, one line says how to learn more."""
    assert "--help" in refused(*arguments)


def test_stdin_that_is_no_text(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, no_loading: None) -> None:
    """A prompt from stdin that is not UTF-8, or empty, is refused."""
    for data, message in ((b"\xff\xfe", "use UTF-8"), (b"\n", "prompt is empty"), (b"", "prompt is empty")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        assert message in refused("generate", "-")


def test_model_files_that_cannot_be_loaded(refused: Callable[..., str], tmp_path: Path) -> None:
    """A missing file, one that is no model, and a folder without one are named."""
    (tmp_path / "x.gguf").write_text("this is a text file")
    (tmp_path / "empty").mkdir()
    assert "no model file" in refused("generate", "x", "--model", str(tmp_path / "missing.gguf"))
    assert "is broken or not a GGUF" in refused("generate", "x", "--model", str(tmp_path / "x.gguf"))
    empty = refused("generate", "x", "--model", str(tmp_path / "empty"), "--engine", "llamacpp")
    assert "exactly one .gguf file" in empty


def test_no_embedded_model(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --model and the package with the embedded one, it is said what to install or pass."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = refused("generate", "x")
    assert "--model" in message
    assert "pip install" in message


def test_unknown_engine(refused: Callable[..., str]) -> None:
    """The engines there are are named."""
    assert "llamacpp, transformers" in refused("generate", "x", "--engine", "steam")


@pytest.mark.parametrize(("engine", "package"), [("llamacpp", "llama_cpp"), ("transformers", "transformers")])
def test_missing_engine_package(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, engine: str, package: str
) -> None:
    """Without an engine's package, it is said what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    assert f"pip install 'backtrack_sampler[{engine}]'" in refused("generate", "x", "--engine", engine)


def test_option_of_the_other_engine(refused: Callable[..., str]) -> None:
    """An option that the engine does not have is refused by name, and it is said what to do instead."""
    assert "llama.cpp takes no option 'device': it uses the GPU" in refused("generate", "x", "--device", "cuda")


@pytest.mark.parametrize("engine", ["llamacpp", "transformers"])
def test_no_threads(refused: Callable[..., str], engine: str) -> None:
    """There must be one."""
    assert "threads must be" in refused("generate", "x", "--threads", "0", "--engine", engine)


# -- details, on a fake model -----------------------------------------------------------------


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A model of a few words in place of the embedded one."""
    provider = FakeProvider(["x", " a", " b\u2603", ""], lambda tokens: [-math.inf, 2, 2, -math.inf])
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", lambda *_, **__: provider)
    return provider


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("value", ["5", "the", "null,regexes=("])
def test_values_that_a_strategy_refuses(capfd: pytest.CaptureFixture[str], value: str) -> None:
    """What a strategy's constructor makes of a senseless value is one line."""
    assert main(["generate", "x", "--strategy", f"antislop:slops={value}", "--max-new-tokens", "3"]) == 2
    assert re.fullmatch(r"backtrack-sampler: [^\n]+\n", capfd.readouterr().err)


@pytest.mark.usefixtures("fake")
def test_max_length_counts_the_prompt(capfd: pytest.CaptureFixture[str], refused: Callable[..., str]) -> None:
    """--max-length is of prompt and continuation together, and must leave room."""
    assert main(["generate", "xx", "--max-length", "5"]) == 0
    assert len(capfd.readouterr().out.split()) == 3
    assert "the prompt alone has 2 tokens" in refused("generate", "xx", "--max-length", "2")


@pytest.mark.usefixtures("fake")
def test_no_chat_template(refused: Callable[..., str]) -> None:
    """--chat with a model that has no template is refused."""
    assert "chat template" in refused("generate", "x", "--chat")


@pytest.mark.usefixtures("fake")
def test_nothing_left_to_draw(capfd: pytest.CaptureFixture[str]) -> None:
    """Where the strategies allow nothing more the text ends, with --on-exhausted raise in an error."""
    arguments = ["generate", "x", "--strategy", "antislop:slops=a|b", "--max-new-tokens", "5"]
    assert main(arguments) == 0
    assert capfd.readouterr() == (
        "\n",
        "backtrack-sampler: the text ends where nothing was left to draw: see --on-exhausted\n",
    )
    assert main([*arguments, "--on-exhausted", "raise"]) == 2
    out, err = capfd.readouterr()
    assert out == "\n"
    assert re.fullmatch(r"backtrack-sampler: nothing is left to draw[^\n]*\n", err)


def test_terminal_that_cannot_show_a_character(fake: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the output's encoding lacks is written as a question mark."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["generate", "x", "--max-new-tokens", "9", "--seed", "1"]) == 0
    assert " b?" in raw.getvalue().decode("ascii")


def test_strategies(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of strategies and operators is aligned, fits the terminal, and shows parameters as they are written."""
    monkeypatch.setenv("COLUMNS", "72")
    assert main(["strategies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 72 for line in lines)
    text = "\n".join(lines)
    head, strategies, operators = re.split(
        r"^strategies \(--strategy\):\n|\noperators \(--operator\):\n", text, flags=re.M
    )
    assert head == ""
    operators, _, every = operators.rpartition("Every operator also takes ")
    for part, column, expected in (
        (strategies, 22, {"antislop", "creative-writing", "human-guidance", "replace"}),
        (operators, 23, {"repetition", "ngram-overlap", "entropy-threshold"}),
    ):
        rows = part.strip("\n").split("\n")
        assert {row[column] != " " and row[column - 1] == " " for row in rows} == {True}
        names = [row.split()[0] for row in rows if not row.startswith(" ")]
        assert names == sorted(names)
        assert expected <= set(names)
        assert not {"chain", "operator", "function-operator"} & set(names)
    assert "retry=" in every
    text = " ".join(text.split())
    assert "find=..., replace=..., max_replacements=Infinity" in text
    assert "slops=null" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The installed version."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"backtrack-sampler {importlib.metadata.version('backtrack_sampler')}\n"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself."""
    for arguments in (["--help"], ["generate", "--help"], ["guide", "--help"], ["strategies", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert "usage: backtrack-sampler" in capsys.readouterr().out
