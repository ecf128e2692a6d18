"""Results as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from made_rows import made_results

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.pass_at_k import passed
from backtrack_sampler.benchmark.results import Results
from backtrack_sampler.benchmark.table import Table
from backtrack_sampler.benchmark.table.files import (
    items_csv,
    pass_at_k_csv,
    results_csv,
    results_json,
    trials_csv,
    write_results,
)


@cache
def results() -> Results:
    return made_results(10, 2, tasks=["sums", "gcd:largest=20"])


@cache
def table() -> Table:
    return Table(results().rows)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_row_is_there_for_every_task_with_what_stands_beside_it() -> None:
    """A line each, not rounded; of a strategy, all numbers of its comparisons."""
    lines = read(results_csv(table()))
    assert len(lines) == 3 * (5 + 7 * 4)
    assert all(None not in line.values() for line in lines)
    for entry in table().strategies("sums"):
        line = next(each for each in lines if (each["row"], each["task"]) == (entry.name, "sums"))
        assert float(line["score"]) == entry.score
        assert (float(line["low"]), float(line["high"])) == entry.estimate[2:4]
        for column, name in (
            ("baseline", "baseline"),
            ("best_of_n", "best-of-n"),
            ("best_control_no_dearer", "best control no dearer"),
        ):
            comparison = entry.comparisons[name]
            assert float(line[f"{column}_p_corrected"]) == comparison.p
            assert float(line[f"{column}_difference"]) == comparison.difference.value
            assert line[f"{column}_verdict"] == comparison.verdict
            assert line[f"{column}_chosen_among"] == str(comparison.among)
            assert line[f"{column}_same_as"] == comparison.same_as
        assert float(line["forwards"]) == entry.forwards
        beside = [each for each in lines if each["beside"] == entry.name and each["task"] == "sums"]
        assert [each["kind"] for each in beside] == ["equal cost", "equal cost", "oracle"]
        assert [float(each["samples"]) for each in beside] == [each.samples for each in entry.beside.values()]


def test_every_item_of_every_row_is_there() -> None:
    """Scores and costs as in the rows."""
    lines = read(items_csv(table().rows))
    assert len(lines) == 20 * (5 + 7 * 4)
    row = table().rows[0]
    mine = [line for line in lines if line["row"] == row.name]
    assert [float(line["score"]) for line in mine] == [
        each.score for task in table().tasks for each in row.outcomes[task]
    ]


def test_trials_have_their_parameters_in_columns() -> None:
    """Also those of several studies; what was not tried in one is empty; a failed trial has its error and no value."""
    other = replace(results().trials[0], tuned="other", parameters={"window": 3, "kind": "a,b"})
    lines = read(trials_csv([*results().trials, other]))
    assert lines[0]["parameter_min_probability"] == str(results().trials[0].parameters["min_probability"])
    assert (lines[-1]["parameter_window"], lines[-1]["parameter_min_probability"], lines[-1]["parameter_kind"]) == (
        "3",
        "",
        "a,b",
    )
    failed = next(line for line in lines if line["state"] == "failed")
    assert (failed["value"], failed["error"]) == ("", "ValueError: no,\n<b>")
    assert read(trials_csv([])) == []


def test_json_has_everything_and_is_json() -> None:
    """How it came to be, rows, comparisons, trials; what is no number is null."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    whole = json.loads(results_json(table(), results()), parse_constant=refuse)
    assert whole["about"] == results().about
    assert whole["tasks"] == table().tasks
    assert len(whole["rows"]) == 3 * 12
    row = next(each for each in whole["rows"] if each["row"] == "repetition")
    assert row["comparisons"]["baseline"]["verdict"] == table().entry("repetition").comparisons["baseline"].verdict
    assert row["strategies"] == [["operator", "repetition"]]
    assert len(whole["trials"]) == len(results().trials)


def test_an_unknown_error_is_empty_or_null() -> None:
    """One cluster has no standard error: no NaN in any file."""
    made = made_results(4, 1, tasks=["sums"], strategies=["repetition"], clusters=1)
    small = Table(made.rows)
    assert math.isnan(small.entry("greedy").estimate.error)
    assert json.loads(results_json(small, made))["rows"][0]["error"] is None
    assert read(results_csv(small))[0]["error"] == ""


def test_all_files_are_written(tmp_path: Path) -> None:
    """Into a folder that is there; trials only where something was tuned."""
    paths = write_results(tmp_path, results())
    assert [path.name for path in paths] == [
        "results.csv", "results.json", "items.csv", "results.md", "trials.csv", "pass_at_k.csv",
    ]  # fmt: skip
    assert (tmp_path / "results.csv").read_text() == results_csv(table())
    assert (tmp_path / "results.md").read_text().startswith("# Results\n")
    assert "trials.csv" not in [path.name for path in write_results(tmp_path, replace(results(), trials=[]))]
    with pytest.raises(InputError, match="there is no folder"):
        write_results(tmp_path / "none", results())


def test_several_attempts_are_told_where_there_are_several_repeats() -> None:
    """pass@1 is the share of right texts, and with more attempts it does not fall; beside it stands what the texts cost.
    One repeat says nothing, and neither do several at temperature 0. In JSON the same."""
    made = made_results(6, 3, tasks=["sums"])
    lines = read(pass_at_k_csv(passed(made)))
    assert [line["row"] for line in lines] == [row.name for row in made.rows if row.arm.sampling["temperature"]]
    assert len(lines) == len(made.rows) - 2
    for line in lines:
        entry = Table(made.rows).entry(line["row"])
        assert [float(line[f"tokens@{k}"]) for k in (1, 2, 3)] == pytest.approx([k * entry.drawn for k in (1, 2, 3)])
    there = json.loads(results_json(Table(made.rows), made))["pass_at_k"]
    assert [{name: str(value) for name, value in each.items()} for each in there] == lines
    right = [record.score >= 1 for (arm, *_), record in made.records.items() if arm == made.rows[0].arm.key]
    assert float(lines[0]["pass@1"]) == pytest.approx(sum(right) / len(right))
    assert all(float(line["pass@1"]) <= float(line["pass@2"]) <= float(line["pass@3"]) for line in lines)
    assert passed(made_results(6, 1, tasks=["sums"])) == []


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    """In the heading: how many items of how many."""
    write_results(tmp_path, made_results(5, 1, tasks=["sums"], complete=False))
    assert (tmp_path / "results.md").read_text().startswith("# Results so far: 5 of 10 items\n")


def test_the_markdown_says_what_was_run(tmp_path: Path) -> None:
    """Model, its digest, what all rows have in common, seed and version; and nothing where nobody knows."""
    model = {"name": "M", "engine": "llamacpp", "sha256": "0123456789abcdef"}
    known = replace(results(), about={"model": model, "seed": 3, "versions": {"backtrack_sampler": "4.1"}})
    write_results(tmp_path, known, table())
    said = (tmp_path / "results.md").read_text().splitlines()[2]
    assert said.startswith("M on llamacpp, sha256 0123456789ab; ")
    assert said.endswith("seed 3; backtrack\\_sampler 4.1")
