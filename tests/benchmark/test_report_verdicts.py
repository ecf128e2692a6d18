"""The sentences of the report."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from made_rows import made_results

from backtrack_sampler.benchmark.report.verdicts import verdicts
from backtrack_sampler.benchmark.rows import Row
from backtrack_sampler.benchmark.statistics.estimates import Difference, Estimate
from backtrack_sampler.benchmark.table import Table
from backtrack_sampler.benchmark.table.entries import (
    ALL_TASKS,
    BASELINE,
    BETTER,
    CHEAP,
    COMPARED,
    UNDECIDED,
    WORSE,
    Comparison,
    Entry,
)


class Made:
    """A table that says what it is told."""

    def __init__(
        self, said: dict[str, dict[str, tuple[str, str, str, str]]], columns: tuple[str, ...] = (ALL_TASKS,)
    ) -> None:
        self.columns = list(columns)
        rows = {row.name: row for row in made_results(2, 1).rows}
        self._entries = {column: self._of(said[column], rows) for column in columns}

    def _of(self, said: dict[str, tuple[str, str, str, str]], rows: dict[str, Row]) -> list[Entry]:
        estimate = Estimate(0.5, 0.01, 0.48, 0.52, 10, 10)
        controls = [Entry(rows[name], "", estimate, 10, 1, 20.0, 20.0, 0.0, 0) for name in ("baseline T=1", "greedy")]
        found = []
        for name, four in said.items():
            comparisons = {
                against: Comparison(
                    against, "greedy" if against == CHEAP else "baseline T=1", estimate, 18.0,
                    Difference(0.1 if verdict != WORSE else -0.1, 0.01, 0.08, 0.12, 0.001, "paired t", 10, 10, 5, 0.01, 0.1), 0.004, 3, 0.05, 0.06, verdict,
                )
                for against, verdict in zip(COMPARED, four, strict=True) if verdict
            }  # fmt: skip
            found.append(Entry(rows[name], "", estimate, 10, 1, 40.0, 20.0, 1.0, 0, 2.0, comparisons=comparisons))
        return [*controls, *found]

    def entries(self, column: str) -> list[Entry]:
        return self._entries[column]


NAMES = ["probability-threshold", "repetition", "entropy-threshold", "creative-writing"]


def said(*four: tuple[str, str, str, str]) -> list[str]:
    table: Any = Made({ALL_TASKS: dict(zip(NAMES, four, strict=False))})
    return verdicts(table)


def test_better_than_everything() -> None:
    """A strategy that beats all that costs as much or less has a plain sentence, and is counted at the top."""
    found = said((BETTER,) * 4)
    assert found[0] == (
        "Of 1 strategy, 1 is better than the same sampling alone, none is worse and none cannot be told from it (on all tasks "
        "together; p-values corrected for 3 comparisons). 1 is better than every control here that costs as much or less (at most 5% more drawn "
        "tokens)."
    )
    assert found[1] == (
        "probability-threshold is better than baseline T=1: 0.500 against 0.500 (+0.100, 95% interval +0.080 to +0.120, "
        "p = 0.004), for 2.00 times the tokens (40 an item). It is better than best-of-n at equal cost (0.500), a majority "
        "vote at equal cost (0.500) and greedy (0.500 for 18 tokens an item)."
    )


def test_a_control_does_the_same() -> None:
    """What is as good or better for the price stands with it, and before what is not."""
    found = said((BETTER, WORSE, BETTER, UNDECIDED))
    assert found[0].endswith(
        "None is better than every control here that costs as much or less (at most 5% more drawn tokens)."
    )
    assert found[1].endswith(
        "But it is worse than best-of-n at equal cost (0.500). It cannot be told from greedy (0.500 for 18 tokens an "
        "item). It is better than a majority vote at equal cost (0.500)."
    )


def test_not_distinguishable_and_worse() -> None:
    """These are lists; with what could have been seen, and with what the harm has cost."""
    found = said((UNDECIDED,) * 4, (WORSE,) * 4, (UNDECIDED, "", "", ""))
    assert found[1] == (
        "Not distinguishable from their baselines: probability-threshold (+0.100) and entropy-threshold (+0.100). "
        "A true difference of 0.060 would be found here at least four times in five; a smaller one may have been missed."
    )
    assert found[2] == "Worse than their baselines: repetition (\u22120.100 for 2.00 times the tokens)."
    assert found[3] == (
        "Without any strategy, baseline T=1 scores 0.500 for 20 tokens an item: the best of 2 controls that draw once "
        "and take nothing back."
    )


def test_what_never_acted_is_no_evidence() -> None:
    """A row that took nothing back and changed nothing stands apart: what could have been seen does not matter there."""
    results = made_results(30, 2, tasks=["sums"], strategies=["creative-writing", "repetition"])
    *controls, one, other = results.rows
    assert other.baseline is not None
    idle = replace(other, outcomes=other.baseline.outcomes)
    found = verdicts(Table([*controls, one, idle]))
    assert "2 cannot be told from it, 1 of which never took anything back (" in found[0]
    assert found[1].startswith("Not distinguishable from its baseline: creative-writing (")
    assert found[2] == (
        "Never took anything back, and wrote what its baseline writes: repetition. Nothing was tested there."
    )
    found = verdicts(Table([*controls, idle]))
    assert "1 cannot be told from it, which never took anything back (" in found[0]
    assert not any("Not distinguishable" in each for each in found)


def test_controls_that_are_one_are_named_once() -> None:
    """Best-of-n and majority of one sample are the baseline; of two, both are one: no evidence that is counted twice."""
    results = made_results(60, 3, strategies=["probability-threshold, tuned"], controls=[])
    base, row = results.rows
    row = replace(row, outcomes=_all(row, 1.0))
    cost = f"{Table([base, row]).entry(row.name).beside['majority'].samples:.1f} samples an item)"

    def said(**beside: Any) -> list[str]:
        rows = {name: replace(each, outcomes=beside.get(name[:4], each.outcomes)) for name, each in row.beside.items()}
        return verdicts(Table([base, replace(row, beside=rows)]))[:2]

    first, second = said()
    assert first.endswith("(at most 5% more drawn tokens).")
    assert re.search(
        rf"It is better than best-of-n at equal cost \(0\.\d+, about {re.escape(cost)} and a majority", second
    )
    first, second = said(majo=row.beside["best-of-n"].outcomes)
    assert first.endswith("(at most 5% more drawn tokens).")
    assert re.search(
        rf"It is better than best-of-n at equal cost \(0\.\d+, about {cost[:-1]}; here the same as a majority vote\)",
        second,
    )
    first, second = said(best=base.outcomes, majo=base.outcomes)
    assert first.endswith("For 1 of these, some of these controls are the baseline again.")
    assert re.search(r" Here best-of-n at [^)]+\) and a majority vote [^)]+\) are the same as baseline T=1\.$", second)


def test_one_task_says_what_all_do_not() -> None:
    """Verdicts on single tasks are named where the whole has another."""
    same, worse, better = (UNDECIDED,) * 4, (WORSE, *(UNDECIDED,) * 3), (BETTER, *(UNDECIDED,) * 3)
    table: Any = Made(
        {
            ALL_TASKS: dict(zip(NAMES, (same, worse), strict=False)),
            "sums": dict(zip(NAMES, (better, worse), strict=False)),
            "gcd": dict(zip(NAMES, (same, same), strict=False)),
        },
        (ALL_TASKS, "sums", "gcd"),
    )
    assert verdicts(table)[-1] == "Better on single tasks only: on sums probability-threshold (+0.100)."


def test_samples_of_another_control_are_named() -> None:
    """Where the baseline's own samples would all be the same, the sentence says whose were chosen among."""
    results = made_results(60, 3, strategies=["repetition"])
    row = results.rows[-1]
    other = next(each for each in results.rows if each.name == "baseline T=0.7")
    beside = {name: replace(each, arm=other.arm) for name, each in row.beside.items()}
    row = replace(row, outcomes=_all(row, 1.0), beside=beside)
    found = verdicts(Table([*results.rows[:-1], row]))
    assert "better than best-of-n of baseline T=0.7 at equal cost (" in found[1]
    beside["majority"] = replace(beside["majority"], outcomes=_all(row, 0.0))
    found = verdicts(Table([*results.rows[:-1], replace(row, beside=beside)]))
    assert "a majority vote of baseline T=0.7 at equal cost (" in found[1]


def _all(row: Row, score: float) -> dict[str, Any]:
    return {task: [each._replace(score=score) for each in outcomes] for task, outcomes in row.outcomes.items()}


def test_names_are_written_as_asked() -> None:
    """Every name of a row or task passes through `named`: what they hold is never markup."""
    results = made_results(30, 2)
    plain = verdicts(Table(results.rows))
    marked = verdicts(Table(results.rows), named=lambda name: f"\x01{name}\x02")
    assert [each.replace("\x01", "").replace("\x02", "") for each in marked] == plain
    names = {row.name for row in results.rows} | {
        "sums",
        "gcd:largest=20",
        "countdown:numbers=2",
        "needle:statements=4",
    }
    for sentence in marked:
        outside = "".join(
            part.partition("\x02")[2] or (part if "\x02" not in part else "") for part in sentence.split("\x01")
        )
        assert not any(name in outside for name in names)


@pytest.mark.parametrize("seed", range(4))
def test_every_strategy_is_mentioned(seed: int) -> None:
    """None is passed over in silence, whatever it does, and the counts are right."""
    results = made_results(25, 2, seed=seed, tasks=["sums"])
    table = Table(results.rows)
    found = verdicts(table)
    for entry in table.strategies():
        assert any(entry.name in sentence for sentence in found)
    counts = {
        verdict: sum(e.comparisons[BASELINE].verdict == verdict for e in table.strategies())
        for verdict in (BETTER, WORSE, UNDECIDED)
    }
    assert f"{counts[BETTER] or 'none'} {'is' if counts[BETTER] < 2 else 'are'} better" in found[0]
    assert f"{counts[UNDECIDED] or 'none'} cannot be told" in found[0]
