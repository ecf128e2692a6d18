"""Results as CSV and as JSON: not rounded, for whoever computes with them."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...trace.files import write_atomically
from ..pass_at_k import Passed, passed
from ..results import Results, Trial
from ..rows import Outcome, Row
from .entries import COMPARED, Comparison, Entry
from .markdown import as_markdown
from .table import Table

__all__ = ["items_csv", "pass_at_k_csv", "results_csv", "results_json", "trials_csv", "write_results"]


def write_results(folder: str | os.PathLike[str], results: Results, table: Table | None = None) -> list[Path]:
    """Write `results.csv`, `results.json`, `items.csv` and `results.md`; where there are several repeats
    `pass_at_k.csv`, and where something was tuned `trials.csv`.

    Args:
        folder: it must be there.
        table: of the results' rows, where it is there already.

    Raises:
        InputError: a file cannot be written, or there is nothing to write yet.
    """
    table = table or Table(results.rows)
    title = "Results" if results.complete else f"Results so far: {_progress(results, table)}"
    texts = {
        "results.csv": results_csv(table),
        "results.json": results_json(table, results),
        "items.csv": items_csv(table.rows),
        "results.md": as_markdown(table, tasks=True, title=title, about=_what_was_run(results, table)),
        **({"trials.csv": trials_csv(results.trials)} if results.trials else {}),
        **({"pass_at_k.csv": pass_at_k_csv(several)} if (several := passed(results)) else {}),
    }
    if not Path(folder).is_dir():
        raise InputError(f"there is no folder {folder} to write results to: make it first")
    paths = []
    for name, text in texts.items():
        paths.append(Path(folder) / name)
        write_atomically(paths[-1], text.encode(errors="replace").decode())
    return paths


def _what_was_run(results: Results, table: Table) -> str:
    """Model, version and what all rows have in common, as far as that is known."""
    model: Mapping[str, Any] = results.about.get("model") or {}
    versions: Mapping[str, Any] = results.about.get("versions") or {}
    parts = []
    if name := model.get("name"):
        parts.append(f"{name} on {model.get('engine', 'an engine')}, sha256 {str(model.get('sha256', ''))[:12]}")
    top_k = {row.arm.sampling.get("top_k") for row in table.rows}
    if len(top_k) == 1:
        parts.append(f"top-k {top_k.pop() or 'off'}")
    if "seed" in results.about:
        parts.append(f"seed {results.about['seed']}")
    if version := versions.get("backtrack_sampler"):
        parts.append(f"backtrack_sampler {version}")
    return "; ".join(parts)


def results_csv(table: Table) -> str:
    """A line for each row and task, and all tasks: what the table says, and what stands beside it.

    Columns of a comparison begin with what it is against: `baseline_difference`, `best_of_n_p_corrected`.
    """
    lines = []
    for column in table.columns:
        for entry in table.entries(column):
            for beside, each in _with_controls(entry):
                line = {"beside": beside, **_numbers(each)}
                for against in COMPARED:
                    comparison = each.comparisons.get(against)
                    found = _compared(comparison) if comparison else dict.fromkeys(_COMPARED)
                    line |= {f"{_plain(against)}_{name}": value for name, value in found.items()}
                lines.append(line)
    return _csv(lines)


def items_csv(rows: Sequence[Row]) -> str:
    """A line for each row, task and item: what it has scored, and what it has cost."""
    lines = []
    for row in rows:
        for beside, each in (("", row), *((row.name, control) for control in row.beside.values())):
            for task, outcomes in each.outcomes.items():
                lines += [
                    {"row": each.name, "beside": beside, "kind": each.kind, "task": task, **outcome._asdict()}
                    for outcome in outcomes
                ]
    return _csv(lines, ["row", "beside", "kind", "task", *Outcome._fields])


def pass_at_k_csv(several: Sequence[Passed]) -> str:
    """A line for each row and task: what it would solve with so many attempts, and what these cost; see `pass_at_k`."""
    return _csv([_attempts(each) for each in several])


def trials_csv(trials: Sequence[Trial]) -> str:
    """A line for each trial; parameters are columns of their own, `parameter_NAME`."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.parameters))
    return _csv(
        [
            {
                "tuned": trial.tuned,
                "number": trial.number,
                "state": trial.state,
                "value": trial.value,
                "items": trial.items,
                "drawn": trial.drawn,
                **{f"parameter_{name}": trial.parameters.get(name) for name in names},
                "error": trial.error,
            }
            for trial in trials
        ],
        ["tuned", "number", "state", "value", "items", "drawn", "error"],
    )


def results_json(table: Table, results: Results) -> str:
    """How it came to be, each row on each task with its comparisons, pass@k, and trials. What cannot be measured is
    null."""
    whole = {
        "about": results.about,
        "complete": results.complete,
        "tasks": table.tasks,
        "rows": [
            {
                **_numbers(entry),
                "strategies": [list(each) for each in entry.row.arm.strategies],
                "sampling": dict(entry.row.arm.sampling),
                "beside": {name: _numbers(control) for name, control in entry.beside.items()},
                "comparisons": {name: _compared(each) for name, each in entry.comparisons.items()},
            }
            for column in table.columns
            for entry in table.entries(column)
        ],
        "pass_at_k": [_attempts(each) for each in passed(results)],
        "trials": [json.loads(json.dumps(vars(trial), default=repr)) for trial in results.trials],
    }
    return json.dumps(_finite(whole), ensure_ascii=False, indent=1, allow_nan=False, default=repr) + "\n"


def _attempts(found: Passed) -> dict[str, Any]:
    """pass@k, and beside each what k texts cost."""
    pairs = ((f"{name}@{k}", of[k]) for k in found.at for name, of in (("pass", found.at), ("tokens", found.tokens)))
    return {"row": found.row, "task": found.task, **dict(pairs)}


def _progress(results: Results, table: Table) -> str:
    done = sum(len(outcomes) for outcomes in table.rows[0].outcomes.values())
    return f"{done:,} of {sum(results.planned.values()):,} items" if results.planned else f"{done:,} items"


def _with_controls(entry: Entry) -> Iterator[tuple[str, Entry]]:
    """With the name of what each stands beside."""
    yield "", entry
    for control in entry.beside.values():
        yield entry.name, control


def _numbers(entry: Entry) -> dict[str, Any]:
    found = entry.estimate
    return {
        "row": entry.name,
        "kind": entry.row.kind,
        "task": entry.task,
        "items": entry.items,
        "clusters": found.clusters,
        "repeats": entry.repeats,
        "score": found.value,
        "error": found.error,
        "low": found.low,
        "high": found.high,
        "development": entry.development,
        "drawn": entry.drawn,
        "kept": entry.kept,
        "forwards": entry.forwards or None,
        "price": entry.price,
        "samples": entry.samples,
        "rollbacks": entry.rollbacks,
        "failed": entry.failed,
    }


_COMPARED = ("control", "control_score", "control_drawn", "difference", "error", "low", "high", "test", "changed", "p",
             "p_corrected", "family", "visible", "visible_corrected", "verdict", "chosen_among", "same_as")  # fmt: skip


def _compared(comparison: Comparison) -> dict[str, Any]:
    found = comparison.difference
    values = (comparison.control, comparison.score.value, comparison.drawn, found.value, found.error, found.low,
              found.high, found.test, found.changed, found.p, comparison.p, comparison.family, comparison.visible,
              comparison.visible_corrected, comparison.verdict, comparison.among, comparison.same_as)  # fmt: skip
    return dict(zip(_COMPARED, values, strict=True))


def _plain(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")


def _finite(value: Any) -> Any:
    """Without what JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def _csv(lines: Sequence[Mapping[str, Any]], head: Sequence[str] = ()) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]) if lines else list(head), lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow(
            {name: None if isinstance(each, float) and not math.isfinite(each) else each for name, each in line.items()}
        )
    return out.getvalue()
