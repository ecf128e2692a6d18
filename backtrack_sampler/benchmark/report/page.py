"""The report of an experiment as one page that needs nothing else: no network, no model, no Python."""

from __future__ import annotations

import os
from pathlib import Path

from ...pages import document
from ...trace.files import write_atomically
from ..pass_at_k import Passed, passed
from ..results import Results, Trial
from ..table import Table
from ..table.words import notes
from . import plots
from .changes import changes
from .facts import how, interrupted, what
from .grid import grid, legend
from .verdicts import verdicts
from .wording import escaped, number, score

__all__ = ["page", "write_page"]

_NOTHING = "<p>No item has been answered by all rows yet: there is nothing to compare.</p>"


#: What pass@k is not.
_UNEQUAL = (
    '<p class="small">How probable it is that one of k texts is right. This is not at equal cost: below stands what k '
    "texts cost in drawn tokens, and what takes tokens back pays more for as many. There are no intervals either. Rows "
    "at temperature 0, whose texts are all the same, are left out.</p>"
)


def page(results: Results, table: Table | None = None) -> str:
    """The page. All text from models is data in it, and becomes text nodes only.

    Args:
        results: what was found.
        table: of its rows, where it was made already.

    Raises:
        MissingPackageError: Matplotlib or PyYAML is not installed.
    """
    if table is None and any(outcomes for row in results.rows for outcomes in row.outcomes.values()):
        table = Table(results.rows)
    name = str((results.about.get("model") or {}).get("name") or "")
    warning = interrupted(results)
    return document(
        "backtrack_sampler.benchmark.report",
        f"Benchmark: {name}" if name else "Benchmark",
        changes(results),
        interrupted=f'<p id="interrupted" role="status">{warning}</p>' if warning else "",
        what=f"<p>{what(results)}</p>",
        tuning=_tuning(results.trials),
        how=how(results),
        **_found(results, table),
    )


def _found(results: Results, table: Table | None) -> dict[str, str]:
    """What is said of the rows, if there is anything to be said."""
    if table is None:
        return {"verdicts": _NOTHING, **dict.fromkeys(("tables", "several", "notes", "price", "differences"), "")}
    return {
        "verdicts": _verdicts(table),
        "tables": _tables(results, table),
        "several": _several(results),
        "notes": _notes(table),
        "price": _price(results, table),
        "differences": _differences(table),
    }


def write_page(path: str | os.PathLike[str], results: Results, table: Table | None = None) -> Path:
    """Write it.

    Raises:
        InputError: the file cannot be written.
    """
    write_atomically(path, page(results, table))
    return Path(path)


def _verdicts(table: Table) -> str:
    said = verdicts(table, named=lambda name: f"<b><bdi>{escaped(name)}</bdi></b>")
    return f"<ul>{''.join(f'<li>{sentence}</li>' for sentence in said)}</ul>"


def _tables(results: Results, table: Table) -> str:
    first, *others = table.columns
    return grid(results, table, first) + "".join(
        f"<details><summary><bdi>{escaped(task)}</bdi></summary>{grid(results, table, task)}</details>"
        for task in others
    )


def _several(results: Results) -> str:
    """pass@k of each row and task, where there are several repeats."""
    found = passed(results)
    if not found:
        return ""
    head = "".join(f"<th>pass@{k}</th>" for k in found[0].at)
    rows = "".join(
        f"<tr><th><bdi>{escaped(each.row)}</bdi></th><td><bdi>{escaped(each.task)}</bdi></td>"
        f"{''.join(_attempts(each, k) for k in each.at)}</tr>"
        for each in found
    )
    return (
        f"<details><summary>With several attempts: pass@k, by the unbiased estimator</summary>{_UNEQUAL}"
        f'<div class="wide"><table id="several"><thead><tr><th></th><th>task</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _attempts(found: Passed, k: int) -> str:
    return f"<td>{score(found.at[k])}<small>{number(found.tokens[k])} tokens</small></td>"


def _notes(table: Table) -> str:
    said = "".join(f"<p>{escaped(note)}</p>" for note in notes(table))
    return f'<details class="small"><summary>How each number was made</summary>{said}</details>'


def _price(results: Results, table: Table) -> str:
    drawn = "".join(plots.price(results, table, column, f"price{n}") for n, column in enumerate(table.columns))
    return f'<p class="legend">{legend(table)}</p><div class="plots">{drawn}</div>'


def _differences(table: Table) -> str:
    if all(row.kind != "strategy" for row in table.rows):
        return ""
    drawn = "".join(plots.differences(table, column, f"difference{n}") for n, column in enumerate(table.columns))
    return f'<div class="plots">{drawn}</div>'


def _tuning(trials: list[Trial]) -> str:
    studies: dict[str, list[Trial]] = {}
    for trial in trials:
        studies.setdefault(trial.tuned, []).append(trial)
    return "".join(
        f"<figure>{plots.tuning(some, f'tuning{n}')}<figcaption>{escaped(_best(some))}</figcaption></figure>"
        for n, some in enumerate(studies.values())
    )


def _best(trials: list[Trial]) -> str:
    """What came of a study, in a sentence; and of its failures, the last one's reason."""
    done = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    said = "No trial is complete."
    if done:
        best = max(done, key=lambda trial: trial.value or 0.0)
        said = f"Best: {plots.parameters(best)} ({score(best.value or 0.0)}, trial {best.number} of {len(trials)})."
    failed = [trial for trial in trials if trial.state == "failed"]
    return f"{said} {len(failed)} failed: {failed[-1].error}" if failed else said
