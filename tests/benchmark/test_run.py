"""A whole experiment: from its file to its folder, killed and gone on with, and with a row more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from letters import Letters, letters_model

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.config import read_experiment
from backtrack_sampler.benchmark.preparing import prepare
from backtrack_sampler.benchmark.progress import Progress
from backtrack_sampler.benchmark.results import Results
from backtrack_sampler.benchmark.run import run
from backtrack_sampler.benchmark.table import Table
from backtrack_sampler.benchmark.tasks import Item

LETTERS = Path(__file__).with_name("letters.py")
PICKY = "probability-threshold:min_probability=0.2"
WRITTEN = ("report.html", "results.csv", "results.json", "results.md", "items.csv", "experiment.yaml")


def config(folder: Path, *strategies: Any, **more: Any) -> dict[str, Any]:
    return {
        "model_name_or_path": f"{LETTERS}:LettersModel",
        "strategies": list(strategies) or [PICKY],
        "evaluation": {"tasks": [f"{LETTERS}:Letters"], "output_dir": str(folder), "limit": 40, "repeats": 2},
        "controls": {"temperatures": [0.7], "min_p": [0.2], "top_p": [0.8]},
        **more,
    }


def finished(experiment: dict[str, Any], **more: Any) -> Results:
    return run(read_experiment(experiment), letters_model(), **more)


def keys(folder: Path) -> Counter[str]:
    """Of all records that are in files, how often each is there."""
    lines = [line for file in (folder / "records").glob("*.jsonl") for line in file.read_text().splitlines()]
    return Counter(json.loads(line)["key"] for line in lines if line.endswith("}"))


def scores(results: Results) -> dict[str, Any]:
    return {
        row.name: (row.outcomes, {name: control.outcomes for name, control in row.beside.items()})
        for row in results.rows
    }


def test_an_experiment_leaves_everything_that_is_said_of_it(tmp_path: Path) -> None:
    """Tables, report, per-item files, what it was run with and logs are in one folder; rows have their controls."""
    given = config(tmp_path, device="1e-3")  # a text, which some read as a number
    given["evaluation"]["inspect_logs"] = True
    found = finished(given)
    assert [path for name in WRITTEN if not (path := tmp_path / name).is_file()] == []
    assert list((tmp_path / "inspect").glob("*.eval"))
    assert list((tmp_path / "traces").glob("*.html"))
    assert found.complete
    assert {row.kind for row in found.rows} == {"control", "strategy"}
    table = Table(found.rows)
    assert table.entry(PICKY).price > 1
    again = read_experiment(tmp_path / "experiment.yaml")
    assert again.model_dump() == read_experiment(given).model_dump()
    said = json.loads((tmp_path / "results.json").read_text())
    assert said["about"]["seed"] == 0


def test_no_secret_is_in_any_file(tmp_path: Path) -> None:
    """Not in tables, page, logs, records or what it was run with."""
    given = config(tmp_path, model_kwargs={"token": "hf_secret"})
    given["evaluation"]["inspect_logs"] = True
    finished(given)
    content = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    for log in tmp_path.glob("inspect/*.eval"):
        with zipfile.ZipFile(log) as parts:
            content |= {log / name: parts.read(name) for name in parts.namelist()}
    assert [file for file, each in content.items() if b"hf_secret" in each] == []
    assert "token: '***'" in (tmp_path / "experiment.yaml").read_text()


def test_a_folder_with_texts_is_not_written_to_unasked(tmp_path: Path) -> None:
    """Without `resume` it is refused; with it nothing is drawn that is there."""
    first = finished(config(tmp_path))
    with pytest.raises(InputError, match="has texts of an experiment already"):
        finished(config(tmp_path))
    before = keys(tmp_path)
    assert scores(finished(config(tmp_path), resume=True)) == scores(first)
    assert keys(tmp_path) == before


def test_a_row_more_computes_only_that_row(tmp_path: Path) -> None:
    """The texts that are new are those of the new row, and samples that its controls need."""
    finished(config(tmp_path))
    before = keys(tmp_path)
    new: list[Any] = []

    class Watching(Progress):
        def text(self, n: int = 1) -> None:
            new.append(n)

    found = finished(config(tmp_path, PICKY, "repetition:max_repetitions=1"), resume=True, progress=Watching())
    added = keys(tmp_path) - before
    assert len(new) == len(added)
    arm = next(row.arm for row in found.rows if row.name.startswith("repetition"))
    lines = [line for file in (tmp_path / "records").glob("*.jsonl") for line in file.read_text().splitlines()]
    of_arm = [r for r in map(json.loads, lines) if r["key"] in added and r["arm"] == arm.key]
    others = [r for r in map(json.loads, lines) if r["key"] in added and r["arm"] != arm.key]
    assert len(of_arm) == 80
    assert all(r["sample"] > 0 for r in others)


def test_what_is_tuned_is_measured_on_other_items(tmp_path: Path) -> None:
    """Tuned on the development split and shown with both scores; a second start finds the study finished."""
    tuned = config(tmp_path, hpo={"n_trials": 3, "tune": ["probability-threshold"]})
    found = finished(tuned)
    row = next(row for row in found.rows if "tuned" in row.name)
    assert set(row.development) == set(row.outcomes)
    assert {item.item for item in row.outcomes["letters"]}.isdisjoint(str(1000 + n) for n in range(100))
    assert len(found.trials) == 3
    before = keys(tmp_path)
    again = finished(tuned, resume=True)
    assert keys(tmp_path) == before
    assert scores(again) == scores(found)
    assert (tmp_path / "trials.csv").read_text().count("\n") == 4


def test_only_what_was_tuned_has_a_development_score(tmp_path: Path) -> None:
    """Also where the best setting is the one that stands beside it."""
    default = "probability-threshold:min_probability=0.05,backtrack_count=1"
    found = finished(config(tmp_path, default, hpo={"n_trials": 1, "tune": ["probability-threshold"]}))
    both = [row for row in found.rows if row.kind == "strategy"]
    assert len({row.arm.key for row in both}) == 1
    assert [bool(row.development) for row in both] == [False, True]
    assert both[0].outcomes == both[1].outcomes


def test_killed_twice_and_gone_on_with_it_is_the_same_experiment(tmp_path: Path) -> None:
    """kill -9 at any moment: nothing is drawn twice, nothing is lost, and the results are those of one run."""
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(config(tmp_path / "killed", hpo={"n_trials": 2, "tune": ["probability-threshold"]})))
    command = [sys.executable, "-m", "backtrack_sampler", "benchmark", "--config", str(file), "--resume"]
    for texts in (40, 300):
        started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while keys(tmp_path / "killed").total() < texts:
            assert started.poll() is None
            time.sleep(0.01)
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = keys(tmp_path / "killed")
    assert set(found.values()) == {1}
    whole = config(tmp_path / "whole", hpo={"n_trials": 2, "tune": ["probability-threshold"]})
    finished(whole)
    # The model's name is the same, and so is every key: the same texts were drawn.
    assert found == keys(tmp_path / "whole")
    assert (tmp_path / "killed" / "items.csv").read_text() == (tmp_path / "whole" / "items.csv").read_text()


def test_ctrl_c_leaves_results_that_say_that_they_are_not_complete(tmp_path: Path) -> None:
    """What all rows have answered is in the table; the rest is kept for the next start."""

    class Impatient(Progress):
        texts = 0

        def text(self, n: int = 1) -> None:
            self.texts += n
            if self.texts == 480:
                raise KeyboardInterrupt

    found = finished(config(tmp_path), progress=Impatient())
    assert not found.complete
    assert found.planned == {"letters": 40}
    assert len(found.rows[0].outcomes["letters"]) == 32
    assert "32 of 40" in (tmp_path / "results.md").read_text() or "32 of 40" in (tmp_path / "report.html").read_text()
    whole = finished(config(tmp_path), resume=True)
    assert whole.complete
    assert set(keys(tmp_path).values()) == {1}


def test_an_item_that_does_not_fit_is_said_before_anything_is_drawn(tmp_path: Path) -> None:
    """Of the test split as well, before tuning; with the place of its task in the file."""
    file = tmp_path / "e.yaml"
    file.write_text(yaml.safe_dump(config(tmp_path / "out", hpo={"n_trials": 2, "tune": ["probability-threshold"]})))
    model = letters_model()
    model.context_size = 6
    prepared = prepare(experiment := read_experiment(file))
    prepared.asked.test[0].items[30] = Item("31st", "abcabcabc", data={"letter": "a"})
    with pytest.raises(
        InputError, match=r"e\.yaml, line \d+: evaluation\.tasks\[0\]: task letters, item 31st: the prompt has 9"
    ):
        run(experiment, model, prepared=prepared)
    assert not keys(tmp_path / "out")


def test_a_disk_that_is_full_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept before is there when there is room again."""
    task = Letters()
    assert task.items(limit=1)
    write, room = os.write, [20_000]

    def full(file: int, data: bytes) -> int:
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InputError, match="No space left on device"):
        finished(config(tmp_path))
    monkeypatch.undo()
    assert keys(tmp_path)
    assert finished(config(tmp_path), resume=True).complete
    assert set(keys(tmp_path).values()) == {1}
