"""An experiment about a policy: written as a file that the benchmark suite runs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...batch import Batch
from ...benchmark.config.yaml_file import read_yaml
from ...benchmark.tasks import Item
from ...errors import InputError
from ...events import Event, Rollback
from ...provider.base_provider import BaseProvider
from ...specs import with_arguments
from ...stream import TokenStream
from ...trace.files import write_atomically
from ..environment.env import items_of_task
from ..environment.episode import prompt_of
from ..policy.policy import digests_of, load_policy
from ..policy.strategy import RlPolicyStrategy
from ..training.config import RlConfig, read_config
from .judged_task import PROMPTS

__all__ = ["HEURISTICS", "experiment_of", "keep_rates", "kept_rates", "rates_of", "run_of"]

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
    return read_config({name: value for name, value in said.items() if name in RlConfig.model_fields})


def experiment_of(
    folder: Path, config: RlConfig, rates: list[float], *, limit: int | None = None, repeats: int = 3, trials: int = 20
) -> dict[str, Any]:
    """What `read_experiment` takes: the policy, a random one of the same rate, and all heuristics at their best.

    The controls that draw once, and those at equal cost, are in every experiment. Where the judge is a task, its
    test split is asked; otherwise the prompts that were held out, for which a file with a task is written.

    Args:
        folder: of the run.
        rates: of the random policy; see `rates_of`.
        limit: most items; None: all.
        repeats: texts of each item and row.
        trials: settings that are tried of each heuristic, on prompts that the policy was trained on.
    """
    env = config.env
    policy = {"policy": str(folder)}
    model = {
        name: value for name in ("engine", "model_name_or_path", "device", "model_kwargs")
        if (value := getattr(config, name)) not in (None, {})
    }  # fmt: skip
    if config.judge.task is not None:
        task = config.judge.task
    else:
        file = folder / "evaluation" / "task.py"
        judge = config.judge.model_dump(mode="json", exclude_unset=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, _TASK.format(folder=str(folder), most=env.max_seq_length, model=model, judge=judge))
        task = f"{file}:Judged"
    return {
        **model,
        "strategies": [
            {"name": "policy", "strategy": with_arguments("rl-policy", policy)},
            {
                "name": "policy, actions drawn",
                "strategy": with_arguments("rl-policy", {**policy, "deterministic": False}),
            },
            {"name": "random policy", "strategy": f"random-policy:rates={'|'.join(f'{rate:.4f}' for rate in rates)}"},
        ],
        "evaluation": {
            "tasks": [task], "repeats": repeats, "output_dir": str(folder / "evaluation"), "development_limit": 48,
            "max_batch": 64, "cache_gib": 4.0, **({} if limit is None else {"limit": limit}),
        },
        "generation": {
            "temperature": env.temperature, "top_k": env.top_k, "max_new_tokens": env.max_seq_length,
            **{name: value for name in ("top_p", "min_p") if (value := getattr(env, name)) is not None},
        },
        **({"hpo": {"n_trials": trials, "tune": list(HEURISTICS)}} if trials else {}),
    }  # fmt: skip


def kept_rates(folder: Path) -> list[float] | None:
    """What `keep_rates` has kept of this policy; None where it has not, or the policy has learned more since then."""
    try:
        said = json.loads((folder / _RATES).read_text(encoding="utf-8"))
        rates: list[float] = said["rates"]
        return rates if said["policy"] == list(digests_of(folder).values()) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep_rates(folder: Path, rates: list[float]) -> None:
    """Keep what `rates_of` has found, for whoever goes on."""
    said = {"policy": list(digests_of(folder).values()), "rates": rates}
    write_atomically(folder / _RATES, json.dumps(said) + "\n")


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
