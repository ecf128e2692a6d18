"""Several processes on one study, and one that is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest

from backtrack_sampler.benchmark.tuning.study import trials_of
from backtrack_sampler.benchmark.tuning.study_storage import StudyStorage

_SCRIPT = Path(__file__).with_name("tuning_worker.py")
_ROOT = Path(__file__).parents[2]


@contextmanager
def _worker(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(_SCRIPT), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def _lines_until(process: subprocess.Popen[str], begin: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(begin):
            return lines
    assert process.stderr is not None
    pytest.fail(f"{begin!r} never came: {lines}, {process.stderr.read()}")


def _began(lines: list[str]) -> list[str]:
    return [line.removeprefix("began ") for line in lines if line.startswith("began")]


@pytest.mark.parametrize(
    "where", ["journal:{}/run/study.journal", pytest.param("sqlite:///{}/study.db", marks=pytest.mark.slow)]
)
def test_a_worker_that_is_killed_in_the_middle_of_a_trial_loses_nothing(where: str, tmp_path: Path) -> None:
    """Two work on one study, one is killed with -9: the other finishes all the trials, the killed one's as well.

    Every trial has a number of its own, as many have finished as were wanted, and a third process that is
    started afterwards has nothing to do.
    """
    storage, n_trials = where.format(tmp_path), 10
    with _worker(storage, str(n_trials), "2") as first:
        before = _lines_until(first, "hangs")
        with _worker(storage, str(n_trials)) as second:
            early = _lines_until(second, "finished")
            os.kill(first.pid, signal.SIGKILL)
            output, errors = second.communicate(timeout=100)
        assert first.wait() == -signal.SIGKILL
    assert second.returncode == 0, errors
    interrupted = _began(before)[-1]
    later = early + output.splitlines()
    assert interrupted in _began(later)

    with StudyStorage(storage) as opened:
        (name,) = optuna.get_all_study_names(opened.optuna)
        study = optuna.load_study(study_name=name, storage=opened.optuna)
        states = [trial.state.name for trial in study.trials]
        assert [trial.number for trial in study.trials] == list(range(n_trials + 1))
        assert states.count("FAIL") == 1
        assert states.count("COMPLETE") + states.count("PRUNED") == n_trials
        trials = trials_of(study)
    assert len(trials) == n_trials
    assert len(_began(before)) + len(_began(later)) == n_trials + 1
    assert not [each.name for each in tmp_path.rglob("*.lock")]

    with _worker(storage, str(n_trials)) as third:
        output, errors = third.communicate(timeout=100)
    assert third.returncode == 0, errors
    assert output.splitlines() == [later[-1]]
    assert output.startswith("best ")


@pytest.mark.parametrize(
    "where", ["journal:{}/study.journal", pytest.param("sqlite:///{}/study.db", marks=pytest.mark.slow)]
)
def test_workers_that_begin_together_share_the_trials(where: str, tmp_path: Path) -> None:
    """Three that find nothing there yet: as many trials as were wanted, and all agree on the best."""
    storage, n_trials = where.format(tmp_path), 9
    with (
        _worker(storage, str(n_trials)) as one,
        _worker(storage, str(n_trials)) as two,
        _worker(storage, str(n_trials)) as three,
    ):
        ended = [each.communicate(timeout=100) for each in (one, two, three)]
    lines = [line for output, _ in ended for line in output.splitlines()]
    assert [errors for _, errors in ended] == ["", "", ""]
    assert len([line for line in lines if line.startswith("finished")]) == n_trials
    assert len(_began(lines)) == n_trials
    assert len({line for line in lines if line.startswith("best")}) == 1
