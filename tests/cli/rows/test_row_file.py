"""The file of rows: its settings, files of earlier versions, rows that are tried again, and every way to break off."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batches import Done, FakeModel, Row, count_rows, lines, read, texts, write_json, write_prompts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backtrack_sampler import BacktrackSampler, InputError
from backtrack_sampler.cli.main import main
from backtrack_sampler.cli.rows import Job, Model, read_prompts, read_rows, row_file, write_rows

FAILS = """
from backtrack_sampler import BaseStrategy

class Fails(BaseStrategy):
    def on_next_token(self, tokens, probs):
        if tokens[-1] == 4:
            raise ValueError("a snowman")
"""
MENDED = FAILS.replace("== 4", "== 99")

# Written by the version that had the settings in each row, for the prompts a and b.
EARLIER = """{"index": 1, "prompt": "b", "sample": 0, "seed": 2, "text": ".", "tokens": 2, "discarded": 0, "rollbacks": 0, "finish_reason": "end", "settings": {"model": "SmolLM2-135M-Instruct.Q4_1.gguf", "engine": null, "chat": false, "system": null, "strategies": [{"strategy": "antislop:slops=b|c"}], "n": 1, "max_new_tokens": 12, "max_length": null, "temperature": 1.0, "top_k": 50, "top_p": null, "min_p": null, "stop": ["☃☃"], "max_retries": 100, "max_discarded": null, "on_exhausted": "stop", "on_context_full": "stop", "seed": 1}}
{"index": 0, "prompt": "a", "sample": 0, "seed": 1, "text": ".☃ ...aa", "tokens": 9, "discarded": 2, "rollbacks": 2, "finish_reason": "end", "settings": {"model": "SmolLM2-135M-Instruct.Q4_1.gguf", "engine": null, "chat": false, "system": null, "strategies": [{"strategy": "antislop:slops=b|c"}], "n": 1, "max_new_tokens": 12, "max_length": null, "temperature": 1.0, "top_k": 50, "top_p": null, "min_p": null, "stop": ["☃☃"], "max_retries": 100, "max_discarded": null, "on_exhausted": "stop", "on_context_full": "stop", "seed": 1}}
"""
EARLIER_OPTIONS = ["--seed", "1", "--stop", "☃☃", "--strategy", "antislop:slops=b|c"]


# -- files of earlier versions --------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_file_of_an_earlier_version(cut: int, fake: FakeModel, run: Callable[..., Done]) -> None:
    """It is gone on with: its rows stay as they are, and a line with the settings stands before the new ones."""
    write_prompts("a", "b", "c")
    data = EARLIER.encode()
    Path("out.jsonl").write_bytes(data[: len(data) - cut])
    code, err, _ = run(*EARLIER_OPTIONS)
    there = 1 if cut > 1 else 2
    assert (code, err.splitlines()[0].partition(" already")[0]) == (0, f"{there} row{'s' * (there > 1)} in out.jsonl")
    old, new = Path("out.jsonl").read_bytes().splitlines(True)[:there], lines()[there:]
    assert b"".join(old) == b"".join(data.splitlines(True)[:there])
    assert list(new[0]) == ["settings", "version"]
    assert not any("settings" in row for row in new[1:])
    assert run(*EARLIER_OPTIONS, "--out", "whole.jsonl").code == 0
    assert texts() == texts("whole.jsonl")
    assert run(*EARLIER_OPTIONS).err == "all 3 rows are in out.jsonl already: nothing is left to do\n"
    assert fake.loaded == 2


@pytest.mark.usefixtures("fake")
def test_an_earlier_file_of_another_job(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """What differs is told, and can be accepted."""
    write_prompts("a", "b", "c")
    Path("out.jsonl").write_text(EARLIER, encoding="utf-8")
    options = ["--seed", "1", "--stop", "☃☃", "--strategy", "antislop:slops=b"]
    options[-1] = 'antislop:slops=["b"]'
    assert "out.jsonl, line 1: strategies was [{" in refused(*options)
    assert run(*options, "--accept-changes").code == 0
    assert [line.get("accepted") for line in lines()] == [None, None, ["strategies"], None]
    assert run(*options).code == 0
    assert "out.jsonl, line 3: strategies was" in refused(*EARLIER_OPTIONS)


@pytest.mark.usefixtures("fake")
def test_options_in_lines_had_no_effect_then(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """Rows that only repeated what would now be an option were written with something else."""
    write_json({"prompt": "a", "temperature": 0.5}, {"prompt": "b"}, {"prompt": "c"})
    Path("out.jsonl").write_text(EARLIER.replace('"a", ', '"a", "temperature": 0.5, '), encoding="utf-8")
    options = ["--prompts", "p.jsonl", *EARLIER_OPTIONS]
    assert "out.jsonl, line 2: temperature in a prompt's line had no effect then, and has one now: " in refused(
        *options
    )
    assert run(*options, "--accept-changes").code == 0
    assert run(*options).err.startswith("all 3 rows")


# -- the line at the top --------------------------------------------------------------------


@pytest.fixture
def finished(fake: FakeModel, run: Callable[..., Done]) -> bytes:
    """The output for four prompts and seed 1."""
    write_prompts("a", "b", "☃", "c")
    assert run("--seed", "1").code == 0
    fake.loaded = 0
    return Path("out.jsonl").read_bytes()


@pytest.mark.parametrize("length", ["none", "torn", "whole", "with its end"])
def test_a_file_with_nothing_but_its_top(length: str, run: Callable[..., Done], finished: bytes) -> None:
    """However little of it is there, the run begins, and the settings stand there once."""
    whole = texts()
    top = finished.splitlines(True)[0]
    Path("out.jsonl").write_bytes(top[: {"none": 0, "torn": 25, "whole": -1, "with its end": None}[length]])
    assert run("--seed", "1").err == "4 rows written to out.jsonl\n"
    assert (texts(), len(lines())) == (whole, 5)
    assert Path("out.jsonl").read_bytes().startswith(top)


def test_the_top_of_another_job(fake: FakeModel, refused: Callable[..., str], finished: bytes) -> None:
    """Also where it has no rows yet, nothing is written under other settings."""
    Path("out.jsonl").write_bytes(finished.splitlines(True)[0])
    error = refused("--seed", "2")
    assert (
        "out.jsonl, line 1: seed was 1 and is 2 now: go on with what it was, give another --out, or --accept" in error
    )
    assert fake.loaded == 0


def test_rows_without_a_top(refused: Callable[..., str], finished: bytes) -> None:
    """As --out - has written them: with which settings, nothing says."""
    Path("out.jsonl").write_bytes(b"".join(finished.splitlines(True)[1:]))
    assert "out.jsonl, line 1: no line above says with which settings this row was written" in refused("--seed", "1")


@pytest.mark.usefixtures("fake")
def test_the_seeds_of_rows_are_those_of_their_lines(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """A seed that a line has now, or no longer, is a change of that line."""
    write_json({"prompt": "a", "seed": 5}, {"prompt": "b"})
    options = ["--prompts", "p.jsonl", "--n", "2", "--seed", "1"]
    assert run(*options).code == 0
    whole = Path("out.jsonl").read_bytes()
    for prompts, says in (
        (({"prompt": "a", "seed": 6}, {"prompt": "b"}), r"p.jsonl, line 1: seed was [56] and is [67] now: go on with"),
        (({"prompt": "a"}, {"prompt": "b"}), r"p.jsonl, line 1: seed was [56] and is [12] now"),
        (({"prompt": "a", "seed": 5}, {"prompt": "b", "seed": 9}), r"line 2: seed was [34] and is (9|10) now"),
    ):
        write_json(*prompts)
        with pytest.raises(AssertionError, match=says):
            raise AssertionError(refused(*options, "--accept-changes"))
    assert Path("out.jsonl").read_bytes() == whole


# -- changes that are accepted --------------------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_accepted_changes(run: Callable[..., Done], refused: Callable[..., str]) -> None:
    """A strategy that was mended: the rows from there on are written with it, and the file says so, once."""
    write_prompts("a", "b")
    Path("mine.py").write_text(FAILS)
    options = ["--strategy", "mine.py", "--seed", "1", "--n", "3"]
    assert run(*options).code == 1
    before = Path("out.jsonl").read_bytes()
    Path("mine.py").write_text(MENDED)
    write_prompts("a", "b", "c")
    message = "mine.py was edited since: go on with what it was, give another --out, or --accept-changes for the rows"
    assert f"out.jsonl, line 1: {message}" in refused(*options)
    code, err, _ = run(*options, "--accept-changes")
    assert code == 1  # there are rows that have failed
    assert err.splitlines()[1:] == [
        "accepted for the rows to come, which out.jsonl notes: mine.py was edited since",
        "3 rows written to out.jsonl",
    ]
    assert Path("out.jsonl").read_bytes().startswith(before)
    top, note = (line for line in lines() if "settings" in line)
    assert note["accepted"] == ["strategies"]
    assert note["settings"] != top["settings"]
    assert lines()[7] == note
    for more in ([], ["--accept-changes"]):  # what was accepted is what it is now
        assert run(*options, *more).err.startswith("all 9 rows are in out.jsonl already (")
    Path("mine.py").write_text(FAILS)
    write_prompts("a", "b", "c", "a")
    assert "out.jsonl, line 8: mine.py was edited since" in refused(*options)


@pytest.mark.usefixtures("fake")
def test_what_is_never_accepted(run: Callable[..., Done], refused: Callable[..., str], finished: bytes) -> None:
    """Other prompts, and another --n, by which rows are known."""
    error = refused("--seed", "1", "--n", "2", "--accept-changes")
    assert "line 1: n was 1 and is 2 now: go on with what it was, or give another --out" in error
    write_prompts("b", "b", "☃", "c", "a")
    assert 'prompt was "a" and is "b" now' in refused("--seed", "2", "--accept-changes")


def test_no_change_to_accept(run: Callable[..., Done], finished: bytes) -> None:
    """Where nothing differs, nothing is noted; and nothing where there are no rows to come."""
    Path("out.jsonl").write_bytes(finished[: finished.rindex(b"\n", 0, -1) + 1])
    assert run("--seed", "1", "--accept-changes").code == 0
    assert len(lines()) == 5
    assert run("--seed", "2", "--accept-changes").err.startswith("all 4 rows")
    assert len(lines()) == 5


@pytest.mark.usefixtures("finished")
def test_commands_that_have_no_such_options(fake: FakeModel, capfd: pytest.CaptureFixture[str]) -> None:
    """What is said to whoever uses a job elsewhere names no option of generate."""
    prompts = read_prompts("p.txt")
    job = Job(prompts, Path("out.jsonl"), n=1, seed=2, max_batch=3, sampling={"max_new_tokens": 3}, about={})
    with pytest.raises(InputError) as caught:
        write_rows(job, lambda: pytest.fail("nothing is to be loaded"), lambda stats: None)
    assert str(caught.value).endswith("go on with what it was, or give another --out")
    job.out = Path("new.jsonl")
    fake.context_size = 1
    sampler = BacktrackSampler(fake)
    with pytest.raises(InputError, match="4 of 4 prompts cannot be used"):
        write_rows(job, lambda: Model(sampler, fake.encode, list), lambda stats: None)
    fake.context_size = 2
    job.sampling = {"max_new_tokens": 3, "on_context_full": "raise"}
    assert write_rows(job, lambda: Model(sampler, fake.encode, list), lambda stats: None) == 1
    assert write_rows(job, lambda: Model(sampler, fake.encode, list), lambda stats: None) == 1
    assert "failed: remove their lines to try again)" in capfd.readouterr().err


# -- rows that are tried again --------------------------------------------------------------


@pytest.fixture
def failed(fake: FakeModel, run: Callable[..., Done]) -> list[str]:
    """Twelve rows, some of which have failed; the options that go on with them."""
    write_prompts("a", "b")
    Path("mine.py").write_text(FAILS)
    options = ["--strategy", "mine.py", "--seed", "1", "--n", "6"]
    assert run(*options).code == 1
    Path("mine.py").write_text(MENDED)
    options.append("--accept-changes")
    assert run(*options, "--out", "whole.jsonl").code == 0
    return options


def with_error(file: str = "out.jsonl") -> set[int]:
    return {row["index"] for row in read(file) if "error" in row}


def test_failed_rows_are_tried_again(fake: FakeModel, run: Callable[..., Done], failed: list[str]) -> None:
    """--retry-failed writes them anew in the place of what was there; the others stay."""
    before = {row["index"]: row for row in read()}
    bad = with_error()
    assert 1 < len(bad) < 12
    Path("out.jsonl").chmod(0o600)
    code, err, _ = run(*failed, "--retry-failed")
    assert code == 0
    assert err.splitlines()[0] == (
        f"{12 - len(bad)} rows in out.jsonl already, {len(bad)} to go ({len(bad)} of them failed before)"
    )
    assert stat.S_IMODE(Path("out.jsonl").stat().st_mode) == 0o600
    assert texts() == texts("whole.jsonl")
    assert all(before[row["index"]] == row for row in read() if row["index"] not in bad)
    assert [row["index"] for row in read_rows(Path("out.jsonl"))] == list(range(12))
    assert sum("settings" in line for line in lines()) == 2
    fake.loaded = 0
    assert run(*failed, "--retry-failed").err.startswith("all 12 rows are in out.jsonl already: ")
    assert fake.loaded == 0


def test_rows_that_fail_again(run: Callable[..., Done], failed: list[str]) -> None:
    """There is still one line for each, and the exit code is 1."""
    bad = with_error()
    Path("mine.py").write_text(FAILS + "\n")
    code, err, _ = run(*failed, "--retry-failed")
    assert (code, err.splitlines()[-1]) == (
        1,
        f'backtrack-sampler: {len(bad)} rows failed: see "error" in out.jsonl',
    )
    assert with_error() == bad
    assert sorted(texts()) == list(range(12))


@pytest.mark.parametrize("again", [[], ["--retry-failed"]])
def test_broken_off_while_trying_again(
    again: list[str], fake: FakeModel, run: Callable[..., Done], failed: list[str]
) -> None:
    """Nothing is lost: a row is there once more after the one that has failed, until the next run tidies up."""
    bad = with_error()
    before = Path("out.jsonl").read_bytes()

    def fail() -> None:
        if count_rows(Path("out.jsonl").read_bytes()) > 12:
            raise RuntimeError("out of memory")

    fake.before_answer = fail
    assert run(*failed, "--retry-failed", "--max-batch", "1").code == 2
    data = Path("out.jsonl").read_bytes()
    assert data.startswith(before)
    assert count_rows(data) == 13
    done = read()[-1]
    assert [row for row in read_rows(Path("out.jsonl")) if row["index"] == done["index"]] == [done]
    fake.before_answer = lambda: None
    assert run(*failed, *again).code == (0 if again else 1)
    assert with_error() == (set() if again else bad - {done["index"]})
    assert sorted(texts()) == list(range(12))


def test_a_file_that_cannot_be_tidied_up(
    run: Callable[..., Done], failed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it stays as it is, and the next run tidies up."""

    def fails(*_: Any) -> None:
        raise InputError("cannot write out.jsonl: no space")

    with monkeypatch.context() as patch:
        patch.setattr(row_file, "write_atomically", fails)
        code, err, _ = run(*failed, "--retry-failed")
    assert code == 0
    assert "cannot write out.jsonl: no space; where a row is there twice, the last one counts" in err
    assert len(read()) > 12
    assert run(*failed).err.startswith("all 12 rows are in out.jsonl already: ")
    assert texts() == texts("whole.jsonl")


def test_a_file_that_was_put_in_the_place_of_another(
    refused: Callable[..., str], finished: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened the file just before another run put a tidy one in its place does not write to what is gone."""
    import fcntl

    def replaced(*_: Any) -> None:
        Path("new.jsonl").write_bytes(finished)
        Path("new.jsonl").replace("out.jsonl")

    monkeypatch.setattr(fcntl, "flock", replaced)
    assert "another run is writing to out.jsonl" in refused("--seed", "1")


@pytest.mark.usefixtures("fake")
def test_an_interrupt_just_after_a_row_was_written(run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted, and what it replaces is gone, although there was no time to note it."""
    write_prompts("a", "b", "c")
    Path("fails.py").write_text(FAILS.replace("== 4", ">= 0"))
    options = ["--strategy", "fails.py", "--max-batch", "1", "--accept-changes", "--retry-failed"]
    assert run(*options).code == 1
    Path("fails.py").write_text(FAILS.replace("== 4", "== 99"))
    add, calls = row_file.RowFile._add, iter(range(9))

    def interrupted(self: row_file.RowFile, data: bytes) -> None:
        add(self, data)
        if b'"index"' in data and next(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(row_file.RowFile, "_add", interrupted)
    code, err, _ = run(*options)
    assert (code, err.splitlines()[-1]) == (130, "2 rows in out.jsonl, 1 to go: the same command goes on")
    assert sorted(texts()) == [0, 1, 2]
    assert with_error() == {2}


# -- broken off anywhere --------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_and_any_way_on(data: st.DataObject, failed: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Cut off at any byte, and gone on with again and again, in the end the rows are those of a single run."""

    def go_on(*more: str) -> int:
        given = ["--prompts", "p.txt", "--out", "cut.jsonl", "--max-new-tokens", "12", *failed, *more]
        code = main(["generate", *given])
        capfd.readouterr()
        return code

    whole = Path("out.jsonl").read_bytes()
    Path("cut.jsonl").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        assert go_on(*(["--retry-failed"] * data.draw(st.booleans()))) in (0, 1)
        found = Path("cut.jsonl").read_bytes()
        Path("cut.jsonl").write_bytes(found[: data.draw(st.integers(0, len(found)))])
    assert go_on("--retry-failed") == 0
    assert texts("cut.jsonl") == texts("whole.jsonl")


SLOW = """
import random, sys, time
from backtrack_sampler.cli import arguments, main
from backtrack_sampler.testing import FakeProvider

class Slow(FakeProvider):
    def answer(self, sequence):
        time.sleep(0.0005)
        return super().answer(sequence)

arguments.load_provider = lambda *_, **__: Slow()
sys.exit(main.main(["generate", "--prompts", "p.txt", "--out", "out.jsonl", "--n", "3", *sys.argv[1:]]))
"""


def test_killed_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed again and again, also while rows are tried again: in the end they are those of a run that nothing ended."""
    monkeypatch.chdir(tmp_path)
    write_prompts(*(f"{a}{b}" for a in "abc." for b in "abc. "))
    Path("slow.py").write_text(SLOW)
    Path("mine.py").write_text(FAILS)
    chance = random.Random(5)
    options = ["--seed", "7", "--max-new-tokens", "30", "--max-batch", "5", "--strategy", "mine.py"]
    command = [sys.executable, "slow.py", *options]
    for attempt in range(9):
        if attempt == 4:
            assert subprocess.run(command, capture_output=True).returncode == 1
            Path("mine.py").write_text(MENDED)
            command += ["--accept-changes", "--retry-failed"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        size = Path("out.jsonl").stat().st_size if Path("out.jsonl").exists() else 0
        size += chance.randrange(3000)
        while process.poll() is None and not (Path("out.jsonl").exists() and Path("out.jsonl").stat().st_size > size):
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.002))
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert b"Traceback" not in said, said
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    resumed = texts()
    os.unlink("out.jsonl")
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert texts() == resumed
    assert len(resumed) == 60


# -- reading them ---------------------------------------------------------------------------


def test_reading_rows(tmp_path: Path, run: Callable[..., Done], finished: bytes) -> None:
    """In order, without the settings; a file that is none is named."""
    rows: list[Row] = read_rows(Path("out.jsonl"))
    assert [row["index"] for row in rows] == [0, 1, 2, 3]
    assert {json.dumps(row) for row in rows} == {json.dumps(row) for row in read()}
    Path("out.jsonl").write_bytes(finished + b"x\n")
    with pytest.raises(InputError, match=r"out.jsonl, line 6: this is no row"):
        read_rows(Path("out.jsonl"))
    with pytest.raises(InputError, match=r"cannot read none.jsonl: No such file"):
        read_rows(Path("none.jsonl"))
