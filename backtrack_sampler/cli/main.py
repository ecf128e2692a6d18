"""`backtrack-sampler generate | guide | strategies`. Standard library only."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from ..discovery import find_strategy, load_provider, strategy_names
from ..errors import BacktrackError, InputError
from ..provider.base_provider import BaseProvider
from ..sampler import BacktrackSampler
from ..session import SessionOptions, Stats
from ..strategy.base_strategy import BaseStrategy
from ..strategy.chain_strategy import ChainStrategy
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy
from ..terminal.live_text import LiveText
from .strategy_spec import StrategySpec, parameters, parse_spec

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BacktrackError as error:
        print(f"backtrack-sampler: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backtrack-sampler", description="A sampler with an undo button."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser(
        "generate",
        help="write on from a prompt",
        epilog="A strategy is NAME or NAME:key=value,... where a value is JSON, a|b for a list, or @FILE.",
    )
    generate.set_defaults(run=_generate)
    _add_model(generate)
    generate.add_argument(
        "--strategy", action="append", default=[], metavar="SPEC",
        help="NAME[:key=value,...] or FILE.py:Class[:key=value,...]; repeat it to chain",
    )  # fmt: skip
    generate.add_argument(
        "--show-rollbacks", action="store_true",
        help="in a terminal, show text as it is typed and erased; elsewhere plain text as always",
    )  # fmt: skip
    _add_sampling(generate)

    guide = commands.add_parser("guide", help="choose each token yourself, on a screen")
    guide.set_defaults(run=_guide)
    _add_model(guide)
    guide.add_argument("--choices", type=int, default=3, help="tokens to choose from (default 3)")
    guide.add_argument(
        "--min-autopass", type=float, default=1.0,
        help="take the best token without asking where it is at least this probable (default 1)",
    )  # fmt: skip
    _add_sampling(guide)

    strategies = commands.add_parser("strategies", help="list what is installed")
    strategies.set_defaults(run=_strategies)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="text to go on from; - reads it from stdin")
    group = parser.add_argument_group("model")
    group.add_argument("--model", help="a .gguf file, a folder or a hub name (default: the embedded SmolLM2)")
    group.add_argument("--engine", help="llamacpp or transformers (default: what fits the model)")
    group.add_argument("--context", type=int, help="context size in tokens (llama.cpp)")
    group.add_argument("--device", help="where to run (transformers), for example cuda")
    group.add_argument("--chat", action="store_true", help="apply the model's chat template")
    group.add_argument("--system", help="system message, with --chat")


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sampling")
    group.add_argument("--max-new-tokens", type=int, default=256, help="default 256")
    group.add_argument("--max-length", type=int, help="of prompt and continuation together")
    group.add_argument("--temperature", type=float, default=1.0, help="0 is greedy (default 1)")
    group.add_argument("--top-k", type=int, default=50, help="0 for no limit (default 50)")
    group.add_argument("--top-p", type=float)
    group.add_argument("--min-p", type=float)
    group.add_argument("--stop", action="append", default=[], help="end before this text; repeatable")
    group.add_argument("--seed", type=int, help="same seed, same text")
    group.add_argument(
        "--on-exhausted", default="stop", choices=["stop", "accept", "raise"],
        help="when the strategies allow nothing more (default: stop)",
    )  # fmt: skip
    group.add_argument("--stats", action="store_true", help="say afterwards what it has cost (on stderr)")


# -- commands ------------------------------------------------------------------------------


def _generate(options: argparse.Namespace) -> int:
    sampling, specs, prompt = _sampling(options), [parse_spec(s) for s in options.strategy], _prompt(options)
    provider = _provider(options)
    sampler = BacktrackSampler(provider, _strategy(specs, provider))
    live = None
    if options.show_rollbacks and sys.stdout.isatty():
        live = LiveText(sys.stdout, provider.decode)
    try:
        _write(sampler, _full_prompt(options, provider, prompt), sampling, live, sys.stdout)
    finally:
        _report(options, sampler.stats)
    return 0


def _guide(options: argparse.Namespace) -> int:
    sampling, prompt = _sampling(options), _prompt(options)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("guide needs a terminal: run it in one, without a pipe")
    # Checks its parameters before the model is loaded.
    HumanGuidanceStrategy(_Endless(), options.choices, options.min_autopass)
    provider = _provider(options)
    strategy = HumanGuidanceStrategy(provider, options.choices, options.min_autopass, prompt=prompt)
    sampler = BacktrackSampler(provider, strategy)
    full = _full_prompt(options, provider, prompt)
    try:
        text = sampler.generate_text(full, **sampling)
    finally:
        strategy.reset()  # whatever happened, the terminal is itself again before anything is said
    print(prompt + text if not options.chat else text)
    _report(options, sampler.stats)
    return 0


def _strategies(_: argparse.Namespace) -> int:
    for name in strategy_names():
        cls = find_strategy(name)
        summary = (cls.__doc__ or "").strip().split("\n")[0]
        print(f"{name.replace('_', '-')}: {summary}")
        for key, parameter in parameters(cls).items():
            needed = parameter.default is parameter.empty
            print(f"    {key}" + (" (needed)" if needed else f" = {_shown(parameter.default)}"))
    return 0


# -- parts ---------------------------------------------------------------------------------


def _sampling(options: argparse.Namespace) -> dict[str, Any]:
    names = ("max_new_tokens", "max_length", "temperature", "top_k", "top_p", "min_p", "stop", "seed", "on_exhausted")
    sampling = {name: getattr(options, name) for name in names}
    SessionOptions(**{k: v for k, v in sampling.items() if k != "max_length"})  # raises now, not after loading
    return sampling


def _prompt(options: argparse.Namespace) -> str:
    text: str = sys.stdin.read() if options.prompt == "-" else options.prompt
    if not text.strip():
        raise InputError("the prompt is empty: give the model at least one word to go on from")
    if options.system is not None and not options.chat:
        raise InputError("--system needs --chat")
    return text


def _provider(options: argparse.Namespace) -> BaseProvider:
    _quiet()
    extra: dict[str, Any] = {}
    if options.context is not None:
        if options.context < 1:
            raise InputError(f"--context must be at least 1, not {options.context}")
        extra["n_ctx"] = options.context
    if options.device is not None:
        extra["device"] = options.device
    try:
        return load_provider(options.model, options.engine, **extra)
    except TypeError as error:
        raise InputError(f"this engine does not take that option ({error})") from error


def _quiet() -> None:
    """Libraries report progress and advice on stderr, between the lines of the text."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")


def _full_prompt(options: argparse.Namespace, provider: BaseProvider, prompt: str) -> list[int]:
    if options.chat:
        system = [{"role": "system", "content": options.system}] if options.system else []
        prompt = provider.chat_prompt([*system, {"role": "user", "content": prompt}])
    # A template writes its beginning-of-text token out; plain text leaves it to the tokenizer.
    return provider.encode(prompt, add_special_tokens=not options.chat)


def _strategy(specs: Sequence[StrategySpec], provider: BaseProvider) -> Any:
    built = [spec.build(provider) for spec in specs]
    if not built:
        return BaseStrategy()
    return built[0] if len(built) == 1 else ChainStrategy(built)


def _write(
    sampler: BacktrackSampler,
    prompt: list[int],
    sampling: dict[str, Any],
    live: LiveText | None,
    out: TextIO,
) -> None:
    """Stream the text; end the line however it ends."""
    try:
        for text in sampler.stream_text(prompt, on_event=live, **sampling):
            if live is None:
                out.write(text)
                out.flush()
        if live is not None:
            live.finish()
    finally:
        out.write("\n")
        out.flush()


def _report(options: argparse.Namespace, stats: Stats) -> None:
    if options.stats:
        speed = stats.emitted / stats.seconds if stats.seconds else 0.0
        print(
            f"{stats.emitted} tokens streamed, {stats.discarded} taken back in {stats.rollbacks} rollbacks, "
            f"{stats.forward_passes} forward passes, {stats.evaluated_tokens} tokens evaluated, "
            f"{stats.seconds:.1f} s ({speed:.1f} tokens/s), ended by: {stats.finish_reason or 'interruption'}",
            file=sys.stderr,
        )


def _shown(default: Any) -> str:
    text = repr(default)
    return text if len(text) <= 60 else text[:57] + "..."


class _Endless(BaseProvider):
    """Stands in for a model while parameters are checked."""

    eos_token_ids = frozenset([0])

    def __init__(self) -> None:
        pass

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return []

    def decode(self, tokens: Sequence[int]) -> str:
        return ""

    def _evaluate(self, tokens: list[int], start: int) -> Any:
        raise NotImplementedError

    def _keep(self, length: int, tokens: list[int]) -> int:
        raise NotImplementedError
