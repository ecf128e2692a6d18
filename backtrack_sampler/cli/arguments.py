"""What several commands ask for on their command lines, and what they make of it. Standard library only."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..checks import check_count
from ..discovery import embedded_model, load_provider, wants_model
from ..errors import InputError
from ..options import SessionOptions
from ..prompts import chat_text, prompt_tokens
from ..provider.base_provider import BaseProvider
from ..specs import (
    OperatorSpec,
    StrategySpec,
    is_provider_file,
    parse_operator,
    parse_provider,
    parse_spec,
)
from ..stats import Stats
from ..strategy.chain_strategy import as_strategies

MODEL_HELP = "a .gguf file, a folder, a hub name or FILE.py:MyProvider (default: the embedded SmolLM2)"
SPEC_HELP = "A strategy or operator is NAME or NAME:key=value,... where a value is JSON, a|b for a list, or @FILE."
#: finish_reason -> what to say where a text ends for it.
ENDS = {
    "exhausted": "nothing was left to draw: see --on-exhausted",
    "context": "the model's context was full: see --context",
}


def examples(*lines: str, more: str = "") -> dict[str, Any]:
    """What a command's help ends with, for `add_parser`: what else there is to say, and examples."""
    shown = "\n".join(["example:" if len(lines) == 1 else "examples:", *(f"  {line}" for line in lines)])
    return {"epilog": f"{more}\n\n{shown}".strip(), "formatter_class": _Formatter}


class _Formatter(argparse.HelpFormatter):
    """Leaves alone what is indented: command lines, which somebody may copy."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.split("\n\n")
        return "\n\n".join(
            each if "\n  " in each else super(_Formatter, self)._fill_text(each, width, indent) for each in paragraphs
        )


# -- what is asked for ---------------------------------------------------------------------


def add_prompt(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument(
        "prompt", metavar="PROMPT", nargs=None if required else "?", help="text to go on from; - reads it from stdin"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", help=MODEL_HELP)
    add_engine(group)
    group.add_argument("--chat", action="store_true", help="apply the model's chat template")
    group.add_argument("--system", help="system message, with --chat")


def add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--engine", help="llamacpp, transformers or one of your own (default: what fits the model)")
    group.add_argument("--context", type=int, help="context size in tokens (llama.cpp)")
    group.add_argument("--device", help="where to run (transformers), for example cuda (default: a GPU that is there)")
    group.add_argument("--threads", type=int, metavar="N", help="processor threads of the model")


def add_strategies(parser: argparse.ArgumentParser) -> None:
    for kind, hint in (("strategy", "NAME[:key=value,...] or FILE.py:Class[:key=value,...]"), ("operator", "the same")):
        parser.add_argument(
            f"--{kind}", action="append", default=[], dest="strategies", metavar="SPEC",
            type=partial(_of_kind, kind), help=f"{hint}; both may be repeated, and are chained in order",
        )  # fmt: skip


def _of_kind(kind: str, text: str) -> tuple[str, str]:
    return kind, text


def add_sampling(parser: argparse.ArgumentParser, max_new_tokens: int = 256, temperature: float = 1.0) -> None:
    group = parser.add_argument_group("sampling")
    group.add_argument("--max-new-tokens", type=int, default=max_new_tokens, help="default %(default)s")
    group.add_argument("--max-length", type=int, help="of prompt and continuation together")
    group.add_argument("--temperature", type=float, default=temperature, help="0 is greedy (default %(default)g)")
    group.add_argument("--top-k", type=int, default=50, help="0 for no limit (default 50)")
    group.add_argument("--top-p", type=float)
    group.add_argument("--min-p", type=float)
    group.add_argument("--stop", action="append", default=[], help="end before this text; repeatable")
    group.add_argument("--seed", type=int, help="same seed, same text")
    group.add_argument(
        "--max-retries", type=int, default=100, metavar="N",
        help="attempts at one place before going further back (default 100)",
    )  # fmt: skip
    group.add_argument(
        "--max-discarded", type=int, metavar="N", help="tokens taken back in all (default: 1,000, and 50 for each kept)"
    )
    group.add_argument(
        "--on-exhausted", default="stop", choices=["stop", "accept", "raise"],
        help="when the strategies allow nothing more (default: stop)",
    )  # fmt: skip
    group.add_argument(
        "--on-context-full", default="stop", choices=["stop", "raise"],
        help="when the model's context is full (default: stop)",
    )  # fmt: skip
    group.add_argument("--stats", action="store_true", help="say afterwards what it has cost (on stderr)")


# -- what is made of it --------------------------------------------------------------------
# Each raises InputError where it cannot be used. What needs no model comes before what does.


def sampling_of(options: argparse.Namespace) -> dict[str, Any]:
    """What `BacktrackSampler.stream` takes by name."""
    names = (
        "max_new_tokens", "max_length", "temperature", "top_k", "top_p", "min_p", "stop", "seed",
        "max_retries", "max_discarded", "on_exhausted", "on_context_full",
    )  # fmt: skip
    sampling = {name: getattr(options, name) for name in names}
    if options.max_length is not None:
        check_count("max_length", options.max_length)
    checked = SessionOptions(**{k: v for k, v in sampling.items() if k != "max_length"})  # now, not after loading
    sampling["seed"] = checked.seed  # where -1 is None
    return sampling


def prompt_of(options: argparse.Namespace) -> str:
    check_system(options)
    try:
        # echo and most editors end the last line; that is not meant as part of the text.
        text: str = sys.stdin.read().removesuffix("\n") if options.prompt == "-" else options.prompt
        text.encode()
    except UnicodeError as error:
        raise InputError("the prompt is not valid text in this terminal's encoding: use UTF-8") from error
    if not text.strip():
        raise InputError("the prompt is empty: give the model at least one word to go on from")
    return text


def check_system(options: argparse.Namespace) -> None:
    if options.system is not None and not options.chat:
        raise InputError("--system needs --chat")
    try:
        (options.system or "").encode()
    except UnicodeError as error:
        raise InputError("--system is not valid text in this terminal's encoding: use UTF-8") from error


def specs_of(options: argparse.Namespace) -> list[StrategySpec | OperatorSpec]:
    return parse_specs(options.strategies)


def parse_specs(given: Sequence[tuple[str, str]]) -> list[StrategySpec | OperatorSpec]:
    """Of each its kind, "strategy" or "operator", and how it is written."""
    return [(parse_operator if kind == "operator" else parse_spec)(text) for kind, text in given]


def provider_of(options: argparse.Namespace) -> BaseProvider:
    """Load the model."""
    for name in ("context", "threads"):
        if getattr(options, name) is not None:
            check_count(f"--{name}", getattr(options, name))
    given = {"n_ctx": options.context, "device": options.device, "threads": options.threads}
    extra = {name: value for name, value in given.items() if value is not None}
    provider = load(options.model, options.engine, **extra)
    if options.context and provider.context_size and provider.context_size < options.context:
        print(
            f"backtrack-sampler: --context {options.context} is more than this model was made for: "
            f"it is {provider.context_size}",
            file=sys.stderr,
        )
    return provider


def load(model: str | None, engine: str | None, **extra: Any) -> BaseProvider:
    """Load a model, either of whose names may be a file with arguments."""
    _quiet()
    if model is not None and is_provider_file(model):
        model, own, _ = parse_provider(model)
        extra |= own
    if engine is not None and is_provider_file(engine):
        engine, own, _ = parse_provider(engine)
        extra |= own
    return load_provider(model, engine, **extra)


def model_name(options: argparse.Namespace) -> str:
    """What to call the model that the options mean, before it is loaded."""
    engine = options.engine
    if engine is not None and is_provider_file(engine):
        engine = parse_provider(engine)[0]
    if options.model is None and not wants_model(engine):
        return str(options.engine)
    return options.model or embedded_model().name


def model_files(options: argparse.Namespace) -> dict[str, str]:
    """The files of a provider of one's own, and what tells whether they are still the same."""
    given = [text for text in (options.model, options.engine) if text is not None and is_provider_file(text)]
    return {file: digest for text in given for file, digest in parse_provider(text)[2].items()}


def _quiet() -> None:
    """Libraries report progress and advice on stderr, between the lines of the text."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")


def about(options: argparse.Namespace, specs: Sequence[StrategySpec | OperatorSpec]) -> dict[str, Any]:
    """How texts come to be, besides sampling: what a file of rows says of it; JSON."""
    files = model_files(options)
    return {
        "model": model_name(options),
        "engine": options.engine,
        **({"provider_sha256": files} if files else {}),
        "chat": options.chat,
        "system": options.system,
        "strategies": [
            {kind: text, **({"sha256": spec.files} if spec.files else {})}
            for (kind, text), spec in zip(options.strategies, specs, strict=True)
        ],
    }


def tokens_of(
    options: argparse.Namespace, provider: BaseProvider, prompt: str | Sequence[Mapping[str, str]]
) -> list[int]:
    """The tokens to go on from; with a chat template around messages, and around a prompt where it is wanted."""
    if options.chat and isinstance(prompt, str):
        system = [{"role": "system", "content": options.system}] if options.system else []
        prompt = [*system, {"role": "user", "content": prompt}]
    return prompt_tokens(provider, prompt if isinstance(prompt, str) else chat_text(provider, prompt), None)


def strategies_of(specs: Sequence[StrategySpec | OperatorSpec], provider: BaseProvider) -> list[Any]:
    return [spec.build(provider) for spec in specs]


def announce(specs: Sequence[StrategySpec | OperatorSpec], provider: BaseProvider) -> None:
    """Say on stderr what was read from files, such as how many phrases: it may be another number than one thinks."""
    for strategy in as_strategies([spec.build(provider) for spec in specs if spec.files]):
        if said := strategy.describe():
            print(f"{strategy} {said}", file=sys.stderr)


def report(options: argparse.Namespace, stats: Stats) -> None:
    """Say what it has cost, where that is wanted."""
    if options.stats:
        speed = stats.emitted / stats.seconds if stats.seconds else 0.0
        print(
            f"{stats.emitted} tokens streamed, {stats.discarded} taken back in {stats.rollbacks} rollbacks, "
            f"{stats.forward_passes} forward passes, {stats.evaluated_tokens} tokens evaluated, "
            f"{stats.seconds:.1f} s ({speed:.1f} tokens/s), ended by: {stats.finish_reason or _broken_off()}",
            file=sys.stderr,
        )


def _broken_off() -> str:
    """Why a text has no end; asked while whatever has ended it is on its way."""
    return "an error" if isinstance(sys.exc_info()[1], Exception) else "interruption"
