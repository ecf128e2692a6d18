"""Where else rows go: standard output, and a trace for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from batches import Done, FakeModel, read, texts, write_json, write_prompts

from backtrack_sampler import Trace

PIPE = """
import sys
from backtrack_sampler.cli import arguments, main
from backtrack_sampler.testing import FakeProvider
arguments.load_provider = lambda *_, **__: FakeProvider(["a", "b", "c", " ", "☃", ".", ""])
sys.exit(main.main(["generate", "--prompts", "-", "--out", "-", *sys.argv[1:]]))
"""


# -- standard output ------------------------------------------------------------------------


@pytest.mark.usefixtures("fake")
def test_rows_on_stdout(run: Callable[..., Done]) -> None:
    """--out - writes the rows of a file, and nothing else; what there is to say goes to stderr."""
    write_json({"prompt": "a", "id": "\udc80☃"}, {"prompt": "b"}, "{")
    assert run("--prompts", "p.jsonl", "--seed", "1", "--skip-bad").code == 0
    code, err, out = run("--prompts", "p.jsonl", "--seed", "1", "--skip-bad", "--out", "-", "--stats")
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == read()
    assert out.encode() in Path("out.jsonl").read_bytes()
    said = err.splitlines()
    assert said[:2] == ["p.jsonl, line 3: this is no JSON", "1 of 3 prompts left out"]
    assert (said[2].split()[2:4], said[3]) == (["streamed,", "0"], "2 rows written to stdout")


def test_an_engine_that_fails(fake: FakeModel, run: Callable[..., Done]) -> None:
    """The rows before are out; there is nothing that could be gone on with."""
    write_prompts(*"abc☃" * 5)
    calls = iter(range(1000))

    def fail() -> None:
        if next(calls) == 60:
            raise RuntimeError("out of memory")

    fake.before_answer = fail
    code, err, out = run("--out", "-", "--max-batch", "1", "--seed", "7")
    count = len(out.splitlines())
    assert 0 < count < 20
    counted = "1 row" if count == 1 else f"{count} rows"
    assert (code, err) == (
        2,
        f"backtrack-sampler: the batch ended on an error (RuntimeError: out of memory), with {counted} on stdout\n",
    )


def test_in_a_pipe(tmp_path: Path) -> None:
    """Objects in, objects out, also where the terminal's encoding is another; a reader that goes away is no error."""
    (tmp_path / "pipe.py").write_text(PIPE, encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    def piped(after: str) -> subprocess.CompletedProcess[bytes]:
        command = f'"{sys.executable}" pipe.py --seed 3 {after}'
        given = "".join(json.dumps({"prompt": "☃", "id": number}) + "\n" for number in range(50)).encode()
        return subprocess.run(
            command, input=given, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=True
        )

    rows = [json.loads(line) for line in piped("").stdout.decode().splitlines()]
    assert sorted(row["id"] for row in rows) == list(range(50))
    assert {row["prompt"] for row in rows} == {"☃"}
    cut = piped("| head -n 1")
    assert len(cut.stdout.splitlines()) == 1
    assert b"Traceback" not in cut.stderr


def test_a_full_output(tmp_path: Path) -> None:
    """Where it cannot be written, one line says so."""
    (tmp_path / "pipe.py").write_text(PIPE, encoding="utf-8")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "pipe.py"], input=b"a\n", stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, check=False
        )
    assert (done.returncode, done.stderr) == (
        2,
        b"backtrack-sampler: cannot write the output: No space left on device\n",
    )


# -- traces ---------------------------------------------------------------------------------


def test_a_trace_for_each_row(fake: FakeModel, run: Callable[..., Done]) -> None:
    """--trace FOLDER has a page for each row, by its index; other names have {index} where it is to stand."""
    write_prompts("a", "b")
    options = ["--seed", "1", "--n", "3", "--max-batch", "2", "--strategy", "antislop:slops=b|☃"]
    places = ["--trace", "pages", "--trace", "saved/row-{index}.jsonl"]
    assert run(*options, *places).code == 0
    assert {file.name for file in Path("pages").iterdir()} == {f"{index}.html" for index in range(6)}
    for row in read():
        trace = Trace.from_jsonl(f"saved/row-{row['index']}.jsonl")
        assert (trace.text, trace.rollbacks) == (row["text"], row["rollbacks"])
        assert trace.started.options.seed == row["seed"]
    assert sum(row["rollbacks"] for row in read()) > 0
    assert run(*options, "--out", "plain.jsonl").code == 0
    assert texts() == texts("plain.jsonl")


def test_traces_of_what_is_left(fake: FakeModel, run: Callable[..., Done]) -> None:
    """A row that is there already has no new trace; its index is that of the file, whatever else runs."""
    write_prompts("a")
    assert run("--seed", "1").code == 0
    write_prompts("a", "b", "c")
    assert run("--seed", "1", "--trace", "t/{index}.jsonl", "--trace", "t").code == 0
    assert {file.name for file in Path("t").iterdir()} == {"1.jsonl", "2.jsonl", "1.html", "2.html"}
    found = {row["index"]: row["text"] for row in read()}
    assert Trace.from_jsonl("t/2.jsonl").text == found[2]


@pytest.mark.usefixtures("fake")
def test_a_row_that_fails_has_a_trace(run: Callable[..., Done]) -> None:
    """What was drawn until then; one that could not begin has none."""
    write_prompts("a", "b")
    Path("fails.py").write_text(
        "from backtrack_sampler import BaseStrategy\n\n\n"
        "class Fails(BaseStrategy):\n    def on_next_token(self, tokens, probs):\n        1 / (len(tokens) < 3)\n"
    )
    assert run("--strategy", "fails.py", "--trace", "t/{index}.jsonl", "--seed", "4").code == 1
    row = next(row for row in read() if "error" in row)
    trace = Trace.from_jsonl(f"t/{row['index']}.jsonl")
    assert (trace.text, trace.reason, trace.drawn) == (row["text"], "", 3)


def test_a_folder_that_cannot_be_written_to(fake: FakeModel, run: Callable[..., Done]) -> None:
    """It is found before a model is loaded."""
    write_prompts("a")
    Path("file").write_text("")
    code, err, _ = run("--trace", "file")
    assert (code, fake.loaded) == (2, 0)
    assert "backtrack-sampler: cannot make the folder file for traces: File exists" in err
    code, err, _ = run("--trace", "t/{index}.txt")
    assert (code, fake.loaded) == (2, 0)
    assert "let its name end in .html or .jsonl" in err
