"""What an experiment has found."""

from __future__ import annotations

from dataclasses import replace

from made_rows import made_results

from backtrack_sampler.benchmark.report.changes import changes, count_changed
from backtrack_sampler.benchmark.rows import Row


def _of_first(count: int, row: Row) -> Row:
    """A row of the first items only, with its controls."""
    return Row(
        row.name, row.kind, row.arm, {task: found[:count] for task, found in row.outcomes.items()},
        row.baseline and _of_first(count, row.baseline), {name: _of_first(count, each) for name, each in row.beside.items()},
    )  # fmt: skip


def test_only_items_of_the_table_have_changed() -> None:
    """Where a run was interrupted within a block, there are texts of more items than the rows have outcomes of: these
    are in no count, as they are in no score."""
    whole = made_results(20, 2, tasks=["sums"], strategies=["entropy-threshold"], controls=[])
    base, row = (_of_first(8, each) for each in whole.rows)
    part = replace(whole, rows=[base, row])
    items = {each.item for each in base.outcomes["sums"]}
    pairs = part.changed(row, base, "sums")
    assert pairs
    assert {mine.item for mine, _ in pairs} <= items
    assert len(pairs) < len(whole.changed(whole.rows[1], whole.rows[0], "sums"))
    gained, lost = count_changed(part, row)
    assert gained + lost == len(pairs)
    (shown,) = changes(part)["rows"][0]["tasks"]
    assert (shown["gained"], shown["lost"]) == (gained, lost)
