"""`backtrack-sampler benchmark`: does it help, on what, at which price. The `benchmark` extra."""

from __future__ import annotations

import argparse
import importlib
import logging
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import BacktrackError, InputError, place_of
from . import arguments

if TYPE_CHECKING:
    from ..benchmark.config import Experiment
    from ..benchmark.results import Results

__all__ = ["add", "run_benchmark"]

_INTERRUPTED = 130
_REPORT = "report.html"
_YAML = """\
such a file:
  model_name_or_path: model.gguf  # a folder, a hub name
  strategies: [antislop, repetition]
  evaluation:
    tasks: [sums, gcd]
    limit: 300
    output_dir: results/first
  generation:
    temperature: [1.0, 0.7]"""

_log = logging.getLogger(__name__)


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "benchmark", help="does a strategy help: scores on tasks, with controls at equal cost",
        description="Measure strategies and operators on checkable tasks, as a YAML file says, and show each beside "
        "its controls: the baseline, greedy, temperatures, min-p, top-p, and best-of-n and majority votes that have "
        "drawn as many tokens. The whole file is checked before a model is loaded.",
        **arguments.examples(
            "backtrack-sampler benchmark --config experiment.yaml --check",
            "backtrack-sampler benchmark --config experiment.yaml",
            "backtrack-sampler benchmark --config experiment.yaml --resume --verbose",
            more="Whatever ends a run, --resume goes on where it was; where the file says something more or something "
            f"else since then, only that is computed.\n\n{_YAML}",
        ),
    )  # fmt: skip
    parser.set_defaults(run=run_benchmark)
    parser.add_argument("--config", metavar="FILE.yaml", required=True, help="the experiment")
    parser.add_argument("--check", action="store_true", help="say what would be run, and run nothing")
    parser.add_argument("--resume", action="store_true", help="go on with what is in the output folder")
    parser.add_argument(
        "--allow-code-execution", action="store_true", help="let tasks such as humaneval run what the model has written"
    )
    parser.add_argument("--verbose", action="store_true", help="say on stderr what is done")


def run_benchmark(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit code."""
    from ..benchmark.config import plan_of, read_experiment

    experiment = read_experiment(options.config, allow_code_execution=options.allow_code_execution)
    if options.check:
        print(plan_of(experiment, options.allow_code_execution))
        return 0
    if experiment.has_records and not options.resume:
        raise InputError(
            f"{experiment.folder} has texts of an experiment already: go on with it with --resume, or write another "
            f"evaluation.output_dir in {options.config}"
        )
    for note in experiment.notes():
        print(f"backtrack-sampler: {note}", file=sys.stderr)
    try:
        results = _run(options, experiment)
    except KeyboardInterrupt:
        _say_interrupted(options, experiment)
        return _INTERRUPTED
    except BacktrackError:
        raise
    except Exception as error:  # an engine's own, such as no memory left
        _log.info("where it happened", exc_info=True)
        raise BacktrackError(_ended_on(error)) from error
    return _tell(options, experiment, results)


def _run(options: argparse.Namespace, experiment: Experiment) -> Results:
    """Try what can be tried without the model, load it, and do it all."""
    from ..benchmark.preparing import prepare
    from ..benchmark.progress import progress_on
    from ..benchmark.run import run

    if options.verbose:
        _log_more()
    prepared = prepare(experiment, options.allow_code_execution)
    provider = arguments.load(experiment.model_name_or_path, experiment.engine, **experiment.model_options())
    with closing(progress_on()) as progress, _logs_above_bars():
        return run(
            experiment, provider, resume=options.resume, allow_code_execution=options.allow_code_execution,
            progress=progress, prepared=prepared,
        )  # fmt: skip


def _tell(options: argparse.Namespace, experiment: Experiment, results: Results) -> int:
    """Show what was found; returns the exit code."""
    from ..benchmark.table import Table

    if results.rows and any(row.outcomes for row in results.rows):
        print(Table(results.rows).text(shutil.get_terminal_size().columns), flush=True)
    report = experiment.folder / _REPORT
    if report.is_file():
        print(f"report written to {report}", file=sys.stderr)
    if not results.complete:
        _say_interrupted(options, experiment)
        return _INTERRUPTED
    failed = [record.error for record in results.records.values() if record.error]
    if failed:
        print(
            f"backtrack-sampler: {len(failed)} of {len(results.records)} texts failed, and count as wrong; the first "
            f"with: {failed[0]}",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _ended_on(error: Exception) -> str:
    """What to say of an error that nobody has foreseen."""
    what = "; ".join(filter(None, [f"{type(error).__name__}: {error}", place_of(error, ours=False)]))
    no_memory = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    smaller = ", perhaps with a smaller evaluation.max_batch" if no_memory else ""
    return f"the experiment ended on an error ({what}): what was written is kept, and --resume goes on{smaller}"


def _say_interrupted(options: argparse.Namespace, experiment: Experiment) -> None:
    over = "\r" if sys.stderr.isatty() else ""  # over the ^C that a terminal shows
    if not experiment.has_records:
        print(f"{over}interrupted before anything was written", file=sys.stderr)
        return
    allowed = " --allow-code-execution" if options.allow_code_execution else ""
    again = f"backtrack-sampler benchmark --config {shlex.quote(options.config)} --resume{allowed}"
    print(f"{over}interrupted: all texts are kept in {experiment.folder}; to go on: {again}", file=sys.stderr)


# -- what is logged ------------------------------------------------------------------------


def _log_more() -> None:
    """Show what the package logs, or more where BACKTRACK_SAMPLER_LOG wants more."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logger = logging.getLogger("backtrack_sampler")
    logger.setLevel(min(logger.level or logging.INFO, logging.INFO))


@contextmanager
def _logs_above_bars() -> Iterator[None]:
    """Lines that are logged do not break the bars."""
    with ExitStack() as stack:
        if sys.stderr.isatty():
            with suppress(ImportError):
                stack.enter_context(importlib.import_module("tqdm.contrib.logging").logging_redirect_tqdm())
        yield
