"""What controls score at rising cost."""

from __future__ import annotations

import pytest
from made_rows import made_results

from backtrack_sampler.benchmark.arms import Arm
from backtrack_sampler.benchmark.records import Record
from backtrack_sampler.benchmark.report.curve import Point, curves
from backtrack_sampler.benchmark.results import Results
from backtrack_sampler.benchmark.rows import BEST_OF_N, EQUAL_COST, MAJORITY, Outcome, Row

BASE, MINE, MORE = (
    Arm("base"),
    Arm("mine", (("operator", "repetition"),)),
    Arm("more", (("strategy", "creative-writing"),)),
)


def sample(number: int, score: float, answer: str, worth: float, drawn: int = 10) -> Record:
    return Record("", BASE.key, "t", "i", 0, number, 0, "", answer, score, drawn, drawn, 0, drawn, worth, "stop")


def of(samples: dict[tuple[str, str, str, int], list[Record]]) -> Results:
    """Results of two strategies that have these samples beside them."""
    tasks = {task: [Outcome("i", "", 0.0, 1.0, 1.0, 0.0)] for _, task, _, _ in samples}
    base = Row("base", "control", BASE, tasks)
    beside = {name: Row(name, "equal cost", BASE, tasks) for name in EQUAL_COST}
    rows = [base, *(Row(arm.name, "strategy", arm, tasks, base, beside) for arm in (MINE, MORE))]
    return Results({}, rows, samples=samples)


def test_points() -> None:
    """With n samples each item is worth what the control picks from the first n, and costs what these have."""
    samples = [
        sample(0, 0.0, "a", -2.0),
        sample(1, 1.0, "b", -1.0, 30),
        sample(2, 0.0, "a", -3.0),
        sample(3, 0.0, "a", -4.0),
    ]
    found = curves(of({(MINE.key, "t", "i", 0): samples}))
    assert found[BASE.key, BEST_OF_N] == [Point(1, 10, 0), Point(2, 40, 1), Point(3, 50, 1), Point(4, 60, 1)]
    assert [point.score for point in found[BASE.key, MAJORITY]] == [0, 1, 0, 0]


def test_the_longest_list_counts() -> None:
    """Strategies with one pool have samples in common: the dearest has most of them."""
    samples = [sample(n, 1.0, "a", -1.0) for n in range(4)]
    for some, others in ((samples[:2], samples), (samples, samples[:2])):
        found = curves(of({(MINE.key, "t", "i", 0): some, (MORE.key, "t", "i", 0): others}))
        assert [point.n for point in found[BASE.key, BEST_OF_N]] == [1, 2, 3, 4]


def test_items_with_fewer_samples() -> None:
    """They count with all they have; the curve ends where few items have more. Repeats are averaged in their item."""
    right, wrong = [sample(n, 1.0, "a", -1.0) for n in range(5)], [sample(0, 0.0, "b", -1.0)]
    given = {(MINE.key, "t", str(n), 0): right[:2] for n in range(3)}
    given |= {(MINE.key, "t", "3", 0): right, (MINE.key, "t", "4", 0): wrong, (MINE.key, "t", "4", 1): right[:2]}
    points = curves(of(given))[BASE.key, BEST_OF_N]
    assert [point.n for point in points] == [1, 2]
    assert points[1].drawn == pytest.approx((4 * 20 + (10 + 20) / 2) / 5)
    assert points[1].score == pytest.approx(4.5 / 5)


def test_all_tasks_are_the_mean_of_their_curves() -> None:
    """Each task has the same weight, and a curve of its own."""
    given = {
        (MINE.key, "t", "i", 0): [sample(0, 1.0, "a", -1.0)] * 2,
        (MINE.key, "u", "i", 0): [sample(0, 0.0, "a", -1.0, 30)] * 2,
    }
    found = of(given)
    assert curves(found)[BASE.key, BEST_OF_N] == [Point(1, 20, 0.5), Point(2, 40, 0.5)]
    assert curves(found, "u")[BASE.key, BEST_OF_N] == [Point(1, 30, 0), Point(2, 60, 0)]


def test_it_begins_at_the_baseline() -> None:
    """One sample is the baseline itself: its score and its price."""
    found = made_results(20, 2, tasks=["sums"], strategies=["creative-writing", "entropy-threshold"])
    base = next(row for row in found.rows if row.name == "baseline T=1")
    first = curves(found, "sums")[base.arm.key, BEST_OF_N][0]
    outcomes = base.outcomes["sums"]
    assert first.score == pytest.approx(sum(each.score for each in outcomes) / 20)
    assert first.drawn == pytest.approx(sum(each.drawn for each in outcomes) / 20)


def test_no_samples() -> None:
    """Without samples there is no curve."""
    assert curves(of({})) == {}
