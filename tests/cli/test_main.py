"""The command `backtrack-sampler`."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import io
import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_gguf
from emulator import FAIR, Program

from backtrack_sampler.cli.arguments import provider_of, specs_of
from backtrack_sampler.cli.main import _commands, _parser, main
from backtrack_sampler.discovery import find_operator, find_strategy, operator_names, strategy_names
from backtrack_sampler.errors import InputError
from backtrack_sampler.specs import parameters
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
        **{"env": {**os.environ, **FAIR}, **options},
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
        (["x", "--top-p", "0"], "--top-p"), (["x", "--top-p", "1.5"], "--top-p"), (["x", "--top-p", "nan"], "--top-p"),
        (["x", "--min-p", "-1"], "--min-p"), (["x", "--top-k", "-1"], "--top-k"), (["x", "--top-k", "1.5"], "invalid int"),
        (["x", "--temperature", "-0.1"], "temperature"), (["x", "--temperature", "inf"], "temperature"),
        (["x", "--temperature", "warm"], "invalid float"), (["x", "--max-new-tokens", "0"], "--max-new-tokens"),
        (["x", "--max-length", "0"], "--max-length"), (["x", "--stop", ""], "stop"), (["x", "--seed", "x"], "invalid int"),
        (["x", "--context", "0"], "--context must be"), (["x", "--system", "Be brief."], "--system needs --chat"),
        (["x", "--max-retries", "0"], "--max-retries"), (["x", "--max-discarded", "-1"], "--max-discarded"),
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
        (["x", "--choices", "0"], "number of choices"), (["x", "--min-autopass", "2"], "--min-autopass"),
        (["x", "--min-autopass", "nan"], "--min-autopass"), (["x"], "needs a terminal"), ([""], "prompt is empty"),
        (["x", "--top-p", "0"], "--top-p"), (["x", "--strategy", "human-guidance"], "leave --strategy human-guidance out"),
        (["x", "--out", "/no/where.txt"], "there is no folder"), (["x", "--trace", "a.pdf"], ".html"),
        (["x", "--strategy", "nonsense"], "nonsense"),
    ],
)  # fmt: skip
def test_guide_checks_before_the_model_is_loaded(
    refused: Callable[..., str], arguments: list[str], message: str
) -> None:
    """So does guide, which needs a terminal too."""
    assert message in refused("guide", *arguments)


def test_unknown_command(refused: Callable[..., str]) -> None:
    """One line says how to learn more."""
    assert "--help" in refused("nonsense")


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
    assert "empty holds no model" in refused("generate", "x", "--model", str(tmp_path / "empty"))


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


def test_a_device_that_is_not_there(refused: Callable[..., str], smollm_file: Path) -> None:
    """Those that are there are named, before anything is loaded."""
    arguments = ["generate", "x", "--engine", "transformers", "--device"]
    for device in ("cudaa", "meta:x"):
        assert f"there is no device '{device}' here (" in refused(*arguments, device)
    assert "use cpu" in refused(*arguments, "cudaa")


def test_a_context_that_is_too_large(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A model that was made for less gets what it was made for, and a line says so."""
    path = tiny_gguf.write_mamba(tmp_path / "m.gguf")
    for context, says in (("99999999", True), ("99999999999999", True), ("2049", True), ("2048", False)):
        options = _parser().parse_args(["generate", "x", "--model", str(path), "--context", context])
        assert provider_of(options).context_size == 2048
        said = f"backtrack-sampler: --context {context} is more than this model was made for: it is 2048\n"
        assert capfd.readouterr().err == (said if says else "")


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
@pytest.mark.parametrize("value", ["5", "null,regexes=("])
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


def helped(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    assert caught.value.code == 0
    return capfd.readouterr().out


COMMANDS = list(_commands(_parser()).choices)


@pytest.mark.parametrize("columns", ["40", "80"])
@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_help(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str], columns: str
) -> None:
    """Every command explains itself, and ends with examples that it takes as they stand there."""
    monkeypatch.setenv("COLUMNS", columns)
    text = helped(capfd, *command)
    assert text.startswith("usage: backtrack-sampler")
    _, title, shown = re.split(r"^(examples?:)\n", text, flags=re.MULTILINE)
    examples = shown.rstrip("\n").split("\n")
    assert title == ("example:" if len(examples) == 1 else "examples:")
    for line in examples:
        check_example(line)
        assert line.split()[1] == (command[0] if command else "generate")
    others = [line for line in text.splitlines() if line not in examples]
    assert max(map(len, others)) <= max(int(columns), 60)


def check_example(line: str) -> None:
    """A command line that can be copied: options and strategies are such as there are."""
    assert line.startswith("  backtrack-sampler ")
    assert len(line) <= 120
    options = _parser().parse_args(shlex.split(line)[1:])
    specs_of(argparse.Namespace(**{"strategies": [], **vars(options)}))


def test_the_way_in(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bare command says what to try first, what commands there are, and where to go on."""
    assert main([]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= 84
    for line in re.findall(r"^  backtrack-sampler (?!.* --help).*?(?=$|   )", out, re.MULTILINE):
        check_example(line)
    assert (
        re.findall(r"^  ([\w-]+) +[a-z]", out.partition("Commands:")[2].partition("Where")[0], re.MULTILINE) == COMMANDS
    )
    assert "pip install" not in out
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main([]) == 0
    assert "pip install 'backtrack_sampler[demo]'" in capfd.readouterr().out


# -- strategies NAME --------------------------------------------------------------------------


def explained(capfd: pytest.CaptureFixture[str], *names: str) -> str:
    assert main(["strategies", *names]) == 0
    return capfd.readouterr().out


ALL = [name.replace("_", "-") for name in strategy_names() if name not in ("chain", "operator")]


@pytest.mark.parametrize("name", [*ALL, *operator_names(), "NGramOverlap", "creative_writing"])
def test_one_is_explained(capfd: pytest.CaptureFixture[str], name: str) -> None:
    """What it does, each parameter with what it means, and a command line that can be copied."""
    text = explained(capfd, name)
    try:
        cls, kind = find_strategy(name), "strategy"
    except InputError:
        cls, kind = find_operator(name), "operator"
    assert text.startswith(
        f"{name}: {'a strategy' if kind == 'strategy' else 'an operator'} ({cls.__name__} in Python)\n"
    )
    summary = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    assert summary in " ".join(text.split())
    assert "Args:" not in text
    assert max(map(len, text.split("example")[0].splitlines())) <= 100
    for key, parameter in parameters(cls).items():
        meaning = re.search(rf"^  {key}=(.*)\n      \w.*", text, re.MULTILINE)
        assert meaning is not None, f"{name} does not say what {key} is"
        assert (meaning[1] == "...") == (parameter.default is parameter.empty)
    assert ("parameters of every operator:\n  backtrack_every_n=1" in text) == (kind == "operator")
    (line,) = re.findall(r"^  backtrack-sampler .*", text, re.MULTILINE)
    check_example(line)
    assert f"--{kind} " in line or "guide" in line


MINE = '''
from backtrack_sampler import BaseStrategy

class Mine(BaseStrategy):
    """Does
    something.

    And more of it.

    Args:
        key, other: a number,
            or none: see there.
        *words: what it says (twice).

    Raises:
        Nothing: ever.

    Examples:
        ./my.py:Mine:key=2
        ./my.py:Mine:key=3,other=a b
    """
    def __init__(self, key, other=None, third=0):
        pass

class Bare(BaseStrategy):
    def __init__(self, provider, key):
        """Args:
            key: told here.
        """

def short(step, most=3):
    """Takes long tokens back.

    Args:
        most: letters.
    """
    return len(step.text) > most
'''


def test_one_in_a_file_is_explained(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: Callable[..., str]
) -> None:
    """A strategy or a function of one's own, by what its docstring says."""
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(MINE)
    text = explained(capfd, "./my.py:Mine")
    assert "\n\nDoes something.\n\nAnd more of it.\n\nparameters:\n" in text
    assert (
        "  key=...\n      a number, or none: see there.\n  other=null\n      a number, or none: see there.\n  third=0\n\n"
        in text
    )
    assert "--strategy ./my.py:Mine:key=2 " in text
    assert "--strategy './my.py:Mine:key=3,other=a b' " in text
    text = explained(capfd, "./my.py:Bare")
    assert "(no description)" in text
    assert "  key=...\n      told here.\n" in text
    assert "--strategy ./my.py:Bare:key=TEXT " in text
    text = explained(capfd, "./my.py:short")
    assert "an operator (short in Python)\n\nTakes long tokens back.\n\nparameters:\n  most=3\n      letters.\n" in text
    assert "no strategy or operator 'nonsense': backtrack-sampler strategies lists them" in refused(
        "strategies", "nonsense"
    )
    assert "did you mean antislop?" in refused("strategies", "antislopp")
    assert "did you mean repetition?" in refused("strategies", "repetitoin")
    assert "no file at none.py" in refused("strategies", "./none.py")
    assert "must hold one strategy (found: Mine, Bare)" in refused("strategies", "./my.py")
    assert "./my.py has no strategy and no operator Nobody" in refused("strategies", "./my.py:Nobody")
    Path("my.py").write_text("x = (")
    assert "my.py cannot be imported: SyntaxError" in refused("strategies", "./my.py")
    Path("my.py").write_text("x = 1")
    assert "my.py has no strategy and no operator in it" in refused("strategies", "./my.py")


# -- of one's own -----------------------------------------------------------------------------

OWN = """
from backtrack_sampler.testing import FakeProvider

def no_a(step, letter="a"):
    return letter in step.text

class Toy(FakeProvider):
    def __init__(self, words=("x", " a", " b"), *, context_size=None, threads=1):
        super().__init__([*words, ""], seed=threads, eos=-1, context_size=context_size)
        self.model_name = "toy"

class Hub(Toy):
    @classmethod
    def from_pretrained(cls, model, n_ctx=None):
        return cls(model.split("|"), context_size=n_ctx)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a provider and a function, and no embedded model."""
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(OWN)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return tmp_path


@pytest.mark.usefixtures("own")
def test_a_provider_and_a_function_of_ones_own(capfd: pytest.CaptureFixture[str], refused: Callable[..., str]) -> None:
    """--model FILE.py:Class with its parameters; --engine FILE.py with a model; --operator FILE.py:function."""
    short = ["--max-new-tokens", "9", "--seed", "1"]
    model = ["--model", "./my.py:Toy:words=x| a| b| c"]
    assert main(["generate", "x", *model, *short]) == 0
    assert {"a", "b", "c"} & set(capfd.readouterr().out)
    assert main(["generate", "x", *model, *short, "--threads", "2", "--operator", "./my.py:no_a:letter= b"]) == 0
    assert "b" not in capfd.readouterr().out
    assert main(["generate", "x", *model, *short, "--operator", "./my.py:no_a:letter=c,max_retries=3"]) == 0
    assert main(["generate", "x", "--engine", "./my.py:Hub", "--model", "x| y", *short, "--context", "8"]) == 0
    out, err = capfd.readouterr()
    assert " y" in out.splitlines()[-1]
    assert "context was full" in err
    for arguments, message in (
        (["--model", "./my.py"], "must hold one provider (found: Toy, Hub)"), (["--model", "./none.py:Toy"], "no file at none.py"),
        (["--model", "./my.py:Toy:word=5"], "provider ./my.py:Toy has no parameter 'word': it takes words, context_size, threads"),
        (["--model", "./my.py:Toy", "--device", "cpu"], "./my.py:Toy takes no option 'device'"),
        (["--model", "./my.py:Toy:words=5"], "./my.py:Toy cannot be loaded (TypeError"),
        (["--engine", "./my.py:Toy", "--model", "x"], "engine ./my.py:Toy takes no model"),
        (["--engine", "./my.py:Hub"], "no model given"),
    ):  # fmt: skip
        assert message in refused("generate", "x", *arguments)


@pytest.mark.usefixtures("own")
def test_a_provider_of_ones_own_in_other_commands(
    capfd: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    """Many prompts, which notice when its file has changed; and no command asks for the embedded model."""
    Path("p.txt").write_text("x\nx a\n")
    command = ["generate", "--prompts", "p.txt", "--out", "o.jsonl", "--max-new-tokens", "5", "--seed", "1"]
    command += ["--operator", "./my.py:no_a"]
    for options in (["--model", "./my.py:Toy"], ["--engine", "./my.py:Toy:words=x| a| b"]):
        assert main([*command, *options]) == 0
        header, *rows = map(json.loads, Path("o.jsonl").read_text().splitlines())
        assert "./my.py:Toy" in str(header["settings"])
        assert " a" not in "".join(row["text"] for row in rows)
        assert main([*command, *options]) == 0
        assert "nothing is left to do" in capfd.readouterr().err
        Path("my.py").write_text(Path("my.py").read_text() + "\n# changed\n")
        assert "provider_sha256 was" in refused(*command, *options)
        Path("o.jsonl").unlink()
    assert "needs a terminal" in refused("guide", "x", "--model", "./my.py:Toy")


@pytest.mark.usefixtures("own")
def test_a_chat_with_a_provider_of_ones_own(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first line names it; here it has no chat template, which is said."""
    for arguments in (["./my.py:Toy"], ["--engine", "./my.py:Toy"]):
        monkeypatch.setattr(sys, "stdin", io.StringIO("x\n"))
        main(["chat", *arguments])
        assert "chat template" in capfd.readouterr().err


# -- logging ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("level", "says"),
    [("", []), ("warning", []), ("info", ["loaded toy"]), ("DEBUG", ["loaded toy", "stream 0: 3 tokens"])],
)
def test_what_is_logged(level: str, says: list[str]) -> None:
    """Nothing, unless BACKTRACK_SAMPLER_LOG asks for it; then on stderr."""
    done = command(
        "generate",
        "x",
        "--model",
        "./my.py:Toy",
        "--max-new-tokens",
        "3",
        env={**os.environ, "BACKTRACK_SAMPLER_LOG": level},
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    for line in says:
        assert line in done.stderr
    assert bool(done.stderr) == bool(says)


def test_a_level_that_there_is_not(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that there are, are named."""
    monkeypatch.setenv("BACKTRACK_SAMPLER_LOG", "loud")
    assert "BACKTRACK_SAMPLER_LOG must be debug, info, warning or error, not 'loud'" in refused("strategies")


# -- what strategies say before they begin ----------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_what_was_read_from_a_file_is_said(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many phrases and patterns there are, and which can never match, a line each; for one text and for many."""
    monkeypatch.chdir(tmp_path)
    Path("slops.txt").write_text("  delve \n\nthe city\t\n")
    Path("patterns.json").write_text('["a{1000}", "zz+"]')
    Path("p.txt").write_text("x\nx\n")
    spec = "antislop:slops=@slops.txt,regexes=@patterns.json"
    for command in (["x"], ["--prompts", "p.txt", "--out", "o.jsonl"]):
        assert main(["generate", *command, "--strategy", spec, "--max-new-tokens", "2"]) == 0
        said = capfd.readouterr().err.splitlines()
        assert said.count("AntiSlopStrategy looks for 2 phrases and 2 patterns") == 1
        assert sum(line.startswith("backtrack-sampler: the pattern a{1000} can never match") for line in said) == 1
