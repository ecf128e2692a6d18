"""`backtrack-sampler train-rl`: train a policy that decides when to go back. The `rl` extra."""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from ..errors import BacktrackError, InputError
from . import arguments

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


def _train(options: argparse.Namespace) -> int:
    from ..benchmark.progress import progress_on
    from ..rl.training.config import read_config
    from ..rl.training.prompt_file import read_prompts
    from ..rl.training.train import train

    config = read_config(options.config)
    prompts = None if options.prompts is None else read_prompts(options.prompts)
    if prompts is None and config.judge.task is None:
        raise InputError("--prompts is needed: a file with a prompt a line, or in the configuration judge: {task: ...}")
    provider = arguments.load(config.model_name_or_path, config.engine, **config.model_options())
    try:
        with closing(progress_on(unit="decisions")) as progress:
            folder = train(
                config, prompts, provider, resume=options.resume, shuffle=options.shuffle_prompts, progress=progress
            )
    except KeyboardInterrupt:
        over = "\r" if sys.stderr.isatty() else ""
        again = ["backtrack-sampler", "train-rl", "--config", options.config]
        again += ["--prompts", options.prompts] if options.prompts else []
        again += ["--shuffle-prompts"] if options.shuffle_prompts else []
        kept = Path(config.output_dir) / "checkpoints"
        print(
            f"{over}interrupted: the last checkpoint is in {kept}; to go on: {shlex.join(again)} --resume",
            file=sys.stderr,
        )
        return _INTERRUPTED
    except BacktrackError:
        raise
    except Exception as error:  # an engine's own, such as no memory left
        raise BacktrackError(
            f"the training ended on an error ({type(error).__name__}: {error}): the last checkpoint is kept, and "
            "--resume goes on from there"
        ) from error
    print(f"policy written to {folder}; the page of its training is {folder / 'training.html'}", file=sys.stderr)
    print(f"use it:     backtrack-sampler generate 'Once upon a time' --strategy rl-policy:policy={folder}")
    print(f"measure it: backtrack-sampler eval-rl {folder}")
    return 0
