"""`backtrack-sampler train-rl`: train a policy that decides when to go back. The `rl` extra."""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BacktrackError, InputError
from ..specs import with_arguments
from . import arguments

if TYPE_CHECKING:
    from ..provider.base_provider import BaseProvider

__all__ = ["add"]

_INTERRUPTED = 130
_YAML = """\
such a file:
  output_dir: rl_output
  judge:
    model: gpt-4o-mini   # its key: OPENAI_API_KEY
  env:
    max_backtrack: 3
    max_seq_length: 64
  training:
    total_timesteps: 100000"""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "train-rl", help="train a policy that decides when to go back, by reinforcement learning",
        description="Train a small network that looks at each token as it is drawn and says how many to take back, "
        "so that a judge finds the texts better. It is used like any other strategy: "
        "--strategy rl-policy:policy=FOLDER.",
        **arguments.examples(
            "backtrack-sampler train-rl --config rl_config.yaml --prompts prompts.txt",
            "backtrack-sampler train-rl --config rl_config.yaml --prompts prompts.txt --resume",
            more=f"Whatever ends a run, --resume goes on where it was.\n\n{_YAML}",
        ),
    )  # fmt: skip
    parser.set_defaults(run=_train)
    parser.add_argument("--config", metavar="FILE.yaml", required=True, help="model, judge, environment, training")
    parser.add_argument("--prompts", metavar="FILE.txt", help="a prompt a line; not needed where the judge is a task")
    parser.add_argument("--shuffle-prompts", action="store_true", help="in an order that follows from the seed")
    parser.add_argument("--resume", action="store_true", help="go on with the run that is in the output folder")
    parser.add_argument(
        "--allow-code-execution",
        action="store_true",
        help="let a judge such as humaneval run what the model has written",
    )


def _train(options: argparse.Namespace) -> int:
    from ..benchmark.progress import progress_on
    from ..rl.training.config import read_config
    from ..rl.training.prompt_file import read_prompts
    from ..rl.training.train import train

    config = read_config(options.config)
    prompts = None if options.prompts is None else read_prompts(options.prompts)
    if prompts is None and config.judge.task is None:
        raise InputError("--prompts is needed: a file with a prompt a line, or in the configuration judge: {task: ...}")
    loaded = []

    def load() -> BaseProvider:
        loaded.append(arguments.load(config.model_name_or_path, config.engine, **config.model_options()))
        return loaded[0]

    try:
        with closing(progress_on(unit="decisions")) as progress:
            folder = train(
                config, prompts, load, resume=options.resume, shuffle=options.shuffle_prompts, progress=progress,
                allow_code_execution=options.allow_code_execution,
            )  # fmt: skip
    except KeyboardInterrupt:
        over = "\r" if sys.stderr.isatty() else ""
        print(f"{over}interrupted{_how_to_go_on(options, config.folder)}", file=sys.stderr)
        return _INTERRUPTED
    except BacktrackError:
        raise
    except Exception as error:  # an engine's own, such as no memory left
        if not loaded:
            raise
        raise BacktrackError(
            f"the training ended on an error ({type(error).__name__}: {error}): the last checkpoint is kept, and "
            "--resume goes on from there"
        ) from error
    print(f"policy written to {folder}; the page of its training is {folder / 'training.html'}", file=sys.stderr)
    spec = shlex.quote(with_arguments("rl-policy", {"policy": str(folder)}))
    print(f"use it:     backtrack-sampler generate 'Once upon a time' --strategy {spec}")
    print(f"measure it: backtrack-sampler eval-rl {shlex.quote(str(folder))}")
    return 0


def _how_to_go_on(options: argparse.Namespace, folder: Path) -> str:
    """What to say of a run that was broken off."""
    checkpoints = folder / "checkpoints"
    if not (folder / "config.yml").is_file():
        return " before anything was written"
    again = ["backtrack-sampler", "train-rl", "--config", options.config]
    again += ["--prompts", options.prompts] if options.prompts else []
    again += ["--shuffle-prompts"] if options.shuffle_prompts else []
    again += ["--allow-code-execution"] if options.allow_code_execution else []
    kept = f": the last checkpoint is in {checkpoints}" if checkpoints.is_dir() else " before the first checkpoint"
    return f"{kept}; to go on: {shlex.join(again)} --resume"
