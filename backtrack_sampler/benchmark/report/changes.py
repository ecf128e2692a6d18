"""The items that a strategy has changed: better or worse than its baseline, with both texts."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from itertools import zip_longest
from typing import Any

from ..records import Record
from ..results import Results
from ..rows import Row
from ..tasks import Item

__all__ = ["changes", "count_changed"]

_MOST = 12  # shown of each row and task
_ROOM = 2_500_000  # characters of all texts together: the page is to stay below some megabytes
_LONGEST = 6_000  # characters of a text, and of a prompt
_BACK = 12  # rollbacks that are shown of a text

_SAFE_LINK = re.compile(r"[\w-][\w./-]*", re.ASCII)


def count_changed(results: Results, row: Row) -> tuple[int, int]:
    """How many texts have gained, and how many have lost, against the row's baseline."""
    pairs = [pair for task in row.outcomes for pair in _changed(results, row, task)]
    gained = sum(mine.score > theirs.score for mine, theirs in pairs)
    return gained, len(pairs) - gained


def changes(results: Results, most: int = _MOST, room: int = _ROOM) -> dict[str, Any]:
    """What the page shows of changed items; JSON.

    "rows" has for each strategy its place in the table, its name, that of its baseline, and for each task how
    many have "gained" and "lost", and those of them that are "shown". Prompts and texts are numbers of
    "prompts" and "texts", where each stands once.

    Args:
        results: with records.
        most: of each row and task.
        room: characters of all of it, nearly; the first of each row and task come before the second.
    """
    store = _Store()
    rows: list[dict[str, Any]] = []
    waiting: list[list[tuple[list[Any], Record, Record]]] = []
    for place, row in enumerate(results.rows, 1):
        if row.baseline is None:
            continue
        tasks = []
        for task in row.outcomes:
            pairs = _changed(results, row, task)
            gained = sum(mine.score > theirs.score for mine, theirs in pairs)
            shown: list[Any] = []
            tasks.append({"task": task, "gained": gained, "lost": len(pairs) - gained, "shown": shown})
            waiting.append([(shown, *pair) for pair in _ordered(results, pairs)[:most]])
        rows.append({"place": place, "name": row.name, "against": row.baseline.name, "tasks": tasks})
    for several in zip_longest(*waiting):
        for one in several:
            if one is not None and store.size < room:
                shown, mine, theirs = one
                shown.append(_shown(results, store, mine, theirs))
    return {"rows": rows, "prompts": store.prompts, "texts": store.texts}


def _changed(results: Results, row: Row, task: str) -> list[tuple[Record, Record]]:
    return results.changed(row, row.baseline, task) if row.baseline is not None else []


def _ordered(results: Results, pairs: Sequence[tuple[Record, Record]]) -> list[tuple[Record, Record]]:
    """Those with a trace first; gained and lost in turns."""
    traced = sorted(pairs, key=lambda pair: _key(pair[0]) not in results.traces)
    gained = [pair for pair in traced if pair[0].score > pair[1].score]
    lost = [pair for pair in traced if pair[0].score < pair[1].score]
    return [pair for both in zip_longest(gained, lost) for pair in both if pair is not None]


def _key(record: Record) -> tuple[str, str, str, int]:
    return record.arm, record.task, record.item, record.repeat


def _shown(results: Results, store: _Store, mine: Record, theirs: Record) -> dict[str, Any]:
    said = {
        "item": mine.item, "repeat": mine.repeat, "seed": mine.seed, "prompt": store.prompt(results, mine),
        "mine": store.text(mine), "theirs": store.text(theirs),
    }  # fmt: skip
    trace = results.traces.get(_key(mine), "")
    return {**said, "trace": trace} if _SAFE_LINK.fullmatch(trace) else said


class _Store:
    """Prompts and texts, each once."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.texts: list[dict[str, Any]] = []
        self.size = 0
        self._places: dict[Hashable, int] = {}

    def prompt(self, results: Results, record: Record) -> int:
        key = "prompt", record.task, record.item
        if key not in self._places:
            item = results.items.get(record.task, {}).get(record.item)
            text = _prompt(item) if item is not None else ""
            cut = len(text) - _LONGEST
            self._places[key] = len(self.prompts)
            self.prompts.append(f"({cut:,} characters) …{text[cut:]}" if cut > 0 else text)
            self.size += len(self.prompts[-1])
        return self._places[key]

    def text(self, record: Record) -> int:
        key = "text", *_key(record)
        if key not in self._places:
            self._places[key] = len(self.texts)
            back: list[tuple[int, str, str]] = [
                (place, _cut(text, 200), _cut(why, 200)) for place, text, why in record.taken_back[:_BACK]
            ]
            self.texts.append({
                "text": _cut(record.text), "answer": None if record.answer is None else _cut(record.answer, 500),
                "score": record.score, "kept": record.kept, "drawn": record.drawn, "rollbacks": record.rollbacks,
                "reason": record.finish_reason, "error": _cut(record.error, 500), "back": back,
                "more": len(record.taken_back) - len(back),
            })  # fmt: skip
            self.size += len(record.text[:_LONGEST]) + sum(len(text) + len(why) for _, text, why in back) + 200
        return self._places[key]


def _prompt(item: Item) -> str:
    if isinstance(item.prompt, str):
        return item.prompt
    return "\n\n".join(f"{message.get('role', '')}: {message.get('content', '')}" for message in item.prompt)


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest:,} characters more)"
