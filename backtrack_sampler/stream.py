"""One continuation, from its prompt to its end: what everything that writes is made of.

It works both ways round. Where we have the loop, `advance` asks the provider for logits and draws. An
engine that has a loop of its own calls `begin`, hands each row of logits to `step`, and goes on from
`sequence`: one token longer than before, or shorter where some were taken back.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .errors import BacktrackError
from .events import Listener
from .matching import Detokenizer
from .options import SessionOptions
from .provider.base_provider import BaseProvider
from .session import Session
from .stats import Stats
from .strategy.base_strategy import BaseStrategy

__all__ = ["TokenStream"]

T = TypeVar("T")
_log = logging.getLogger(__name__)
_CHANCE = random.SystemRandom()


class TokenStream:
    """A continuation that is being written. Iterating gives token ids as they become safe.

    Args:
        provider: the model.
        prompt: token ids, checked.
        options: how to draw and when to end; without a seed it gets a random one.
        strategies: called when the stream begins: who is to be asked.
        on_event: called with each event.
        index: its number in a batch.

    Attributes:
        index: as given.
        prompt: as given.
        options: as given, with a seed.
        tokens: what was streamed until now. It never changes.
        stats: what it has cost; in a batch, forward passes, evaluated tokens and seconds are the batch's.
        error: what has ended it, or None.
        done: whether it is over.
    """

    def __init__(
        self,
        provider: BaseProvider,
        prompt: list[int],
        options: SessionOptions,
        strategies: Callable[[TokenStream], Sequence[BaseStrategy]],
        on_event: Listener | None = None,
        index: int = 0,
    ) -> None:
        self.index = index
        self.prompt = prompt
        self.options = options if options.seed is not None else replace(options, seed=_CHANCE.randrange(1 << 32))
        self.tokens: list[int] = []
        self.stats = Stats()
        self.error: BacktrackError | None = None
        self.done = False
        self._provider = provider
        self._strategies = strategies
        self._on_event = on_event
        self._session: Session | None = None
        self._asked = 0  # length of the longest sequence that the model was asked for
        self._last_text = ""
        self._detokenizer: Detokenizer | None = None
        self._pieces: list[str] = []  # the text of the first tokens, as far as it was asked for

    # -- reading ---------------------------------------------------------------------------

    def __iter__(self) -> Iterator[int]:
        return self._read(lambda new: new)

    def pieces(self) -> Iterator[str]:
        """The text instead, a few characters at a time.

        Characters that span tokens come whole, special tokens not at all, and a stop string and what
        follows it are left out to the character.
        """
        told = 0

        def new_text(_: list[int]) -> Iterator[str]:
            nonlocal told
            pieces = self._decoded()[told:]
            told += len(pieces)
            yield from filter(None, ["".join(pieces)])

        return self._read(new_text)

    def _read(self, take: Callable[[list[int]], Iterable[T]]) -> Iterator[T]:
        try:
            while not self.done:
                yield from take(self.advance())
            if self.error is not None:
                raise self.error
        finally:
            self.end()

    @property
    def text(self) -> str:
        """What was streamed until now, without special tokens and without a stop string."""
        return "".join(self._decoded())

    def _decoded(self) -> list[str]:
        """The text of each token, and in the end what is left; no more work than has come since the last time."""
        if self._detokenizer is None:
            self._detokenizer = Detokenizer(self._provider.decode, context=self.prompt)
        for token in self.tokens[len(self._detokenizer) :]:
            self._pieces.append(self._detokenizer.push(token))
        if self.done and len(self._pieces) == len(self.tokens):
            # The text of a stop string's token begins with what was incomplete before it.
            self._pieces.append(self._last_text or self._detokenizer.finish())
        return self._pieces

    # -- driving ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Make the session; a strategy that fails at its beginning raises here."""
        provider, strategies = self._provider, self._strategies(self)
        del self._strategies  # the sampler's, which holds this stream: a cycle would keep the model alive
        self._session = Session(
            strategies,
            self.options,
            decode=provider.decode,
            prompt=self.prompt,
            eos_token_ids=provider.eos_token_ids,
            special_tokens=provider.special_tokens,
            listeners=[self._on_event] if self._on_event is not None else [],
            model=provider.model_name,
            row=self.index,
        )
        self._session.stats = self.stats

    @property
    def sequence(self) -> list[int]:
        """Prompt and continuation, as they are now: what the model must be asked for next."""
        return self.prompt + self.tokens if self._session is None else self._session.sequence

    def reach(self, size: int) -> int:
        """How many of the best of `size` logits the next draw looks at; 0 where it wants the whole row."""
        return 0 if self._session is None else self._session.reach(size)

    @property
    def went_back(self) -> bool:
        """Whether it wants logits that the model may have given before."""
        return not self.done and len(self.sequence) <= self._asked

    def advance(self) -> list[int]:
        """Ask the model and draw a token; returns the tokens that are safe now."""
        provider, stats = self._provider, self.stats
        started = time.perf_counter()
        try:
            if self._session is None and not self.done:
                self.begin()
            if self.done:
                return []
            with provider.lock:  # others are not counted here; and hooks, which may take long, do not keep it
                forwards, evaluated = provider.forward_passes, provider.evaluated_tokens
                logits = provider.peek(self.sequence)
                stats.forward_passes += provider.forward_passes - forwards
                stats.evaluated_tokens += provider.evaluated_tokens - evaluated
        except BacktrackError as error:
            self.end(error)
            raise
        new = self.step(logits)
        stats.seconds += time.perf_counter() - started
        return new

    def step(self, logits: Any, best: tuple[Any, Any] | None = None) -> list[int]:
        """Draw from logits of shape (vocab,); returns the tokens that are safe now. See `Session.step`.

        What goes wrong does not raise: it ends the stream, and stands in `error`.
        """
        self.draw(logits, best)
        return self.settle()

    def draw(self, logits: Any, best: tuple[Any, Any] | None = None) -> None:
        """The first half of `step`: a token is drawn, and nobody was asked yet whether it stays."""
        session = self._session
        assert session is not None
        self._asked = max(self._asked, len(session.sequence))
        if error := _failure(lambda: session.draw(logits, best)):
            self.end(error)

    def settle(self) -> list[int]:
        """The second half: returns the tokens that are safe now."""
        session, limit = self._session, self._provider.context_size
        if session is None:  # drawing has failed
            return []
        new: list[int] = []

        def settle() -> None:
            new.extend(session.settle())
            if limit is not None and not session.finished and len(session.sequence) > limit:
                new.extend(session.end("context"))
                if self.options.on_context_full == "raise":
                    session.error = self._provider.context_full(session.stats.emitted)

        error = _failure(settle)
        self.tokens += new
        if session.finished or error is not None:
            self.end(error or session.error)
        return new

    def end(self, error: BacktrackError | None = None) -> None:
        """It is over, for good, with an error, or because nobody reads on: leave the strategies clean."""
        session, self._session = self._session, None
        if not self.done:
            self.error, self.done = error, True
        if session is not None:
            self._last_text = session.last_text
            stats = self.stats
            _log.debug(
                "stream %d: %d tokens, %d taken back in %d rollbacks, ended by %s", self.index, stats.emitted,
                stats.discarded, stats.rollbacks, self.error or stats.finish_reason or "its reader",
            )  # fmt: skip
            try:
                session.close()
            except BacktrackError as closing:
                self.error = self.error or closing


def _failure(act: Callable[[], None]) -> BacktrackError | None:
    """Do it; what has gone wrong, as an error of the stream."""
    try:
        act()
    except BacktrackError as error:
        return error
    except Exception as raised:  # the model's; hooks and listeners have been dealt with
        failed = BacktrackError(f"the stream has failed with {type(raised).__name__}: {raised}")
        failed.__cause__ = raised
        return failed
    return None
