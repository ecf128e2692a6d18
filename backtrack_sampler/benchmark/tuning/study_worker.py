"""One of those who work on a study. Needs Optuna."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from types import TracebackType
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ...errors import BacktrackError, InputError, MissingPackageError, ModelError, StorageError
from ..arms import Arm, digest
from .ranges import Choice, Choices
from .search_space import Tuning
from .seeded_sampler import SeededSampler
from .study import Measure, OnTrial, Partial, Tuned
from .study_storage import StudyStorage
from .study_trials import (
    DRAWN,
    FAILED,
    ITEMS,
    PARAMETERS,
    WORKER,
    counted_before,
    fail,
    finished,
    is_finished,
    trial_of,
)

__all__ = ["Worker"]

_log = logging.getLogger(__name__)

_POLL = 0.5  # seconds between looks at what other workers have finished
_ATTEMPT = "attempt"  # attribute of a trial: how many processes have tried it, this one included
_ATTEMPTS = 3  # processes that may die over one setting before it has failed
_LONGEST = 2000  # characters of an error that are kept

#: What is wrong with the machine, though it is one of ours. All that is none of ours is no setting's fault either:
#: what strategies and checkers raise has ended the text that it happened in.
_NOT_ITS_FAULT = (StorageError, ModelError, MissingPackageError)


class _SettingFailed(Exception):
    """A setting cannot be measured; the message says why."""


class Worker:
    """Tries settings until enough are finished.

    Args:
        tuning, sampling, measure, storage, on_trial: see `tuning.tune`.

    Raises:
        InputError, MissingPackageError: the storage cannot be used.
    """

    def __init__(
        self,
        tuning: Tuning,
        sampling: Mapping[str, Any],
        measure: Measure,
        storage: str | None,
        on_trial: OnTrial | None,
    ) -> None:
        self._tuning = tuning
        self._sampling = sampling
        self._measure = measure
        self._on_trial = on_trial
        self._storage = StudyStorage(storage)
        self._study: optuna.Study

    def __enter__(self) -> Worker:
        self._storage.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._storage.__exit__(kind, error, trace)

    def open_study(self, name: str, seed: int, about: Mapping[str, Any], startup: int, warm_up: int) -> None:
        """Begin the study, or go on with it."""
        tuning = self._tuning
        described = {
            "arm": tuning.arm(tuning.first, self._sampling).identity,  # its source among that
            "space": {key: repr(each) for key, each in tuning.space.items()},
            "about": dict(about),
        }
        with self._storage.errors():
            self._study = optuna.create_study(
                storage=self._storage.optuna,
                study_name=f"{name} {tuning.name} {digest(described)}",
                direction="maximize",
                load_if_exists=True,
                sampler=SeededSampler(seed, tuning.defaults, startup),
                pruner=optuna.pruners.MedianPruner(max(1, startup // 2), warm_up, n_min_trials=3),
            )
            if "tuned" not in self._study.user_attrs:
                self._study.set_user_attr("tuned", tuning.name)
        _log.info(
            "tuning %s: %d of %d trials are in %s",
            tuning.name, len(finished(self._trials())), tuning.n_trials, self._storage.name,
        )  # fmt: skip

    def work(self) -> None:
        """Try settings until enough are finished; then wait for those that others are trying."""
        while True:
            self._take_over()
            trials = self._trials()
            done = len(finished(trials))
            if done >= self._tuning.n_trials:
                return
            if done + sum(each.state == TrialState.RUNNING for each in trials) < self._tuning.n_trials:
                self._try_one()
            else:
                time.sleep(_POLL)

    def best(self) -> Tuned:
        """The best setting: of several with the same score the one that draws fewest tokens, then the first.

        Raises:
            InputError: all have failed.
        """
        trials = [trial_of(self._tuning.name, each) for each in finished(self._trials())]
        scored = [(each.value, -each.drawn, -each.number, each) for each in trials if each.state == "complete"]
        if not scored:
            failed = next((each for each in trials if each.error), trials[0])
            raise InputError(
                f"{self._tuning.name} cannot be tuned: all of {len(trials)} settings failed; number {failed.number}, "
                f"{self._tuning.arm_spec(failed.parameters)}: {failed.error}"
            )
        value, _, _, best = max(scored)
        assert value is not None
        return Tuned(self._arm(best.parameters), best.parameters, value, trials)

    def _arm(self, parameters: Mapping[str, Choice]) -> Arm:
        return self._tuning.arm(parameters, self._sampling)

    def _trials(self) -> list[FrozenTrial]:
        with self._storage.errors():
            found: list[FrozenTrial] = self._study.get_trials(deepcopy=False)
            return found

    def _take_over(self) -> None:
        """Have done again what others have left undone."""
        with self._storage.errors():
            for trial in self._storage.lost(self._study):
                _log.warning("trial %d of %s is tried again: its process has died", trial.number, self._tuning.name)
                self._try_again(trial, died=True)

    def _try_again(self, trial: FrozenTrial, died: bool) -> None:
        parameters = trial.user_attrs.get(PARAMETERS)
        if parameters is None:  # nothing had been chosen
            return
        attempt = trial.user_attrs.get(_ATTEMPT, 1)
        if died and attempt >= _ATTEMPTS:
            error = f"{attempt} processes have died over it"
            self._study.add_trial(
                optuna.trial.create_trial(
                    state=TrialState.FAIL,
                    params=trial.params,
                    distributions=trial.distributions,
                    user_attrs={PARAMETERS: parameters, FAILED: error},
                )
            )
            return
        self._study.enqueue_trial(parameters, user_attrs={PARAMETERS: parameters, _ATTEMPT: attempt + died})

    def _try_one(self) -> None:
        with self._storage.errors():
            trial = self._storage.ask(self._study)
        try:
            with self._storage.alive(self._study, trial.number):
                if self._is_needed(trial):
                    self._run(trial)
        except optuna.exceptions.UpdateFinishedTrialError:
            _log.warning(
                "trial %d of %s was given to another worker: this one has given no sign of life for too long",
                trial.number, self._tuning.name,
            )  # fmt: skip
        except BaseException:  # Ctrl-C among them
            with suppress(InputError):  # the first error says it
                self._give_back(trial.number)
            raise

    def _is_needed(self, trial: optuna.Trial) -> bool:
        """Sign it; end it where somebody has begun the last one just before."""
        with self._storage.errors():
            trial.set_user_attr(WORKER, self._storage.worker)
            if counted_before(self._study.get_trials(deepcopy=False), trial.number) < self._tuning.n_trials:
                return True
            fail(self._study, trial.number)
            return False

    def _give_back(self, number: int) -> None:
        trial = next(each for each in self._trials() if each.number == number)
        with self._storage.errors():
            if fail(self._study, number):
                self._try_again(trial, died=False)

    def _run(self, trial: optuna.Trial) -> None:
        with self._storage.errors():
            parameters = self._chosen(trial)
            trial.set_user_attr(PARAMETERS, parameters)
        last, state = Partial(0, math.nan, 0.0), TrialState.COMPLETE
        try:
            with closing(self._measured(parameters)) as measured:
                for last in measured:
                    with self._storage.errors():
                        trial.report(last.score, last.items)
                        if last.items != last.planned and trial.should_prune():
                            state = TrialState.PRUNED
                            break
        except _SettingFailed as error:
            state = TrialState.FAIL
            with self._storage.errors():
                trial.set_user_attr(FAILED, str(error)[:_LONGEST])
        with self._storage.errors():
            trial.set_user_attr(ITEMS, last.items)
            trial.set_user_attr(DRAWN, last.drawn)
            value = last.score if state == TrialState.COMPLETE else None
            told = self._study.tell(trial, value, state=state, skip_if_finished=True)
        if self._on_trial is not None and is_finished(told):
            self._on_trial(trial_of(self._tuning.name, told), len(finished(self._trials())))

    def _chosen(self, trial: optuna.Trial) -> dict[str, Any]:
        chosen = {}
        for name, each in self._tuning.space.items():
            if isinstance(each, Choices):
                chosen[name] = trial.suggest_categorical(name, each.choices)
            elif each.whole:
                chosen[name] = trial.suggest_int(name, each.low, each.high, log=each.log, step=each.step or 1)
            else:
                chosen[name] = each.plain(trial.suggest_float(name, each.low, each.high, log=each.log, step=each.step))
        return chosen

    def _measured(self, parameters: Mapping[str, Choice]) -> Generator[Partial]:
        """What `measure` yields, checked.

        Raises:
            _SettingFailed: from what it raises, or because of what it yields.
        """
        partials: Any = ()
        found = False
        try:
            partials = iter(self._measure(self._arm(parameters)))
            for each in partials:
                if not math.isfinite(each.score):
                    raise _SettingFailed(f"its score is {each.score}")
                found = True
                yield each
        except (_SettingFailed, *_NOT_ITS_FAULT):
            raise
        except BacktrackError as error:
            raise _SettingFailed(f"{type(error).__name__}: {error}") from error
        finally:
            if close := getattr(partials, "close", None):
                close()
        if not found:
            raise _SettingFailed("nothing was measured")
