"""An experiment about a policy: written as a file that the benchmark suite runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...batch import Batch
from ...benchmark.config.yaml_file import read_yaml
from ...benchmark.private import public
from ...benchmark.tasks import Item
from ...benchmark.tasks.find import find_task
from ...errors import InputError
from ...events import Event, Rollback
from ...provider.base_provider import BaseProvider
from ...specs import parse_spec, with_arguments
from ...stream import TokenStream
from ...trace.files import write_atomically
from ..environment.env import items_of_task
from ..environment.episode import prompt_of
from ..policy.policy import load_policy
from ..policy.strategy import RlPolicyStrategy
from ..training.config import RlConfig, read_config
from .judged_task import PROMPTS

__all__ = [
    "HEURISTICS",
    "config_of_runs",
    "experiment_of",
    "keep_rates",
    "kept_rates",
    "rates_of",
    "run_of",
]  # fmt: skip

#: All that are tuned beside a policy.
HEURISTICS = (
    "probability-threshold", "entropy-threshold", "probability-margin", "probability-drop", "probability-trend",
    "logit-threshold", "repetition", "ngram-overlap",
)  # fmt: skip

_RATES = "rates.json"
_TASK = '''"""The prompts of a run with its judge; made by eval-rl."""

from backtrack_sampler.rl.evaluation.judged_task import JudgedTask


class Judged(JudgedTask):
    folder = {folder!r}
    most = {most!r}
    model = {model!r}
    judge = {judge!r}
'''


def run_of(folder: Path) -> RlConfig:
    """The configuration of a run.

    Raises:
        InputError: there is no run that has ended.
    """
    file = folder / "config.yml"
    if not file.is_file() or not (folder / "policy.json").is_file():
        raise InputError(f"there is no trained policy in {folder}: train one with backtrack-sampler train-rl")
    said = read_yaml(file).data
    if not isinstance(said, dict):
        raise InputError(f"{file} is no run's configuration any more")
    if given := said.get("given_in_python"):
        raise InputError(
            f"the run {folder} had its {' and '.join(given)} given in Python, unknown to its configuration: "
            "write a task with that judge, and compare rl-policy with backtrack-sampler benchmark"
        )
    return read_config({name: value for name, value in said.items() if name in RlConfig.model_fields})


def experiment_of(
    folders: Sequence[Path],
    config: RlConfig,
    rates: list[float],
    *,
    limit: int | None = None,
    repeats: int = 3,
    trials: int = 20,
) -> dict[str, Any]:
    """What `read_experiment` takes: the policies, a random one of the same rate, and all heuristics at their best.

    The controls that draw once, and those at equal cost, are in every experiment. Where the judge is a task, its
    test split is asked; otherwise the prompts that were held out, for which a file with a task is written.

    Args:
        folders: of runs that differ in their seed; what is written goes to the first.
        config: see `config_of_runs`.
        rates: of the random policy; see `rates_of`.
        limit: most items; None: all.
        repeats: texts of each item and row.
        trials: settings that are tried of each heuristic, on prompts that the policy was trained on.
    """
    env, folder = config.env, folders[0]
    model: dict[str, Any] = {
        name: value for name in ("engine", "model_name_or_path", "device", "model_kwargs")
        if (value := getattr(config, name)) not in (None, {})
    }  # fmt: skip
    if "model_kwargs" in model:
        model["model_kwargs"] = public(model["model_kwargs"])
    most: int | None = env.max_seq_length
    if config.judge.task is not None:
        task = config.judge.task
        if find_task(task, allow_code_execution=True).max_new_tokens <= env.max_seq_length:
            most = None  # as in training: what ends first
    else:
        file = folder / "evaluation" / "task.py"
        judge = config.judge.model_dump(mode="json", exclude_unset=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, _TASK.format(folder=str(folder), most=env.max_seq_length, model=model, judge=judge))
        task = f"{file}:Judged"
    episodes = config.episodes()
    by_chance = {
        "rates": [round(rate, 6) for rate in rates],
        "max_retries": episodes.max_retries, "max_discarded": episodes.most_discarded,
    }  # fmt: skip
    return {
        **model,
        "strategies": [
            *(row for each in folders for row in _rows(each, f" {each.name}" if len(folders) > 1 else "")),
            {"name": "random policy", "strategy": with_arguments("random-policy", by_chance)},
        ],
        "evaluation": {
            "tasks": [task], "repeats": repeats, "output_dir": str(folder / "evaluation"), "development_limit": 48,
            "max_batch": 64, "cache_gib": 4.0, **({} if limit is None else {"limit": limit}),
        },
        "generation": {
            "temperature": env.temperature, "top_k": env.top_k, **({} if most is None else {"max_new_tokens": most}),
            **{name: value for name in ("top_p", "min_p") if (value := getattr(env, name)) is not None},
        },
        **({"hpo": {"n_trials": trials, "tune": list(HEURISTICS)}} if trials else {}),
    }  # fmt: skip


def _rows(folder: Path, which: str) -> list[dict[str, str]]:
    """A policy as it is used, and with its actions drawn as they were in its training."""
    policy = {"policy": str(folder)}
    drawn = with_arguments("rl-policy", {**policy, "deterministic": False})
    return [
        {"name": f"policy{which}", "strategy": with_arguments("rl-policy", policy)},
        {"name": f"policy{which}, actions drawn", "strategy": drawn},
    ]


def config_of_runs(folders: Sequence[Path]) -> RlConfig:
    """The configuration of runs that are looked at together.

    Raises:
        InputError: they are not of one kind, or two have one name; see also `run_of`.
    """
    if len({folder.name for folder in folders}) < len(folders):
        raise InputError("two of these folders have the same name, and their rows would too: rename one")
    first, *others = [run_of(folder) for folder in folders]
    for folder, other in zip(folders[1:], others, strict=True):
        one, two = ({**each.model_dump(), "output_dir": "", "training": None} for each in (first, other))
        if differing := [name for name, value in one.items() if value != two[name]]:
            raise InputError(
                f"{folders[0]} and {folder} differ in {' and '.join(differing)}: only runs that differ in training "
                "alone, such as in their seed, are evaluated together"
            )
        if (folders[0] / PROMPTS).read_bytes() != (folder / PROMPTS).read_bytes():
            raise InputError(f"{folders[0]} and {folder} were trained on other prompts: evaluate them one by one")
    return first


def kept_rates(folder: Path) -> list[float] | None:
    """What `keep_rates` has kept of this policy; None where it has not, or the policy has learned more since then."""
    try:
        said = json.loads((folder / _RATES).read_text(encoding="utf-8"))
        rates: list[float] = said["rates"]
        return rates if said["policy"] == _digests(folder) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep_rates(folder: Path, rates: list[float]) -> None:
    """Keep what `rates_of` has found, for whoever goes on."""
    said = {"policy": _digests(folder), "rates": rates}
    write_atomically(folder / _RATES, json.dumps(said) + "\n")


def _digests(folder: Path) -> list[str]:
    """What tells whether a policy is still the same."""
    return list(parse_spec(with_arguments("rl-policy", {"policy": str(folder)})).files.values())


def rates_of(folder: Path, config: RlConfig, provider: BaseProvider, texts: int = 64) -> list[float]:
    """How often a policy keeps, takes one token back, two, ...: on prompts that it was trained on.

    Args:
        texts: how many are written for that.
    """
    settings, policy = config.episodes(), load_policy(folder)
    found: Counter[int] = Counter()

    def count(event: Event) -> None:
        if isinstance(event, Rollback) and event.who == "RlPolicyStrategy":
            found[len(event.tokens)] += 1

    def strategies(_: TokenStream) -> list[RlPolicyStrategy]:
        return [RlPolicyStrategy(None, policy)]

    items = _trained_on(folder, config)
    streams = []
    for number in range(texts):
        tokens, options = prompt_of(provider, items[number % len(items)], settings)
        streams.append(TokenStream(provider, tokens, replace(options, seed=number), strategies, count, number))
    for row in Batch(provider, streams, config.training.n_envs).results():
        if row.error is not None:
            raise row.error
    drawn = sum(stream.stats.drawn for stream in streams)
    return [(drawn - found.total()) / drawn, *(found[k] / drawn for k in range(1, settings.max_backtrack + 1))]


def _trained_on(folder: Path, config: RlConfig) -> list[Item]:
    if config.judge.task is not None:
        return items_of_task(config.judge.task, config.training.items)
    said = json.loads((folder / PROMPTS).read_text(encoding="utf-8"))
    return [Item(name, prompt) for name, prompt in said["train"]]
