"""Texts that are wanted, from the store or from the model: many arms at once, in one batch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

from ..batch import Batch, StrategyMaker
from ..compare.recorder import Record as Noted
from ..compare.recorder import Recorder
from ..errors import InputError
from ..events import Event, Listener, Rollback
from ..options import SessionOptions
from ..prompts import limited, request_of
from ..provider.base_provider import BaseProvider
from ..stream import TokenStream
from ..trace.summary import is_stop_string
from .arms import Arm, core_source, digest
from .records import Record
from .store import Store
from .tasks import Item, Score, Task, checked

__all__ = ["Drawer", "Wanted", "seed_of"]

_SAYS_ITSELF = ("max_new_tokens", "max_length", "stop")  # of an item's options; how to draw is the arm's to say


class Wanted(NamedTuple):
    """A text that is wanted.

    Attributes:
        arm, task, item: what writes it, as an answer to what.
        repeat, sample: see `Record`.
    """

    arm: Arm
    task: Task
    item: Item
    repeat: int = 0
    sample: int = 0


def seed_of(seed: int, task: str, item: str, repeat: int, sample: int = 0) -> int:
    """The seed of a text: the same for all arms, so that they differ in what they do and not in their luck."""
    return random.Random(f"{seed}/{task}/{item}/{repeat}/{sample}").getrandbits(32)


class Drawer:
    """Draws texts and scores them, each once.

    Args:
        provider: the model.
        store: where records are kept.
        model: what tells this model from others, such as a digest of its files.
        seed: of the experiment.
        max_batch: most texts at once.
        max_new_tokens: most tokens of each text, where the task is not to say.
        on_record: called with each text that was drawn, when it is kept.
        listener: gives who is to hear the events of a text, or None; of texts that a strategy may take back.
    """

    def __init__(
        self,
        provider: BaseProvider,
        store: Store,
        *,
        model: str,
        seed: int = 0,
        max_batch: int = 16,
        max_new_tokens: int | None = None,
        on_record: Callable[[Wanted, Record], None] | None = None,
        listener: Callable[[Wanted, TokenStream], Listener | None] | None = None,
    ) -> None:
        self._provider = provider
        self._store = store
        self._model = model
        self._seed = seed
        self._max_batch = max_batch
        self._max_new_tokens = max_new_tokens
        self._on_record = on_record
        self._listener = listener
        self._prompts: dict[tuple[str, str], tuple[list[int], SessionOptions, str]] = {}
        self._makers: dict[str, StrategyMaker] = {}

    def records(self, wanted: Sequence[Wanted]) -> list[Record]:
        """The records of these texts, in their order: those that are not in the store are drawn now.

        Raises:
            InputError: a prompt cannot be used.
            StorageError: the store cannot be written to.
        """
        self._store.refresh()
        keys = [self._key(each) for each in wanted]
        missing = {key: each for key, each in zip(keys, wanted, strict=True) if self._store.get(key) is None}
        if missing:
            self._draw(missing)
        found = [self._store.get(key) for key in keys]
        return [record for record in found if record is not None]

    def knows(self, wanted: Wanted) -> bool:
        """Whether a text is in the store already."""
        return self._store.get(self._key(wanted)) is not None

    def check(self, task: Task, items: Sequence[Item]) -> None:
        """Refuse items that cannot be asked of this model, before anything is drawn.

        Raises:
            InputError: the first of them, and what to do.
        """
        for item in items:
            self._prepared(task, item)

    # -- what is to be drawn -------------------------------------------------------------------

    def _key(self, wanted: Wanted) -> str:
        arm, task, item, repeat, sample = wanted
        tokens, options, question = self._prepared(task, item)
        context = self._provider.context_size
        room = None if context is None else context - len(tokens)  # a larger context may change what it has cut off
        longest = min((limit for limit in (options.max_new_tokens, room) if limit is not None), default=None)
        return digest([
            self._model, core_source(), arm.key, task.name, task.version, item.id, question, longest,
            list(options.stop or ()), repeat, sample, seed_of(self._seed, task.name, item.id, repeat, sample),
        ])  # fmt: skip

    def _prepared(self, task: Task, item: Item) -> tuple[list[int], SessionOptions, str]:
        """An item's tokens, its limits, and what tells whether it is still the same question."""
        known = self._prompts.get((task.name, item.id))
        if known is not None:
            return known
        said: Mapping[str, Any] = {"max_new_tokens": task.max_new_tokens, "stop": task.stop, **item.options}
        own = {name: said[name] for name in _SAYS_ITSELF if said.get(name) is not None}
        if self._max_new_tokens is not None:
            own["max_new_tokens"] = self._max_new_tokens
        longest = own.pop("max_length", None)
        messages = not isinstance(item.prompt, str)
        try:
            request = request_of({"messages": list(item.prompt)} if messages else item.prompt)
            tokens = request.tokens(self._provider, None)
            options = limited(SessionOptions(**own), tokens, longest)
        except InputError as error:
            raise InputError(f"task {task.name}, item {item.id}: {error}") from error
        found = tokens, options, digest([tokens, dict(item.data)])
        self._prompts[task.name, item.id] = found
        return found

    # -- drawing -------------------------------------------------------------------------------

    def _draw(self, missing: Mapping[str, Wanted]) -> None:
        # Prompts that begin alike follow each other: what they have in common is evaluated once.
        ordered = sorted(missing.items(), key=lambda pair: self._prepared(pair[1].task, pair[1].item)[0])
        watched = [_Watched(self, key, wanted) for key, wanted in ordered]
        streams = [each.stream(index) for index, each in enumerate(watched)]
        over: list[tuple[_Watched, TokenStream]] = []
        try:
            batch = Batch(self._provider, streams, self._max_batch)
            with closing(batch.results()) as rows:  # type: ignore[type-var]  # a generator
                for row in rows:
                    over.append((watched[row.index], row))
                    if len(over) >= over[0][0].wanted.task.scored_together:
                        self._score(over)
        finally:  # Ctrl-C as well: what was written is kept
            self._score(over)

    def _score(self, over: list[tuple[_Watched, TokenStream]]) -> None:
        """Score and keep what is over."""
        while over:
            task = over[0][0].wanted.task
            some = [each for each in over if each[0].wanted.task is task]
            over[:] = [each for each in over if each[0].wanted.task is not task]
            scores = task.scores([(watched.wanted.item, row.text) for watched, row in some])
            for (watched, row), score in zip(some, scores, strict=True):
                record = watched.record(row, checked(score))
                self._store.add(record)
                if self._on_record is not None:
                    self._on_record(watched.wanted, record)

    def _maker(self, arm: Arm) -> StrategyMaker:
        if arm.key not in self._makers:
            self._makers[arm.key] = StrategyMaker(lambda: arm.build(self._provider))
        return self._makers[arm.key]


class _Watched:
    """A text that is being written, with what is noted of it meanwhile."""

    def __init__(self, drawer: Drawer, key: str, wanted: Wanted) -> None:
        self.wanted = wanted
        self._drawer = drawer
        self._key = key
        self._noted = Noted()
        self._taken_back: list[tuple[int, str, str]] = []
        self._listeners: list[Listener] = []

    def stream(self, index: int) -> TokenStream:
        drawer, (arm, task, item, repeat, sample) = self._drawer, self.wanted
        tokens, options, _ = drawer._prepared(task, item)
        seed = seed_of(drawer._seed, task.name, item.id, repeat, sample)
        sampling: dict[str, Any] = {**arm.sampling, "seed": seed}
        maker = drawer._maker(arm)
        stream = TokenStream(
            drawer._provider, tokens, replace(options, **sampling),
            lambda stream: [Recorder(self._noted), *maker(stream)],
            self._hear if arm.strategies else None, index,
        )  # fmt: skip
        if arm.strategies:
            self._listeners = [self._note_rollback]
            if drawer._listener is not None and (other := drawer._listener(self.wanted, stream)) is not None:
                self._listeners.append(other)
        return stream

    def _hear(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _note_rollback(self, event: Event) -> None:
        if isinstance(event, Rollback) and not is_stop_string(event):
            why = f"{event.who}: {event.why}" if event.why else event.who
            self._taken_back.append((event.position, event.text, why))

    def record(self, row: TokenStream, score: Score) -> Record:
        arm, task, item, repeat, sample = self.wanted
        stats, seed = row.stats, row.options.seed or 0
        worth = self._noted.log_probabilities.get(seed, [])[: len(row.tokens)]
        if stats.finish_reason == "stop":  # it ends the text as an end token does, which is among the others
            worth = worth + self._noted.endings.get(seed, [])
        failed = " ".join(str(row.error).split()) if row.error is not None else ""
        return Record(
            key=self._key, arm=arm.key, task=task.name, item=item.id, repeat=repeat, sample=sample, seed=seed,
            text=row.text, answer=None if failed else score.answer, score=0.0 if failed else float(score.value),
            kept=stats.emitted, drawn=stats.drawn, rollbacks=stats.rollbacks,
            forwards=self._noted.forwards.get(seed, 0),
            log_probability=math.fsum(worth) / len(worth) if worth else None,
            finish_reason=stats.finish_reason, error=failed or score.error, taken_back=self._taken_back,
        )  # fmt: skip
