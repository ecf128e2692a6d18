"""The command `backtrack-sampler benchmark`: a configuration, a stand-in for the run, and what is said of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batches import Done, FakeModel
from experiments import SMALL, find_task, put_module, write

from backtrack_sampler.benchmark.arms import Arm
from backtrack_sampler.benchmark.config import RECORDS
from backtrack_sampler.benchmark.records import Record
from backtrack_sampler.benchmark.results import Results
from backtrack_sampler.benchmark.rows import Outcome, Row
from backtrack_sampler.cli.main import main


class Runs:
    """In the place of `benchmark.run`; notes what it was called with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.loaded: list[tuple[Any, ...]] = []
        self.before: Callable[[], None] = lambda: None
        self.error = ""
        self.complete = True

    def load(self, model: Any, engine: Any = None, **options: Any) -> FakeModel:
        self.loaded.append((model, engine, options))
        return FakeModel()

    def run(self, experiment: Any, provider: Any, **options: Any) -> Results:
        assert isinstance(provider, FakeModel)
        self.calls.append({"experiment": experiment, **options})
        options["progress"].plan(2)
        options["progress"].working("baseline T=1", "sums", 0, 2)
        write_record(experiment.folder)
        self.before()
        options["progress"].text(2)
        arm = Arm("baseline T=1")
        records = {
            (arm.key, "sums", str(item), 0): Record(
                str(item), arm.key, "sums", str(item), 0, 0, 0, "2", "2", 1.0, 1, 1, 0, 1, -0.5, "end", self.error
            )
            for item in range(2)
        }
        row = Row(arm.name, "control", arm, {"sums": [Outcome("0", "0", 1.0, 1, 1, 0)]})
        return Results({}, [row], records=records, complete=self.complete)


class Table:
    """In the place of the table."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def text(self, columns: int) -> str:
        return f"a table of {[row.name for row in self._rows]}, {columns} wide"


def write_record(folder: Path) -> None:
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    (folder / RECORDS / "1.jsonl").write_text("{}\n")


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Runs]:
    """What is run, in a folder of one's own."""
    runs = Runs()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", runs.load)
    put_module(monkeypatch, "tasks.find", find_task=find_task)
    put_module(monkeypatch, "run", run=runs.run)
    put_module(monkeypatch, "table", Table=Table)
    write(SMALL)
    logger = logging.getLogger("backtrack_sampler")
    level = logger.level
    yield runs
    logger.setLevel(level)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def command(*arguments: str) -> Done:
        code = main(["benchmark", "--config", "e.yaml", *arguments])
        out, err = capfd.readouterr()
        return Done(code, err, out)

    return command


def test_a_run(runs: Runs, command: Callable[..., Done]) -> None:
    """The model is loaded as the file says, the run gets the experiment and the options, the table is printed."""
    write(SMALL + "model_name_or_path: org/name\ndevice: cpu\nmodel_kwargs: {dtype: float32}\n")
    runs.before = lambda: Path("out/report.html").touch() or None
    done = command("--allow-code-execution")
    assert (done.code, done.out) == (0, "a table of ['baseline T=1'], 80 wide\n")
    assert done.err.endswith("report written to out/report.html\n")
    assert "2 of 2 texts (100%)" in done.err
    assert runs.loaded == [("org/name", None, {"device": "cpu", "dtype": "float32"})]
    (call,) = runs.calls
    assert (call["resume"], call["allow_code_execution"]) == (False, True)
    assert call["experiment"].evaluation.limit == 4


def test_errors_come_before_the_model(runs: Runs, command: Callable[..., Done]) -> None:
    """Every error of the file on a line of its own; nothing is loaded, nothing written."""
    write("strategies: [nevr]\nevaluation: {tasks: [humaneval], limit: 0, output_dir: out}\n")
    done = command()
    assert (done.code, done.out, runs.loaded) == (2, "", [])
    assert done.err.split("\n") == [
        "e.yaml, line 1: strategies[0]: no strategy or operator 'nevr': did you mean never?",
        "e.yaml, line 2: evaluation.tasks[0]: humaneval runs what the model has written: --allow-code-execution agrees "
        "to that",
        "e.yaml, line 2: evaluation.limit: must be at least 1, not 0",
        "backtrack-sampler: e.yaml has 3 errors: mend them and start again, nothing was run",
        "",
    ]
    assert not Path("out").exists()


def test_what_only_trying_shows_comes_before_the_model_too(runs: Runs, command: Callable[..., Done]) -> None:
    """Folder, storage, items and whether tasks can score: said with their lines, and no model is loaded."""
    Path("out/records").mkdir(parents=True)
    Path("out/study.journal").write_text("hello\n")
    write(SMALL + "operator_to_tune: repetition\n")
    done = command()
    assert (done.code, done.out, runs.loaded) == (2, "", [])
    assert done.err.startswith("backtrack-sampler: e.yaml, line 2: evaluation.output_dir: ")
    assert "is not the journal of a study" in done.err


def test_check(runs: Runs, command: Callable[..., Done]) -> None:
    """--check says what would be run: rows, items, texts, controls; nothing is loaded, nothing written."""
    write("""\
strategies: [never, antislop]
operator_to_tune: repetition
evaluation: {tasks: [sums, gcd], limit: 100, repeats: 3, development_limit: 50, output_dir: out}
generation: {temperature: [1.0, 0.7]}
hpo: {n_trials: 5}
controls: {temperatures: [0.3], min_p: 0.1, top_p: 0.9}
run_baseline: false
""")
    done = command("--check")
    assert (done.code, done.err, runs.loaded) == (0, "", [])
    assert " ".join(done.out.split()) == (
        "model the embedded one tasks 2: sums (100 items), gcd (100 items) "
        "strategies 4: never T=1, never T=0.7, antislop T=1, antislop T=0.7 "
        "tuned 1: repetition tuned (max_repetitions; 5 trials at each temperature) "
        "controls 7: baseline T=1, baseline T=0.7, greedy, T=0.3, min-p=0.1 T=1, min-p=0.1 T=0.7, top-p=0.9 T=1 "
        "beside each best-of-n, majority, oracle pass@n "
        "texts 13 rows x 200 items x 3 repeats = 7,800; for best-of-n, majority and oracle pass@n as many tokens again "
        "as the strategies draw; for tuning at most 10 trials x 100 items of the development split = 1,000 "
        "results out "
        "run_baseline: false is not heeded: a table cannot do without its baseline, so it is drawn"
    )
    assert all(len(line) <= 100 for line in done.out.split("\n"))
    assert not Path("out").exists()
    write_record(Path("out"))
    assert "out (has texts already: --resume goes on with them)" in command("--check").out


def test_check_keeps_secrets(command: Callable[..., Done]) -> None:
    """What is only for the model's loader is not on the screen."""
    write(SMALL + "model_name_or_path: org/name\nmodel_kwargs: {token: hf_x, dtype: float32}\n")
    assert "model         org/name, token ***, dtype float32\n" in command("--check").out


def test_names_stay_whole(command: Callable[..., Done]) -> None:
    """--check does not break a name off: "T=0.7" alone at the beginning of a line would say nothing."""
    write(SMALL + "generation: {temperature: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4]}\n")
    lines = command("--check").out.split("\n")
    first = next(index for index, line in enumerate(lines) if line.startswith("strategies"))
    last = next(index for index, line in enumerate(lines) if line.startswith("controls"))
    assert last - first > 2
    assert all(line.split()[0] == "repetition" for line in lines[first + 1 : last])


def test_a_folder_with_texts(runs: Runs, command: Callable[..., Done]) -> None:
    """It is not gone on with by accident: one line offers --resume, or another folder."""
    assert command().code == 0
    done = command()
    assert done.code == 2
    assert done.err == (
        "backtrack-sampler: out has texts of an experiment already: go on with it with --resume, or write another "
        "evaluation.output_dir in e.yaml\n"
    )
    assert len(runs.calls) == 1
    assert command("--resume").code == 0
    assert runs.calls[1]["resume"] is True


@pytest.mark.parametrize("how", ["raised", "returned"])
def test_ctrl_c(runs: Runs, command: Callable[..., Done], how: str) -> None:
    """Exit code 130, what is kept, and how to go on; no traceback. What is there of the table is shown."""

    def interrupt() -> None:
        if how == "raised":
            raise KeyboardInterrupt
        runs.complete = False

    runs.before = interrupt
    done = command("--allow-code-execution")
    assert done.code == 130
    assert done.err.endswith(
        "interrupted: all texts are kept in out; to go on: backtrack-sampler benchmark --config e.yaml --resume "
        "--allow-code-execution\n"
    )
    assert "Traceback" not in done.err
    assert ("a table of" in done.out) == (how == "returned")


def test_ctrl_c_while_the_model_is_loaded(command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is there to go on with."""

    def load(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("backtrack_sampler.cli.arguments.load_provider", load)
    done = command()
    assert (done.code, done.err) == (130, "interrupted before anything was written\n")


def test_texts_that_have_failed(runs: Runs, command: Callable[..., Done]) -> None:
    """Exit code 1, and one line with the first error."""
    runs.error = "the checker failed with LookupError: it"
    done = command()
    assert done.code == 1
    assert done.err.endswith(
        "backtrack-sampler: 2 of 2 texts failed, and count as wrong; the first with: the checker failed with "
        "LookupError: it\n"
    )


@pytest.mark.parametrize(
    ("error", "smaller"),
    [
        (MemoryError("no room"), ", perhaps with a smaller evaluation.max_batch"),
        (RuntimeError("CUDA error: out of memory"), ", perhaps with a smaller evaluation.max_batch"),
        (KeyError("x"), ""),
    ],
)
def test_an_engine_that_fails(
    runs: Runs, command: Callable[..., Done], caplog: pytest.LogCaptureFixture, error: Exception, smaller: str
) -> None:
    """One line, which says where, and that nothing is lost; what helps where memory has run out. --verbose shows
    all of it."""

    def fail() -> None:
        raise error

    runs.before = fail
    done = command()
    assert done.code == 2
    where = f"{Path(__file__).name}, line {fail.__code__.co_firstlineno + 1}"
    assert done.err == (
        f"backtrack-sampler: the experiment ended on an error ({type(error).__name__}: {error}; {where}): what was "
        f"written is kept, and --resume goes on{smaller}\n"
    )
    assert command("--resume", "--verbose").code == 2
    assert any(record.exc_info for record in caplog.records)


def test_verbose(command: Callable[..., Done], caplog: pytest.LogCaptureFixture) -> None:
    """--verbose lets the package say what it does."""
    command()
    assert "at work: baseline T=1, sums (0 of 2)" not in caplog.messages
    command("--resume", "--verbose")
    assert "at work: baseline T=1, sums (0 of 2)" in caplog.messages


def test_notes(runs: Runs, command: Callable[..., Done]) -> None:
    """What the file wants and cannot have is said, and the run goes on."""
    write(SMALL + "run_baseline: false\n")
    done = command()
    assert done.code == 0
    assert done.err.startswith("backtrack-sampler: run_baseline: false is not heeded")
