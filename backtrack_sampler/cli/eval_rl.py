"""`backtrack-sampler eval-rl`: what a trained policy is worth, beside all that could be had instead. The `rl` extra."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import arguments
from .benchmark import run_benchmark

if TYPE_CHECKING:
    from ..rl.training.config import RlConfig

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "eval-rl", help="what a trained policy is worth, beside all that could be had instead",
        description="Compare a policy with never going back, with going back at random as often, with every heuristic "
        "operator at its tuned best, with min-p, top-p, temperatures and greedy, and with best-of-n and majority votes "
        "at as many drawn tokens, on prompts that it was not trained on. It is an experiment of the benchmark suite: "
        "its file is written to the run's folder, and can be changed and run with `backtrack-sampler benchmark`.",
        **arguments.examples(
            "backtrack-sampler eval-rl rl_output --check",
            "backtrack-sampler eval-rl rl_output --limit 300",
            "backtrack-sampler eval-rl seed_0 seed_1 seed_2",
            more="Whatever ends it, the same command goes on where it was.",
        ),
    )  # fmt: skip
    parser.set_defaults(run=_evaluate)
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="+",
        help="of a run: output_dir of its configuration; of several that differ in their seed, the first one has the "
        "evaluation of all",
    )  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="most items; all of them by default")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="texts of each item and row (3)")
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="settings tried of each heuristic (20)")
    parser.add_argument("--check", action="store_true", help="say what would be run, and run nothing")
    parser.add_argument(
        "--allow-code-execution", action="store_true", help="let tasks such as humaneval run what the model has written"
    )
    parser.add_argument("--verbose", action="store_true", help="say on stderr what is done")


def _evaluate(options: argparse.Namespace) -> int:
    from ..benchmark.config import plan_of, read_experiment
    from ..benchmark.config.yaml_file import dump_yaml
    from ..rl.evaluation.evaluate import config_of_runs, experiment_of
    from ..trace.files import write_atomically

    for name, least in (("limit", 1), ("repeats", 1), ("trials", 0)):
        if (value := getattr(options, name)) is not None and value < least:
            raise InputError(f"--{name} must be at least {least}, not {value}")
    folders = [Path(each).expanduser() for each in options.folders]
    config, folder = config_of_runs(folders), folders[0]
    asked = {"limit": options.limit, "repeats": options.repeats, "trials": options.trials}
    if options.check:  # what is not known yet changes nothing of what would be run
        said = experiment_of(folders, config, [1.0, 0.0], **asked)
        print(plan_of(read_experiment(said, allow_code_execution=options.allow_code_execution)))
        return 0
    rates = [sum(each) / len(folders) for each in zip(*(_rates(each, config) for each in folders), strict=True)]
    file = folder / "evaluation.yaml"
    write_atomically(file, dump_yaml(experiment_of(folders, config, rates, **asked)))
    print(f"the experiment is {file}", file=sys.stderr)
    options.config, options.resume = str(file), True
    return run_benchmark(options)


def _rates(folder: Path, config: RlConfig) -> list[float]:
    """How often this policy goes back; kept in its folder."""
    from ..rl.evaluation.evaluate import keep_rates, kept_rates, rates_of

    rates = kept_rates(folder)
    if rates is None:
        print(f"looking how often {folder} goes back, for a random policy of the same rate", file=sys.stderr)
        provider = arguments.load(config.model_name_or_path, config.engine, **config.model_options())
        rates = rates_of(folder, config, provider)
        keep_rates(folder, rates)
    return rates
