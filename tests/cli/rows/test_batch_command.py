"""The command `backtrack-sampler generate --prompts`: a file of prompts, and a line of JSON for each text."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest
from batches import Done, FakeModel, Row, count_rows, lines, read, texts, write_prompts
from emulator import FAIR, Program

from backtrack_sampler import BacktrackSampler
from backtrack_sampler.cli.main import main

NAMES = ["index", "prompt", "sample", "seed", "text", "tokens", "discarded", "rollbacks", "finish_reason"]


# -- what is written ------------------------------------------------------------------------


def test_a_row_for_each_prompt(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Each line that is not blank gives a row, whose text is that of a stream with its seed alone; nothing is escaped."""
    Path("p.txt").write_bytes("\ufeff☃a\r\n\n \t\n b \nc☃".encode())
    assert run("--seed", "5") == (0, "3 rows written to out.jsonl\n", "")
    rows = read()
    assert [list(row) for row in rows] == [NAMES] * 3
    assert sorted(row["index"] for row in rows) == [0, 1, 2]
    for row in rows:
        assert row["prompt"] == ["☃a", " b ", "c☃"][row["index"]]
        assert (row["sample"], row["seed"]) == (0, 5 + row["index"])
        sampler = BacktrackSampler(fake)
        assert row["text"] == sampler.generate_text(row["prompt"], max_new_tokens=12, seed=row["seed"])
        stats = sampler.stats
        found = row["tokens"], row["discarded"], row["rollbacks"], row["finish_reason"]
        assert found == (stats.emitted, stats.discarded, stats.rollbacks, stats.finish_reason)
    assert "☃".encode() in Path("out.jsonl").read_bytes()
    assert len({len(row["text"]) for row in rows}) > 1


@pytest.mark.usefixtures("fake")
def test_settings_stand_once_at_the_top(run: Callable[..., Done]) -> None:
    """How the rows are made stands in the first line, as it was given, and with the version that wrote it."""
    write_prompts("a", "b")
    run("--strategy", 'antislop:slops=["ab"]', "--operator", "repetition", "--stop", "☃☃", "--top-p", "0.9", "--n", "2")
    top, *rows = lines()
    assert (list(top), len(rows)) == (["settings", "version"], 4)
    assert top["settings"] == {
            "model": "SmolLM2-135M-Instruct.Q4_1.gguf", "engine": None, "chat": False, "system": None,
            "strategies": [{"strategy": 'antislop:slops=["ab"]'}, {"operator": "repetition"}],
            "n": 2, "max_new_tokens": 12, "max_length": None, "temperature": 1.0, "top_k": 50, "top_p": 0.9,
            "min_p": None, "stop": ["☃☃"], "max_retries": 100, "max_discarded": None, "on_exhausted": "stop",
            "on_context_full": "stop", "seed": None,
    }  # fmt: skip
    assert not any("settings" in row for row in rows)


@pytest.mark.usefixtures("fake")
def test_strategies_are_each_rows_own(run: Callable[..., Done]) -> None:
    """The strategies of the command work in each row, and what they take back is counted there."""
    write_prompts("a", "b", "c", "☃")
    assert run("--strategy", "antislop:slops=b|c|☃", "--seed", "2", "--n", "4").code == 0
    rows = read()
    assert not any(set(row["text"]) & set("bc☃") for row in rows)
    assert all(row["discarded"] >= row["rollbacks"] for row in rows)
    assert sum(row["rollbacks"] for row in rows) > 4


@pytest.mark.usefixtures("fake")
def test_json_prompts(run: Callable[..., Done]) -> None:
    """An object a line: what else it says is repeated in the row as it is."""
    others: list[Row] = [{"id": "x\udc80☃"}, {"tags": [1, {"deep": None}], "score": 1e-7, "big": 10**30}, {}]
    lines = [json.dumps({**other, "prompt": prompt}) for prompt, other in zip("abc", others, strict=True)]
    Path("p.jsonl").write_text("\n\n".join(lines))
    for _ in range(2):  # the second time all is there, and the same
        assert run("--prompts", "p.jsonl", "--seed", "1").code == 0
    for row in read():
        assert {k: v for k, v in row.items() if k not in NAMES} == others[row["index"]]
        assert list(row)[:2] == ["index", "prompt"]
        assert row["prompt"] == "abc"[row["index"]]


@pytest.mark.usefixtures("fake")
def test_several_samples(run: Callable[..., Done]) -> None:
    """--n gives so many rows for each prompt, each with a seed of its own."""
    write_prompts("a", "b")
    assert run("--n", "3", "--seed", "7", "--max-batch", "2").code == 0
    rows = sorted(read(), key=lambda row: row["index"])
    found = [(row["index"], row["prompt"], row["sample"], row["seed"]) for row in rows]
    assert found == [(i, "ab"[i // 3], i % 3, 7 + i) for i in range(6)]
    assert len(set(texts().values())) > 3


@pytest.mark.usefixtures("fake")
def test_without_a_seed_each_row_records_its_own(run: Callable[..., Done]) -> None:
    """Without --seed the seeds are random and recorded: with one of them the row comes again."""
    write_prompts("a")
    assert run("--n", "8").code == 0
    rows = read()
    assert len({row["seed"] for row in rows}) == 8
    for row in rows:
        assert run("--seed", str(row["seed"]), "--out", f"{row['index']}.jsonl").code == 0
        assert read(f"{row['index']}.jsonl")[0]["text"] == row["text"]


def test_stdin(fake: FakeModel, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """--prompts - reads lines from stdin, and goes on from them as from a file."""
    for given, loaded in ((b"a\nb\n", 1), (b"a\nb\nc\n", 2), (b"a\nb\nc", 2)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        assert run("--prompts", "-").code == 0
        assert fake.loaded == loaded
    assert sorted(row["prompt"] for row in read()) == ["a", "b", "c"]


@pytest.mark.usefixtures("fake")
def test_chat(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """--chat and --system are applied to each prompt, which is written as it was given; what the template refuses is a line."""
    write_prompts("a", "b")
    assert run("--chat", "--system", "☃", "--seed", "1").code == 0
    Path("plain.txt").write_text("☃.a.\n☃.b.\n", encoding="utf-8")
    assert run("--prompts", "plain.txt", "--out", "plain.jsonl", "--seed", "1").code == 0
    assert texts() == texts("plain.jsonl")
    assert {row["prompt"] for row in read()} == {"a", "b"}
    write_prompts("a")
    message = refused("--chat", "--system", "c", "--out", "new.jsonl")
    assert "p.txt, line 1: the model's chat template does not take this conversation (no system message)" in message


def test_rows_are_written_at_once_in_order_of_ending(fake: FakeModel, run: Callable[..., Done]) -> None:
    """A row is in the file as soon as it is over, while others still run; at most --max-batch of them."""
    Path("p.txt").write_text("a\n" * 30)
    seen = set()
    fake.before_answer = lambda: seen.add(len(Path("out.jsonl").read_bytes().splitlines()))
    assert run("--max-batch", "3", "--seed", "1").code == 0
    assert len(seen) > 15
    order = [row["index"] for row in read()]
    assert sorted(order) == list(range(30)) != order
    assert all(index < place + 3 for place, index in enumerate(order))


@pytest.mark.usefixtures("fake")
def test_stats(run: Callable[..., Done]) -> None:
    """--stats says what all have cost together, and how they ended."""
    write_prompts("a", "b", "c")
    _, err, _ = run("--stats", "--seed", "3", "--strategy", "antislop:slops=b|☃", "--n", "4")
    line = re.match(r"(\d+) tokens streamed, (\d+) taken back in (\d+) rollbacks, .*, ended by: (.*)\n12 rows", err)
    assert line is not None
    assert [int(line[1]), int(line[2]), int(line[3])] == [
        sum(row[name] for row in read()) for name in ("tokens", "discarded", "rollbacks")
    ]
    reasons = [row["finish_reason"] for row in read()]
    assert set(line[4].split(", ")) == {f"{reason} ({reasons.count(reason)})" for reason in reasons}


# -- what cannot be done --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one is required: PROMPT or --prompts FILE"),
        (["a", "--prompts", "p.txt", "--out", "x.jsonl"], "not both"),
        (["a", "--out", "x.jsonl"], "--out needs --prompts"), (["a", "--n", "0"], "--n needs --prompts"),
        (["a", "--max-batch", "2"], "--max-batch needs --prompts"), (["--prompts", "p.txt"], "needs --out"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--trace", "t.html"], "--trace t.html is one file"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--trace", "no/folder"], "cannot make the folder no/folder"),
        (["--prompts", "p.txt", "--out", "-", "--retry-failed"], "--retry-failed goes on with a file"),
        (["--prompts", "p.txt", "--out", "-", "--accept-changes"], "--accept-changes goes on with a file"),
        (["a", "--skip-bad"], "--skip-bad needs --prompts"), (["a", "--retry-failed"], "--retry-failed needs --prompts"),
        (["a", "--accept-changes"], "--accept-changes needs --prompts"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--show-rollbacks"], "--show-rollbacks is for a PROMPT"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--n", "0"], "--n must be at least 1"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--max-batch", "-1"], "--max-batch must be at least 1"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--top-p", "2"], "--top-p"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--strategy", "none"], "no strategy 'none'"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--strategy", "human-guidance"], "asks a person"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--system", "b"], "--system needs --chat"),
        (["--prompts", "p.txt", "--out", "x.jsonl", "--chat", "--system", "\udcff"], "use UTF-8"),
        (["--prompts", "p.txt", "--out", "no/x.jsonl"], "no folder"), (["--prompts", "p.txt", "--out", "x"], ".jsonl"),
        (["--prompts", "p.txt", "--out", "folder.jsonl"], "a folder"), (["--prompts", "p.txt", "--out", ""], ".jsonl"),
        (["--prompts", "p.txt", "--out", "pipe.jsonl"], "a device or a pipe"),
        (["--prompts", "none.txt", "--out", "x.jsonl"], "cannot read none.txt: No such file"),
        (["--prompts", "p.json", "--out", "x.jsonl"], "name the file .jsonl"),
        (["--prompts", "folder.jsonl", "--out", "x.jsonl"], "cannot read folder.jsonl: Is a directory"),
    ],
)  # fmt: skip
def test_bad_options_are_found_before_the_model_is_loaded(
    fake: FakeModel, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Whatever can be checked without the model is checked before it is loaded, and before a file is made."""
    write_prompts("a")
    Path("folder.jsonl").mkdir()
    os.mkfifo("pipe.jsonl")
    assert main(["generate", *arguments]) == 2
    out, err = capfd.readouterr()
    assert (out, fake.loaded) == ("", 0)
    assert re.fullmatch(rf"backtrack-sampler: [^\n]*{re.escape(message)}[^\n]*\n", err), err
    assert not Path("x.jsonl").exists()


@pytest.mark.usefixtures("fake")
def test_the_prompt_may_stand_anywhere(capfd: pytest.CaptureFixture[str]) -> None:
    """That PROMPT may be left out changes nothing for whoever gives it, before, between or after options."""
    options = [["--seed", "3"], ["--max-new-tokens", "5"], ["--top-k", "3"]]
    for place in range(4):
        parts = [["generate"], *options[:place], ["a"], *options[place:]]
        assert main([each for part in parts for each in part]) == 0
    assert len(set(capfd.readouterr().out.splitlines())) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "p.txt has no prompts"), (b"\n \n", "p.txt has no prompts"), (b"a\n\nb\xff\n", "p.txt, line 3: this is not valid text"),
        ("a".encode("utf-16"), "p.txt, line 1: this is not valid text: use UTF-8"),
    ],
)  # fmt: skip
def test_bad_text_files(fake: FakeModel, refused: Callable[..., str], data: bytes, message: str) -> None:
    """A file without prompts, or with a line that is no text, is refused; the line is named."""
    Path("p.txt").write_bytes(data)
    assert message in refused()
    assert fake.loaded == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "no JSON"), ('"a"', '{"prompt": "..."}'), ("[]", '{"prompt": "..."}'), ("{}", '{"prompt": "..."}'),
        ('{"prompt": 1}', '{"prompt": "..."}'), ('{"prompt": " "}', "not empty"), ("[" * 9999, "no JSON"),
        ('{"prompt": "a", "x": NaN}', "no JSON"), ('{"prompt": "a", "x": 1e999}', "no JSON"),
        ('{"prompt": "\\ud800"}', "half a character"), ('{"prompt": "a", "seed": 1, "error": 2}', "error is what the output"),
    ],
)  # fmt: skip
def test_bad_json_files(fake: FakeModel, refused: Callable[..., str], line: str, message: str) -> None:
    """A line that is no object with a prompt, or says what the output says itself, is refused by its number."""
    Path("p.jsonl").write_text('{"prompt": "a"}\n\n' + line)
    error = refused("--prompts", "p.jsonl")
    assert "p.jsonl, line 3: " in error
    assert message in error
    assert fake.loaded == 0


def test_prompts_that_cannot_be_used(fake: FakeModel, refused: Callable[..., str]) -> None:
    """A prompt that is too long is named by its line in the file, before anything is evaluated."""
    Path("p.txt").write_text("a\n\n" + "b" * 20 + "\n")
    assert "p.txt, line 3: the prompt alone has 20 tokens" in refused("--max-length", "20", "--n", "3")
    fake.context_size = 15
    assert "p.txt, line 3: the prompt has 20 tokens and the model's context holds 15" in refused("--n", "3")
    assert fake.asked == []


@pytest.mark.usefixtures("fake")
def test_a_strategy_that_cannot_be_made(refused: Callable[..., str]) -> None:
    """What is wrong with the strategies themselves is said once, and no row is written."""
    write_prompts("a", "b")
    assert "slops" in refused("--strategy", "antislop:slops=5")


# -- rows that fail -------------------------------------------------------------------------

FAILS = """
from backtrack_sampler import BaseStrategy

class Fails(BaseStrategy):
    def on_next_token(self, tokens, probs):
        if tokens[-1] == 4:
            raise ValueError("a\\nsnowman")
"""


@pytest.mark.usefixtures("fake")
def test_rows_that_fail(run: Callable[..., Done]) -> None:
    """A row that fails says why, and what it had written; the others go on, and the exit code is 1."""
    write_prompts("a")
    Path("fails.py").write_text(FAILS)
    options = ["--strategy", "./fails.py", "--n", "12", "--seed", "1"]
    code, err, _ = run(*options)
    failed = {row["index"]: row for row in read() if "error" in row}
    assert 0 < len(failed) < 12
    assert (code, err) == (
        1,
        f'12 rows written to out.jsonl\nbacktrack-sampler: {len(failed)} rows failed: see "error" in out.jsonl\n',
    )
    for row in failed.values():
        assert row["error"] == "Fails.on_next_token raised ValueError: a snowman (fails.py, line 7)"
        assert len(row["text"]) == row["tokens"]
    assert any(row["text"] for row in failed.values())
    assert run("--n", "12", "--seed", "1", "--out", "plain.jsonl").code == 0
    plain = texts("plain.jsonl")
    for index, text in texts().items():
        assert text == plain[index].split("☃")[0]
        assert (index in failed) == ("☃" in plain[index])


def test_failed_rows(fake: FakeModel, run: Callable[..., Done]) -> None:
    """The next run keeps them, says so, and does not succeed; without their lines it tries them again."""
    fake.context_size = 6
    write_prompts("a", "bbb")
    options = ["--seed", "2", "--max-new-tokens", "50", "--n", "4", "--on-context-full", "raise"]
    assert run(*options).code == 1
    failed = [row for row in read() if "error" in row]
    assert 1 < len(failed) < 8
    assert all(
        row["finish_reason"] == "context" and "the context of 6 tokens is full" in row["error"] for row in failed
    )
    assert all(len(row["prompt"] + row["text"]) in (6, 7) for row in failed)
    before = Path("out.jsonl").read_bytes()
    code, err, _ = run(*options)
    assert code == 1
    told = f"({len(failed)} of them failed: --retry-failed tries them again)"
    assert err == f"all 8 rows are in out.jsonl already {told}: nothing is left to do\n"
    assert Path("out.jsonl").read_bytes() == before
    Path("out.jsonl").write_bytes(b"".join(line for line in before.splitlines(True) if b'"error"' not in line))
    fake.context_size = 100
    assert run(*options).code == 0
    assert sorted(texts()) == list(range(8))


@pytest.mark.usefixtures("fake")
def test_seed_of_minus_one(run: Callable[..., Done]) -> None:
    """It is none: every row has a random one."""
    write_prompts("a", "b")
    assert run("--seed", "-1", "--n", "4").code == 0
    rows = read()
    assert len({row["seed"] for row in rows}) == 8
    assert min(row["seed"] for row in rows) > 8
    assert lines()[0]["settings"]["seed"] is None


@pytest.mark.usefixtures("fake")
def test_files_from_before_a_setting_was_there(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """A file that does not say what can be chosen since then has the default, and goes on with nothing else."""
    write_prompts("a", "b")
    assert run("--seed", "1").code == 0
    top, *rows = lines()
    for name in ("max_retries", "max_discarded", "on_context_full"):
        del top["settings"][name]
    Path("out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [top, *rows]))
    assert "max_retries was 100 and is 7 now" in refused("--seed", "1", "--max-retries", "7")
    assert "max_discarded was null and is 9 now" in refused("--seed", "1", "--max-discarded", "9")
    assert 'on_context_full was "stop" and' in refused("--seed", "1", "--on-context-full", "raise")
    write_prompts("a", "b", "c")
    assert run("--seed", "1").code == 0
    assert len(read()) == 3


@pytest.mark.parametrize("edited", ["slops.txt", "mine.py"])
def test_files_behind_a_strategy(
    edited: str, fake: FakeModel, refused: Callable[..., str], run: Callable[..., Done]
) -> None:
    """A list of phrases or a strategy that was edited since is another setting."""
    Path("slops.txt").write_text("a\n")
    Path("mine.py").write_text(FAILS.replace("== 4", "== 99"))
    write_prompts("b")
    options = ["--strategy", "antislop:slops=@slops.txt", "--strategy", "mine.py:Fails"]
    assert run(*options).code == 0
    settings = lines()[0]["settings"]
    assert [list(each.get("sha256", ())) for each in settings["strategies"]] == [["slops.txt"], ["mine.py"]]
    write_prompts("b", "c")
    with Path(edited).open("a") as file:
        file.write("\n\n")
    assert (
        f"out.jsonl, line 1: {edited} was edited since: go on with what it was, give another --out, or --acc"
        in refused(*options)
    )


@pytest.mark.usefixtures("fake")
def test_rows_that_end_where_nothing_is_left(run: Callable[..., Done]) -> None:
    """They are no failures, and nothing to be silent about."""
    write_prompts("a", "b")
    Path("never.py").write_text(
        "from backtrack_sampler import BaseStrategy\n\n\n"
        "class Never(BaseStrategy):\n    def backtrack(self, tokens):\n        return 1\n"
    )
    code, err, _ = run("--strategy", "never.py")
    reasons = [row["finish_reason"] for row in read()]
    assert (code, reasons) == (0, ["exhausted"] * 2)
    assert err.splitlines()[-1] == (
        "backtrack-sampler: 2 rows ended where nothing was left to draw: see --on-exhausted"
    )


def test_rows_that_end_where_the_context_is_full(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Nor are these."""
    fake.context_size = 6
    write_prompts("a", "b")
    code, err, _ = run("--max-new-tokens", "50", "--seed", "4")
    assert code == 0
    full = sum(row["finish_reason"] == "context" and "error" not in row for row in read())
    assert full
    counted = "1 row" if full == 1 else f"{full} rows"
    assert (
        err.splitlines()[-1] == f"backtrack-sampler: {counted} ended where the model's context was full: see --context"
    )


def test_an_engine_that_fails(fake: FakeModel, run: Callable[..., Done]) -> None:
    """Where the engine itself fails, one line says so; rows that are over stay, and the same command goes on."""
    Path("p.txt").write_text("a\n" * 30)
    calls = iter(range(1000))

    def fail() -> None:
        if next(calls) == 60:
            raise RuntimeError("out of\nmemory")

    fake.before_answer = fail
    code, err, _ = run("--seed", "1", "--max-batch", "3")
    count = len(read())
    assert 0 < count < 30
    assert code == 2
    assert err == (
        f"backtrack-sampler: the batch ended on an error (RuntimeError: out of memory), with {count} rows in out.jsonl: "
        "the same command goes on, perhaps with a smaller --max-batch\n"
    )
    assert run("--seed", "1", "--max-batch", "2").code == 0
    assert run("--seed", "1", "--out", "whole.jsonl").code == 0
    assert texts() == texts("whole.jsonl")


def test_warnings_are_one_line(fake: FakeModel, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning, such as that a model cannot be batched, looks like all else that the command says."""
    made = fake._new_batch

    def new_batch() -> Any:
        warnings.warn("this model cannot be\nbatched", stacklevel=2)
        return made()

    monkeypatch.setattr(fake, "_new_batch", new_batch)
    write_prompts("a")
    assert run().err == "backtrack-sampler: this model cannot be batched\n1 row written to out.jsonl\n"


# -- going on -------------------------------------------------------------------------------


@pytest.fixture
def finished(fake: FakeModel, run: Callable[..., Done]) -> bytes:
    """The output for four prompts and seed 1, done in a single run."""
    write_prompts("a", "b", "☃", "c")
    assert run("--seed", "1").code == 0
    fake.loaded = 0
    return Path("out.jsonl").read_bytes()


def test_going_on_after_any_byte(fake: FakeModel, run: Callable[..., Done], finished: bytes) -> None:
    """Wherever the file was cut off, complete rows are kept to the byte, and what is missing comes as it would have."""
    whole = texts()
    for length in {
        *range(0, len(finished), 23),
        *(i + d for i, c in enumerate(finished) if c == 10 for d in (-1, 0, 1)),
    }:
        Path("out.jsonl").write_bytes(finished[:length])
        rows = count_rows(finished[: length + 1])  # the end of a line may be missing
        fake.loaded = 0
        code, err, _ = run("--seed", "1")
        assert code == 0, err
        assert texts() == whole
        assert Path("out.jsonl").read_bytes().startswith(finished[: length + 1].rpartition(b"\n")[0])
        assert len(lines()) == 5
        first = err.splitlines()[0]
        if rows == 4:
            assert (fake.loaded, first) == (0, "all 4 rows are in out.jsonl already: nothing is left to do")
        else:
            already = f"{rows} row{'s' * (rows != 1)} in out.jsonl already, {4 - rows} to go"
            written = f"{4 - rows} row{'s' * (rows != 3)} written to out.jsonl"
            assert err.splitlines() == ([already, written] if rows else [written])


@pytest.mark.parametrize("changed", [["--max-batch", "1"], ["--stats"], ["--device", "cpu"]])
def test_what_may_change(fake: FakeModel, run: Callable[..., Done], finished: bytes, changed: list[str]) -> None:
    """What has no part in the texts may be another when going on."""
    whole = texts()
    Path("out.jsonl").write_bytes(finished[: len(finished) // 2])
    assert run("--seed", "1", *changed).code == 0
    assert (texts(), fake.loaded) == (whole, 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--seed", "2"], "seed was 1 and is 2 now"),
        (["--seed", "1", "--temperature", "0.5"], "temperature was 1.0 and is 0.5 now"),
        (["--seed", "1", "--n", "2"], "n was 1 and is 2 now"),
        (["--seed", "1", "--stop", "☃", "--chat"], 'chat was false and is true now, stop was [] and is ["☃"] now'),
        (["--seed", "1", "--model", "m.gguf"], 'model was "SmolLM2-135M-Instruct.Q4_1.gguf" and is "m.gguf" now'),
        (["--seed", "1", "--engine", "transformers"], 'engine was null and is "transformers" now'),
        (["--seed", "1", "--strategy", "antislop"], 'strategies was [] and is [{"strategy": "antislop"}] now'),
    ],
)
def test_changed_settings(
    fake: FakeModel, refused: Callable[..., str], finished: bytes, changed: list[str], message: str
) -> None:
    """With other settings than those in the file nothing is written: the error says what differs, old and new."""
    Path("out.jsonl").write_bytes(finished[:-9])
    others = (
        "or give another --out" if "n was" in message else "give another --out, or --accept-changes for the rows to"
    )
    assert f"out.jsonl, line 1: {message}: go on with what it was, {others}" in refused(*changed)
    assert fake.loaded == 0


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ("a\nb\n☃x\nc\n", 'and p.txt, line 3: prompt was "☃" and is "☃x" now'),
        ("\nb\na\n☃\nc\n", 'and p.txt, line 2: prompt was "a" and is "b" now'),
        ("a\nb\n☃\n", "this is of prompt number 4, and there are only 3 now"),
    ],
)
def test_changed_prompts(
    fake: FakeModel, refused: Callable[..., str], finished: bytes, prompts: str, message: str
) -> None:
    """With other prompts than those in the file nothing is written: the error says which."""
    top, *rows = finished.splitlines(True)
    Path("out.jsonl").write_bytes(b"".join([top, *sorted(rows)]))
    Path("p.txt").write_text(prompts, encoding="utf-8")
    error = refused("--seed", "1")
    assert re.match(r"backtrack-sampler: out\.jsonl, line \d", error)
    assert message in error
    assert fake.loaded == 0


@pytest.mark.usefixtures("fake")
def test_changed_json_prompts(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """What else a prompt's line says must be the same too, in any order."""
    Path("p.jsonl").write_text('{"prompt": "a", "id": 1, "x": null}')
    assert run("--prompts", "p.jsonl").code == 0
    Path("p.jsonl").write_text('{"x": null, "id": 1, "prompt": "a"}')
    assert run("--prompts", "p.jsonl").code == 0
    Path("p.jsonl").write_text('{"prompt": "a", "id": 2, "x": null}')
    assert "line 2 and p.jsonl, line 1: id was 1 and is 2 now" in refused("--prompts", "p.jsonl")


@pytest.mark.usefixtures("finished")
def test_more_prompts(run: Callable[..., Done]) -> None:
    """Prompts may be added at the end: only they are written."""
    before = Path("out.jsonl").read_bytes()
    with Path("p.txt").open("a", encoding="utf-8") as file:
        file.write("bb\ncc\n")
    assert run("--seed", "1").err == "4 rows in out.jsonl already, 2 to go\n2 rows written to out.jsonl\n"
    assert Path("out.jsonl").read_bytes().startswith(before)
    assert {row["index"]: row["seed"] for row in read()} == {i: 1 + i for i in range(6)}


FOREIGN = {
    "another file": b"first\nsecond\n",
    "unfinished": b"some notes",
    "blank": b"\n",
    "other JSON": b'{"index": 0}\n',
    "no object": b"[]\n",
    "no text": b"\xff\xfe\n",
    "deep": b"[" * 9999 + b"\n",
    "prompts": b'{"prompt": "a"}',
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_something_else(
    fake: FakeModel, refused: Callable[..., str], finished: bytes, foreign: bytes
) -> None:
    """A line that is no row of this command is named, wherever it stands, and the file stays as it is."""
    for count in (0, 1, 3, 5):
        Path("out.jsonl").write_bytes(b"".join(finished.splitlines(True)[:count]) + foreign)
        assert f"out.jsonl, line {count + 1}: this is no row that this command has written" in refused("--seed", "1")
    assert fake.loaded == 0


@pytest.mark.parametrize(
    ("name", "value"), [("index", -1), ("index", True), ("index", "0"), ("text", None), ("settings", []), ("seed", 0.5)]
)
def test_a_row_that_was_changed(refused: Callable[..., str], finished: bytes, name: str, value: Any) -> None:
    """A row whose fields are not what they should be is none."""
    rows = lines()
    rows[2][name] = value
    Path("out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "out.jsonl, line 3: this is no row" in refused("--seed", "1")


def test_a_row_that_is_there_twice(refused: Callable[..., str], finished: bytes) -> None:
    """A row that is there twice is an error: which of the two is meant, nobody knows."""
    top, first, second, *_ = finished.splitlines(True)
    Path("out.jsonl").write_bytes(top + first + second + first)
    index = json.loads(first)["index"]
    assert f"out.jsonl, line 4: row {index} is there twice" in refused("--seed", "1")


# -- a real process -------------------------------------------------------------------------

SLOW = """
import os, sys, time, warnings
from pathlib import Path
from backtrack_sampler.cli import arguments, main
from backtrack_sampler.testing import FakeProvider

class Slow(FakeProvider):
    def answer(self, sequence):
        time.sleep(0.0005)
        # A file that is left to be closed by its finaliser would swallow a Ctrl-C that comes just then.
        while "NEVER_ENDS" in os.environ and Path("out.jsonl").read_bytes().count(b'{"index"') >= 50:
            time.sleep(0.01)
        return super().answer(sequence)

    def _new_batch(self):
        warnings.warn("this model is slow", stacklevel=2)
        return super()._new_batch()

arguments.load_provider = lambda *_, **__: Slow()
sys.exit(main.main(["generate", "--prompts", "p.txt", "--out", "out.jsonl", "--n", "3", *sys.argv[1:]]))
"""
MANY = ["--seed", "7", "--max-new-tokens", "30", "--max-batch", "5"]


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command with a slow model, for 60 rows; it waits before the last ones while NEVER_ENDS is set."""
    monkeypatch.chdir(tmp_path)
    Path("p.txt").write_text("".join(f"{a}{b}\n" for a in "abc." for b in "abc. "))
    Path("slow.py").write_text(SLOW)
    return [sys.executable, "slow.py", *MANY]


def start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A test run in the background ignores Ctrl-C, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def wait_for_rows(process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 60
    while not Path("out.jsonl").exists() or count_rows(Path("out.jsonl").read_bytes()) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=60)
    assert out == ""
    return Done(process.returncode, err.replace("backtrack-sampler: this model is slow\n", ""))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_again_and_again(slow: list[str], number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it ends, the same command goes on: in the end each row is there once, as in a run that nothing ended."""
    monkeypatch.setenv("NEVER_ENDS", "1")
    for count in (1, 20, 40):
        process = start(slow)
        wait_for_rows(process, count)
        process.send_signal(number)
        done = ended(process)
        rows = count_rows(Path("out.jsonl").read_bytes())
        assert count <= rows < 60
        if number == signal.SIGINT:
            assert done.code == 130
            assert done.err.splitlines()[-1] == (
                f"{rows} row{'s' * (rows != 1)} in out.jsonl, {60 - rows} to go: the same command goes on"
            )
            assert len(done.err.splitlines()) == 1 + (count > 1)
    monkeypatch.delenv("NEVER_ENDS")
    assert ended(start(slow)) == (
        0,
        f"{rows} rows in out.jsonl already, {60 - rows} to go\n{60 - rows} rows written to out.jsonl\n",
        "",
    )
    resumed = texts()
    Path("out.jsonl").unlink()
    assert ended(start(slow)) == (0, "60 rows written to out.jsonl\n", "")
    assert texts() == resumed


def test_two_at_once(slow: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run on the same output ends at once, with a line; the first is not disturbed."""
    monkeypatch.setenv("NEVER_ENDS", "1")
    first = start(slow)
    wait_for_rows(first, 50)
    code, err, _ = ended(start(slow))
    assert code == 2
    assert err == "backtrack-sampler: another run is writing to out.jsonl: wait for its end, or give another --out\n"
    assert first.poll() is None
    before = texts()
    first.kill()
    ended(first)
    monkeypatch.delenv("NEVER_ENDS")
    assert ended(start(slow)).code == 0
    assert texts().items() >= before.items()


def test_a_disk_that_fills_up(slow: list[str]) -> None:
    """Where a row cannot be written, one line says why; the rows before it stay, and the same command goes on."""
    process = subprocess.run(
        slow, capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )  # fmt: skip
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1] == "backtrack-sampler: cannot write out.jsonl: File too large"
    assert Path("out.jsonl").stat().st_size == 5000
    assert ended(start(slow)).code == 0
    assert sorted(texts()) == list(range(60))


def test_a_bar_in_a_terminal(slow: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal a bar shows how far it is, warnings stand above it, and Ctrl-C leaves a line below it."""
    options: Any = {"encoding": "utf-8", "timeout": 60, "dimensions": (24, 100)}
    monkeypatch.setenv("NEVER_ENDS", "1")
    child = pexpect.spawn(slow[0], slow[1:], **options)
    child.expect(r"\r\s+\rbacktrack-sampler: this model is slow\r\n")
    child.expect(r" [1-9]\d?/60 \[[^\r]* tokens/s, \d+ rollbacks\]")
    said = r"/60 \[[^\n]*\n\r(\d+) rows in out.jsonl, (\d+) to go: the same command goes on\r\n"
    child.sendintr()
    child.expect(said)
    rows, missing = map(int, child.match.groups())
    child.expect(pexpect.EOF)
    child.wait()
    assert (child.exitstatus, len(texts()), rows + missing) == (130, rows, 60)
    monkeypatch.delenv("NEVER_ENDS")
    child = pexpect.spawn(slow[0], slow[1:], **options)
    child.expect_exact(f"{rows} rows in out.jsonl already, {60 - rows} to go\r\n")
    child.expect(rf"\d%\|[^\r]* {rows}/60 \[")  # it begins where the run was
    child.expect(rf"100%\|.* 60/60 \[.* tokens/s, \d+ rollbacks\]\s*\n{60 - rows} rows written to out.jsonl\r\n")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0


# -- the embedded model -----------------------------------------------------------------------


@pytest.mark.slow
def test_the_embedded_model(tmp_path: Path) -> None:
    """End to end: interrupted in a terminal, finished in a pipe, with what generate writes for a single prompt."""
    (tmp_path / "p.txt").write_text("Once upon a time\nRain is\nThe last train\nNobody knew\nDear diary,\nWe\n")
    out = tmp_path / "out.jsonl"
    sampling = ["--max-new-tokens", "40", "--strategy", "antislop:slops=the|and"]
    arguments = [
        "generate",
        "--prompts",
        str(tmp_path / "p.txt"),
        "--out",
        str(out),
        "--max-batch",
        "2",
        "--seed",
        "1",
        *sampling,
    ]
    with Program(*arguments, columns=200) as program:
        program.until(lambda: out.exists() and count_rows(out.read_bytes()) > 0, quiet=False)
        program.interrupt()
        assert program.wait() == 130
        assert "the same command goes on" in program.screen.text
        assert "Traceback" not in program.raw
    command = [sys.executable, "-m", "backtrack_sampler"]
    environment = {**os.environ, **FAIR}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=300, check=True, env=environment
    )
    assert re.fullmatch(r"\d rows? in \S+ already, \d to go\n\d rows? written to \S+\n", done.stderr)
    rows = sorted(read(out), key=lambda row: row["index"])
    assert [row["index"] for row in rows] == list(range(6))
    assert sum(row["rollbacks"] for row in rows) > 0
    single = subprocess.run(
        [*command, "generate", rows[4]["prompt"], "--seed", "5", *sampling],
        capture_output=True, text=True, timeout=300, check=True, env=environment,
    )  # fmt: skip
    assert single.stdout == rows[4]["text"] + "\n"
