"""What a table says of a row: its score on a task, and how it compares with its controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..rows import BEST_OF_N, MAJORITY, Row
from ..statistics.estimates import Difference, Estimate

__all__ = [
    "ALL_TASKS", "BASELINE", "BETTER", "CHEAP", "COMPARED", "SLACK", "UNDECIDED", "WORSE", "Comparison", "Entry",
]  # fmt: skip

#: The column that is the mean over all tasks, each of the same weight.
ALL_TASKS = "all tasks"

#: What a strategy is compared with: the same sampling without it; the two that choose among samples until they
#: have cost as many tokens; and the control with the best score of those that draw once and are no dearer.
BASELINE, CHEAP = "baseline", "best control no dearer"
COMPARED = (BASELINE, BEST_OF_N, MAJORITY, CHEAP)

#: What draws at most this share more tokens is no dearer: nobody leaves greedy decoding for a hundredth of a token.
SLACK = 0.05

#: What may be said of a strategy and a control.
BETTER, WORSE, UNDECIDED = "better", "worse", "not distinguishable"


@dataclass(frozen=True)
class Comparison:
    """A strategy against one of its controls, on one task or all, item by item.

    Attributes:
        against: of `COMPARED`.
        control: the name of the control's row.
        score: the control's, with its interval.
        drawn: tokens that the control has drawn for an item.
        difference: the strategy's score minus the control's: `value`, `low`, `high`, `error`, and the
            uncorrected `p` with the name of its `test`.
        p: corrected after Holm. Of `CHEAP`, where the strategy is worse, times `among` before that: the luckiest of
            so many controls was chosen by these very items, and is tested on them. To be better than the luckiest
            needs no such correction.
        family: how many p-values were corrected together.
        visible: the smallest difference that would have been found with 80% power at 5%, had it been the only
            comparison; of `CHEAP`, as a gain.
        visible_corrected: the same at 5% / `family`, Holm's first and strictest step.
        verdict: `BETTER`, `WORSE` or `UNDECIDED`: by the corrected p at 5%.
        among: how many controls this one was chosen among, by score.
        same_as: an earlier one of `COMPARED` whose control has the same score on every item, so that this comparison
            is no further evidence; "" where there is none.
    """

    against: str
    control: str
    score: Estimate
    drawn: float
    difference: Difference
    p: float
    family: int
    visible: float
    visible_corrected: float
    verdict: str
    among: int = 1
    same_as: str = ""


@dataclass(frozen=True)
class Entry:
    """A row on one task, or on all.

    Attributes:
        row: what it is of; `row.kind` says whether strategy, control, "equal cost" or oracle.
        task: the task's name, or `ALL_TASKS`.
        estimate: the score: `value`, `low`, `high`, `error`.
        items: how many, of all tasks together.
        repeats: texts of each item, the most.
        drawn: tokens drawn for an item, on average; of all tasks: the mean over tasks.
        forwards: places of the text that the model was asked about, likewise; 0 where that is not known.
        kept: tokens that stand, likewise.
        rollbacks: for an item, likewise.
        failed: texts that have ended with an error, in all; they count as wrong.
        price: tokens drawn over those of the baseline; None for controls that draw once.
        development: the score on the development split, of a row that was tuned there; else None.
        comparisons: of a strategy: of `COMPARED`, in that order; `CHEAP` is missing where every control draws
            over `SLACK` more tokens.
        beside: of a strategy: the `EQUAL_COST` names -> what they have scored; the oracle is here only.
        samples: of what stands beside a strategy: about how many samples of an item it has chosen among, by what one
            of them costs in a row of its own; None for other rows, and where there is no such row.
    """

    row: Row
    task: str
    estimate: Estimate
    items: int
    repeats: int
    drawn: float
    kept: float
    rollbacks: float
    failed: int
    price: float | None = None
    development: float | None = None
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    beside: Mapping[str, Entry] = field(default_factory=dict)
    forwards: float = 0.0
    samples: float | None = None

    @property
    def name(self) -> str:
        """The row's."""
        return self.row.name

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return self.estimate.value
