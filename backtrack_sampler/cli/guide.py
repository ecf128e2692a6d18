"""`backtrack-sampler guide`: a person chooses each token, on a screen. Standard library only."""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BacktrackError, InputError
from ..guidance import QUIT, Answer, Menu
from ..sampler import BacktrackSampler
from ..strategy.human_guidance_strategy import HumanGuidanceStrategy, check_choices
from ..terminal.guidance_screen import CursesScreen, check_terminal
from ..terminal.layout import printable, wrap
from ..trace import Trace
from ..trace.files import check_path, write_atomically
from . import arguments
from .hang_up import hang_up_raises, rescued
from .trace import save

__all__ = ["add"]

#: With strategies, which may never be content. A person alone takes back as much as they like.
_MAX_RETRIES, _MAX_DISCARDED = 10_000, 100_000


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "guide",
        help="choose each token yourself, on a screen",
        **arguments.examples(
            'backtrack-sampler guide "The door opened and" --strategy antislop --out tale.txt',
            more="On the screen: up and down mark a candidate, Enter takes it, a digit takes the one beside it at "
            "once; s takes the marked one and runs on to the end of the sentence; / or i writes words of your own; "
            "left or Backspace goes back, as often as you like (unless --max-retries or --max-discarded is given); q "
            "ends. Ctrl-C ends, too. The text is kept in any case.\n\n" + arguments.SPEC_HELP,
        ),
    )
    parser.set_defaults(run=_guide)
    arguments.add_prompt(parser)
    arguments.add_model(parser)
    arguments.add_strategies(parser)
    parser.add_argument(
        "--choices", type=int, metavar="N",
        help="candidates to show at first; scrolling past the last brings more (default: as many as fit)",
    )  # fmt: skip
    parser.add_argument(
        "--min-autopass", type=float, default=1.0, metavar="P",
        help="take the best token without asking where it is at least this probable (default 1)",
    )  # fmt: skip
    parser.add_argument("--no-preview", action="store_true", help="do not show what the candidates would lead to")
    parser.add_argument("--out", metavar="FILE", help="write the text to a file as well, also after Ctrl-C")
    parser.add_argument(
        "--trace", action="append", default=[], metavar="FILE",
        help="write all that was drawn and taken back to FILE.html, a page, or to FILE.jsonl; repeatable",
    )  # fmt: skip
    arguments.add_sampling(parser)
    parser.set_defaults(max_retries=None)


def _guide(options: argparse.Namespace) -> int:
    if options.max_retries is None:
        options.max_retries = _MAX_RETRIES if options.strategies else sys.maxsize
    if options.max_discarded is None:
        options.max_discarded = _MAX_DISCARDED if options.strategies else sys.maxsize
    sampling, specs, prompt = arguments.sampling_of(options), arguments.specs_of(options), arguments.prompt_of(options)
    if any(spec.cls is HumanGuidanceStrategy for spec in specs):
        raise InputError("guide is human guidance already: leave --strategy human-guidance out")
    check_choices(options.choices, options.min_autopass)
    out = check_path(options.out, ()) if options.out is not None else None
    trace_files = [check_path(file) for file in options.trace]
    check_terminal()
    provider = arguments.provider_of(options)
    arguments.announce(specs, provider)
    before = "" if options.chat else prompt
    screen = _EndsTheText(CursesScreen(looks_ahead=not options.no_preview))
    strategy = HumanGuidanceStrategy(
        provider, options.choices, options.min_autopass, prompt=before or f"{prompt}\n\n", screen=screen
    )
    sampler = BacktrackSampler(provider, [*arguments.strategies_of(specs, provider), strategy])
    tokens = arguments.tokens_of(options, provider, prompt)
    trace = Trace(provider, tokens)
    stream = sampler.stream(tokens, on_event=trace, **sampling)
    with hang_up_raises():
        try:
            for _ in stream:
                pass
            if screen.why is not None:
                raise screen.why
        finally:
            strategy.reset()  # whatever happened, the terminal is itself again before anything is said
            text = stream.text if trace.reason else _standing(trace)
            try:
                _keep(before, text, out, trace, trace_files, ended=bool(trace.reason) and screen.why is None)
            finally:
                arguments.report(options, sampler.stats)
    if why := arguments.ENDS.get(sampler.stats.finish_reason):
        print(f"backtrack-sampler: the text ends where {why}", file=sys.stderr)
    return 0


class _EndsTheText:
    """A screen where Ctrl-C, a hang-up and a terminal that is gone end the text as the person's own key does.

    So the text, the trace and the statistics are complete.

    Attributes:
        why: what has ended it, to be raised afterwards; or None.
    """

    def __init__(self, screen: CursesScreen) -> None:
        self._screen = screen
        self.why: BaseException | None = None

    def choose(self, menu: Menu) -> Answer:
        try:
            return self._screen.choose(menu)
        except (KeyboardInterrupt, SystemExit, BacktrackError) as why:
            self.why = why
            return QUIT

    def watch(self, menu: Menu) -> bool:
        return self._screen.watch(menu)

    def close(self) -> None:
        self._screen.close()


def _wrapped(text: str) -> str:
    """As a terminal should show it; elsewhere as it is."""
    if not sys.stdout.isatty():
        return text
    columns = shutil.get_terminal_size().columns - 1
    return "\n".join(line.text for line in wrap(printable(text, keep="\n"), max(2, columns)))


def _standing(trace: Trace) -> str:
    """The text of a stream that was broken off between two questions: all that was not taken back."""
    texts, standing = trace.replay()
    return "".join(texts[index] for index in standing)


def _keep(before: str, text: str, out: Path | None, trace: Trace, trace_files: list[Path], *, ended: bool) -> None:
    """Write the text and the trace to their files and to the terminal. None of these keeps the others from it."""
    errors: list[BacktrackError] = []
    kept = False
    if out is not None and text:
        try:
            write_atomically(out, f"{before}{text}\n")
            _say(f"text written to {out}")
            kept = True
        except BacktrackError as error:
            errors.append(error)
    elif out is not None:
        _say(f"nothing was chosen: {out} is left as it was")
    for file in trace_files if trace.events else []:
        try:
            with suppress(OSError):  # as below, of what it says
                save(trace, [file])
        except BacktrackError as error:
            errors.append(error)
    try:
        if text or ended:
            print(_wrapped(f"{before}{text}"), flush=True)
    except OSError:  # the terminal is gone
        if text and not kept:
            path = rescued("guide", ".txt", lambda path: write_atomically(path, f"{before}{text}\n"))
            _say(f"text written to {path}" if path else "the text could not be written anywhere")
        raise
    if errors:
        raise errors[0]


def _say(words: str) -> None:
    with suppress(OSError):  # nobody may be there to see it
        print(words, file=sys.stderr, flush=True)
