"""Many prompts from a file, a line of JSON for each continuation: `backtrack-sampler generate --prompts`.

A line is written when its row is over, and says all that is needed to go on from there: whatever ends the
program, the same command goes on where it was. Standard library only.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from ...batch import outcome
from ...errors import BacktrackError, InputError
from ...stats import Stats
from ...trace import Traces
from ..arguments import ENDS
from .job import Job, Model
from .prompt_file import Prompt, about_bad, refuse_bad
from .row_file import RowFile, RowPipe, opened

__all__ = ["LEAVES_OUT", "leave_out", "write_rows"]

#: What to say beside what is wrong with prompts.
LEAVES_OUT = " (--skip-bad leaves such lines out)"


def leave_out(bad: Sequence[Prompt], job: Job, more: str = "") -> None:
    """Say which prompts are left out, as --skip-bad wants it; `more` where some have been left out before."""
    for line in about_bad(bad):
        _say(line)
    on = "" if job.out is None else ": once mended, where they are, the same command writes them"
    _say(f"{len(bad)}{more} of {len(job.prompts)} prompts left out{on}")


def write_rows(job: Job, load: Callable[[], Model], report: Callable[[Stats], None]) -> int:
    """Write all rows that are not there yet; returns the exit code: 1 where some have failed, 130 for Ctrl-C.

    Args:
        job: what to write.
        load: called where there is anything to write.
        report: called with what it has cost.

    Raises:
        InputError: the file is of another job, or in use, or a prompt cannot be used.
        BacktrackError: the model has failed. Rows that are in the file stay there.
    """
    if job.out is None:
        return _go_on(job, RowPipe(job), load, report)
    with opened(job.out) as file:
        return _go_on(job, RowFile(job, file), load, report)


def _go_on(job: Job, rows: RowPipe, load: Callable[[], Model], report: Callable[[Stats], None]) -> int:
    there, goes_on = ("on stdout", "") if job.out is None else (f"in {job.out}", ": the same command goes on")
    again = "--retry-failed tries them again" if job.offered else "remove their lines to try again"
    failed = f" ({rows.failed} of them failed: {again})" if rows.failed else ""
    if not rows.missing:
        rows.tidy()
        _say(f"all {_counted(rows.count)} are {there} already{failed}: nothing is left to do")
        return 1 if rows.failed else 0
    if rows.count or rows.retried:
        before = f" ({rows.retried} of them failed before)" if rows.retried else ""
        _say(f"{_counted(rows.count)} {there} already{failed}, {len(rows.missing)} to go{before}")
    if rows.accepted:
        _say(f"accepted for the rows to come, which {job.place} notes: {', '.join(rows.accepted)}")
    try:
        code = _write(job, rows, load(), report)
        rows.tidy()
        return code
    except KeyboardInterrupt:
        rows.interrupted()
        rows.tidy()
        over = "\r" if sys.stderr.isatty() else ""  # over the ^C that a terminal shows
        _say(f"{over}{_counted(rows.count)} {there}, {len(rows.missing)} to go{goes_on}")
        return 130
    except (BacktrackError, BrokenPipeError):
        raise
    except Exception as error:  # an engine's own, such as no memory left
        on = goes_on and f"{goes_on}, perhaps with a smaller --max-batch"
        raise BacktrackError(
            f"the batch ended on an error ({type(error).__name__}: {error}), with {_counted(rows.count)} {there}{on}"
        ) from error


def _write(job: Job, rows: RowPipe, model: Model, report: Callable[[Stats], None]) -> int:
    ready = _prepared(job, rows, model)
    indices = list(rows.missing)
    if not indices:
        _say("nothing else is left to do")
        return 1 if rows.failed else 0
    traces = Traces(model.sampler.provider) if job.traces is not None else None
    batch = model.sampler.generate_batch(
        [{**ready[index // job.n], "seed": job.seed_of(index)} for index in indices],
        make_strategy=model.strategy,
        max_batch=job.max_batch,
        on_event=traces,
        **job.sampling,
    )
    rows.begin()
    reasons: Counter[str] = Counter()
    ended = ""
    try:
        results = batch.results(progress=_shows_bar(job), done=rows.count)
        with closing(results):  # type: ignore[type-var]  # a generator
            for row in results:
                index = indices[row.index]
                if job.traces is not None and traces is not None and row.index in traces:
                    job.traces.write(index, traces.pop(row.index))
                said = outcome(row, index, job.prompts[index // job.n].given, index % job.n)
                if row.error is None:
                    del said["error"]
                rows.append(said)
                reasons["error" if row.error is not None else row.stats.finish_reason] += 1
        ended = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    finally:
        stats = batch.stats
        stats.finish_reason = ended
        report(stats)
    _say(f"{_counted(len(indices))} written to {job.place}")
    for reason, why in ENDS.items():
        if reasons[reason]:
            _say(f"backtrack-sampler: {_counted(reasons[reason])} ended where {why}")
    if reasons["error"]:
        _say(f'backtrack-sampler: {_counted(reasons["error"])} failed: see "error" in {job.place}')
    return 1 if rows.failed or reasons["error"] else 0


def _prepared(job: Job, rows: RowPipe, model: Model) -> dict[int, dict[str, Any]]:
    """What `generate_batch` gets for each prompt with a row to be written, by number.

    Rows of those that turn out to be unusable are no longer missing, where they may be left out.
    """
    ready: dict[int, dict[str, Any]] = {}
    bad: dict[int, Prompt] = {}
    for number in dict.fromkeys(index // job.n for index in rows.missing):
        request = job.request(number)
        try:
            tokens = model.encode(request.prompt if request.messages is None else request.messages)
            ready[number] = {**request.options, "prompt": tokens}
            model.sampler.generate_batch([ready[number]], **job.sampling)  # never run: only checks
        except InputError as error:
            bad[number] = job.prompts[number]._replace(bad=str(error))
    if bad and not job.skip_bad:
        refuse_bad(
            [bad.get(number, prompt) for number, prompt in enumerate(job.prompts)], LEAVES_OUT if job.offered else ""
        )
    if bad:
        leave_out(list(bad.values()), job, " more" if any(prompt.bad for prompt in job.prompts) else "")
        for index in [index for index in rows.missing if index // job.n in bad]:
            del rows.missing[index]
    return ready


def _shows_bar(job: Job) -> bool:
    return sys.stderr.isatty() and (job.out is not None or not sys.stdout.isatty())


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"
