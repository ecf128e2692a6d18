"""An experiment from its configuration to its results: tuned on one split, measured on the other, kept on the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..events import Listener
from ..provider.base_provider import BaseProvider
from ..stream import TokenStream
from .about import about_run, describe_model, model_key
from .arms import Arm, digest
from .config.problems import Problem, in_yaml, refusal
from .drawing import Drawer, Wanted
from .logit_cache import LogitCache
from .measuring import Measurement, Partial, partly
from .preparing import Prepared, prepare, storage_of
from .progress import Progress
from .report.traces import TraceKeeper
from .results import Results, Trial
from .tally import Tally
from .tuning.study import Tuned, tune
from .writing import write_all

if TYPE_CHECKING:
    from .config.experiment import Experiment
    from .tuning.search_space import Tuning

__all__ = ["run"]

_log = logging.getLogger(__name__)
_GIB = 1 << 30


def run(
    experiment: Experiment,
    provider: BaseProvider,
    *,
    resume: bool = False,
    allow_code_execution: bool = False,
    progress: Progress | None = None,
    prepared: Prepared | None = None,
) -> Results:
    """Run an experiment, and write all that it finds to its folder.

    Every text is kept in the moment it is over. Ctrl-C ends the run early: what is there is written as results
    that say that they are not complete.

    Args:
        experiment: see `read_experiment`.
        provider: the model that it names.
        resume: go on with what is in its folder. Without that, a folder with texts is refused.
        allow_code_execution: let tasks run what the model has written.
        progress: shows how far it is.
        prepared: what `prepare` has made of it, where that was called before the model was loaded.

    Raises:
        InputError: the folder or something else cannot be used.
        KeyboardInterrupt: Ctrl-C before any item was answered by all.
    """
    if experiment.has_records and not resume:
        raise InputError(f"{experiment.folder} has texts of an experiment already: resume it, or name another folder")
    prepared = prepared or prepare(experiment, allow_code_execution)
    return _Run(experiment, provider, prepared, progress or Progress()).results()


class _Run:
    def __init__(self, experiment: Experiment, provider: BaseProvider, prepared: Prepared, progress: Progress) -> None:
        self._started = time.monotonic()
        self._experiment = experiment
        self._progress = progress
        asked = experiment.evaluation
        (self._test, self._development), self._store = prepared
        self._tunings = [(tuning, sampling) for tuning in experiment.to_tune() for sampling in experiment.samplings()]
        self._tally = Tally(progress)
        folder = experiment.folder
        model = describe_model(provider, experiment.model_name_or_path, experiment.model_options(), folder)
        said = experiment.model_dump(mode="json", exclude_unset=True)
        self._about = about_run(said, asked.seed, model)
        self._model = model_key(model)
        self._traces = TraceKeeper(provider, folder, asked.traces, digest([self._model, asked.seed]))
        self._listening = False
        cached = LogitCache(provider, int(asked.cache_gib * _GIB)) if asked.cache_gib else provider
        self._drawer = Drawer(
            cached, self._store, model=self._model, seed=asked.seed, max_batch=asked.max_batch,
            max_new_tokens=experiment.generation.max_new_tokens, on_record=self._tally.on_record,
            listener=self._listener,
        )  # fmt: skip
        self._check_items()

    def _check_items(self) -> None:
        """What does not fit this model is said now, and not when its turn has come."""
        problems = []
        for index, (task, items) in enumerate(self._test):
            others = self._development[index].items if self._development else []
            try:
                self._drawer.check(task, [*others, *items])
            except InputError as error:
                problems.append(Problem(("evaluation", "tasks", index), in_yaml(str(error))))
        if problems:
            raise refusal(problems, self._experiment.file)

    def results(self) -> Results:
        """Do it all."""
        found = Results(self._about, planned={task.name: len(items) for task, items in self._test})
        found.items = {task.name: {item.id: item for item in items} for task, items in self._test}
        measurement: Measurement | None = None
        try:
            try:
                tuned = self._tune(found.trials)
                arms, development = self._tuned_arms(tuned)
                measurement = self._measurement([*self._experiment.strategy_arms(), *arms])
                self._measure(measurement)
            except KeyboardInterrupt:
                if measurement is None or not all(measurement.done.values()):
                    raise
                found.complete = False
            self._fill(found, measurement, development)
            write_all(found, self._experiment.folder, inspect_logs=self._experiment.evaluation.inspect_logs)
            return found
        finally:
            self._store.close()

    def _fill(self, found: Results, measurement: Measurement, development: Mapping[str, Mapping[str, float]]) -> None:
        found.rows = measurement.rows(development)
        found.records, found.samples = measurement.records, measurement.samples
        found.traces = self._traces.links(found.records)
        self._about["seconds"] = round(time.monotonic() - self._started, 1)

    # -- measuring -----------------------------------------------------------------------------

    def _measurement(self, strategies: Sequence[Arm]) -> Measurement:
        experiment = self._experiment
        return Measurement(
            self._drawer, experiment.control_arms(), strategies,
            {arm.key: experiment.baseline_of(arm) for arm in strategies},
            {arm.key: experiment.pool_of(arm) for arm in strategies},
            self._test, experiment.evaluation.repeats,
        )  # fmt: skip

    def _measure(self, measurement: Measurement) -> None:
        """Measure all arms, with traces."""
        self._listening = True
        wanted = [each for task, items in self._test for each in measurement.wanted(task, items)]
        self._tally.plan(wanted, f"all {len(measurement.controls) + len(measurement.strategies)} rows", self._drawer)
        baselines = {arm.key: self._experiment.baseline_of(arm) for arm in measurement.strategies}
        for _ in measurement.blocks():
            self._traces.settle(measurement.records, baselines)

    def _listener(self, wanted: Wanted, stream: TokenStream) -> Listener | None:
        return self._traces.listener(wanted, stream) if self._listening else None

    # -- tuning --------------------------------------------------------------------------------

    def _tune(self, trials: list[Trial]) -> list[Tuned]:
        """Tune all that is to be tuned, at each temperature; `trials` grows meanwhile."""
        hpo = self._experiment.hpo
        storage = storage_of(self._experiment)
        items = sum(len(items) for _, items in self._development)
        done = []
        for tuning, sampling in self._tunings:
            name = self._experiment.row_name(tuning.name, sampling)
            named = replace(tuning, name=name)

            def on_trial(trial: Trial, finished: int, tuning: Tuning = named) -> None:
                self._progress.working(tuning.name, "trials", finished, tuning.n_trials)
                _log.info("%s, trial %d: %s, %s", tuning.name, trial.number, trial.value, trial.state)

            self._tally.plan_more(named.n_trials * items)
            found = tune(
                named, sampling, self._try, storage=storage, study_name=hpo.study_name or "tuning",
                seed=hpo.seed, on_trial=on_trial, about=self._what_is_tuned_on(),
            )  # fmt: skip
            trials += found.trials
            self._progress.note(f"{name}: {found.value:.3f} on the development split with {found.parameters}")
            done.append(found)
        return done

    def _try(self, arm: Arm) -> Iterator[Partial]:
        return partly(self._drawer, arm, self._development)

    def _what_is_tuned_on(self) -> dict[str, Any]:
        """What else than its parameters decides what a setting is worth; JSON."""
        experiment = self._experiment
        return {
            "model": self._model,
            "seed": experiment.evaluation.seed,
            "max_new_tokens": experiment.generation.max_new_tokens,
            "tasks": [
                [task.name, task.version, digest([item.id for item in items])] for task, items in self._development
            ],
        }

    def _tuned_arms(self, tuned: Sequence[Tuned]) -> tuple[list[Arm], dict[str, dict[str, float]]]:
        """What was found, each setting once; and what each has scored where it was found."""
        arms = {each.arm.key: each.arm for each in tuned}
        scores: dict[str, dict[str, float]] = {}
        for arm in arms.values():
            wanted = [Wanted(arm, task, item) for task, items in self._development for item in items]
            by_task: dict[str, list[float]] = {}
            for record in self._drawer.records(wanted):  # all of them are in the store
                by_task.setdefault(record.task, []).append(record.score)
            scores[arm.name] = {task: sum(each) / len(each) for task, each in by_task.items()}
        return list(arms.values()), scores
