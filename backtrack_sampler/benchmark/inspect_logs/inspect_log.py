"""Results as `.eval` logs, which the viewer of inspect-ai opens: `inspect view --log-dir FOLDER`.

A log is a row of the table on one task: what that viewer calls an evaluation. A repeat is an epoch. What was
taken back stands in the transcript of its sample, in its order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from ...errors import InputError
from ..arms import digest, sampling_of
from ..records import Record
from ..results import Results
from ..rows import Outcome, Row
from .inspect_sample import inspect_module, inspect_sample

__all__ = ["inspect_log", "write_inspect_logs"]

#: What is not said of each log.
_USUAL = {**sampling_of(), "temperature": None}


def write_inspect_logs(results: Results, folder: str | os.PathLike[str]) -> list[Path]:
    """Write a log for each row and task. Where a run goes on, its logs are replaced: they keep names and identities.

    Rows of controls that choose among samples have no texts of their own, and no log: what they have scored
    stands in the metadata of the row that they stand beside.

    Args:
        results: of an experiment; it may be incomplete.
        folder: where they go; it is made.

    Raises:
        MissingPackageError: inspect-ai is not installed.
        InputError: they cannot be written.
    """
    log = inspect_module("log")
    written = []
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for row in results.rows:
            for task in row.outcomes:
                path = Path(folder) / f"{_plain(row.name)}_{_plain(task)}.eval"
                log.write_eval_log(inspect_log(results, row, task), str(path), format="eval")
                written.append(path)
    except OSError as error:
        raise InputError(f"cannot write logs to {folder}: {error.strerror or error}") from error
    return written


def inspect_log(results: Results, row: Row, task: str) -> Any:
    """A row on one task as an `inspect_ai.log.EvalLog`.

    Raises:
        MissingPackageError: inspect-ai is not installed.
    """
    log, model, viewer = (inspect_module(name) for name in ("log", "model", "viewer"))
    outcomes, created = row.outcomes[task], _created(results)
    ids = {each.item for each in outcomes}
    records = [
        record
        for (arm, name, item, _), record in results.records.items()
        if (arm, name) == (row.arm.key, task) and item in ids
    ]
    name, sampling = f"{_model_name(results)}/{row.name}", dict(row.arm.sampling)
    experiment = [results.about.get(each) for each in ("model", "seed")]
    identity = digest([experiment, row.name, task])
    usage = model.ModelUsage(output_tokens=(drawn := sum(each.drawn for each in records)), total_tokens=drawn)
    config = model.GenerateConfig(
        temperature=sampling.get("temperature"), top_p=sampling.get("top_p"), top_k=sampling.get("top_k") or None
    )
    graded = any(0 < each.score < 1 for key, each in results.records.items() if key[1] == task)
    return log.EvalLog(
        status="success" if results.complete else "cancelled",
        eval=log.EvalSpec(
            eval_id=identity,
            run_id=digest(experiment),
            task_id=identity,
            created=created.isoformat(),
            task=task,
            task_args={name: value for name, value in sampling.items() if value != _USUAL.get(name)},
            solver=row.name,
            solver_args={"strategies": [list(each) for each in row.arm.strategies], "sampling": sampling},
            tags=[row.kind],
            model=name,
            model_generate_config=config,
            dataset=log.EvalDataset(
                name=task, samples=len(outcomes), sample_ids=[each.item for each in outcomes], shuffled=False
            ),
            config=log.EvalConfig(
                epochs=max((each.repeats for each in outcomes), default=1), epochs_reducer=["mean"], score_on_error=True
            ),
            packages=dict(results.about.get("versions", {})),
            metadata=_about_row(results, row, task),
            viewer=viewer.ViewerConfig(trust_content=False),  # as it was written: "2*3*4" has no italics
        ),
        plan=log.EvalPlan(steps=[log.EvalPlanStep(solver=row.name, params={"sampling": sampling})], config=config),
        results=_summary(outcomes, records),
        stats=log.EvalStats(
            started_at=created.isoformat(), completed_at=created.isoformat(), model_usage={name: usage}
        ),
        samples=[inspect_sample(row, name, results.items[task][each.item], each, graded, created) for each in records],
    )


def _summary(outcomes: Sequence[Outcome], records: Sequence[Record]) -> Any:
    """What the list of logs shows: the score first, and then what it has cost."""
    log = inspect_module("log")
    values = {"mean": [each.score for each in outcomes], "drawn": [each.drawn for each in outcomes]}
    values |= {"kept": [each.kept for each in outcomes], "rollbacks": [each.rollbacks for each in outcomes]}
    metrics = {name: log.EvalMetric(name=name, value=fmean(each)) for name, each in values.items() if each}
    return log.EvalResults(
        total_samples=len(records),
        completed_samples=len(records),  # those with an error too: they count as wrong
        scores=[log.EvalScore(name="score", scorer="score", metrics=metrics)],
    )


def _about_row(results: Results, row: Row, task: str) -> dict[str, Any]:
    """What else there is to know of a row: JSON."""
    beside = {**({"baseline": row.baseline} if row.baseline else {}), **row.beside}
    return {
        "row": row.name,
        "kind": row.kind,
        "arm": row.arm.key,
        "strategies": [f"{kind} {spec}" for kind, spec in row.arm.strategies],
        "sampling": dict(row.arm.sampling),
        "mean_score_of_its_controls": {
            name: round(fmean(each.score for each in other.outcomes[task]), 4)
            for name, other in beside.items()
            if other.outcomes.get(task)
        },
        **({"development_score": row.development[task]} if task in row.development else {}),
        **{name: results.about[name] for name in ("seed", "model", "machine", "experiment") if name in results.about},
    }


def _model_name(results: Results) -> str:
    """What comes before the row's name where that viewer says which model a log is of."""
    model = results.about.get("model") or {}
    return str(model.get("name") or "model")


def _created(results: Results) -> datetime:
    """When the run began: nothing else is known of when its texts were written."""
    try:
        begun = datetime.fromisoformat(str(results.about.get("started")))
    except ValueError:
        begun = datetime.fromtimestamp(0, UTC)
    return begun.astimezone(UTC)


def _plain(text: str) -> str:
    """A name as part of a file's name; different ones stay different."""
    plain = re.sub(r"[^\w.=-]+", "-", text).replace("_", "-").strip("-.")[:60]
    return plain if plain == text else f"{plain}-{digest(text)[:6]}"
