"""The command `backtrack-sampler compare`: several strategies on the same prompts and seeds."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from batches import load_instead
from emulator import Program

from backtrack_sampler.cli.main import main
from backtrack_sampler.cli.rows import read_rows
from backtrack_sampler.testing import FakeProvider

Row = dict[str, Any]
FAILS = """
from backtrack_sampler import BaseStrategy

class Fails(BaseStrategy):
    def on_next_token(self, tokens, probs):
        if len(tokens) == 3:
            raise LookupError("the third")
"""


class FakeModel(FakeProvider):
    """A few letters at random; it counts how often it was loaded, and may fail."""

    def __init__(self) -> None:
        super().__init__(["a", "b", "c", " ", "☃", ".", ""])
        self.loaded = 0
        self.before_answer: Callable[[], None] = lambda: None

    def answer(self, sequence: list[int]) -> Any:
        self.before_answer()
        return super().answer(sequence)

    def chat_prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        return "".join(f"{message['content']}." for message in messages)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    """The model that is loaded, and a folder of one's own with a file of prompts."""
    model = FakeModel()
    load_instead(monkeypatch, model)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("p.txt").write_text("a\nb c\n☃\n", encoding="utf-8")
    Path("fails.py").write_text(FAILS)
    return model


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs compare with a few tokens."""

    def run(*arguments: str) -> Done:
        code = main(["compare", "--max-new-tokens", "8", *arguments])
        return Done(code, *capfd.readouterr())

    return run


def line(out: str, label: str) -> list[str]:
    """The cells of the first line of the table with a label."""
    found = next(each for each in out.split("\n") if each.startswith(f"{label}  "))
    return found.removeprefix(label).split()


# -- what is shown and written ----------------------------------------------------------------


def test_a_table(fake: FakeModel, run: Callable[..., Done]) -> None:
    """The baseline first, then each contender in the order of the command line; --seeds texts for each prompt."""
    done = run("--prompts", "p.txt", "--operator", "repetition", "--strategy", "antislop:slops=b|☃", "--seeds", "2")
    assert done.code == 0
    assert done.err == ""
    assert done.out.split("\n")[0] == "3 prompts with 2 seeds each, at most 8 tokens, temperature 1"
    assert done.out.split("\n")[2].split() == ["none", "repetition", "antislop:slops=b|☃"]
    assert line(done.out, "texts") == ["6", "6", "6"]
    assert line(done.out, "tokens taken back")[0] == "0"
    assert int(line(done.out, "tokens taken back")[2]) > 0
    assert fake.loaded == 1


@pytest.mark.usefixtures("fake")
def test_chained_ones_are_one_contender(run: Callable[..., Done]) -> None:
    """What is given with --with-strategy and --with-operator belongs to the contender before it."""
    done = run(
        "a", "--strategy", "antislop:slops=b|☃", "--with-operator", "ngram-overlap:ngram_size=2", "--with-strategy",
        "antislop:slops=c|.", "--operator", "never", "--out", "x.json", "--seeds", "3",
    )  # fmt: skip
    assert done.code == 0
    whole = json.loads(Path("x.json").read_text())
    names = ["none", "antislop:slops=b|☃ + ngram-overlap:ngram_size=2 + antislop:slops=c|.", "never"]
    assert [each["contender"] for each in whole["contenders"]] == names
    for text in whole["texts"]:
        if text["contender"] == names[1]:
            assert not set(text["text"]) & set("b☃c.")
            assert text["text"].count("a ") <= 1
    assert f"A   {names[1]}" in done.out


def test_texts_are_those_of_generate(
    fake: FakeModel, run: Callable[..., Done], capfd: pytest.CaptureFixture[str]
) -> None:
    """`generate --prompts` with the same options, seed and number writes the same texts."""
    options = ["--prompts", "p.txt", "--seed", "5", "--temperature", "1.3", "--top-k", "4", "--stop", "☃."]
    assert run(*options, "--strategy", "antislop:slops=b|c", "--seeds", "3", "--out-texts", "t.csv").code == 0
    for name, strategies in (("none", []), ("antislop:slops=b|c", ["--strategy", "antislop:slops=b|c"])):
        out = f"{len(strategies)}.jsonl"
        assert main(["generate", "--max-new-tokens", "8", *options, *strategies, "--n", "3", "--out", out]) == 0
        rows = read_rows(Path(out))
        found = [row for row in read_csv("t.csv") if row["contender"] == name]
        assert [(row["prompt"], row["seed"], row["text"]) for row in found] == [
            (row["prompt"], str(row["seed"]), row["text"]) for row in rows
        ]
    capfd.readouterr()
    assert run("--prompts", "p.txt", "--strategy", "antislop", "--out-texts", "t.csv").code == 0
    assert [row["seed"] for row in read_csv("t.csv")][::2] == [str(seed) for seed in range(15)]


def read_csv(file: str) -> list[dict[str, str]]:
    with Path(file).open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.usefixtures("fake")
def test_files(run: Callable[..., Done]) -> None:
    """--out may be repeated; each file is what its name says, and is told on stderr."""
    Path("s.txt").write_text(" a \n\nb\n")
    done = run(
        "--prompts", "p.txt", "--strategy", "antislop:slops=@s.txt", "--out", "a.csv", "--out", "b.json", "--out", "c.HTML",
        "--out-texts", "d.csv", "--phrases", "s.txt", "--chat",
    )  # fmt: skip
    assert done.code == 0
    assert re.findall(r"comparison written to (\S+)", done.err) == ["a.csv", "b.json", "c.HTML", "d.csv"]
    assert [row["contender"] for row in read_csv("a.csv")] == ["none", "antislop:slops=@s.txt"]
    assert len(read_csv("d.csv")) == 2 * 3 * 5
    whole = json.loads(Path("b.json").read_text())
    settings = whole["settings"]
    assert (settings["chat"], settings["phrases"], settings["seeds"], settings["seed"]) == (True, "s.txt", 5, 0)
    assert list(settings["sha256"]) == ["s.txt"]
    assert whole["prompts"] == ["a", "b c", "☃"]  # without the template
    assert "<html" in Path("c.HTML").read_text()
    assert "list of 2." in done.out.replace("\n", " ")


@pytest.mark.parametrize("content", ['["a ", " b", " "]', '{"a": 1, "b": 0.5}', '[["a", 1], ["b", 0.2]]'])
def test_phrases_from_json(fake: FakeModel, run: Callable[..., Done], content: str) -> None:
    """A list of texts, with or without strengths, as anti-slop reads it."""
    Path("s.json").write_text(content)
    done = run("a", "--strategy", "creative-writing", "--phrases", "s.json", "--out", "x.json")
    assert done.code == 0
    texts = json.loads(Path("x.json").read_text())["texts"]
    for text in texts:
        assert text["phrases"] == len(re.findall(r"(?<![abc])[ab](?![abc])", text["text"]))


@pytest.mark.usefixtures("fake")
def test_greedy_needs_one_seed(run: Callable[..., Done]) -> None:
    """At temperature 0 there is one text, unless more are asked for, which is said to be of no use."""
    done = run("a", "--operator", "ngram-overlap", "--temperature", "0")
    assert (line(done.out, "texts"), done.err) == (["1", "1"], "")
    done = run("a", "--operator", "ngram-overlap", "--temperature", "0", "--seeds", "2")
    assert line(done.out, "texts") == ["2", "2"]
    assert "--seeds 1" in done.err


@pytest.mark.usefixtures("fake")
def test_stdin(run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """PROMPT and --prompts take - for stdin; a random seed is one that is told."""
    for arguments, prompts in ((["-"], 1), (["--prompts", "-"], 2)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n" if prompts == 2 else b"ab\n")))
        assert run(*arguments, "--operator", "never", "--seed", "-1", "--out", "x.json").code == 0
        whole = json.loads(Path("x.json").read_text())
        assert len(whole["prompts"]) == prompts
        assert whole["settings"]["seed"] > 0


@pytest.mark.usefixtures("fake")
def test_stats(run: Callable[..., Done]) -> None:
    """--stats says what all contenders have cost together."""
    done = run("a", "--strategy", "antislop:slops=b|☃", "--stats")
    tokens = sum(round(5 * float(cell)) for cell in line(done.out, "tokens a text"))
    taken = sum(map(int, line(done.out, "tokens taken back")))
    assert f"{tokens} tokens streamed, {taken} taken back" in done.err
    assert re.search(r"ended by: \w+ \(\d+\)", done.err)


# -- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy", "antislop"], "one is required: PROMPT or --prompts FILE"),
        (["a", "--prompts", "p.txt", "--strategy", "antislop"], "not both"),
        (["a"], "name what to compare with none"), (["a", "--with-operator", "never"], "write --operator for the first"),
        (["a", "--operator", "never", "--operator", "never"], "never is there twice"),
        (["a", "--strategy", "antislopp"], "did you mean antislop?"), (["a", "--strategy", "human-guidance"], "asks a person"),
        (["a", "--operator", "never", "--with-strategy", "none"], "no strategy 'none'"),
        (["a", "--operator", "repetition:max_repetitions=0"], "max_repetitions must be"),
        (["a", "--operator", "never", "--seeds", "0"], "--seeds must be"),
        (["a", "--operator", "never", "--max-batch", "0"], "--max-batch must be"),
        (["a", "--operator", "never", "--top-p", "2"], "--top-p"), (["a", "--operator", "never", "--system", "b"], "needs --chat"),
        (["a", "--operator", "never", "--phrases", "none.txt"], "cannot read none.txt"),
        (["a", "--operator", "never", "--phrases", "empty.txt"], "empty.txt is empty"),
        (["a", "--operator", "never", "--phrases", "bad.json"], "bad.json: write one phrase a line"),
        (["a", "--operator", "never", "--phrases", "numbers.json"], "numbers.json: write one phrase a line"),
        (["a", "--operator", "never", "--out", "x.txt"], "end in .csv or .json or .html"),
        (["a", "--operator", "never", "--out", "no/x.csv"], "no folder"), (["a", "--operator", "never", "--out-texts", "x.json"], ".csv"),
        (["a", "--operator", "never", "--out", "x.csv", "--out-texts", "./x.csv"], "written twice"),
        (["--prompts", "none.txt", "--operator", "never"], "cannot read none.txt"),
        (["--prompts", "bad.jsonl", "--operator", "never"], "bad.jsonl, line 1"), ([" ", "--operator", "never"], "the prompt is empty"),
    ],
)  # fmt: skip
def test_bad_options_are_found_before_the_model_is_loaded(
    fake: FakeModel, run: Callable[..., Done], arguments: list[str], message: str
) -> None:
    """One line that says what is wrong, before anything is loaded or written."""
    for file, content in (("empty.txt", "\n"), ("bad.json", '"a"'), ("numbers.json", "[1]"), ("bad.jsonl", "{")):
        Path(file).write_text(content)
    code, out, err = run(*arguments)
    assert (code, out, fake.loaded) == (2, "", 0)
    assert re.fullmatch(rf"backtrack-sampler: [^\n]*{re.escape(message)}[^\n]*\n", err), err
    assert not Path("x.csv").exists()


def test_a_prompt_that_cannot_be_used_is_named(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Where only the model can tell, the line of the prompt is named, before anything is evaluated."""
    code, out, err = run("--prompts", "p.txt", "--operator", "never", "--max-length", "2")
    assert (code, out) == (2, "")
    assert err.startswith("backtrack-sampler: p.txt, line 2: the prompt alone has 3 tokens")
    assert fake.forward_passes == 0


@pytest.mark.usefixtures("fake")
def test_texts_that_fail(run: Callable[..., Done]) -> None:
    """The others are shown; the exit code is 1, and a line says what has failed."""
    code, out, err = run("--prompts", "p.txt", "--strategy", "./fails.py", "--operator", "never", "--seeds", "4")
    assert code == 1
    failed = int(line(out, "failed")[1])
    assert 0 < failed <= 12
    assert line(out, "failed") == ["0", str(failed), "0"]
    assert re.search(rf"{failed} of 36 texts failed with: .*LookupError: the third", err)


@pytest.mark.parametrize(("prompts", "code"), [(3, 130), (0, 130)])
def test_ctrl_c_shows_what_is_complete(fake: FakeModel, run: Callable[..., Done], prompts: int, code: int) -> None:
    """What is complete is shown and written, and it is said how much that is; with nothing complete, only that."""
    Path("p.txt").write_text("a\n" * 5)
    batches = []

    def reset() -> None:
        batches.append(1)
        if len(batches) > 2 * prompts:
            raise KeyboardInterrupt
        FakeProvider.reset(fake)

    fake.reset = reset  # type: ignore[method-assign]
    done = run("--prompts", "p.txt", "--operator", "never", "--seeds", "2", "--max-batch", "2", "--out", "x.json")
    assert done.code == code
    assert f"{prompts} of 5 prompts were complete" in done.err
    assert Path("x.json").exists() == (prompts > 0)
    assert bool(done.out) == (prompts > 0)
    if prompts:
        assert line(done.out, "texts") == ["6", "6"]
        assert "3 of 5 prompts" in done.out
        assert json.loads(Path("x.json").read_text())["complete"] is False


def test_an_engine_that_fails(fake: FakeModel, run: Callable[..., Done]) -> None:
    """An error of the engine is a line; what was complete before is shown."""
    Path("p.txt").write_text("a\n" * 5)
    asked = []

    def fail() -> None:
        asked.append(1)
        if len(asked) > 50:
            raise MemoryError("no room")

    fake.before_answer = fail
    code, out, err = run("--prompts", "p.txt", "--operator", "never", "--seeds", "2", "--max-batch", "2")
    assert code == 2
    assert "MemoryError: no room): try it with a smaller --max-batch" in err
    assert "Traceback" not in err
    assert "of 5 prompts" in out


# -- real ones --------------------------------------------------------------------------------


@pytest.mark.slow
def test_in_a_terminal(tmp_path: Path) -> None:
    """A bar goes along while SmolLM2 writes; Ctrl-C ends it, and says how much was complete."""
    file = tmp_path / "p.txt"
    file.write_text("Once upon a time\n" * 200)
    arguments = [
        "--prompts",
        str(file),
        "--strategy",
        "antislop",
        "--seeds",
        "1",
        "--max-batch",
        "1",
        "--max-new-tokens",
        "4",
    ]
    with Program("compare", *arguments, rows=60) as program:
        program.until(lambda: bool(re.search(r"[4-9]/400", program.screen.text)), quiet=False)
        program.interrupt()
        assert program.wait() == 130
        assert re.search(r"^\d+ of 200 prompts were complete: what follows", program.screen.text, re.MULTILINE)
        assert "tokens a second" in program.screen.text
        assert "Traceback" not in program.raw


@pytest.mark.slow
def test_the_command_of_the_issue(tmp_path: Path, smollm_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two strategies and an operator on real prompts, as a table and a page."""
    prompts = tmp_path / "p.txt"
    prompts.write_text("Once upon a time\nThe door opened and\n")
    page = tmp_path / "x.html"
    code = main([
        "compare", "--model", str(smollm_file), "--prompts", str(prompts), "--strategy", "antislop", "--strategy", "creative-writing",
        "--operator", "ngram-overlap", "--seeds", "1", "--max-new-tokens", "12", "--out", str(page),
    ])  # fmt: skip
    out = capfd.readouterr().out
    assert code == 0
    assert line(out, "texts") == ["2"] * 4
    assert max(map(len, out.split("\n"))) <= 80
    assert int(line(out, "rollbacks")[2]) > 0
    assert "creative-writing" in page.read_text(encoding="utf-8")
