"""`backtrack-sampler generate`: write on from a prompt, or from each prompt of a file. Standard library only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import InputError
from ..events import Event, Listener
from ..sampler import BacktrackSampler
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy
from ..trace import Trace
from ..trace.files import check_path
from . import arguments
from .rows import LEAVES_OUT, Job, Model, RowTraces, leave_out, lookalikes, read_prompts, refuse_bad, write_rows
from .shown_text import ShownText
from .trace import save

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "generate",
        help="write on from a prompt, or from each prompt of a file",
        **arguments.examples(
            'backtrack-sampler generate "Once upon a time" --strategy antislop --show-rollbacks',
            'backtrack-sampler generate "Tell me a tale." --chat --operator ngram-overlap:ngram_size=5',
            "backtrack-sampler generate --prompts prompts.txt --out texts.jsonl --seed 1",
            more=arguments.SPEC_HELP,
        ),
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
        help="write all that was drawn and taken back to FILE.html, a page, or to FILE.jsonl; with --prompts to a "
        "folder, a page for each text, or to such as FOLDER/{index}.jsonl; repeatable",
    )  # fmt: skip
    arguments.add_sampling(parser)
    group = parser.add_argument_group(
        "many prompts",
        "in place of PROMPT; the rows of --out that are there already are kept, so that after an interruption "
        "the same command goes on where it was",
    )
    group.add_argument(
        "--prompts", metavar="FILE",
        help='one prompt a line, or in FILE.jsonl an object a line, with "prompt" or "messages", and "system", "seed" '
        "or any sampling option (max_new_tokens, stop, ...) of its own; - reads either from stdin",
    )  # fmt: skip
    group.add_argument(
        "--out", metavar="FILE.jsonl",
        help="where to write an object for each text, as each ends; - for stdout, where nothing goes on from",
    )  # fmt: skip
    group.add_argument("--max-batch", type=int, metavar="N", help="most texts at once (default 16)")
    group.add_argument("--n", type=int, metavar="N", help="texts for each prompt (default 1)")
    group.add_argument("--skip-bad", action="store_true", help="leave out prompts that cannot be used")
    group.add_argument("--retry-failed", action="store_true", help="try texts again that are in the file with an error")
    group.add_argument(
        "--accept-changes", action="store_true",
        help="go on although settings, or files of strategies, are not as they were; the file says from where on",
    )  # fmt: skip


def _generate(options: argparse.Namespace) -> int:
    return _many(options) if _has_prompts(options) else _one(options)


def _has_prompts(options: argparse.Namespace) -> bool:
    """Whether --prompts is there, and all that goes with it, rather than PROMPT."""
    if options.prompts is None:
        if options.prompt is None:
            raise InputError("one is required: PROMPT or --prompts FILE (see backtrack-sampler generate --help)")
        for name in ("out", "max_batch", "n", "skip_bad", "retry_failed", "accept_changes"):
            value = getattr(options, name)
            if value is not None and value is not False:
                raise InputError(f"--{name.replace('_', '-')} needs --prompts FILE")
        return False
    if options.prompt is not None:
        raise InputError("give a PROMPT or --prompts FILE, not both")
    if options.out is None:
        raise InputError("--prompts needs --out FILE.jsonl, to write to, or --out - for stdout")
    if options.show_rollbacks:
        raise InputError("--show-rollbacks is for a PROMPT, not for --prompts")
    for name, given in (("--retry-failed", options.retry_failed), ("--accept-changes", options.accept_changes)):
        if given and options.out == "-":
            raise InputError(f"{name} goes on with a file, and there is none: give --out FILE.jsonl")
    for name, value in (("--max-batch", options.max_batch), ("--n", options.n)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    return True


def _many(options: argparse.Namespace) -> int:
    sampling, specs = arguments.sampling_of(options), arguments.specs_of(options)
    if any(spec.cls is HumanGuidanceStrategy for spec in specs):
        raise InputError("human-guidance asks a person about one text: use it with a PROMPT, not with --prompts")
    arguments.check_system(options)
    out = None if options.out == "-" else check_path(options.out, (".jsonl",))
    prompts = read_prompts(options.prompts, keep_bad=True)
    bad = [prompt for prompt in prompts if prompt.bad]
    if not options.skip_bad or len(bad) == len(prompts):
        refuse_bad(prompts, "" if options.skip_bad else LEAVES_OUT)
    job = Job(
        prompts=prompts,
        out=out,
        n=1 if options.n is None else options.n,
        seed=sampling.pop("seed"),
        max_batch=16 if options.max_batch is None else options.max_batch,
        sampling=sampling,
        about=arguments.about(options, specs),
        system=options.system,
        skip_bad=options.skip_bad,
        retry_failed=options.retry_failed,
        accept_changes=options.accept_changes,
        traces=RowTraces(options.trace) if options.trace else None,
        offered=True,
    )
    if bad:
        leave_out(bad, job)
    for name, option in lookalikes(prompts).items():
        print(f"backtrack-sampler: {name} is only repeated in the rows: did you mean {option}?", file=sys.stderr)

    def load() -> Model:
        provider = arguments.provider_of(options)
        arguments.announce(specs, provider)
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
    arguments.announce(specs, provider)
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
