"""`backtrack-sampler compare`: several strategies on the same prompts with the same seeds. Standard library only."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..checks import check_count
from ..compare import BASELINE, Comparison, PhraseCounter, Text, comparing
from ..errors import BacktrackError, InputError
from ..prompts import OPTIONS
from ..provider.base_provider import BaseProvider
from ..sampler import BacktrackSampler
from ..specs import OperatorSpec, StrategySpec, content_of, parse_operator, parse_spec
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy
from ..trace.files import check_path
from . import arguments
from .rows import read_prompts

__all__ = ["add"]

_WRITERS: dict[str, Callable[[Comparison, Path], None]] = {
    ".csv": Comparison.to_csv,
    ".json": Comparison.to_json,
    ".html": Comparison.to_html,
}
Spec = StrategySpec | OperatorSpec


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "compare", help="several strategies on the same prompts and seeds, side by side",
        description="Write the same prompts with the same seeds in several ways: without a strategy, and as each "
        "contender does. Shows what each has cost, and how the texts differ.",
        **arguments.examples(
            'backtrack-sampler compare "Once upon a time" --strategy antislop --operator ngram-overlap',
            "backtrack-sampler compare --prompts tales.txt --strategy antislop --with-operator repetition --out a.html",
            more="Text j of prompt i has the seed --seed + i * SEEDS + j, as in generate --prompts, whoever writes it; "
            "without --seed, they begin at 0. Speed is measured in turns, each contender in batches of its own: a "
            f"quick look, no benchmark. {arguments.SPEC_HELP}",
        ),
    )  # fmt: skip
    parser.set_defaults(run=_compare)
    arguments.add_prompt(parser, required=False)
    arguments.add_model(parser)
    group = parser.add_argument_group(
        "contenders", f"one each, in this order, after {BASELINE}, which takes nothing back"
    )
    for kind in ("strategy", "operator"):
        group.add_argument(
            f"--{kind}", action="append", default=[], dest="contenders", metavar="SPEC",
            type=partial(_given, kind, False), help="a contender of its own; repeatable",
        )  # fmt: skip
    for kind in ("strategy", "operator"):
        group.add_argument(
            f"--with-{kind}", action="append", default=[], dest="contenders", metavar="SPEC",
            type=partial(_given, kind, True), help="chained to the contender before it, which stays one; repeatable",
        )  # fmt: skip
    group = parser.add_argument_group("what is written")
    group.add_argument("--prompts", metavar="FILE", help="in place of PROMPT: as for generate; - reads stdin")
    group.add_argument(
        "--seeds", type=int, metavar="N", help="texts of each contender for each prompt (default 5; 1 at temperature 0)"
    )
    group.add_argument("--max-batch", type=int, default=16, metavar="N", help="most texts at once (default 16)")
    group.add_argument(
        "--phrases", metavar="FILE",
        help="phrases to count in the texts, as whole words: one a line, or a .json list (default: the built-in list, "
        "which antislop bans where it is given no other)",
    )  # fmt: skip
    group.add_argument(
        "--out", action="append", default=[], metavar="FILE",
        help="write it to FILE.csv, a row a contender, to FILE.json, everything, or to FILE.html, a page with the "
        "texts next to each other; repeatable",
    )  # fmt: skip
    group.add_argument("--out-texts", metavar="FILE.csv", help="write a row a text")
    arguments.add_sampling(parser, max_new_tokens=128)


class _Given(NamedTuple):
    """A strategy or operator as it stands on the command line."""

    kind: str
    chained: bool
    text: str


def _given(kind: str, chained: bool, text: str) -> _Given:
    return _Given(kind, chained, text)


class _Prompt(NamedTuple):
    """A prompt, and where it is from, for messages; "" for PROMPT."""

    text: str
    place: str


class _Plan(NamedTuple):
    """What the command line asks for, checked."""

    prompts: list[_Prompt]
    contenders: dict[str, list[Spec]]
    sampling: dict[str, Any]
    phrases: list[str] | None
    writers: list[tuple[Callable[[Comparison, Path], None], Path]]
    seeds: int
    seed: int


def _compare(options: argparse.Namespace) -> int:
    plan = _planned(options)
    provider = arguments.provider_of(options)
    tokens = [_tokens(options, plan, provider, prompt) for prompt in plan.prompts]
    makers = {name: partial(arguments.strategies_of, specs, provider) for name, specs in plan.contenders.items()}
    found: Comparison | None = None
    code = 0
    try:
        with _bar(len(tokens) * plan.seeds * (1 + len(makers))) as show:
            steps = comparing(
                provider, tokens, makers, plan.seeds, seed=plan.seed, max_batch=options.max_batch,
                phrases=plan.phrases, on_text=show, **plan.sampling,
            )  # fmt: skip
            with closing(steps):  # type: ignore[type-var]  # a generator
                for found in steps:
                    found.prompts = [prompt.text for prompt in plan.prompts]
    except KeyboardInterrupt:
        if found is None:
            raise
        print("\r" if sys.stderr.isatty() else "", end="", file=sys.stderr)  # over the ^C that a terminal shows
        code = 130
    except BacktrackError:
        _tell(options, plan, found)
        raise
    except Exception as error:  # an engine's own, such as no memory left
        _tell(options, plan, found)
        raise BacktrackError(
            f"the comparison ended on an error ({type(error).__name__}: {error}): try it with a smaller --max-batch"
        ) from error
    _tell(options, plan, found)
    if found is not None and found.failed and not code:
        code = 1
    return code


def _tell(options: argparse.Namespace, plan: _Plan, found: Comparison | None) -> None:
    """Show and write what is there."""
    if found is None:
        return
    if not found.complete:
        left = "there is nothing to show" if not found.done else "what follows is of these"
        print(f"{found.done} of {len(found.prompts)} prompts were complete: {left}", file=sys.stderr)
        if not found.done:
            return
    found.settings |= {
        "engine": options.engine, "chat": options.chat, "system": options.system, "phrases": options.phrases,
        "max_length": options.max_length,
        "sha256": dict(pair for specs in plan.contenders.values() for spec in specs for pair in spec.files.items()),
    }  # fmt: skip
    print(found.table(shutil.get_terminal_size().columns), flush=True)
    for write, path in plan.writers:
        write(found, path)
        print(f"comparison written to {path}", file=sys.stderr)
    _report(options, found)
    if errors := Counter(text.error for text in found.texts if text.error):
        error, count = errors.most_common(1)[0]
        others = f", {errors.total() - count} with others" if errors.total() > count else ""
        print(f"backtrack-sampler: {count} of {len(found.texts)} texts failed with: {error}{others}", file=sys.stderr)


def _report(options: argparse.Namespace, found: Comparison) -> None:
    """With --stats: what all have cost together."""
    total = found.total
    reasons = sum((Counter(found.reasons(name)) for name in found.contenders), Counter[str]())
    total.finish_reason = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    arguments.report(options, total)


# -- what is asked for ---------------------------------------------------------------------
# All of it is checked before a model is loaded.


def _planned(options: argparse.Namespace) -> _Plan:
    sampling = arguments.sampling_of(options)
    seed = sampling.pop("seed")
    check_count("--max-batch", options.max_batch)
    arguments.check_system(options)
    return _Plan(
        contenders=_contenders(options.contenders),
        phrases=_phrases(options.phrases) if options.phrases is not None else None,
        writers=_writers(options),
        seeds=_seeds(options, sampling["temperature"]),
        seed=-1 if options.seed == -1 else seed or 0,
        sampling=sampling,
        prompts=_prompts(options),
    )


def _contenders(given: Sequence[_Given]) -> dict[str, list[Spec]]:
    """What is chained, by its name."""
    groups: list[list[_Given]] = []
    for each in given:
        if not each.chained:
            groups.append([each])
        elif groups:
            groups[-1].append(each)
        else:
            raise InputError(
                f"--with-{each.kind} {each.text} is chained to the contender before it, and there is none: "
                f"write --{each.kind} for the first"
            )
    if not groups:
        raise InputError(f"name what to compare with {BASELINE}: --strategy SPEC or --operator SPEC, both repeatable")
    found: dict[str, list[Spec]] = {}
    for group in groups:
        name = " + ".join(each.text for each in group)
        if name in found or name == BASELINE:
            raise InputError(f"{name} is there twice: give each contender once")
        found[name] = [(parse_operator if each.kind == "operator" else parse_spec)(each.text) for each in group]
        if any(spec.cls is HumanGuidanceStrategy for spec in found[name]):
            raise InputError("human-guidance asks a person about one text: use backtrack-sampler guide")
    return found


def _seeds(options: argparse.Namespace, temperature: float) -> int:
    same = temperature < 1e-5
    if options.seeds is None:
        return 1 if same else 5
    if check_count("--seeds", options.seeds) > 1 and same:
        print(
            "backtrack-sampler: at temperature 0 all seeds give the same text: --seeds 1 says it all", file=sys.stderr
        )
    return int(options.seeds)


def _phrases(file: str) -> list[str]:
    """Those of a file: lines, or a JSON list of texts, of texts with strengths, or an object of them."""
    given = content_of(Path(file))[0]
    pairs = list(given.items()) if isinstance(given, dict) else given
    texts = [each[0] if isinstance(each, (list, tuple)) and each else each for each in pairs or ()]
    if not isinstance(pairs, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f'{file}: write one phrase a line, or in a .json file a list: ["a testament to", "delve"]')
    phrases = [text.strip() for text in texts if text.strip()]
    if not phrases:
        raise InputError(f"{file} has no phrases: write one a line")
    PhraseCounter(phrases)
    return phrases


def _writers(options: argparse.Namespace) -> list[tuple[Callable[[Comparison, Path], None], Path]]:
    paths = [check_path(file, tuple(_WRITERS)) for file in options.out]
    writers = [(_WRITERS[path.suffix.lower()], path) for path in paths]
    if options.out_texts is not None:
        writers.append((Comparison.to_texts_csv, check_path(options.out_texts, (".csv",))))
    if len({path.resolve() for _, path in writers}) < len(writers):
        raise InputError("one file would be written twice: give each --out and --out-texts a name of its own")
    return writers


def _prompts(options: argparse.Namespace) -> list[_Prompt]:
    if options.prompts is None:
        if options.prompt is None:
            raise InputError("one is required: PROMPT or --prompts FILE (see backtrack-sampler compare --help)")
        return [_Prompt(arguments.prompt_of(options), "")]
    if options.prompt is not None:
        raise InputError("give a PROMPT or --prompts FILE, not both")
    prompts = read_prompts(options.prompts)
    if own := sorted({name for prompt in prompts for name in prompt.given} & {*OPTIONS, "system"}):
        print(
            f"backtrack-sampler: {', '.join(own)} in {options.prompts} counts for nothing here: all texts are drawn in "
            "the same way",
            file=sys.stderr,
        )
    return [_Prompt(prompt.text, prompt.place) for prompt in prompts]


def _tokens(options: argparse.Namespace, plan: _Plan, provider: BaseProvider, prompt: _Prompt) -> list[int]:
    """A prompt's tokens; an error names its line."""
    try:
        tokens = arguments.tokens_of(options, provider, prompt.text)
        BacktrackSampler(provider).generate_batch([tokens], **plan.sampling)  # never run: only checks
    except InputError as error:
        raise InputError(f"{prompt.place}: {error}" if prompt.place else str(error)) from error
    return tokens


# -- what is seen meanwhile ----------------------------------------------------------------


@contextmanager
def _bar(total: int) -> Iterator[Callable[[Text], None]]:
    """Called with each text when it is over: a bar on stderr, in a terminal where tqdm is installed."""
    bar: Any = None
    if sys.stderr.isatty():
        with suppress(ImportError):
            from tqdm.auto import tqdm

            bar = tqdm(total=total, unit="text", dynamic_ncols=True, disable=False)

    def show(text: Text) -> None:
        if bar is not None:
            bar.set_postfix_str(text.contender[:24], refresh=False)
            bar.update()

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
