"""What a study knows of its trials: which of them count, and what has come of them. Needs Optuna."""

from __future__ import annotations

from collections.abc import Iterable

import optuna
from optuna.trial import FrozenTrial, TrialState

from ..results import Trial

__all__ = [
    "DRAWN",
    "FAILED",
    "ITEMS",
    "PARAMETERS",
    "WORKER",
    "chosen_before",
    "counted_before",
    "fail",
    "finished",
    "is_finished",
    "trial_of",
]

#: Attributes of a trial: who runs it, its setting as it is run, and what has come of it. One that has ended as
#: failed without an error of its own does not count: its process has died, or was stopped.
WORKER, PARAMETERS, ITEMS, DRAWN, FAILED = "worker", "parameters", "items", "drawn", "error"

_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def is_finished(trial: FrozenTrial) -> bool:
    """Whether it is one of the n that are wanted, and done."""
    if trial.state == TrialState.FAIL:
        return FAILED in trial.user_attrs
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def finished(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Those that are."""
    return [each for each in trials if is_finished(each)]


def counted_before(trials: Iterable[FrozenTrial], number: int) -> int:
    """How many with a lower number are done or being run: if that is enough, this one is not needed."""
    return sum(each.number < number and (is_finished(each) or each.state == TrialState.RUNNING) for each in trials)


def chosen_before(trials: Iterable[FrozenTrial], number: int) -> int:
    """How many settings were chosen before a trial's; one that was tried again is one."""
    return sum(each.number < number and (each.state != TrialState.FAIL or is_finished(each)) for each in trials)


def fail(study: optuna.Study, number: int) -> bool:
    """End a trial that is not to count; False where somebody else has ended it."""
    try:
        study.tell(number, state=TrialState.FAIL)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
        return False
    return True


def trial_of(tuned: str, trial: FrozenTrial) -> Trial:
    """A finished trial, as results have it."""
    said = trial.user_attrs
    return Trial(
        tuned=tuned,
        number=trial.number,
        parameters=dict(said.get(PARAMETERS, trial.params)),
        value=None if trial.state == TrialState.FAIL else trial.value,
        state=_STATES[trial.state],
        items=int(said.get(ITEMS, 0)),
        drawn=float(said.get(DRAWN, 0.0)),
        error=str(said.get(FAILED, "")),
    )
