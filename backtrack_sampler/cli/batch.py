"""Many prompts from a file, a line of JSON for each continuation: `backtrack-sampler generate --prompts`.

A line is written when its row is over, and says all that is needed to go on from there: whatever ends the
program, the same command goes on where it was. Standard library only.
"""

from __future__ import annotations

import codecs
import importlib
import io
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BacktrackError, InputError
from ..options import SessionOptions
from ..sampler import BacktrackSampler
from ..stats import Stats
from ..stream import TokenStream
from .arguments import ENDS

__all__ = ["Job", "Model", "Prompt", "read_prompts", "write_rows"]

#: What a row says, in this order; what else the line of its prompt says stands after "prompt".
_KINDS = {
    "index": int, "prompt": str, "sample": int, "seed": int, "text": str, "tokens": int, "discarded": int,
    "rollbacks": int, "finish_reason": str, "settings": dict,
}  # fmt: skip
_OWN = {*_KINDS, "error"}
_BEGINNING = b'{"index": '


class Prompt(NamedTuple):
    """One prompt of a file.

    Attributes:
        given: `{"prompt": text}`, and whatever else its line says.
        place: file and line, for messages.
    """

    given: dict[str, Any]
    place: str

    @property
    def text(self) -> str:
        return str(self.given["prompt"])


class Model(NamedTuple):
    """What rows are written with.

    Attributes:
        sampler: of a loaded model.
        encode: a prompt's text to the tokens to go on from; raises InputError where it cannot be used.
        strategy: makes one for a row.
    """

    sampler: BacktrackSampler
    encode: Callable[[str], list[int]]
    strategy: Callable[[], Any]


@dataclass
class Job:
    """What is to be written. Row `i` is of prompt `i // n`.

    Attributes:
        prompts: all of them, also those that were done before.
        out: the file, one that can be written.
        n: rows for each prompt.
        seed: row `i` has `seed + i`; None: random ones.
        max_batch: most rows at once.
        sampling: what else `BacktrackSampler.generate_batch` takes.
        about: what else each row says of how it came to be; JSON.
    """

    prompts: list[Prompt]
    out: Path
    n: int
    seed: int | None
    max_batch: int
    sampling: dict[str, Any]
    about: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """What must be the same in all rows of a file."""
        return {**self.about, "n": self.n, **self.sampling, "seed": self.seed}


def read_prompts(file: str) -> list[Prompt]:
    """Read a `.jsonl` file, an object with "prompt" a line, or any other, a prompt a line; "-" is stdin.

    Raises:
        InputError: it cannot be read, or has no prompts; where a line is wrong, the message names it.
    """
    name = "stdin" if file == "-" else file
    if name.lower().endswith(".json"):
        raise InputError(f"{name}: write one object a line, and name the file .jsonl")
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from error
    prompts = []
    for number, line in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        place = f"{name}, line {number}"
        try:
            text = line.decode().removesuffix("\r")
        except UnicodeDecodeError:
            raise InputError(f"{place}: this is not valid text: use UTF-8") from None
        if text.strip():
            given = _object(text, place) if name.lower().endswith(".jsonl") else {"prompt": text}
            prompts.append(Prompt(given, place))
    if not prompts:
        raise InputError(f"{name} has no prompts: write one a line")
    return prompts


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
        json.dumps(found, allow_nan=False)  # Python reads NaN and 1e999, but that is no JSON to write
    except (ValueError, RecursionError):
        raise InputError(f"{place}: this is no JSON") from None
    prompt = found.pop("prompt", None) if isinstance(found, dict) else None
    try:
        if not isinstance(prompt, str) or not prompt.strip():
            raise InputError(f'{place}: write {{"prompt": "..."}}, with a text that is not empty')
        prompt.encode()
    except UnicodeEncodeError:
        raise InputError(f"{place}: the prompt is not valid text: it has half a character in it") from None
    if taken := sorted(_OWN & set(found)):
        raise InputError(f"{place}: {', '.join(taken)} is what the output itself says of a row: use another name")
    return {"prompt": prompt, **found}


def write_rows(job: Job, load: Callable[[], Model], report: Callable[[Stats], None]) -> int:
    """Write all rows that are not in the file yet; returns the exit code: 1 where some have failed, 130 for Ctrl-C.

    Args:
        job: what to write.
        load: called where there is anything to write.
        report: called with what it has cost.

    Raises:
        InputError: the file is of another job, or in use, or a prompt cannot be used.
        BacktrackError: the model has failed. Rows that are in the file stay there.
    """
    with _opened(job.out) as raw:
        file = _RowFile(job, raw)
        if not file.missing:
            _say(f"all {_counted(file.count)} are in {job.out} already{file.failures}: nothing is left to do")
            return 1 if file.failed else 0
        if file.count:
            _say(f"{_counted(file.count)} in {job.out} already{file.failures}, {len(file.missing)} to go")
        try:
            with _warnings_in_one_line():
                return _write(job, file, load(), report)
        except KeyboardInterrupt:
            over = "\r" if sys.stderr.isatty() else ""  # over the ^C that a terminal shows
            _say(f"{over}{_counted(file.count)} in {job.out}, {len(file.missing)} to go: the same command goes on")
            return 130
        except (BacktrackError, BrokenPipeError):
            raise
        except Exception as error:  # an engine's own, such as no memory left
            raise BacktrackError(
                f"the batch ended on an error ({type(error).__name__}: {error}), with {_counted(file.count)} in "
                f"{job.out}: the same command goes on, perhaps with a smaller --max-batch"
            ) from error


def _write(job: Job, file: _RowFile, model: Model, report: Callable[[Stats], None]) -> int:
    indices = list(file.missing)
    numbers = [index // job.n for index in indices]
    tokens = {number: _tokens(job, model, number) for number in dict.fromkeys(numbers)}
    batch = model.sampler.generate_batch(
        [tokens[number] for number in numbers],
        make_strategy=model.strategy,
        seeds=None if job.seed is None else [job.seed + index for index in indices],
        max_batch=job.max_batch,
        **job.sampling,
    )
    reasons: Counter[str] = Counter()
    ended = ""
    try:
        results = closing(batch.results(progress=sys.stderr.isatty()))  # type: ignore[type-var]  # a generator
        with results as rows:
            for row in rows:
                file.append(indices[row.index], row)
                reasons["error" if row.error is not None else row.stats.finish_reason] += 1
        ended = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    finally:
        stats = batch.stats
        stats.finish_reason = ended
        report(stats)
    _say(f"{_counted(len(indices))} written to {job.out}")
    for reason, why in ENDS.items():
        if reasons[reason]:
            _say(f"backtrack-sampler: {_counted(reasons[reason])} ended where {why}")
    if reasons["error"]:
        _say(f'backtrack-sampler: {_counted(reasons["error"])} failed: see "error" in {job.out}')
    return 1 if file.failed or reasons["error"] else 0


def _tokens(job: Job, model: Model, number: int) -> list[int]:
    """A prompt's tokens; an error names its line."""
    prompt = job.prompts[number]
    try:
        tokens = model.encode(prompt.text)
        model.sampler.generate_batch([tokens], **job.sampling)  # never run: only checks
    except InputError as error:
        raise InputError(f"{prompt.place}: {error}") from error
    return tokens


class _RowFile:
    """The rows that are in the file, and those that are added.

    Args:
        job: what is to be written.
        file: where to; unbuffered. It is changed only where all of its lines are rows of this job.

    Attributes:
        count: rows in the file.
        failed: those that were there at the beginning, with an error.
        missing: indices of rows that are not, in order.

    Raises:
        InputError: a line is no row of this job; the message names it.
    """

    def __init__(self, job: Job, file: io.FileIO) -> None:
        self._job = job
        self._file = file
        self.failed = 0
        self.count = 0
        self.missing = dict.fromkeys(range(job.n * len(job.prompts)))
        # What a row does not say was not there to be chosen when it was written.
        self._defaults = {each.name: each.default for each in fields(SessionOptions) if each.name in job.settings}
        file.seek(0)
        data = file.readall()
        *lines, last = data.split(b"\n")
        torn = _row(last) is None and (last.startswith(_BEGINNING) or _BEGINNING.startswith(last))
        for number, line in enumerate(lines if torn else [*lines, last], 1):
            self._take(line, f"{job.out}, line {number}")
        if torn:
            file.truncate(len(data) - len(last))
        else:
            self._add(b"\n")

    @property
    def failures(self) -> str:
        """What to say of rows that failed in earlier runs; "" for none."""
        return f" ({self.failed} of them failed: remove their lines to try again)" if self.failed else ""

    def append(self, index: int, row: TokenStream) -> None:
        """Write a row that is over; in one piece, so that a line that was begun is one that was cut off."""
        stats = row.stats
        said: dict[str, Any] = {
            "index": index,
            **self._job.prompts[index // self._job.n].given,
            "sample": index % self._job.n,
            "seed": row.options.seed,
            "text": row.text,
            "tokens": stats.emitted,
            "discarded": stats.discarded,
            "rollbacks": stats.rollbacks,
            "finish_reason": stats.finish_reason,
        }
        if row.error is not None:
            said["error"] = " ".join(str(row.error).split())
        text = json.dumps({**said, "settings": self._job.settings}, ensure_ascii=False)
        # Half a character, as file names and JSON may have, is written as JSON escapes it.
        self._add(text.encode("utf-8", "backslashreplace") + b"\n")
        self._note(index)

    def _add(self, data: bytes) -> None:
        try:
            while data:  # once, but where the disk fills up: then the second time says so
                data = data[self._file.write(data) :]
        except OSError as error:
            raise InputError(f"cannot write {self._job.out}: {error.strerror or error}") from error

    def _note(self, index: int) -> None:
        del self.missing[index]
        self.count += 1

    def _take(self, line: bytes, place: str) -> None:
        """Check a line that is there, and note its row."""
        job, row = self._job, _row(line)
        if row is None:
            raise InputError(f"{place}: this is no row that this command has written: give another --out")
        old = row["settings"]
        _check_same(place, {**old, **self._defaults, **old}, job.settings)
        index = row["index"]
        number = index // job.n
        if number >= len(job.prompts):
            raise InputError(
                f"{place}: this is of prompt number {number + 1}, and there are only {len(job.prompts)} now: "
                "leave all prompts where they were, or give another --out"
            )
        prompt = job.prompts[number]
        given = {name: value for name, value in row.items() if name == "prompt" or name not in _OWN}
        _check_same(f"{place} and {prompt.place}", given, prompt.given)
        if index not in self.missing:
            raise InputError(f"{place}: row {index} is there twice: remove one of the two")
        self._note(index)
        self.failed += "error" in row


def _row(line: bytes) -> dict[str, Any] | None:
    """The row that a line is; None where it is none."""
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    fits = isinstance(row, dict) and all(type(row.get(name)) is kind for name, kind in _KINDS.items())
    return row if fits and row["index"] >= 0 else None


def _check_same(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    if old == new:
        return
    said = [
        f"{name} was {json.dumps(old.get(name), ensure_ascii=False)} "
        f"and is {json.dumps(new.get(name), ensure_ascii=False)} now"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
    if said:
        raise InputError(f"{place}: {', '.join(said)}: go on with what it was, or give another --out")


@contextmanager
def _opened(path: Path) -> Iterator[io.FileIO]:
    """The file to read and append to, for nobody else until this is over."""
    if path.exists() and not path.is_file():
        raise InputError(f"cannot write {path}: it is a device or a pipe, give a plain file")
    try:
        file = io.FileIO(path, "a+")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl = importlib.import_module("fcntl")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another run is writing to {path}: wait for its end, or give another --out") from None
        except (ImportError, OSError):
            pass  # Windows, or a file system without locks
        yield file


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = " ".join(["backtrack-sampler:", *str(message).split()])
        write: Callable[..., None] = print
        if sys.stderr.isatty():
            with suppress(ImportError):  # without it there is no bar
                write = importlib.import_module("tqdm").tqdm.write  # above the bar
        write(line, file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"
