"""What an experiment would run, in words: rows, items, texts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from ..private import without_secrets
from ..rows import BEST_OF_N, MAJORITY, ORACLE
from ..tuning.search_space import Tuning
from .asked import asked_of
from .experiment import Experiment

__all__ = ["plan_of"]

_WIDTH = 100
_INDENT = 14
_KEPT = "\N{NO-BREAK SPACE}"


def plan_of(experiment: Experiment, allow_code_execution: bool = False) -> str:
    """What would be run. No model is loaded, but the items of all tasks are.

    Raises:
        InputError: the items of a task cannot be had here.
    """
    asked = asked_of(experiment, allow_code_execution)
    items = {task.name: len(each) for task, each in asked.test}
    strategies, controls = experiment.strategy_arms(), experiment.control_arms()
    tunings, samplings = experiment.to_tune(), experiment.samplings()
    tuned = [experiment.row_name(tuning.name, sampling) for tuning in tunings for sampling in samplings]
    rows, count = len(controls) + len(strategies) + len(tuned), sum(items.values())
    repeats = experiment.evaluation.repeats
    texts = [
        f"{rows} rows x {count:,} items x {repeats} {'repeat' if repeats == 1 else 'repeats'} = "
        f"{rows * count * repeats:,}"
    ]
    if strategies or tuned:
        texts.append(f"for {BEST_OF_N}, {MAJORITY} and {ORACLE} as many tokens again as the strategies draw")
    if tunings:
        development = sum(len(each) for _, each in asked.development)
        trials = len(samplings) * sum(tuning.n_trials for tuning in tunings)
        texts.append(
            f"for tuning at most {trials:,} trials x {development:,} items of the development split = "
            f"{trials * development:,}"
        )
    again = " (has texts already: --resume goes on with them)" if experiment.has_records else ""
    said = [
        ("model", _model(experiment)),
        ("tasks", _listed(f"{name} ({number:,} items)" for name, number in items.items())),
        ("strategies", _listed(arm.name for arm in strategies)),
        ("tuned", _listed(_tuned(tuning) for tuning in tunings)),
        ("controls", _listed(arm.name for arm in controls)),
        ("beside each", f"{BEST_OF_N}, {MAJORITY}, {ORACLE}" if strategies or tuned else ""),
        ("texts", "; ".join(texts)),
        ("results", f"{experiment.folder}{again}"),
    ]
    lines = [
        textwrap.fill(
            what, _WIDTH, initial_indent=f"{name:{_INDENT}}", subsequent_indent=" " * _INDENT,
            break_long_words=False, break_on_hyphens=False,
        )
        for name, what in said if what
    ]  # fmt: skip
    return "\n".join([*lines, *experiment.notes()]).replace(_KEPT, " ")


def _model(experiment: Experiment) -> str:
    name = experiment.model_name_or_path or experiment.engine or "the embedded one"
    options = {"engine": experiment.engine, "device": experiment.device, **experiment.model_kwargs}
    others = {key: value for key, value in options.items() if value is not None and value != name}
    return ", ".join([without_secrets(name), *(f"{key} {value}" for key, value in without_secrets(others).items())])


def _tuned(tuning: Tuning) -> str:
    return f"{tuning.name} ({', '.join(tuning.space)}; {tuning.n_trials} trials at each temperature)"


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    # A name is not broken off: "T=1" alone on a line says nothing.
    return f"{len(found)}: {', '.join(each.replace(' ', _KEPT) for each in found)}" if found else ""
