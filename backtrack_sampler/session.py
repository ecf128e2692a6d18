"""One stream: its tokens, what may be drawn next, and what is taken back.

A `Session` does no I/O and knows no model. Whoever drives it asks a model for the logits of
`session.sequence`, hands them to `step`, and gets back the tokens that have become safe.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .arrays import copy_of, log_total, scale
from .errors import BacktrackError, ExhaustedError, StrategyError
from .events import Drawn, Event, Finished, Listener, Participant, Released, Rollback, Started
from .matching import Decode, Match, TokenMatcher
from .options import SessionOptions
from .rollback import Bans, TakeBack, truncate_positions
from .sampling import candidates, draw, most_probable
from .stats import Stats
from .strategy.base_strategy import BaseStrategy, Candidates, Stream
from .strategy.panel import Panel

__all__ = ["Session"]

NOTHING_LEFT = "nothing is left to draw"


class Session:
    """One stream of tokens, sans I/O.

    Args:
        strategies: look at each token and ask for rollbacks; asked in this order.
        options: how to draw and when to end.
        decode: token ids to text; used for stop strings and for the text of rollback events.
        prompt: token ids that stand before the continuation.
        eos_token_ids: tokens that end the stream.
        special_tokens: the text of tokens that `decode` leaves out, for stop strings.
        listeners: called with every event.
        model: its name, for those who listen.
        row: which stream of a batch this is, for those who listen.

    Attributes:
        tokens: the continuation, pending tokens included.
        sequence: prompt and continuation: what the model must be asked for.
        released: how many of `tokens` have been returned by `step`; they never change.
        finished: whether the stream is over.
        last_text: after a stop string, the text of its token that stands before it.
        error: what a driver should raise after the last tokens, or None.
        stats: `emitted`, `discarded`, `rollbacks` and `finish_reason` are kept here.
    """

    def __init__(
        self,
        strategies: Sequence[BaseStrategy],
        options: SessionOptions,
        *,
        decode: Decode,
        prompt: Sequence[int] = (),
        eos_token_ids: Collection[int] = (),
        special_tokens: Mapping[int, str] | None = None,
        listeners: Sequence[Listener] = (),
        model: str = "",
        row: int = 0,
    ) -> None:
        self.options = options
        self.tokens: list[int] = []
        self.sequence: list[int] = list(prompt)
        self.released = 0
        self.finished = False
        self.last_text = ""
        self.error: BacktrackError | None = None
        self.stats = Stats()
        self._decode = decode
        self._eos = frozenset(eos_token_ids)
        self._listeners = tuple(listeners)
        self._row = row
        self._rng = random.Random(options.seed)
        self._bans = Bans()  # the session's own: where it had to take more back
        self._landings: dict[int, int] = {}  # length -> rollbacks that landed on this prefix
        self._filters = _relaxations(options)
        self._panel = Panel(strategies)
        self._logits: Any = None  # of the present step
        self._unsettled = False  # a token was drawn, and nobody was asked yet whether it stays
        self._biases: Mapping[int, float] | None = None  # of the next draw, where they are known already
        self._stop = None
        if options.stop:
            self._stop = TokenMatcher(decode, options.stop, exact=True, special=special_tokens, context=prompt)
        self._stop_match: Match | None = None
        try:
            self._panel.reset()
            stream = Stream(tuple(prompt), decode, options, self._logit, self._log_probability, self._stops_at)
            self._panel.tell("on_start", stream)
            if self._listeners:
                taking = tuple(Participant(str(each), each._arguments) for each in self._panel.strategies)
                self._emit(Started(tuple(prompt), options, taking, model, row))
        except BaseException:
            with suppress(StrategyError):  # said already
                self.close()
            raise

    # -- driving it ------------------------------------------------------------------------

    def step(self, logits: Any, best: tuple[Any, Any] | None = None) -> list[int]:
        """Draw a token from the logits of `sequence`; return the tokens that are safe now.

        Args:
            logits: shape (vocab,); not changed.
            best: the best of them, at least `reach`, where they are known; see `arrays.top_of_rows`.

        Raises:
            StrategyError: a strategy raised or returned nonsense. After any error the session is over.
        """
        self.draw(logits, best)
        return self.settle()

    def draw(self, logits: Any, best: tuple[Any, Any] | None = None) -> None:
        """The first half of `step`: a token is drawn, and all have seen it. `settle` must follow.

        For those who draw for many streams before any is settled, or who decide themselves between the two.
        """
        if self.finished:
            raise BacktrackError("this session has ended: make a new one for the next stream")
        try:
            token, probs, share = self._choose(logits, best)
            self._unsettled = token is not None
            if token is None:
                self._dead_end(NOTHING_LEFT)
            else:
                self._append(token, probs, share)
                self._panel.tell("on_next_token", self.tokens, probs)
        except BaseException:
            self.finished, self._logits = True, None
            raise

    def settle(self) -> list[int]:
        """The second half: what was drawn is kept, taken back or the end; return the tokens that are safe now."""
        try:
            if self._unsettled and not self.finished:
                self._unsettled = False
                # A token that is kept in spite of a request ("accept") may still be the last one.
                if not self._granted("backtrack") and (reason := self._ending()) and not self._granted("at_end"):
                    self._finish(reason)
            return self._release()
        except BaseException:
            self.finished = True
            raise
        finally:
            self._logits = None  # the memory may write to it again

    def reach(self, size: int) -> int:
        """How many of the best of `size` logits the next draw looks at; 0 where it wants the whole row."""
        if self._panel.changes_logits or not self.options.top_k:
            return 0
        self._biases = self._bias(size)
        return self.options.top_k + len(self._biases)

    def end(self, reason: str) -> list[int]:
        """End the stream here, for a reason of the caller's; return what was still pending."""
        if not self.finished:
            self._finish(reason)
        return self._release()

    def close(self) -> None:
        """The stream is over or abandoned: leave the strategies clean."""
        self.finished = True
        panel, self._panel = self._panel, Panel(())  # the second time, they may already serve another stream
        self._listeners = ()
        panel.reset()

    # -- drawing ---------------------------------------------------------------------------

    def _choose(self, logits: Any, best: tuple[Any, Any] | None) -> tuple[int | None, Candidates, float]:
        """Draw: a token, what it was drawn from, its share. Where nothing is left, relax top-p, top-k, min-p."""
        panel, size = self._panel, len(logits)
        row, self._logits = logits, logits
        temperature = self.options.temperature or 1.0
        scaled = temperature
        if panel.changes_logits:
            row, best, scaled = panel.on_logits(scale(copy_of(logits), temperature), self.tokens), None, 1.0
        bias, self._biases = self._bias(size) if self._biases is None else self._biases, None
        for top_k, top_p, min_p in self._filters:
            probs: Candidates = candidates(row, top_k, top_p, min_p, temperature=scaled, bias=bias, best=best)
            best = None
            if probs:
                probs, whole = panel.on_probs(probs, self.tokens, size)
                if (token := self._pick(probs, whole)) is not None:
                    return token, probs, float(probs[token] / whole) if whole < math.inf else 1.0
        if self.options.on_exhausted == "accept" and not self._can_take_back:
            probs = candidates(logits, *self._filters[0], temperature=temperature)
            if probs and (token := self._pick(probs, 1.0)) is not None:
                return token, probs, probs[token]
        return None, {}, 0.0

    def _bias(self, size: int) -> Mapping[int, float]:
        return self._panel.logit_bias(self.tokens, self._bans.at(len(self.tokens)), size)

    def _pick(self, probs: Candidates, whole: float) -> int | None:
        return draw(probs, self._rng, whole) if self.options.temperature else most_probable(probs)

    def _logit(self, token: int) -> float:
        return float(self._logits[token])

    def _log_probability(self, token: int) -> float:
        return self._logit(token) - log_total(self._logits)

    def _stops_at(self) -> int | None:
        return None if self._stop_match is None else self._stop_match.start

    def _append(self, token: int, probs: Candidates, share: float) -> None:
        self.tokens.append(token)
        self.sequence.append(token)
        self._stop_match = None
        if self._stop is not None and token not in self._eos:
            self._stop_match = next(iter(self._stop.push(token)), None)
        if self._listeners:
            seen = dict(probs) if isinstance(probs, dict) else probs
            self._emit(Drawn(len(self.tokens) - 1, token, share, seen, self._row))

    # -- taking back -----------------------------------------------------------------------

    def _requests(self, hook: str) -> Iterator[tuple[TakeBack, str]]:
        return self._panel.requests(hook, self.tokens, self.released)

    def _granted(self, hook: str) -> bool:
        """Whether a strategy that asks for tokens back gets them, or the stream ends over it."""
        return any(self._take_back(asked, who) for asked, who in self._requests(hook))

    def _take_back(self, asked: TakeBack, who: str) -> bool:
        """Take tokens back within the budgets; False where they are kept instead ("accept")."""
        length = len(self.tokens) - asked
        if self.stats.discarded + asked > self._most_discarded:
            return self._exhausted("the budget for taking tokens back is used up", asked, who)
        if self._landed(length) <= self.options.max_retries:
            self._rollback(asked, who)
            return True
        why = f"{self.options.max_retries} attempts failed at the same place"
        if length == self.released:
            return self._exhausted(why, asked, who)
        self._rollback(asked, who)
        self._dead_end(why)
        return True

    def _dead_end(self, why: str) -> None:
        """Nothing goes on from this prefix: take one more token back and ban it there."""
        stuck = why == NOTHING_LEFT and not self._can_take_back
        while self._can_take_back:
            banned = self.tokens[-1]
            self._rollback(TakeBack(1, why), "session")
            self._bans.add(len(self.tokens), banned)
            if self._landed(len(self.tokens)) <= self.options.max_retries:
                return
        # With "accept" the next draw is made in spite of the strategies, unless that is what has failed.
        if self.options.on_exhausted != "accept" or stuck:
            self._exhausted(why)

    @property
    def _can_take_back(self) -> bool:
        """Whether any token is still pending, and the budget of the stream has room for it."""
        return len(self.tokens) > self.released and self.stats.discarded < self._most_discarded

    @property
    def _most_discarded(self) -> int:
        limit = self.options.max_discarded
        return 1000 + 50 * len(self.tokens) if limit is None else limit

    def _landed(self, length: int) -> int:
        """A rollback lands on this prefix: how many have until now, this one included."""
        truncate_positions(self._landings, length)
        count = self._landings.pop(length, 0) + 1
        self._landings[length] = count
        return count

    def _exhausted(self, why: str, rejected: TakeBack | None = None, who: str = "") -> bool:
        """The way out when nothing else helps; False where the rejected tokens are kept."""
        policy = self.options.on_exhausted
        if policy == "accept" and rejected is not None:
            return False
        if rejected is not None:
            self._rollback(rejected, who)
        if policy == "raise":
            self.error = ExhaustedError(
                f"{why}, after {len(self.tokens)} tokens: loosen the strategy, or pass on_exhausted='stop' or 'accept'"
            )
        self._finish("exhausted")
        return True

    def _rollback(self, asked: TakeBack, who: str) -> None:
        self.stats.rollbacks += 1
        self._truncate(len(self.tokens) - asked, who, asked.why)

    def _truncate(self, length: int, who: str, why: str) -> None:
        removed = tuple(self.tokens[length:])
        del self.tokens[length:]
        del self.sequence[len(self.sequence) - len(removed) :]
        self.stats.discarded += len(removed)
        self._bans.truncate(length)
        if self._stop is not None:
            self._stop.truncate(length)
            self._stop_match = None
        self._panel.tell("on_rollback", self.tokens)
        if self._listeners:
            self._emit(Rollback(length, removed, self._decode(removed), who, why, self._row))

    # -- ending ----------------------------------------------------------------------------

    def _ending(self) -> str:
        """Why the stream would end here; "" where it goes on. Asked when nothing is taken back."""
        if self.tokens[-1] in self._eos:
            return "end"
        if self._stop_match is not None:
            return "stop"
        limit = self.options.max_new_tokens
        return "length" if limit is not None and len(self.tokens) >= limit else ""

    def _finish(self, reason: str) -> None:
        if reason == "stop" and self._stop is not None and self._stop_match is not None:
            token, self.last_text = self._stop.cut(self._stop_match)
            self._truncate(token, "session", "stop string")
        self.stats.finish_reason = reason
        if reason not in ("end", "length") and not self.last_text:
            # The strategies have not been asked about an end just here, and it cannot be put off.
            while request := next(self._requests("at_end"), None):
                self._rollback(*request)
        self.finished = True

    def _release(self) -> list[int]:
        """The tokens that have become safe: that no strategy and no stop string could still want.

        After a rollback an older end may be pending again, so each shorter beginning is asked about
        too, until nothing more is pending.
        """
        safe = len(self.tokens)
        while not self.finished and safe > self.released:
            prefix = self.tokens if safe == len(self.tokens) else self.tokens[:safe]
            pending = self._panel.pending(prefix)
            if self._stop is not None:
                pending = max(pending, self._stop.pending(min(safe, len(self._stop))))
            if pending <= 0:
                break
            safe -= pending
        new = self.tokens[self.released : max(safe, self.released)]
        self.stats.emitted += len(new)
        self.released += len(new)
        try:
            if new:
                self._emit(Released(self.released - len(new), tuple(new), self._row))
            if self.finished:
                self._emit(Finished(self.stats.finish_reason, self.last_text, self._row))
        except StrategyError as error:  # what is safe is streamed all the same
            self.error, self.finished = error, True
        return new

    # -- helpers ---------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except BacktrackError:
                raise
            except Exception as error:
                raise StrategyError.of("on_event", error) from error


def _relaxations(o: SessionOptions) -> list[tuple[int | None, float | None, float | None]]:
    """The filters as asked for, and then relaxed one by one: top-p, then top-k, then min-p."""
    steps = [
        (o.top_k, o.top_p, o.min_p),
        (o.top_k, None, o.min_p),
        (None, None, o.min_p),
        (None, None, None),
    ]
    return [step for i, step in enumerate(steps) if step not in steps[:i]]
