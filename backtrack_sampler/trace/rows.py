"""A listener that records the streams of a batch, each as a trace of its own."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InputError
from ..events import Event, Started
from ..matching import Decode
from ..provider.base_provider import BaseProvider
from .recording import Trace

__all__ = ["Traces"]


class Traces:
    """Records each stream of a batch: pass it as `on_event`, then take `traces[row]`, a `Trace`.

    All that was recorded stays in memory until `pop` takes it out. Where there are many rows, write
    each when it is over::

        traces = Traces(provider)
        batch = sampler.generate_batch(prompts, on_event=traces)
        for row in batch.results():
            traces.pop(row.index).to_html(f"{row.index}.html")

    Iterating gives the rows of which something is here.

    Args:
        provider: the model that is sampled from, or only its `decode`.
        alternatives: so many of the most probable candidates are kept for each token.

    Raises:
        InputError: `alternatives` is not a number of tokens, or `provider` is neither of both.
    """

    def __init__(self, provider: BaseProvider | Decode, alternatives: int = 5) -> None:
        self._provider = provider
        self._alternatives = alternatives
        self._traces: dict[int, Trace] = {}
        self._new()  # what is wrong with the arguments is said now

    def _new(self) -> Trace:
        return Trace(self._provider, alternatives=self._alternatives)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._traces[event.row] = self._new()
        # What still comes of a row that was taken out has no beginning any more.
        if (trace := self._traces.get(event.row)) is not None:
            trace(event)

    def __getitem__(self, row: int) -> Trace:
        """The trace of a row.

        Raises:
            InputError: nothing is recorded of it.
        """
        try:
            return self._traces[row]
        except KeyError:
            raise InputError(f"nothing is recorded of row {row}: it has not begun, or was taken out") from None

    def pop(self, row: int) -> Trace:
        """The trace of a row, which is forgotten here: also what still comes of that stream.

        Raises:
            InputError: nothing is recorded of it.
        """
        trace = self[row]
        del self._traces[row]
        return trace

    def __len__(self) -> int:
        return len(self._traces)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._traces))  # they may be taken out meanwhile
