"""`backtrack-sampler guide`: a person chooses each token, on a screen. Standard library only."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..sampler import BacktrackSampler
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy, check_choices
from ..terminal.guidance_screen import check_terminal
from . import arguments

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "guide",
        help="choose each token yourself, on a screen",
        **arguments.examples('backtrack-sampler guide "The door opened and" --choices 8'),
    )
    parser.set_defaults(run=_guide)
    arguments.add_prompt(parser)
    arguments.add_model(parser)
    parser.add_argument("--choices", type=int, default=3, help="tokens to choose from (default 3)")
    parser.add_argument(
        "--min-autopass", type=float, default=1.0,
        help="take the best token without asking where it is at least this probable (default 1)",
    )  # fmt: skip
    arguments.add_sampling(parser)
    parser.set_defaults(max_retries=sys.maxsize, max_discarded=sys.maxsize)  # a person decides when to stop


def _guide(options: argparse.Namespace) -> int:
    sampling, prompt = arguments.sampling_of(options), arguments.prompt_of(options)
    check_choices(options.choices, options.min_autopass)
    check_terminal()
    provider = arguments.provider_of(options)
    strategy = HumanGuidanceStrategy(provider, options.choices, options.min_autopass, prompt=prompt)
    sampler = BacktrackSampler(provider, strategy)
    tokens = arguments.tokens_of(options, provider, prompt)
    parts: list[str] = []
    try:
        for text in sampler.stream_text(tokens, **sampling):
            parts.append(text)
    finally:
        strategy.reset()  # whatever happened, the terminal is itself again before anything is said
        if sampler.stats.finish_reason:
            print("" if options.chat else prompt, *parts, sep="")
        arguments.report(options, sampler.stats)
    return 0
