"""`backtrack-sampler profile`: let a model write, and find its stock phrases. Standard library and wordfreq."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..checks import check_count, check_number
from ..errors import BacktrackError, InputError
from ..provider.base_provider import BaseProvider
from ..sampler import BacktrackSampler
from ..slop import HumanText, Profile, Written, find_slop
from ..slop.finding import save_strengths
from ..slop.report import change_table, summary, table
from ..specs import OperatorSpec, StrategySpec
from ..strategy.antislop_strategy import AntiSlopStrategy
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy
from ..trace.files import check_path
from . import arguments
from .rows import Job, Model, Prompt, read_prompts, read_rows, write_rows

__all__ = ["add"]

_INTERRUPTED = 130
_PAUSE = 30.0  # seconds between two lists while the model writes
_SHARE = 20  # ... and making them takes a twentieth of the time at most


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "profile",
        help="find a model's stock phrases, as a list for anti-slop",
        **arguments.examples(
            "backtrack-sampler profile --prompts prompts.txt --chat --n 200 --out slops.json",
            "backtrack-sampler profile --prompts prompts.txt --chat --against novels.txt --out slops.json --rounds 2",
            more="The texts go to a file beside the list; after an interruption the same command goes on where it "
            "was, and where all are there it only counts. Use the list with generate, chat or guide: --strategy "
            "'antislop:slops=@slops.json,whole_words=true'.",
        ),
    )
    parser.set_defaults(run=_profile)
    parser.add_argument(
        "--prompts", required=True, metavar="FILE",
        help='what to write to: one prompt a line, or in FILE.jsonl an object with "prompt" a line; - reads stdin',
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="FILE.json", help="where to write the list")
    parser.add_argument(
        "--n", type=int, default=500, metavar="N",
        help="texts in all, to one prompt after the other and round again, each with a seed of its own (default 500)",
    )  # fmt: skip
    parser.add_argument("--texts", metavar="FILE.jsonl", help="where to write the texts (default: beside the list)")
    parser.add_argument(
        "--rounds", type=int, default=1, metavar="N",
        help="2: write again with the list, to the same prompts with the same seeds, show what is left, and add what "
        "stands out now (default 1)",
    )  # fmt: skip
    parser.add_argument("--max-batch", type=int, default=16, metavar="N", help="most texts at once (default 16)")
    group = parser.add_argument_group("what stands out")
    group.add_argument(
        "--against", action="append", default=[], metavar="FILE",
        help="human text of the kind that you want, to compare phrases with; repeatable",
    )  # fmt: skip
    group.add_argument("--language", default="en", help="of the texts, for word frequencies (default en)")
    group.add_argument(
        "--min-ratio", type=float, default=10.0, metavar="X", help="so many times as often as people (default 10)"
    )
    group.add_argument("--min-texts", type=int, default=3, metavar="N", help="in so many texts (default 3)")
    group.add_argument(
        "--min-prompts", type=int, default=3, metavar="N", help="written to so many different prompts (default 3)"
    )
    group.add_argument("--top", type=int, default=25, metavar="N", help="lines of the tables (default 25)")
    arguments.add_model(parser)
    arguments.add_strategies(parser)
    arguments.add_sampling(parser)
    parser.set_defaults(seed=1)  # so that another round has the same


def _profile(options: argparse.Namespace) -> int:
    run = _checked(options)
    texts: list[Path] = []
    profiles: list[Profile] = []
    strengths: dict[str, float] = {}
    code = 0
    while len(texts) < options.rounds and (strengths or not texts):
        texts.append(run.texts if not texts else run.texts.with_suffix(f".{len(texts) + 1}.jsonl"))
        written = run.write(texts[-1], strengths)
        profiles.append(run.count(texts[-1]))
        if not profiles[-1].texts:
            return written  # Ctrl-C before there was anything
        known, strengths = strengths, added(strengths, profiles[-1])
        save_strengths(strengths, run.out)
        if written == _INTERRUPTED:
            _say(f"{_counted(strengths)} in {run.out}, from the {profiles[-1].texts} texts until now")
            return written
        code = max(code, written)
        if len(texts) == 1:
            _show(profiles[0], options.top)
        else:
            _show_change(run, known, (texts[0], texts[-1]), (profiles[0], profiles[-1]))
    for note in _notes(options, profiles[0]):
        _say(note)
    if strengths:
        _say(f"{_counted(strengths)} in {run.out}: --strategy 'antislop:slops=@{run.out},whole_words=true'")
    return code


def _checked(options: argparse.Namespace) -> _Run:
    """What needs no model, with all that can be wrong with it."""
    for name in ("n", "rounds", "max_batch", "min_texts", "min_prompts", "top"):
        check_count(f"--{name.replace('_', '-')}", getattr(options, name))
    check_number("--min-ratio", options.min_ratio, 1.0)
    sampling, specs = arguments.sampling_of(options), arguments.specs_of(options)
    if any(spec.cls is HumanGuidanceStrategy for spec in specs):
        raise InputError("human-guidance asks a person about one text: use it with generate")
    arguments.check_system(options)
    out = check_path(options.out, (".json",))
    texts = check_path(options.texts or out.with_suffix(".texts.jsonl"), (".jsonl",))
    prompts = _cycled(read_prompts(options.prompts), options.n)
    return _Run(options, sampling, specs, out, texts, prompts, HumanText(options.language, options.against))


@dataclass
class _Run:
    """What all rounds have in common."""

    options: argparse.Namespace
    sampling: dict[str, Any]
    specs: list[StrategySpec | OperatorSpec]
    out: Path
    texts: Path
    prompts: list[Prompt]
    human: HumanText

    def write(self, file: Path, known: Mapping[str, float]) -> int:
        """Write what is missing of a round's texts, without the phrases that are known; returns the exit code."""
        _check_count(file, self.options.n)
        sampling = dict(self.sampling)
        job = Job(
            prompts=self.prompts, out=file, n=1, seed=sampling.pop("seed"),
            max_batch=self.options.max_batch, sampling=sampling, about=self._about(known),
            system=self.options.system,
        )  # fmt: skip
        return write_rows(job, partial(self._load, file, known), partial(arguments.report, self.options))

    def count(self, file: Path) -> Profile:
        """What stands out in the texts of a file."""
        options = self.options
        return find_slop(
            read_texts(file), self.human,
            min_texts=options.min_texts, min_prompts=options.min_prompts, min_ratio=options.min_ratio,
        )  # fmt: skip

    def _load(self, file: Path, known: Mapping[str, float]) -> Model:
        provider = self._provider
        refresh = _NowAndThen(lambda: save_strengths(added(known, self.count(file)), self.out))

        def strategies() -> list[Any]:
            refresh()  # a row begins, so others are over
            made = arguments.strategies_of(self.specs, provider)
            return [*made, AntiSlopStrategy(provider, known, whole_words=True)] if known else made

        return Model(BacktrackSampler(provider), partial(arguments.tokens_of, self.options, provider), strategies)

    @cached_property
    def _provider(self) -> BaseProvider:
        return arguments.provider_of(self.options)

    def _about(self, known: Mapping[str, float]) -> dict[str, Any]:
        about = arguments.about(self.options, self.specs)
        if known:
            digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
            about["strategies"].append({"strategy": "antislop", "sha256": {f"the list of {len(known)}": digest}})
        return about


class _NowAndThen:
    """Does something where half a minute has gone, but for a small share of the time only."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self._next = time.monotonic() + _PAUSE

    def __call__(self) -> None:
        started = time.monotonic()
        if started >= self._next:
            with suppress(BacktrackError):  # it is said at the end
                self._do()
            now = time.monotonic()
            self._next = now + max(_PAUSE, _SHARE * (now - started))


def _cycled(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """So many, one after the other and round again; a prompt's own seed is another one each time."""
    found = []
    for index in range(count):
        prompt = prompts[index % len(prompts)]
        seed = prompt.given.get("seed")
        if isinstance(seed, int) and seed >= 0:
            prompt = prompt._replace(given={**prompt.given, "seed": seed + index // len(prompts)})
        found.append(prompt)
    return found


def read_texts(file: Path) -> list[Written]:
    """The texts that a file of rows has until now, in the order of their prompts."""
    return [Written(row["text"], _prompt_of(row)) for row in read_rows(file) if "error" not in row]


def _check_count(file: Path, count: int) -> None:
    """Refuse to go on with fewer texts than a file has."""
    there = 1 + max((row["index"] for row in read_rows(file)), default=-1) if file.is_file() else 0
    if there > count:
        raise InputError(f"{file} is of a run with --n {there} or more: give that, or another --out")


def _prompt_of(row: Mapping[str, Any]) -> str:
    if "prompt" in row:
        return str(row["prompt"])
    return "\n\n".join(str(message.get("content", "")) for message in row.get("messages", []))


def added(known: Mapping[str, float], profile: Profile) -> dict[str, float]:
    """A list and what stands out in texts that were written with it, the strongest first.

    What is on the list and still stands out gets both strengths, one on what the other leaves.
    """
    strengths = dict(known)
    for phrase, strength in profile.strengths().items():
        strengths[phrase] = round(1 - (1 - strengths.get(phrase, 0.0)) * (1 - strength), 2)
    return dict(sorted(strengths.items(), key=lambda pair: -pair[1]))


def _show(profile: Profile, top: int) -> None:
    """The table, and what there was."""
    if profile.findings:
        print(table(profile, top, _width()), end="\n\n")
    print(summary(profile))


def _show_change(
    run: _Run, known: Mapping[str, float], files: tuple[Path, Path], profiles: tuple[Profile, Profile]
) -> None:
    """What is left, and what is new."""
    before, after = ([text for text, _ in read_texts(file)] for file in files)
    print(f"\nwithout the list, and with it ({files[1].name}):\n")
    print(change_table(known, before, after, (profiles[0].words, profiles[1].words), run.options.top))
    print("\nwhat stands out now:\n")
    _show(profiles[1], run.options.top)


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def _notes(options: argparse.Namespace, profile: Profile) -> list[str]:
    """How far the findings can be trusted."""
    notes = []
    if not options.against:
        notes.append(
            "phrases were judged by how frequent their words are; --against FILE, with human text of the kind "
            "that you want, judges better"
        )
    if profile.prompts < options.min_prompts:
        notes.append("there are few prompts: what stands out may be what they ask for")
    if not profile.findings:
        notes.append("more texts (--n) or a lower --min-ratio find more")
    return notes


def _counted(strengths: Mapping[str, float]) -> str:
    return f"{len(strengths)} words and phrases" if len(strengths) != 1 else "1 phrase"


def _say(line: str) -> None:
    print(line, file=sys.stderr)
