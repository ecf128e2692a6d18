"""Tuning, in one process: what is tried, what counts, and what goes on after an interruption."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from backtrack_sampler.benchmark.arms import Arm, sampling_of
from backtrack_sampler.benchmark.results import Trial
from backtrack_sampler.benchmark.tuning import study_worker
from backtrack_sampler.benchmark.tuning.ranges import Choices, Numbers
from backtrack_sampler.benchmark.tuning.search_space import Tuning
from backtrack_sampler.benchmark.tuning.study import Measure, Partial, Tuned, trials_of, tune
from backtrack_sampler.errors import InputError, StorageError, StrategyError

_SPACE = {
    "min_probability": Numbers(0.001, 0.3, log=True),
    "backtrack_count": Numbers(1, 4, whole=True),
    "retry": Choices(("ban", "resample")),
}


def _tuning(n_trials: int = 6) -> Tuning:
    return Tuning("threshold", "operator", "probability-threshold", _SPACE, n_trials)


def _tune(measure: Measure, n_trials: int = 6, **options: Any) -> Tuned:
    return tune(_tuning(n_trials), sampling_of(), measure, **options)


def _score(arm: Arm) -> float:
    """Best at 0.1, with one token back."""
    arguments = arm.specs[0].arguments
    return 1.0 - abs(arguments["min_probability"] - 0.1) - 0.1 * arguments["backtrack_count"]


def _measure(arm: Arm) -> Iterator[Partial]:
    yield Partial(8, _score(arm), 20.0, 16)
    yield Partial(16, _score(arm), 20.0, 16)


def _failing(error: BaseException, in_call: int) -> tuple[Measure, list[str]]:
    """Measures, and fails once; with what was measured, that which has failed among it."""
    measured: list[str] = []

    def measure(arm: Arm) -> Iterator[Partial]:
        measured.append(arm.strategies[0][1])
        yield Partial(8, _score(arm), 20.0, 16)
        if len(measured) == in_call:
            raise error
        yield Partial(16, _score(arm), 20.0, 16)

    return measure, measured


def _tried(trials: Any) -> list[dict[str, Any]]:
    return [dict(each.parameters) for each in trials]


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return f"journal:{tmp_path / 'run' / 'study.journal'}"


def _study(journal: str) -> optuna.Study:
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(journal.removeprefix("journal:"))
    )
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def test_the_best_setting_becomes_an_arm() -> None:
    """Its arm writes with these parameters, the given sampling, and under the name of what was tuned."""
    found = tune(_tuning(12), sampling_of(temperature=0.7), _measure)
    best = max(found.trials, key=lambda each: each.value or 0)
    assert found.value == best.value == _score(found.arm)
    assert found.parameters == best.parameters
    assert found.arm.name == "threshold"
    assert found.arm.sampling["temperature"] == 0.7
    assert found.arm.specs[0].options == {"retry": found.parameters["retry"]}
    assert [each.number for each in found.trials] == list(range(12))
    assert {(each.tuned, each.items, each.drawn) for each in found.trials} == {("threshold", 16, 20.0)}
    tried = [each.parameters["min_probability"] for each in found.trials]
    assert tried == [float(f"{each:.4g}") for each in tried]  # as people write it, and as it was run


def test_the_first_setting_is_the_one_that_nobody_has_tuned() -> None:
    """So a tuned operator is never worse than its defaults, on the items that it was tuned on."""
    first = _tune(_measure, 1).trials[0]
    assert first.parameters == {"min_probability": 0.05, "backtrack_count": 1, "retry": "ban"}


def test_any_whole_number_is_a_seed() -> None:
    """Also one that is too large for NumPy."""
    first, again = (_tried(_tune(_measure, 3, seed=10**30).trials) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("stored", [False, True])
def test_the_same_seed_tries_the_same_settings(tmp_path: Path, stored: bool) -> None:
    """Also where the study was ended after a few of them, and gone on with."""
    whole = _tune(_measure, 16, seed=3)
    storage = f"journal:{tmp_path / 'a.journal'}" if stored else None
    if stored:
        _tune(_measure, 5, seed=3, storage=storage)
    again = _tune(_measure, 16, seed=3, storage=storage)
    assert _tried(again.trials) == _tried(whole.trials)
    assert _tried(_tune(_measure, 4, seed=4).trials)[1:] != _tried(whole.trials)[1:4]
    assert len({str(each) for each in _tried(whole.trials)}) == 16


def test_a_finished_study_measures_nothing_more(journal: str) -> None:
    """It returns what it has found."""
    found = _tune(_measure, storage=journal)
    measure, measured = _failing(KeyError("not to be called"), 1)
    assert _tune(measure, storage=journal) == found
    assert measured == []


def test_other_settings_are_another_study(journal: str) -> None:
    """Scores of another temperature, or of other items, are not mixed with these."""
    _tune(_measure, 3, storage=journal)
    for options in ({"about": {"model": "other"}}, {"study_name": "other"}):
        measure, measured = _failing(KeyError(), 0)
        _tune(measure, 3, storage=journal, **options)
        assert len(measured) == 3
    measure, measured = _failing(KeyError(), 0)
    tune(_tuning(3), sampling_of(temperature=0.5), measure, storage=journal)
    assert len(measured) == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StrategyError("it has raised"), "StrategyError: it has raised"),
        (InputError("a value that it cannot use"), "InputError: a value that it cannot use"),
    ],
)
def test_a_setting_that_raises_has_failed_and_is_no_score(journal: str, error: Exception, said: str) -> None:
    """The others go on; its error is kept, and it counts as tried."""
    measure, measured = _failing(error, 2)
    found = _tune(measure, storage=journal)
    assert [each.state for each in found.trials] == ["complete", "failed", *["complete"] * 4]
    assert found.trials[1].value is None
    assert found.trials[1].error == said
    assert found.trials[1].items == 8
    assert len(measured) == 6
    assert _study(journal).trials[1].state.name == "FAIL"


@pytest.mark.parametrize("yielded", [[], [Partial(1, float("nan"), 1.0)], [Partial(1, float("inf"), 1.0)]])
def test_what_is_no_number_is_no_score(yielded: list[Partial]) -> None:
    """Nor is nothing at all."""
    calls: list[Arm] = []

    def measure(arm: Arm) -> Iterator[Partial]:
        calls.append(arm)
        return iter(yielded) if len(calls) == 1 else _measure(arm)

    first, *others = _tune(measure, 3).trials
    assert (first.state, first.value) == ("failed", None)
    assert first.error
    assert {each.state for each in others} == {"complete"}


def test_where_all_settings_fail_the_error_says_so(journal: str) -> None:
    """With the first of them, as it can be written on a command line."""

    def measure(arm: Arm) -> Iterator[Partial]:
        raise StrategyError("no such luck")

    with pytest.raises(
        InputError,
        match="threshold cannot be tuned: all of 3 settings failed; number 0, probability-threshold:min_probability=0.05,"
        "backtrack_count=1,retry=ban: StrategyError: no such luck",
    ):
        _tune(measure, 3, storage=journal)


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        OSError(errno.ENOSPC, "No space left on device"),
        MemoryError(),
        StorageError("cannot write to records: No space left on device"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_what_is_not_a_settings_fault_ends_the_tuning_and_loses_nothing(journal: str, error: BaseException) -> None:
    """Ctrl-C, a full disk, an engine that fails: whoever goes on tries the same setting again, however often that happens."""
    for _ in range(4):
        measure, measured = _failing(error, 3 if not Path(journal.removeprefix("journal:")).exists() else 1)
        with pytest.raises(type(error)):
            _tune(measure, storage=journal)
        interrupted = measured[-1]
    measure, measured = _failing(KeyError(), 0)
    found = _tune(measure, storage=journal)
    assert measured[0] == interrupted
    assert len(measured) == 4
    assert [each.state for each in found.trials] == ["complete"] * 6
    assert [
        each.name for each in Path(journal.removeprefix("journal:")).parent.iterdir() if "lock" not in each.name
    ] == ["study.journal"]


def test_a_setting_that_kills_its_processes_has_failed(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three of them."""
    monkeypatch.setattr(study_worker.Worker, "_give_back", lambda self, number: None)  # as after kill -9
    for _ in range(3):
        measure, measured = _failing(KeyboardInterrupt(), 1)
        with pytest.raises(KeyboardInterrupt):
            _tune(measure, 3, storage=journal)
    found = _tune(_measure, 3, storage=journal)
    assert [each.state for each in found.trials] == ["failed", "complete", "complete"]
    assert found.trials[0].error == "3 processes have died over it"
    assert _tuning().arm_spec(found.trials[0].parameters) == measured[0]


def test_stopping_a_setting_says_nothing_against_it(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be stopped twice and killed twice, and is still tried again."""
    for kills in (False, False, True, True):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            if kills:
                patched.setattr(study_worker.Worker, "_give_back", lambda self, number: None)
            _tune(_failing(KeyboardInterrupt(), 1)[0], 1, storage=journal)
    assert [each.state for each in _tune(_measure, 1, storage=journal).trials] == ["complete"]


def test_a_setting_far_below_the_others_is_given_up() -> None:
    """After the first items that say so, not at its last ones; what measures it is closed, and it is not the best."""
    closed, kept = [], []

    def measure(arm: Arm) -> Iterator[Partial]:
        kept.append(measuring(arm))  # so that nothing but a call closes it
        return kept[-1]

    def measuring(arm: Arm) -> Iterator[Partial]:
        seen = 0
        try:
            for seen in range(8, 41, 8):
                yield Partial(seen, _score(arm), 20.0, 40)
        finally:
            closed.append(seen)

    found = _tune(measure, 30, seed=1)
    states = {state: [each for each in found.trials if each.state == state] for state in ("complete", "pruned")}
    assert len(states["complete"]) + len(states["pruned"]) == 30
    assert 5 <= len(states["pruned"]) <= 25
    assert {each.items for each in states["pruned"]} <= {16, 24, 32}
    assert all(each.value is not None and each.value < found.value for each in states["pruned"])
    assert sorted(closed) == sorted(each.items for each in found.trials)


def test_of_equal_scores_the_cheapest_wins() -> None:
    """An operator that hardly ever acts scores as the baseline does: then fewer tokens decide."""

    def measure(arm: Arm) -> Iterator[Partial]:
        yield Partial(16, 0.5, 20.0 + arm.specs[0].arguments["min_probability"], 16)

    found = _tune(measure, 10)
    assert found.parameters["min_probability"] == min(each.parameters["min_probability"] for each in found.trials)  # type: ignore[type-var]


def test_each_finished_trial_is_told(journal: str) -> None:
    """With how many there are of all workers'."""
    told: list[tuple[Trial, int]] = []
    _tune(_measure, 2, storage=journal)
    found = _tune(_measure, 4, storage=journal, on_trial=lambda trial, done: told.append((trial, done)))
    assert told == [(found.trials[2], 3), (found.trials[3], 4)]


def test_one_that_is_not_needed_any_more_is_not_run(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers begin the last trial at the same time: the one that comes second lets it be."""
    ask = optuna.Study.ask

    def late(study: optuna.Study, *arguments: Any) -> optuna.Trial:
        if len(study.trials) == 2:
            other = _study(journal)
            other.tell(ask(other), 0.0)
        return ask(study, *arguments)

    monkeypatch.setattr(optuna.Study, "ask", late)
    measure, measured = _failing(KeyError(), 0)
    found = _tune(measure, 3, storage=journal)
    assert [each.number for each in found.trials] == [0, 1, 2]
    assert len(measured) == 2
    assert [each.state.name for each in _study(journal).trials] == ["COMPLETE"] * 3 + ["FAIL"]
    assert trials_of(_study(journal)) == list(found.trials)


def _taken(journal: str, number: int) -> Callable[[Arm], Iterator[Partial]]:
    def measure(arm: Arm) -> Iterator[Partial]:
        yield Partial(8, _score(arm), 20.0, 16)
        running = [each.number for each in _study(journal).trials if each.state.name == "RUNNING"]
        if running == [number]:
            _study(journal).tell(number, state=optuna.trial.TrialState.FAIL)
        yield Partial(16, _score(arm), 20.0, 16)

    return measure


def test_a_trial_that_was_taken_away_is_let_go(journal: str, caplog: pytest.LogCaptureFixture) -> None:
    """A machine that has slept, and wakes up: its trial is somebody else's by now, and its others count."""
    with caplog.at_level(logging.WARNING):
        found = _tune(_taken(journal, 1), 3, storage=journal)
    assert [each.number for each in found.trials] == [0, 2, 3]
    assert "trial 1 of threshold was given to another worker" in caplog.text


def test_optuna_says_nothing_by_itself(journal: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither of trials nor of studies."""
    measure, _ = _failing(StrategyError("once"), 1)
    _tune(measure, 4, storage=journal)
    _tune(_measure, 5, storage=journal)
    assert capfd.readouterr() == ("", "")
    assert logging.StreamHandler not in map(type, logging.getLogger("optuna").handlers)
    assert logging.getLogger("optuna").propagate
