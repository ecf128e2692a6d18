"""One stream: its tokens, what may be drawn next, and what is taken back.

A `Session` does no I/O and knows no model. Whoever drives it asks a model for the logits of
`session.sequence`, hands them to `step`, and gets back the tokens that have become safe.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, MutableMapping, Sequence
from typing import Any

from .bans import Bans, truncate_positions
from .errors import BacktrackError, ExhaustedError, RollbackError, StrategyError
from .events import Drawn, Event, Finished, Listener, Released, Rollback
from .matching import Decode, Match, TokenMatcher
from .options import SessionOptions
from .sampling import candidates, copy_of, draw, most_probable, scale, total
from .stats import Stats
from .strategy.base_strategy import BaseStrategy, Candidates, Stream, TakeBack

__all__ = ["Session"]

NOTHING_LEFT = "nothing is left to draw"
_NONE = TakeBack(0)


class Session:
    """One stream of tokens, sans I/O.

    Args:
        strategy: looks at each token and asks for rollbacks.
        options: how to draw and when to end.
        decode: token ids to text; used for stop strings and for the text of rollback events.
        prompt: token ids that stand before the continuation.
        eos_token_ids: tokens that end the stream.
        listeners: called with every event.

    Attributes:
        tokens: the continuation, held tokens included.
        sequence: prompt and continuation: what the model must be asked for.
        released: how many of `tokens` have been returned by `step`; they never change.
        finished: whether the stream is over.
        last_text: after a stop string, the text of its token that stands before it.
        error: what a driver should raise after the last tokens, or None.
        stats: `emitted`, `discarded`, `rollbacks` and `finish_reason` are kept here.
    """

    def __init__(
        self,
        strategy: BaseStrategy,
        options: SessionOptions,
        *,
        decode: Decode,
        prompt: Sequence[int] = (),
        eos_token_ids: Collection[int] = (),
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.strategy = strategy
        self.options = options
        self.tokens: list[int] = []
        self.sequence: list[int] = list(prompt)
        self.released = 0
        self.finished = False
        self._closed = False
        self.last_text = ""
        self.error: BacktrackError | None = None
        self.stats = Stats()
        self._decode = decode
        self._eos = frozenset(eos_token_ids)
        self._listeners = tuple(listeners)
        self._rng = random.Random(options.seed)
        self._bans = Bans()  # the session's own: where it had to go further back
        self._landings: dict[int, int] = {}  # length -> rollbacks that landed on this prefix
        self._filters = _relaxations(options)
        self._stop = TokenMatcher(decode, options.stop, exact=True, context=prompt) if options.stop else None
        self._stop_match: Match | None = None
        self._call(strategy.reset)
        self._call(strategy.on_start, Stream(tuple(prompt), decode, options))

    # -- driving it ------------------------------------------------------------------------

    def step(self, logits: Any) -> list[int]:
        """Draw a token from the logits of `sequence`; return the tokens that are safe now.

        Args:
            logits: shape (vocab,); changed in place.

        Raises:
            StrategyError: the strategy raised or returned nonsense. The session is over.
        """
        if self.finished:
            raise BacktrackError("this session has ended: make a new one for the next stream")
        token, probs = self._choose(logits)
        if token is None:
            self._dead_end(NOTHING_LEFT)
            return self._release()
        self._append(token, probs)
        self._call(self.strategy.on_next_token, self.tokens, probs)
        asked = self._asked(self.strategy.backtrack)
        reason = "" if asked else self._ending()
        if reason:
            asked = self._asked(self.strategy.at_end)
        if asked:
            # A token that is kept in spite of it ("accept") may still be the last one.
            reason = "" if self._take_back(asked) else self._ending()
        if reason:
            self._finish(reason)
        return self._release()

    def end(self, reason: str) -> list[int]:
        """End the stream here, for a reason of the caller's; return what was still held."""
        if not self.finished:
            self._finish(reason)
        return self._release()

    def close(self) -> None:
        """The stream is over or abandoned: leave the strategy clean."""
        self.finished = True
        if not self._closed:  # the second time, the strategy may already serve another stream
            self._closed = True
            self._listeners = ()
            self._call(self.strategy.reset)

    # -- drawing ---------------------------------------------------------------------------

    def _choose(self, logits: Any) -> tuple[int | None, Candidates]:
        """Draw; where the strategy leaves nothing, relax the filters: top-p, top-k, min-p."""
        o = self.options
        scale(logits, o.temperature)
        untouched = copy_of(logits) if o.on_exhausted == "accept" else None
        size = len(logits)
        logits = self._call(self.strategy.on_logits, logits, self.tokens)
        if logits is None or len(logits) != size:
            raise self._wrong("on_logits", "return the logits, shape (vocab,)")
        logits = self._bans.apply(logits, len(self.tokens))
        for top_k, top_p, min_p in self._filters:
            probs: Candidates = candidates(logits, top_k, top_p, min_p)
            if probs:
                probs = self._call(self.strategy.on_probs, probs, self.tokens)
                if not isinstance(probs, MutableMapping):
                    raise self._wrong("on_probs", "return the candidates, {token: probability}")
                token = self._pick(probs)
                if token is not None:
                    if not 0 <= token < size:
                        raise self._wrong("on_probs", f"leave out token {token}: the vocabulary has {size}")
                    return token, probs
        if untouched is not None and not self._can_go_back:
            probs = candidates(untouched, o.top_k, o.top_p, o.min_p)
            return self._pick(probs), probs
        return None, {}

    def _pick(self, probs: Candidates) -> int | None:
        if self.options.temperature == 0:
            return most_probable(probs)
        return draw(probs, self._rng)

    def _append(self, token: int, probs: Candidates) -> None:
        self.tokens.append(token)
        self.sequence.append(token)
        self._stop_match = None
        if self._stop is not None and token not in self._eos:
            self._stop_match = next(iter(self._stop.push(token)), None)
        if self._listeners:
            whole = total(probs)
            share = probs[token] / whole if math.isfinite(whole) else 1.0
            seen = dict(probs) if isinstance(probs, dict) else probs
            self._emit(Drawn(len(self.tokens) - 1, token, share, seen))

    # -- going back ------------------------------------------------------------------------

    def _asked(self, hook: Callable[[list[int]], int]) -> TakeBack:
        """Ask the strategy, and check what it says."""
        asked = self._call(hook, self.tokens)
        if type(asked) is int and asked == 0:
            return _NONE
        name = getattr(asked, "who", "") or type(self.strategy).__name__
        held = len(self.tokens) - self.released
        try:
            if not isinstance(asked, int) or isinstance(asked, bool) or asked < 0:
                raise StrategyError(
                    f"{name}.{hook.__name__} returned {asked!r}: return how many tokens to take back, 0 for none"
                )
            if asked > len(self.tokens):
                raise RollbackError(
                    f"{name} asked for {int(asked)} tokens back, but the stream has only {len(self.tokens)}"
                )
            if asked > held:
                raise RollbackError(
                    f"{name} asked for {int(asked)} tokens back, but only {held} are not streamed yet: "
                    "let pending() hold what you may want back"
                )
        except StrategyError:
            self.finished = True
            raise
        return TakeBack(asked, getattr(asked, "why", ""), name)

    def _take_back(self, asked: TakeBack) -> bool:
        """Roll back within the budgets; False where the tokens are kept instead ("accept")."""
        length = len(self.tokens) - asked
        if self.stats.discarded + asked > self._most_discarded:
            return self._exhausted(asked, "the budget for taking tokens back is used up")
        if self._landed(length) <= self.options.max_retries:
            self._rollback(asked)
            return True
        why = f"{self.options.max_retries} attempts failed at the same place"
        if length == self.released:
            return self._exhausted(asked, why)
        self._rollback(asked)
        self._dead_end(why)
        return True

    def _dead_end(self, why: str) -> None:
        """Nothing goes on from this prefix: go a token further back and ban that token there."""
        while self._can_go_back:
            banned = self.tokens[-1]
            self._rollback(TakeBack(1, why, "session"))
            self._bans.add(len(self.tokens), banned)
            if self._landed(len(self.tokens)) <= self.options.max_retries:
                return
        # With "accept" the next draw is made in spite of the strategy: see _choose.
        if self.options.on_exhausted != "accept":
            self._exhausted(_NONE, why)

    @property
    def _can_go_back(self) -> bool:
        """Whether any token is still held, and the budget of the stream has room for it."""
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

    def _exhausted(self, rejected: TakeBack, why: str) -> bool:
        """The way out when nothing else helps; False where the rejected tokens are kept."""
        policy = self.options.on_exhausted
        if policy == "accept":
            return False
        if rejected:
            self._rollback(rejected)
        if policy == "raise":
            self.error = ExhaustedError(
                f"{why}, after {len(self.tokens)} tokens: loosen the strategy, or pass on_exhausted='stop' or 'accept'"
            )
        self._finish("exhausted")
        return True

    def _rollback(self, asked: TakeBack) -> None:
        self.stats.rollbacks += 1
        self._truncate(len(self.tokens) - asked, asked.who, asked.why)

    def _truncate(self, length: int, who: str, why: str) -> None:
        removed = tuple(self.tokens[length:])
        del self.tokens[length:]
        del self.sequence[len(self.sequence) - len(removed) :]
        self.stats.discarded += len(removed)
        self._bans.truncate(length)
        if self._stop is not None:
            self._stop.truncate(length)
            self._stop_match = None
        self._call(self.strategy.on_rollback, self.tokens)
        if self._listeners:
            self._emit(Rollback(length, removed, self._decode(removed), who, why))

    # -- ending ----------------------------------------------------------------------------

    def _ending(self) -> str:
        """Why the stream would end here; "" where it goes on. Asked when no rollback is."""
        if self.tokens[-1] in self._eos:
            return "end"
        if self._stop_match is not None:
            return "stop"
        limit = self.options.max_new_tokens
        return "length" if limit is not None and len(self.tokens) >= limit else ""

    def _finish(self, reason: str) -> None:
        if reason == "stop" and self._stop is not None and self._stop_match is not None:
            match = self._stop_match
            self.last_text = self._stop.text_before(match.token, match.start)
            self._truncate(match.token, "session", "stop string")
        if reason not in ("end", "length"):
            # The strategy has not been asked about an end just here.
            while asked := self._asked(self.strategy.at_end):
                self.last_text = ""
                self._rollback(asked)
        self.finished = True
        self.stats.finish_reason = reason

    def _release(self) -> list[int]:
        """The tokens that have become safe: that no strategy and no stop string could still want.

        After a rollback an older end may have to wait again, so what is held is asked of every
        shorter beginning too, until nothing more is.
        """
        safe = len(self.tokens)
        prefix = self.tokens
        while not self.finished and safe > self.released:
            held = self._call(self.strategy.pending, prefix)
            if not isinstance(held, int):
                raise self._wrong("pending", "return how many tokens must wait, 0 for none")
            if self._stop is not None:
                held = max(held, self._stop.pending(min(safe, len(self._stop))))
            if held <= 0:
                break
            safe -= held
            prefix = self.tokens[: max(safe, 0)]
        new = self.tokens[self.released : max(safe, self.released)]
        if new:
            self.stats.emitted += len(new)
            self._emit(Released(self.released, tuple(new)))
            self.released += len(new)
        if self.finished:
            self._emit(Finished(self.stats.finish_reason, self.last_text))
        return new

    # -- helpers ---------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _wrong(self, hook: str, what: str) -> StrategyError:
        """What a hook must not return; the session is over."""
        self.finished = True
        return StrategyError(f"{type(self.strategy).__name__}.{hook} must {what}")

    def _call(self, hook: Callable[..., Any], *args: Any) -> Any:
        """Call a hook; an error in it ends the stream and names the strategy."""
        try:
            return hook(*args)
        except BacktrackError:
            self.finished = True
            raise
        except Exception as error:
            self.finished = True
            name = _culprit(error) or type(self.strategy).__name__
            raise StrategyError.of(f"{name}.{getattr(hook, '__name__', hook)}", error) from error


def _culprit(error: BaseException) -> str:
    """The innermost strategy in the traceback: in a chain or an adapter, the one whose code raised."""
    name = ""
    trace = error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, BaseStrategy) or hasattr(owner, "get_keep_index"):
            name = type(owner).__name__
        trace = trace.tb_next
    return name


def _relaxations(o: SessionOptions) -> list[tuple[int | None, float | None, float | None]]:
    """The filters as asked for, and then relaxed one by one: top-p, then top-k, then min-p."""
    steps = [
        (o.top_k, o.top_p, o.min_p),
        (o.top_k, None, o.min_p),
        (None, None, o.min_p),
        (None, None, None),
    ]
    return [step for i, step in enumerate(steps) if step not in steps[:i]]
