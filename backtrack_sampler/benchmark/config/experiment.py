"""An experiment as one YAML file says it, checked as a whole before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from ...errors import InputError, MissingPackageError

try:
    from pydantic import BeforeValidator, ValidationError
except ImportError as error:
    raise MissingPackageError('pydantic is not installed: pip install "backtrack_sampler[benchmark]"') from error

from ..arms import Arm
from ..places import whole_path
from ..tasks import Task
from ..tuning.search_space import Tuning
from .contenders import unclear
from .model_section import ModelSection
from .planned_arms import PlannedArms
from .problems import Problem, problems_of, refusal, written
from .sections import Contender, Controls, Evaluation, Generation, Hpo, or_none, or_nothing
from .tunings import misplaced, tunings
from .yaml_file import Place, YamlFile, read_yaml

__all__ = ["RECORDS", "Experiment", "read_experiment"]

#: The folder in `output_dir` in which every text is kept, see `Store`.
RECORDS = "records"


class Experiment(ModelSection):
    """All that a run depends on; `read_experiment` makes it. As JSON: `model_dump(mode="json")`.

    Attributes:
        run_baseline: accepted; the baseline is always there, for no table can do without it.
        operator_to_tune: a spec, of a strategy as well.
        strategies: what is compared.
        evaluation, generation, controls, hpo: see there.
    """

    run_baseline: bool = True
    operator_to_tune: str | None = None
    strategies: Annotated[list[Contender], BeforeValidator(or_none)] = []
    evaluation: Annotated[Evaluation, BeforeValidator(or_nothing)]
    generation: Annotated[Generation, BeforeValidator(or_nothing)] = Generation()
    controls: Annotated[Controls, BeforeValidator(or_nothing)] = Controls()
    hpo: Annotated[Hpo, BeforeValidator(or_nothing)] = Hpo()

    # -- what is made of it --------------------------------------------------------------------

    @cached_property
    def _arms(self) -> PlannedArms:
        return PlannedArms(self.strategies, self.generation, self.controls)

    def strategy_arms(self) -> list[Arm]:
        """What is compared: each strategy at each temperature, in order; without what is tuned."""
        return self._arms.strategies

    def control_arms(self) -> list[Arm]:
        """What takes nothing back: the baseline of every way of drawing, greedy, temperatures, min-p, top-p."""
        return self._arms.controls

    def baseline_of(self, arm: Arm) -> Arm:
        """The control that draws as an arm does."""
        return self._arms.baseline_of(arm)

    def pool_of(self, arm: Arm) -> Arm:
        """What best-of-n, majority and pass@n beside an arm draw from: perhaps none of the controls."""
        return self._arms.pool_of(arm)

    def samplings(self) -> list[dict[str, Any]]:
        """How what is tuned draws: at each temperature of `generation`."""
        return self._arms.samplings

    def row_name(self, name: str, sampling: Mapping[str, Any]) -> str:
        """A name, and the temperature where there are several."""
        return self._arms.name_of(name, sampling)

    def to_tune(self) -> list[Tuning]:
        """What is tuned."""
        return [each for each in tunings(self.model_dump(exclude_unset=True)) if isinstance(each, Tuning)]

    def find_tasks(self, allow_code_execution: bool = False) -> list[Task]:
        """The tasks.

        Raises:
            InputError: one of them runs what a model has written, and that was not allowed.
        """
        from ..tasks.find import find_task

        asked = self.evaluation
        return [find_task(text, asked.num_fewshot, asked.chat, allow_code_execution) for text in asked.tasks]

    @cached_property
    def file(self) -> YamlFile:
        """What it was read from, for messages about what is found out later."""
        return YamlFile("the configuration", {})

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return whole_path(self.evaluation.output_dir)

    @property
    def has_records(self) -> bool:
        """Whether texts of an experiment are there already."""
        return any((self.folder / RECORDS).glob("*.jsonl"))

    def notes(self) -> list[str]:
        """What somebody should know who starts it."""
        said = []
        if not self.run_baseline:
            said.append("run_baseline: false is not heeded: a table cannot do without its baseline, so it is drawn")
        return said


def read_experiment(
    source: str | os.PathLike[str] | Mapping[str, Any], *, allow_code_execution: bool = True
) -> Experiment:
    """Read a YAML file, or take what one would say, and check all of it.

    Args:
        source: the file; without `evaluation.output_dir`, results go to `benchmark_results/` and its name.
        allow_code_execution: False: refuse tasks that run what a model has written.

    Raises:
        InputError: with every error, each with its line and its place in the file: one is the message, several
            are its notes (`error.__notes__`), which the command and a traceback show.
    """
    if isinstance(source, Mapping):
        file = YamlFile("the configuration", dict(source))
        folder = "benchmark_results"
    else:
        file = read_yaml(source)
        folder = f"benchmark_results/{Path(source).stem}"
    if not isinstance(file.data, dict):
        raise InputError(f"{file.name} must be keys and values, such as evaluation: {{tasks: [sums]}}")
    data = dict(file.data)
    if isinstance(data.get("evaluation"), dict):
        data["evaluation"] = {"output_dir": folder} | data["evaluation"]
    problems = [Problem(place, "is there twice: leave one out", line) for place, line in file.repeated]
    context = {"allow_code_execution": allow_code_execution}
    experiment = None
    try:
        experiment = Experiment.model_validate(data, context=context)
    except ValidationError as error:
        problems += problems_of(error, file.data, Experiment, misplaced(data))
    problems += _twice(data)
    problems += unclear(data.get("strategies"))
    problems += [each for each in tunings(data) if isinstance(each, Problem)]
    problems += _untuned(data)
    if experiment is not None and not problems:
        problems += _alike(experiment)
    if experiment is None or problems:
        raise refusal(problems, file)
    vars(experiment)["file"] = file  # no field: it is no part of what is said, and two that say the same are equal
    return experiment


def _untuned(data: Mapping[str, Any]) -> Iterator[Problem]:
    """How to tune, where nothing is tuned; what is as usual stays, for `model_dump` says that too."""
    hpo = data.get("hpo")
    if not isinstance(hpo, Mapping) or data.get("operator_to_tune") or hpo.get("tune") or hpo.get("search_space"):
        return
    for name, value in hpo.items():
        field = Hpo.model_fields.get(name)
        if field is not None and value not in (None, field.default):
            yield Problem(
                ("hpo", name), "is for tuning, and nothing is tuned: add operator_to_tune: NAME, or leave it out"
            )


def _twice(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What stands in a list twice, of lists where that has no meaning."""
    entries = data.get("strategies")
    places: list[Place] = [
        ("evaluation", "tasks"), ("generation", "temperature"), ("controls", "temperatures"), ("controls", "min_p"),
        ("controls", "top_p"),
        *(("strategies", index, "temperature") for index in range(len(entries) if isinstance(entries, list) else 0)),
    ]  # fmt: skip
    for place in places:
        values = _at(data, place)
        for index, value in enumerate(values if isinstance(values, list) else []):
            if value in values[:index]:
                yield Problem((*place, index), f"{value} is there already: leave one out")


def _at(data: Any, place: Place) -> Any:
    """What is at a place, or None."""
    for step in place:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _alike(experiment: Experiment) -> Iterator[Problem]:
    """Rows that have the name of another one, or would be the same."""
    tasks: dict[str, str] = {}
    for index, task in enumerate(experiment.find_tasks(allow_code_execution=True)):
        said = experiment.evaluation.tasks[index]
        if (other_task := tasks.setdefault(task.name, said)) != said:
            yield Problem(("evaluation", "tasks", index), f"is what {other_task} is: leave one out")
    names: dict[str, Place] = {arm.name: () for arm in experiment.control_arms()}
    keys: dict[str, Place] = {}
    for place, name, key in _rows(experiment):
        if key is not None and key in keys:
            same = "at two temperatures the same" if keys[key] == place else f"what {written(keys[key])} writes"
            yield Problem(place, f"writes {same}: leave one out")
        elif (other := names.setdefault(name, place)) != place:
            whose = written(other) or "a control"
            yield Problem(place, f"has the name of {whose}, {name}: give it a name: of its own")
        if key is not None:
            keys.setdefault(key, place)


def _rows(experiment: Experiment) -> Iterator[tuple[Place, str, str | None]]:
    """Of each row that somebody has asked for: where, its name, and the key of its arm, if that is known."""
    for index, arms in enumerate(experiment._arms.by_contender):
        for arm in arms:
            yield ("strategies", index), arm.name, arm.key
    places: list[Place] = [("operator_to_tune",)] if experiment.operator_to_tune is not None else []
    places += [("hpo", "tune", index) for index in range(len(experiment.hpo.tune))]
    for place, tuning in zip(places, experiment.to_tune(), strict=True):
        for sampling in experiment.samplings():
            yield place, experiment.row_name(tuning.name, sampling), None
