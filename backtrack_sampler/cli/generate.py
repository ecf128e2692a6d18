"""`backtrack-sampler generate`: write on from a prompt, or from each prompt of a file. Standard library only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..discovery import embedded_model
from ..errors import InputError
from ..events import Event, Listener
from ..sampler import BacktrackSampler
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy
from ..trace import Trace
from ..trace.files import check_path
from . import arguments
from .batch import Job, Model, read_prompts, write_rows
from .shown_text import ShownText
from .trace import save

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "generate", help="write on from a prompt, or from each prompt of a file", epilog=arguments.SPEC_HELP
    )
    parser.set_defaults(run=_generate)
    arguments.add_prompt(parser, required=False)
    arguments.add_model(parser)
    arguments.add_strategies(parser)
    parser.add_argument(
        "--show-rollbacks", action="store_true",
        help="in a terminal, show text as it is typed and erased; elsewhere say on stderr what is taken back",
    )  # fmt: skip
    parser.add_argument(
        "--trace", action="append", default=[], metavar="FILE",
        help="write all that was drawn and taken back to FILE.html, a page, or to FILE.jsonl; repeatable",
    )  # fmt: skip
    arguments.add_sampling(parser)
    group = parser.add_argument_group(
        "many prompts",
        "in place of PROMPT; the rows of --out that are there already are kept, so that after an interruption "
        "the same command goes on where it was",
    )
    group.add_argument(
        "--prompts", metavar="FILE",
        help='one prompt a line, or in FILE.jsonl an object with "prompt" a line; - reads lines from stdin',
    )  # fmt: skip
    group.add_argument("--out", metavar="FILE.jsonl", help="where to write an object for each text, as each ends")
    group.add_argument("--max-batch", type=int, metavar="N", help="most texts at once (default 16)")
    group.add_argument("--n", type=int, metavar="N", help="texts for each prompt (default 1)")


def _generate(options: argparse.Namespace) -> int:
    return _many(options) if _has_prompts(options) else _one(options)


def _has_prompts(options: argparse.Namespace) -> bool:
    """Whether --prompts is there, and all that goes with it, rather than PROMPT."""
    if options.prompts is None:
        if options.prompt is None:
            raise InputError("one is required: PROMPT or --prompts FILE (see backtrack-sampler generate --help)")
        for name, value in (("--out", options.out), ("--max-batch", options.max_batch), ("--n", options.n)):
            if value is not None:
                raise InputError(f"{name} needs --prompts FILE")
        return False
    if options.prompt is not None:
        raise InputError("give a PROMPT or --prompts FILE, not both")
    if options.out is None:
        raise InputError("--prompts needs --out FILE.jsonl, to write to")
    for name, given in (("--trace", options.trace), ("--show-rollbacks", options.show_rollbacks)):
        if given:
            raise InputError(f"{name} is for a PROMPT, not for --prompts")
    for name, value in (("--max-batch", options.max_batch), ("--n", options.n)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    return True


def _many(options: argparse.Namespace) -> int:
    sampling, specs = arguments.sampling_of(options), arguments.specs_of(options)
    if any(spec.cls is HumanGuidanceStrategy for spec in specs):
        raise InputError("human-guidance asks a person about one text: use it with a PROMPT, not with --prompts")
    arguments.check_system(options)
    out = check_path(options.out, (".jsonl",))
    job = Job(
        prompts=read_prompts(options.prompts),
        out=out,
        n=1 if options.n is None else options.n,
        seed=sampling.pop("seed"),
        max_batch=16 if options.max_batch is None else options.max_batch,
        sampling=sampling,
        about={
            "model": options.model or embedded_model().name,
            "engine": options.engine,
            "chat": options.chat,
            "system": options.system,
            "strategies": [
                {kind: text, **({"sha256": spec.files} if spec.files else {})}
                for (kind, text), spec in zip(options.strategies, specs, strict=True)
            ],
        },
    )

    def load() -> Model:
        provider = arguments.provider_of(options)
        return Model(
            BacktrackSampler(provider),
            encode=partial(arguments.tokens_of, options, provider),
            strategy=partial(arguments.strategies_of, specs, provider),
        )

    return write_rows(job, load, partial(arguments.report, options))


def _one(options: argparse.Namespace) -> int:
    sampling, specs, prompt = arguments.sampling_of(options), arguments.specs_of(options), arguments.prompt_of(options)
    trace_files = [check_path(file) for file in options.trace]
    provider = arguments.provider_of(options)
    sampler = BacktrackSampler(provider, arguments.strategies_of(specs, provider))
    tokens = arguments.tokens_of(options, provider, prompt)
    trace = Trace(provider, tokens) if trace_files else None
    # Who chooses the tokens has the terminal until the text is complete, and knows what was taken back.
    guided = any(spec.cls is HumanGuidanceStrategy for spec in specs)
    rollbacks = options.show_rollbacks and not guided
    shown = ShownText(f"{prompt}\n\n" if options.chat else prompt, provider.decode, tokens, rollbacks)
    listeners: list[Listener] = [] if trace is None else [trace]
    if rollbacks:
        listeners.append(shown)
    try:
        stream = sampler.stream_text(tokens, on_event=partial(_tell, listeners) if listeners else None, **sampling)
        if not guided:
            shown.begin()
        _write(stream, shown)
    finally:
        shown.sum_up(sampler.stats)
        arguments.report(options, replace(sampler.stats, seconds=max(0.0, sampler.stats.seconds - shown.paused)))
        if trace is not None and trace.events:
            save(trace, trace_files)
    if why := arguments.ENDS.get(sampler.stats.finish_reason):
        print(f"backtrack-sampler: the text ends where {why}", file=sys.stderr)
    return 0


def _tell(listeners: Sequence[Listener], event: Event) -> None:
    for listener in listeners:
        listener(event)


def _write(stream: Iterable[str], shown: ShownText) -> None:
    """Stream the text; end the line however it ends."""
    parts: list[str] = []
    try:
        for text in stream:
            parts.append(text)
            shown.piece(text)
    finally:
        shown.end("".join(parts))
