"""`backtrack-sampler chat | generate | guide | strategies | trace`. Standard library only."""

from __future__ import annotations

import argparse
import inspect
import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO

from ..chat import ChatPipeline, check_messages, load_messages
from ..discovery import embedded_model, find_strategy, load_provider, operator_names, strategy_names
from ..errors import BacktrackError, InputError
from ..events import Event
from ..options import SessionOptions
from ..provider.base_provider import BaseProvider
from ..sampler import BacktrackSampler
from ..stats import Stats
from ..strategy.base_strategy import BaseStrategy
from ..strategy.chain_strategy import ChainStrategy
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy, check_choices
from ..strategy.operator_strategy import OperatorStrategy
from ..terminal.guidance_screen import check_terminal
from ..terminal.live_text import LiveText
from ..trace import Trace
from ..trace.files import check_path
from .batch import Job, Model, read_prompts, write_rows
from .chat import Chat
from .strategy_spec import OperatorSpec, StrategySpec, parameters, parse_operator, parse_spec

__all__ = ["main"]

_MODEL_HELP = "a .gguf file, a folder or a hub name (default: the embedded SmolLM2)"
SPEC_HELP = "A strategy or operator is NAME or NAME:key=value,... where a value is JSON, a|b for a list, or @FILE."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 where rows have failed, 2 for bad input, 130 for Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model writes what not every terminal can show
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except BacktrackError as error:
        print("backtrack-sampler:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"backtrack-sampler: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="backtrack-sampler", description="A sampler with an undo button.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser(
        "generate",
        help="write on from a prompt, or from each prompt of a file",
        epilog=SPEC_HELP,
    )
    generate.set_defaults(run=_generate)
    _add_model(generate, prompts=True)
    _add_strategies(generate)
    generate.add_argument(
        "--show-rollbacks", action="store_true",
        help="in a terminal, show text as it is typed and erased; elsewhere plain text as always",
    )  # fmt: skip
    generate.add_argument(
        "--trace", action="append", default=[], metavar="FILE",
        help="write all that was drawn and taken back to FILE.html, a page, or to FILE.jsonl; repeatable",
    )  # fmt: skip
    _add_sampling(generate)
    _add_prompts(generate)

    guide = commands.add_parser("guide", help="choose each token yourself, on a screen")
    guide.set_defaults(run=_guide)
    _add_model(guide)
    guide.add_argument("--choices", type=int, default=3, help="tokens to choose from (default 3)")
    guide.add_argument(
        "--min-autopass", type=float, default=1.0,
        help="take the best token without asking where it is at least this probable (default 1)",
    )  # fmt: skip
    _add_sampling(guide)

    chat = commands.add_parser("chat", help="talk with a model", epilog=SPEC_HELP)
    chat.set_defaults(run=_chat)
    chat.add_argument("model", metavar="MODEL", nargs="?", help=_MODEL_HELP)
    chat.add_argument("--system", help="system message")
    chat.add_argument("--load", metavar="FILE", help="go on with a saved chat")
    _add_engine(chat.add_argument_group("model"))
    _add_strategies(chat)
    chat.add_argument("-v", "--verbose", action="store_true", help="show what is taken back")
    _add_sampling(chat, max_new_tokens=512, temperature=0.7)

    strategies = commands.add_parser("strategies", help="list what is installed")
    strategies.set_defaults(run=_strategies)

    trace = commands.add_parser("trace", help="make a page from a saved trace")
    trace.set_defaults(run=_trace)
    trace.add_argument("file", metavar="FILE.jsonl", help="what generate --trace has written")
    trace.add_argument("--out", metavar="FILE.html", help="default: beside it")
    return parser


def _add_model(parser: argparse.ArgumentParser, prompts: bool = False) -> None:
    parser.add_argument(
        "prompt", metavar="PROMPT", nargs="?" if prompts else None, help="text to go on from; - reads it from stdin"
    )
    group = parser.add_argument_group("model")
    group.add_argument("--model", help=_MODEL_HELP)
    _add_engine(group)
    group.add_argument("--chat", action="store_true", help="apply the model's chat template")
    group.add_argument("--system", help="system message, with --chat")


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--engine", help="llamacpp or transformers (default: what fits the model)")
    group.add_argument("--context", type=int, help="context size in tokens (llama.cpp)")
    group.add_argument("--device", help="where to run (transformers), for example cuda")


def _add_strategies(parser: argparse.ArgumentParser) -> None:
    for kind, hint in (("strategy", "NAME[:key=value,...] or FILE.py:Class[:key=value,...]"), ("operator", "the same")):
        parser.add_argument(
            f"--{kind}", action="append", default=[], dest="strategies", metavar="SPEC",
            type=partial(_of_kind, kind), help=f"{hint}; both may be repeated, and are chained in order",
        )  # fmt: skip


def _of_kind(kind: str, text: str) -> tuple[str, str]:
    return kind, text


def _add_sampling(parser: argparse.ArgumentParser, max_new_tokens: int = 256, temperature: float = 1.0) -> None:
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
        "--on-exhausted", default="stop", choices=["stop", "accept", "raise"],
        help="when the strategies allow nothing more (default: stop)",
    )  # fmt: skip
    group.add_argument("--stats", action="store_true", help="say afterwards what it has cost (on stderr)")


def _add_prompts(parser: argparse.ArgumentParser) -> None:
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


# -- commands ------------------------------------------------------------------------------


def _generate(options: argparse.Namespace) -> int:
    if _has_prompts(options):
        return _generate_rows(options)
    sampling, specs, prompt = _sampling(options), _specs(options), _prompt(options)
    trace_files = [check_path(file) for file in options.trace]
    provider = _provider(options)
    sampler = BacktrackSampler(provider, _strategy(specs, provider))
    full = _full_prompt(options, provider, prompt)
    trace = Trace(provider, full) if trace_files else None
    live = None
    if options.show_rollbacks and sys.stdout.isatty():
        live = LiveText(sys.stdout, provider.decode, full)
    try:
        _write(sampler, full, sampling, live, sys.stdout, trace)
    finally:
        _report(options, sampler.stats)
        if trace is not None and trace.events:
            _save(trace, trace_files)
    return 0


def _generate_rows(options: argparse.Namespace) -> int:
    sampling, specs = _sampling(options), _specs(options)
    if any(spec.cls is HumanGuidanceStrategy for spec in specs):
        raise InputError("human-guidance asks a person about one text: use it with a PROMPT, not with --prompts")
    _check_system(options)
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
            "strategies": [{kind: text} for kind, text in options.strategies],
        },
    )

    def load() -> Model:
        provider = _provider(options)
        return Model(
            BacktrackSampler(provider),
            encode=partial(_full_prompt, options, provider),
            strategy=partial(_strategy, specs, provider),
        )

    return write_rows(job, load, partial(_report, options))


def _guide(options: argparse.Namespace) -> int:
    sampling, prompt = _sampling(options), _prompt(options)
    check_choices(options.choices, options.min_autopass)
    check_terminal()
    provider = _provider(options)
    strategy = HumanGuidanceStrategy(provider, options.choices, options.min_autopass, prompt=prompt)
    sampler = BacktrackSampler(provider, strategy)
    full = _full_prompt(options, provider, prompt)
    no_limit = {"max_retries": sys.maxsize, "max_discarded": sys.maxsize}  # a person decides when to stop
    parts: list[str] = []
    try:
        for text in sampler.stream_text(full, **sampling, **no_limit):
            parts.append(text)
    finally:
        strategy.reset()  # whatever happened, the terminal is itself again before anything is said
        if sampler.stats.finish_reason:
            print("" if options.chat else prompt, *parts, sep="")
        _report(options, sampler.stats)
    return 0


def _chat(options: argparse.Namespace) -> int:
    sampling, specs = _sampling(options), _specs(options)
    system = check_messages([{"role": "system", "content": options.system}] if options.system else [])
    messages = load_messages(options.load) if options.load is not None else []
    sampling["stop_sequences"] = sampling.pop("stop")
    provider = _provider(options)
    pipeline = ChatPipeline(provider, options.system or None)
    if system:  # given now, it takes the place of the one in the file
        messages = [message for message in messages if message["role"] != "system"]
    model = Path(options.model).resolve() if options.model else embedded_model()
    names = [spec.cls.__name__ for spec in specs]
    chat = Chat(
        pipeline,
        f"{model.name.removesuffix('.gguf')}, {' + '.join(names) or 'no strategy'}",
        {"strategy": _strategy(specs, provider), **sampling},
        messages=messages,
        file=options.load or "",
        verbose=options.verbose,
        report=lambda: _report(options, pipeline.generator.stats),
    )
    return chat.run()


def _strategies(_: argparse.Namespace) -> int:
    columns = min(100, shutil.get_terminal_size().columns)
    classes = {}
    for name in strategy_names():
        try:
            classes[name.replace("_", "-")] = find_strategy(name)
        except InputError as error:  # one broken file does not hide the others
            print(f"backtrack-sampler: {error}", file=sys.stderr)
    # Only for Python: on the command line, --strategy is repeated, and --operator makes one.
    shown = {name: cls for name, cls in classes.items() if cls not in (ChainStrategy, OperatorStrategy)}
    _print_classes("strategies (--strategy)", shown, columns)
    print()
    _print_classes("operators (--operator)", operator_names(), columns)
    values = ", ".join(f"{key}={_default(p.default)}" for key, p in parameters(OperatorStrategy).items())
    print(textwrap.fill(f"Every operator also takes {values}.", columns, break_on_hyphens=False))
    return 0


def _trace(options: argparse.Namespace) -> int:
    out = check_path(options.out, (".html",)) if options.out is not None else None
    trace = Trace.from_jsonl(options.file)
    _save(trace, [out or check_path(Path(options.file).with_suffix(".html"))])
    return 0


def _print_classes(title: str, classes: Mapping[str, type[Any]], columns: int) -> None:
    print(f"{title}:")
    indent = " " * (2 + max(map(len, classes)))
    for name, cls in classes.items():
        summary = (cls.__doc__ or "").strip().split("\n")[0] or "(no description)"
        values = [f"{key}={_default(p.default)}" for key, p in parameters(cls).items()]
        first = f"{name:{len(indent)}}"
        print(textwrap.fill(summary, columns, initial_indent=first, subsequent_indent=indent))
        if values:
            text = textwrap.wrap(
                ", ".join(values), columns, initial_indent=indent, subsequent_indent=indent,
                break_on_hyphens=False,
            )  # fmt: skip
            print("\n".join(text))


# -- parts ---------------------------------------------------------------------------------


def _sampling(options: argparse.Namespace) -> dict[str, Any]:
    names = ("max_new_tokens", "max_length", "temperature", "top_k", "top_p", "min_p", "stop", "seed", "on_exhausted")
    sampling = {name: getattr(options, name) for name in names}
    if options.max_length is not None and options.max_length < 1:
        raise InputError(f"max_length must be at least 1, not {options.max_length}")
    SessionOptions(**{k: v for k, v in sampling.items() if k != "max_length"})  # raises now, not after loading
    return sampling


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


def _prompt(options: argparse.Namespace) -> str:
    _check_system(options)
    try:
        # echo and most editors end the last line; that is not meant as part of the text.
        text: str = sys.stdin.read().removesuffix("\n") if options.prompt == "-" else options.prompt
        text.encode()
    except UnicodeError as error:
        raise InputError("the prompt is not valid text in this terminal's encoding: use UTF-8") from error
    if not text.strip():
        raise InputError("the prompt is empty: give the model at least one word to go on from")
    return text


def _check_system(options: argparse.Namespace) -> None:
    if options.system is not None and not options.chat:
        raise InputError("--system needs --chat")
    try:
        (options.system or "").encode()
    except UnicodeError as error:
        raise InputError("--system is not valid text in this terminal's encoding: use UTF-8") from error


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
        try:
            prompt = provider.chat_prompt([*system, {"role": "user", "content": prompt}])
        except BacktrackError:
            raise
        except Exception as error:  # a template is a program that came with the model
            raise InputError(f"the model's chat template does not take this ({error})") from error
    # A template writes its beginning-of-text token out; plain text leaves it to the tokenizer.
    return provider.encode(prompt, add_special_tokens=not options.chat)


def _specs(options: argparse.Namespace) -> list[StrategySpec | OperatorSpec]:
    return [(parse_operator if kind == "operator" else parse_spec)(text) for kind, text in options.strategies]


def _strategy(specs: Sequence[StrategySpec | OperatorSpec], provider: BaseProvider) -> Any:
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
    trace: Trace | None = None,
) -> None:
    """Stream the text; end the line however it ends."""
    listeners = [listener for listener in (trace, live) if listener is not None]

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    stream = sampler.stream_text(prompt, on_event=tell if listeners else None, **sampling)
    parts: list[str] = []
    try:
        for text in stream:
            parts.append(text)
            if live is None:
                out.write(text)
                out.flush()
    finally:
        if live is not None:
            live.finish("".join(parts))
        out.write("\n")
        out.flush()


def _save(trace: Trace, files: Sequence[Path]) -> None:
    for file in files:
        (trace.to_html if file.suffix.lower() == ".html" else trace.to_jsonl)(file)
        print(f"trace written to {file}", file=sys.stderr)


def _report(options: argparse.Namespace, stats: Stats) -> None:
    if options.stats:
        speed = stats.emitted / stats.seconds if stats.seconds else 0.0
        print(
            f"{stats.emitted} tokens streamed, {stats.discarded} taken back in {stats.rollbacks} rollbacks, "
            f"{stats.forward_passes} forward passes, {stats.evaluated_tokens} tokens evaluated, "
            f"{stats.seconds:.1f} s ({speed:.1f} tokens/s), ended by: {stats.finish_reason or 'interruption'}",
            file=sys.stderr,
        )


def _default(value: Any) -> str:
    """As it is written on a command line; "..." where something must be given."""
    if value is inspect.Parameter.empty:
        return "..."
    return json.dumps(value, default=repr)
