"""What is tried before a model is loaded: folders, storages, and whether tasks can score here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from experiments import write
from letters import letters_model

from backtrack_sampler.benchmark.config import Experiment, read_experiment
from backtrack_sampler.benchmark.preparing import prepare
from backtrack_sampler.benchmark.run import run
from backtrack_sampler.benchmark.tasks import Task
from backtrack_sampler.errors import InputError

TUNED = "operator_to_tune: repetition\nhpo: {n_trials: 2"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def experiment_of(more: str = "", task: str = "sums") -> Experiment:
    return read_experiment(write(f"evaluation:\n  tasks: [{task}]\n  limit: 4\n  output_dir: out\n{more}"))


def refused(experiment: Experiment) -> list[str]:
    with pytest.raises(InputError) as error:
        prepare(experiment)
    return getattr(error.value, "__notes__", [str(error.value)])


def test_what_is_made() -> None:
    """Items, the folder and the storage of what is tuned; a run takes it as it is."""
    experiment = experiment_of(f"{TUNED}, storage: studies/a.journal}}\n")
    prepared = prepare(experiment)
    assert [len(items) for _, items in (*prepared.asked.test, *prepared.asked.development)] == [4, 4]
    assert Path("studies/a.journal").is_file()
    assert Path("out/records").is_dir()


def test_a_run_does_not_prepare_again() -> None:
    """It asks the items that were made."""
    experiment = read_experiment({
        "evaluation": {"tasks": [f"{Path(__file__).with_name('letters.py')}:Letters"], "output_dir": "out"},
        "model_name_or_path": f"{Path(__file__).with_name('letters.py')}:LettersModel",
        "controls": {"temperatures": [0.7], "min_p": [0.1], "top_p": [0.9]},
    })  # fmt: skip
    prepared = prepare(experiment)
    del prepared.asked.test[0].items[2:]  # type: ignore[attr-defined]
    found = run(experiment, letters_model(), prepared=prepared)
    assert found.planned == {"letters": 2}


def test_records_that_cannot_be_kept() -> None:
    """It is said of the folder's line."""
    Path("out").mkdir()
    Path("out/records").touch()
    assert refused(experiment_of()) == [
        "e.yaml, line 4: evaluation.output_dir: cannot use the folder out/records: File exists"
    ]


def test_a_storage_that_only_opening_shows() -> None:
    """A journal of something else, a database that nobody answers for: with the line of hpo.storage."""
    Path("other.journal").write_text('{"op_code":99,"worker_id":"a"}\n')
    experiment = experiment_of(f"{TUNED}, storage: other.journal}}\n")
    assert refused(experiment) == [
        f"e.yaml, line 6: hpo.storage: {Path.cwd()}/other.journal is not the journal of a study: give another file"
    ]


def test_the_usual_storage_is_in_the_folder() -> None:
    """What is wrong there is said of the folder."""
    Path("out").mkdir()
    Path("out/study.journal").write_text("hello\n")
    (said,) = refused(experiment_of(TUNED + "}\n"))
    assert said.startswith("e.yaml, line 4: evaluation.output_dir: ")
    assert said.endswith("study.journal is not the journal of a study: give another file")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("no canonical solution passes here"), "no canonical solution passes here"),
        (KeyError("x"), "prepare() of sums raised KeyError: 'x'"),
    ],
)
def test_a_task_that_cannot_score_here(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so itself, or raises: with the line of its name."""

    def fail(self: Any) -> None:
        raise error

    monkeypatch.setattr(Task, "prepare", fail)
    (line,) = refused(experiment_of())
    assert line.startswith(f"e.yaml, line 2: evaluation.tasks[0]: {said}")
