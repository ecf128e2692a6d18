"""Logs for the viewer of inspect-ai say what a run has found, and that viewer shows it."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from inspect_ai.log import read_eval_log

from backtrack_sampler.benchmark.arms import Arm, sampling_of
from backtrack_sampler.benchmark.inspect_logs.inspect_log import write_inspect_logs
from backtrack_sampler.benchmark.records import Record
from backtrack_sampler.benchmark.results import Results
from backtrack_sampler.benchmark.rows import EQUAL_COST, Outcome, Row
from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BASELINE = Arm("baseline T=1", (), sampling_of(temperature=1.0))
OPERATOR = Arm("ngram-overlap T=1", (("operator", "ngram-overlap:ngram_size=3"),), sampling_of(temperature=1.0))
TASKS = ("sums", "gcd:most=20")
ITEMS, REPEATS = 6, 2


def item(task: str, number: int) -> Item:
    if task == "sums":
        return Item(f"sums-{number}", f"2 + 2 = 4\n{number} + {number} =", "", {"target": 2 * number})
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": f"gcd of {number} and 6?"}]
    return Item(f"gcd-{number}", messages, f"template-{number % 2}", {"target": number})


def record(arm: Arm, task: str, number: int, repeat: int) -> Record:
    right = (number + repeat + len(arm.strategies)) % 2
    taken_back = [(1, " the the", "NGramOverlap: the 3-gram has come before"), (3, " <b>x</b>", "NGramOverlap: again")]
    failed = number == ITEMS - 1 and arm is OPERATOR
    return Record(
        key=f"{arm.key}-{task}-{number}-{repeat}",
        arm=arm.key,
        task=task,
        item=item(task, number).id,
        repeat=repeat,
        sample=0,
        seed=100 * repeat + number,
        text=f" {2 * number if right else 7}",
        answer=None if failed else str(2 * number if right else 7),
        score=0.0 if failed else float(right),
        kept=2,
        drawn=6 if arm.strategies else 2,
        rollbacks=2 if arm.strategies else 0,
        forwards=5,
        log_probability=None if failed else -0.5,
        finish_reason="" if failed and not repeat else ("stop", "length")[repeat % 2],
        error="the checker failed with ValueError: x" if failed else "",
        taken_back=taken_back if arm.strategies else [],
    )


def found() -> Results:
    """A baseline and an operator on two tasks, six items, two repeats; the last item fails."""
    found = Results(
        about={
            "experiment": {"strategies": ["ngram-overlap"]},
            "seed": 1,
            "model": {"name": "fake", "engine": "fake", "sha256": "0" * 64, "options": {}},
            "versions": {"python": "3.11"},
            "machine": {"cpu": "a processor"},
            "started": "2026-01-02T03:04:05+00:00",
            "seconds": 1.0,
        },
        items={task: {item(task, n).id: item(task, n) for n in range(ITEMS)} for task in TASKS},
        planned=dict.fromkeys(TASKS, ITEMS),
    )
    for arm in (BASELINE, OPERATOR):
        for task in TASKS:
            for number in range(ITEMS):
                for repeat in range(REPEATS):
                    each = record(arm, task, number, repeat)
                    found.records[arm.key, task, each.item, repeat] = each
    baseline = Row("baseline T=1", "control", BASELINE, _outcomes(found, BASELINE))
    beside = {name: Row(name, "equal cost", BASELINE, baseline.outcomes) for name in EQUAL_COST}
    strategy = Row(
        "ngram-overlap T=1", "strategy", OPERATOR, _outcomes(found, OPERATOR), baseline, beside, {"sums": 0.6}
    )
    found.rows = [baseline, strategy]
    return found


def _outcomes(found: Results, arm: Arm) -> dict[str, list[Outcome]]:
    whole: dict[str, list[Outcome]] = {}
    for task in TASKS:
        for name, each in found.items[task].items():
            texts = [found.records[arm.key, task, name, repeat] for repeat in range(REPEATS)]
            score, drawn, kept, rollbacks = (
                sum(getattr(text, field) for text in texts) / REPEATS
                for field in ("score", "drawn", "kept", "rollbacks")
            )
            failed = sum(bool(text.error) for text in texts)
            whole.setdefault(task, []).append(
                Outcome(name, each.cluster or name, score, drawn, kept, rollbacks, REPEATS, failed)
            )
    return whole


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    write_inspect_logs(found(), folder)
    return folder


def read(folder: Path, row: str, task: str):
    (path,) = folder.glob(f"{row}*_{task}*.eval")
    return read_eval_log(str(path))


def test_a_log_is_a_row_on_a_task(logs: Path) -> None:
    """Each with all texts, the score of the table, what they have cost, and how they were drawn."""
    assert len(list(logs.iterdir())) == 4
    for row in found().rows:
        for task, outcomes in row.outcomes.items():
            log = read(logs, row.name.split()[0], task.split(":")[0])
            assert (log.status, log.eval.task, log.eval.model) == ("success", task, f"fake/{row.name}")
            assert len(log.samples) == ITEMS * REPEATS
            metrics = {name: metric.value for name, metric in log.results.scores[0].metrics.items()}
            assert metrics["mean"] == pytest.approx(sum(each.score for each in outcomes) / ITEMS)
            assert metrics["drawn"] == (6 if row.arm.strategies else 2)
            assert log.eval.metadata["sampling"]["temperature"] == 1.0
            assert log.eval.metadata["model"]["sha256"] == "0" * 64
            assert log.eval.viewer.trust_content is False  # "2*3*4" is shown as it was written
            assert (
                sum(usage.output_tokens for usage in log.stats.model_usage.values())
                == ITEMS * REPEATS * metrics["drawn"]
            )


def test_a_strategy_says_what_its_controls_have_scored(logs: Path) -> None:
    """Controls that choose among samples have no log of their own."""
    metadata = read(logs, "ngram", "sums").eval.metadata
    assert metadata["mean_score_of_its_controls"] == dict.fromkeys(("baseline", *EQUAL_COST), 0.5)
    assert metadata["development_score"] == 0.6
    assert metadata["strategies"] == ["operator ngram-overlap:ngram_size=3"]


def test_a_sample_is_a_text(logs: Path) -> None:
    """Question, right answer, text, score, cost and seed; a repeat is an epoch."""
    for row in found().rows:
        for task in TASKS:
            log = read(logs, row.name.split()[0], task.split(":")[0])
            for sample in log.samples:
                record = found().records[row.arm.key, task, sample.id, sample.epoch - 1]
                item = found().items[task][sample.id]
                assert sample.output.completion == sample.messages[-1].text == record.text
                assert [each.text for each in sample.messages[:-1]] == (
                    [item.prompt] if isinstance(item.prompt, str) else [each["content"] for each in item.prompt]
                )
                assert sample.target == str(item.data["target"])
                assert sample.scores["score"].value == ("C" if record.score else "I")
                assert sample.scores["score"].answer == record.answer
                assert sample.output.usage.output_tokens == record.drawn
                assert (sample.metadata["seed"], sample.metadata["tokens_kept"]) == (record.seed, record.kept)


def test_what_was_taken_back_are_events_in_their_order(logs: Path) -> None:
    """Each with where it went back to, what was taken back, and who asked why."""
    for sample in read(logs, "ngram", "sums").samples:
        told = [event.data for event in sample.events if event.event == "info"]
        expected = record(OPERATOR, "sums", int(sample.id.split("-")[1]), sample.epoch - 1).taken_back
        assert [
            (each["back_to_token"], each["taken_back"], f"{each['who']}: {each['why']}") for each in told
        ] == expected
        assert {each["who"] for each in told} == {"NGramOverlap"}
        kinds = [event.event for event in sample.events]
        assert kinds == ["info", "info", "model", "score"]
    assert not any(each.event == "info" for sample in read(logs, "baseline", "sums").samples for each in sample.events)


def test_an_error_is_said_and_counts_as_wrong(logs: Path) -> None:
    """The sample has its message, and a score all the same."""
    log = read(logs, "ngram", "sums")
    failed = [sample for sample in log.samples if sample.error]
    assert [sample.id for sample in failed] == [f"sums-{ITEMS - 1}"] * REPEATS
    for sample in failed:
        assert sample.error.message == "the checker failed with ValueError: x"
        assert sample.error.message in sample.error.traceback_ansi  # all that the viewer shows
        (call,) = (event for event in sample.events if event.event == "model")
        assert call.error == (sample.error.message if sample.epoch == 1 else None)  # the other one came to its end
        assert sample.scores["score"].value == "I"
        assert "counts as wrong" in sample.scores["score"].explanation
    assert log.results.completed_samples == ITEMS * REPEATS


def test_shares_are_numbers(tmp_path: Path) -> None:
    """Where a task gives less than all for an answer, all its logs have numbers, and other tasks' have not."""
    results = found()
    key = (OPERATOR.key, "sums", "sums-1", 1)
    results.records[key] = replace(results.records[key], score=0.25)
    write_inspect_logs(results, tmp_path)
    for row in ("baseline", "ngram"):
        values = [sample.scores["score"].value for sample in read(tmp_path, row, "sums").samples]
        assert set(values) <= {0.0, 0.25, 1.0}
        assert (0.25 in values) == (row == "ngram")
        assert {sample.scores["score"].value for sample in read(tmp_path, row, "gcd").samples} == {"C", "I"}


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    """Its logs hold the items that all have answered, and are marked."""
    results = found()
    results.complete = False
    row = replace(results.rows[0], outcomes={"sums": results.rows[0].outcomes["sums"][:2]})
    results.rows = [row]
    write_inspect_logs(results, tmp_path)
    log = read(tmp_path, "baseline", "sums")
    assert log.status == "cancelled"
    assert {(sample.id, sample.epoch) for sample in log.samples} == {
        (item, epoch) for item in ("sums-0", "sums-1") for epoch in (1, 2)
    }


def test_where_a_run_goes_on_its_logs_are_replaced(logs: Path, tmp_path: Path) -> None:
    """It has another beginning then, and the same model, seed, rows and tasks: names and identities are the same."""
    before = {path.name: read_eval_log(str(path)).eval.eval_id for path in logs.iterdir()}
    assert len(set(before.values())) == len(before)
    again = found()
    again.about["started"] = "2026-02-02T03:04:05+00:00"
    assert sorted(path.name for path in write_inspect_logs(again, tmp_path)) == sorted(before)
    write_inspect_logs(found(), tmp_path)
    assert {path.name: read_eval_log(str(path)).eval.eval_id for path in tmp_path.iterdir()} == before


def test_rows_that_look_alike_have_files_of_their_own(tmp_path: Path) -> None:
    """Whatever a name holds, it is a file's name, and none is written over another."""
    results = found()
    results.rows = [
        replace(results.rows[0], name=name) for name in ("a/b", "a:b", "a_b", "../a b", "名前" * 80, "a" * 300)
    ]
    paths = write_inspect_logs(results, tmp_path)
    assert len(set(paths)) == len(paths) == len(list(tmp_path.iterdir())) == 12


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    """One line, with the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write logs to .*file"):
        write_inspect_logs(found(), tmp_path / "file")


def test_the_package_is_loaded_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else waits for it; where it is missing, one line says what to install."""
    code = "import sys, backtrack_sampler.benchmark.inspect_logs.inspect_log; assert 'inspect_ai' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    with pytest.raises(MissingPackageError, match=r"pip install .backtrack_sampler\[benchmark\]"):
        write_inspect_logs(found(), tmp_path / "none")


@pytest.fixture
def viewer(logs: Path) -> Iterator[str]:
    """Where inspect-ai's own viewer shows the logs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [
        sys.executable,
        "-m",
        "inspect_ai",
        "view",
        "--log-dir",
        str(logs),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}/"
        while server.poll() is None:
            try:
                urllib.request.urlopen(url, timeout=10).close()
                break
            except urllib.error.URLError:
                continue
        assert server.poll() is None
        yield url
        server.terminate()


@pytest.mark.slow
def test_the_viewer_shows_them(viewer: str, browser: Browser) -> None:
    """The list of rows with their scores; a text; what was taken back from it, as it was written."""
    page = browser.new_page()
    errors: list[object] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(viewer)
    page.get_by_text("fake/ngram-overlap T=1").first.click()
    page.get_by_text("gcd-1", exact=True).first.click()
    page.get_by_text("rollback 2 of 2").wait_for()
    text = page.inner_text("body")
    assert '"taken_back": " <b>x</b>"' in text
    assert '"who": "NGramOverlap"' in text
    assert '"why": "the 3-gram has come before"' in text
    assert "gcd of 1 and 6?" in text
    assert not errors
    page.close()
