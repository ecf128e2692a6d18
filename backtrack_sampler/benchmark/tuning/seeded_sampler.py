"""Which settings to try next; needs Optuna."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial

from .study_trials import chosen_before

__all__ = ["SeededSampler"]


class SeededSampler(BaseSampler):  # type: ignore[misc]  # Optuna's types are not followed
    """A tree-structured Parzen estimator (TPE), seeded anew for each trial by how many settings came before.

    One seed for a process would give the second worker, and a study that goes on after a crash, the very settings
    that were tried already. A trial whose process has died is tried again under another number; it counts once, so
    that a study that was interrupted tries what it would have tried anyway. What others are just trying counts as
    bad (the constant liar), so that several workers do not all try the same.

    Args:
        seed: of the study.
        first: what the first trial tries: the settings that nobody has tuned.
        startup: so many are drawn at random.
    """

    def __init__(self, seed: int, first: Mapping[str, Any], startup: int = 10) -> None:
        self._seed = seed
        self._first = dict(first)
        self._startup = startup
        self._inner = TPESampler()  # another one for each trial: this one draws nothing
        self._place = 0

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._place = chosen_before(study.get_trials(deepcopy=False), trial.number)
        made = hashlib.sha256(f"{self._seed}:{self._place}".encode()).digest()
        self._inner = TPESampler(
            n_startup_trials=self._startup,
            multivariate=True,
            constant_liar=True,
            seed=int.from_bytes(made[:4], "big"),
        )
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        found: dict[str, BaseDistribution] = self._inner.infer_relative_search_space(study, trial)
        return found

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        drawn: dict[str, Any] = self._inner.sample_relative(study, trial, search_space)
        return drawn

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self._place == 0 and param_name in self._first:
            return self._first[param_name]
        return self._inner.sample_independent(study, trial, param_name, param_distribution)
