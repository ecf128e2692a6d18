"""Traces of the texts that a strategy has made better or worse: kept while they are written, some of each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ...errors import InputError
from ...events import Event, Finished, Listener, Started
from ...provider.base_provider import BaseProvider
from ...stream import TokenStream
from ...trace import Trace
from ..arms import Arm, digest
from ..drawing import Wanted
from ..records import Record

__all__ = ["FOLDER", "Key", "TraceKeeper"]

#: Beside the report; links in it are relative.
FOLDER = "traces"

#: Arm's key, task, item, repeat, as in `Results.traces`.
Key = tuple[str, str, str, int]

_WAITING = 3  # times the limit: so many may wait until it is known whether they changed anything
_LENGTH = 24  # of what can be read in a file's name


class TraceKeeper:
    """Records streams of strategies, and writes those that are worth another score than their baseline's.

    Its traces survive an interrupted run: a file's name says which text it is of, so that a run that goes on
    counts and links those that it finds.

    Args:
        provider: the model.
        folder: the run's; traces go in a folder in it, which is made with the first one.
        limit: most of them for each arm and task; 0 for none.
        of: what tells this run's texts from others whose traces may be in the folder: model and seed.
    """

    def __init__(self, provider: BaseProvider, folder: str | os.PathLike[str], limit: int = 10, of: str = "") -> None:
        self._provider = provider
        self._folder = Path(folder) / FOLDER
        self._limit = limit
        self._of = of
        self._waiting: dict[Key, Trace] = {}
        self._held: Counter[tuple[str, str]] = Counter()  # arm and task -> how many of those that wait
        self._files = {path.name for path in self._folder.glob("*.html")} if self._folder.is_dir() else set()
        self._kept = Counter(name.removesuffix(".html").split("-")[-2] for name in self._files if name.count("-") > 1)

    def listener(self, wanted: Wanted, stream: TokenStream) -> Listener | None:
        """Who is to hear the events of a text; None where nobody needs to."""
        arm, task, item, repeat, sample = wanted
        if sample or not self._has_room(arm.key, task.name):
            return None
        return _Recording(self, (arm.key, task.name, item.id, repeat))

    def settle(self, records: Mapping[Key, Record], baselines: Mapping[str, Arm]) -> None:
        """Write the traces that wait and have changed a score, as many as there is room for; forget the others.

        To be called now and then, such as after each block of items: traces are large.

        Args:
            records: what was written; a trace whose text or baseline is not among them is forgotten.
            baselines: strategy's key -> the arm with the same sampling that takes nothing back.

        Raises:
            InputError: a file cannot be written.
        """
        try:
            for key, trace in self._waiting.items():
                arm, *rest = key
                mine, base = records.get(key), baselines.get(arm)
                theirs = records.get((base.key, *rest)) if base is not None else None  # type: ignore[arg-type]
                if mine is None or theirs is None or mine.score == theirs.score:
                    continue
                name, group = self._name(key, mine), self._group(key[0], key[1])
                if self._kept[group] < self._limit and name not in self._files:
                    self._write(name, trace)
                    self._kept[group] += 1
        finally:
            self._waiting.clear()
            self._held.clear()

    def links(self, records: Mapping[Key, Record]) -> dict[Key, str]:
        """Of those texts that have a trace, where it is, as seen from the report: what `Results.traces` wants."""
        named = ((key, self._name(key, record)) for key, record in records.items())
        return {key: f"{FOLDER}/{name}" for key, name in named if name in self._files}

    # -- from the streams --------------------------------------------------------------------------

    def _has_room(self, arm: str, task: str) -> bool:
        return (
            self._kept[self._group(arm, task)] < self._limit
            and self._held[arm, task] < _WAITING * self._limit
        )  # fmt: skip

    def _hold(self, key: Key, trace: Trace) -> None:
        if self._has_room(key[0], key[1]):
            self._waiting[key] = trace
            self._held[key[0], key[1]] += 1

    def _group(self, arm: str, task: str) -> str:
        """What the traces of an arm and a task have in common."""
        return digest([self._of, arm, task])[:10]

    def _name(self, key: Key, record: Record) -> str:
        """The name of a text's file: safe on every system, whatever tasks and items are called."""
        arm, task, item, repeat = key
        readable = "-".join(
            re.sub(r"[^a-z0-9]+", "-", each.lower())[:_LENGTH].strip("-") or "x" for each in (task, item)
        )
        return f"{readable}-{repeat}-{self._group(arm, task)}-{record.key}.html"

    def _write(self, name: str, trace: Trace) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {self._folder}: {error.strerror or error}") from error
        trace.to_html(self._folder / name)
        self._files.add(name)


class _Recording:
    """Of one stream. A batch makes its streams long before they run: nothing is recorded until it is known
    that there is still room."""

    def __init__(self, keeper: TraceKeeper, key: Key) -> None:
        self._keeper = keeper
        self._key = key
        self._trace: Trace | None = None

    def __call__(self, event: Event) -> None:
        keeper = self._keeper
        if isinstance(event, Started) and keeper._has_room(self._key[0], self._key[1]):
            self._trace = Trace(keeper._provider)
        if self._trace is None:
            return
        self._trace(event)
        if isinstance(event, Finished):
            if self._trace.rollbacks:
                keeper._hold(self._key, self._trace)
            self._trace = None
