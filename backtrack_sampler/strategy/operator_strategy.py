"""Operator: a heuristic that judges each token, as a strategy.

The loop is that of backtracking-llm (Molnár and Tajti), mended in three places: what was discarded
is banned where it began, so that greedy decoding does not draw it again for ever; attempts are
bounded; and nothing that was streamed is taken back.
"""

from __future__ import annotations

import copy
import math
import operator as indices
from collections.abc import Callable, Sequence

from ..candidates import normalised
from ..checks import check_count
from ..errors import BacktrackError, InputError, RollbackError, StrategyError
from ..matching import Detokenizer
from ..operators import BaseOperator, FunctionOperator, Step
from ..rollback import Bans, TakeBack, truncate_positions
from ..sampling import total
from .base_strategy import BaseStrategy, Candidates, Stream

__all__ = ["OperatorStrategy"]


class OperatorStrategy(BaseStrategy):
    """Takes back what an operator rejects.

    An operator gets back at most what is pending (`BaseOperator.lookback`): where it asks for
    more, it gets that. Where every attempt at one place fails, its bans there are lifted, and what
    is drawn then stands.

    Args:
        operator: one of `backtrack_sampler.operators`, your own, or a plain function of a `Step`
            (see `FunctionOperator`).
        backtrack_every_n: act on its judgement only at every n-th token of the text. It sees all.
        retry: "ban" does not draw the first discarded token again in its place; "resample" may.
        max_retries: rollbacks to the same place, before what is drawn stands.
        max_discarded: tokens it may discard in one stream; then it only watches. None: no limit
            but the session's own.
    """

    def __init__(
        self,
        operator: BaseOperator | Callable[[Step], int],
        backtrack_every_n: int = 1,
        retry: str = "ban",
        max_retries: int = 10,
        max_discarded: int | None = None,
    ) -> None:
        if isinstance(operator, type) or not callable(operator):
            raise InputError(f"operator must be an operator or a function of a step, not {operator!r}")
        if retry not in ("ban", "resample"):
            raise InputError(f"retry must be 'ban' or 'resample', not {retry!r}")
        self.operator = operator if isinstance(operator, BaseOperator) else FunctionOperator(operator)
        self._may_be_shared = self.operator is operator
        self._every_n = check_count("backtrack_every_n", backtrack_every_n)
        self._bans_discarded = retry == "ban"
        self._max_retries = check_count("max_retries", max_retries)
        self._max_discarded = math.inf if max_discarded is None else check_count("max_discarded", max_discarded, 0)
        self.reset()

    def __str__(self) -> str:
        operator = self.operator
        return repr(operator) if isinstance(operator, FunctionOperator) else type(operator).__name__

    @property
    def memory(self) -> object:
        """What may serve one stream at a time: the operator that was given; this where that was a function."""
        return self.operator if self._may_be_shared else self

    def reset(self) -> None:
        self.operator.reset()
        self._detokenizer = Detokenizer(_no_text)  # nothing is left of the stream, nor of its model
        self._logit: Callable[[int], float] = _unknown
        self._bans = Bans()
        self._landings: dict[int, int] = {}  # length -> our rollbacks to this prefix
        self._floor = 0  # the tokens before this one may have been streamed
        self._discarded = 0
        self._asked: int = 0
        self._candidates: Candidates = {}

    def on_start(self, stream: Stream) -> None:
        self._detokenizer = Detokenizer(stream.decode, stream.prompt)
        self._logit = stream.logit
        self.operator.on_start(stream)

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        # Judged is what the model makes of this place, so before our own bans: with them, a second
        # choice would look like a first one, and an uncertain place like a certain one.
        here = len(tokens)
        self._candidates = copy.copy(probs)  # strategies behind us change them too
        self._bans.apply(probs, here)
        return probs

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        token = tokens[-1]
        # A token that was no candidate here was put in by a strategy behind us: its word counts.
        seen = self._candidates if token in self._candidates else probs
        whole = total(seen)
        shares = {token: 1.0} if math.isinf(whole) else normalised(seen, whole)
        step = Step(token, self._detokenizer.push(token), shares[token], self._logit(token), shares)
        self._asked = self.ask(step, len(tokens))

    def backtrack(self, tokens: list[int]) -> int:
        length = len(tokens)
        count = min(self._asked, length - self._floor)
        if count <= 0 or length % self._every_n or self._discarded + count > self._max_discarded:
            return 0
        landing = length - count
        attempts = self._landings.get(landing, 0)
        if attempts > self._max_retries:
            return 0
        truncate_positions(self._landings, landing)
        self._landings[landing] = attempts + 1
        self._discarded += count
        why = getattr(self._asked, "why", "")
        if attempts == self._max_retries:
            self._bans.truncate(landing - 1)
            why = f"{why}; nothing better was found in {attempts} attempts, so what comes now stands"
        elif self._bans_discarded:
            self._bans.add(landing, tokens[landing])
        return TakeBack(count, why)

    def on_rollback(self, tokens: list[int]) -> None:
        length = len(tokens)
        self.operator.backtrack(len(self._detokenizer) - length)
        self._detokenizer.truncate(length)
        self._bans.truncate(length)
        truncate_positions(self._landings, length)
        self._floor = min(self._floor, length)
        self._asked = 0

    def pending(self, tokens: list[int]) -> int:
        if len(tokens) == len(self._detokenizer):
            # Only here is a token known to stay, so only here may what is before it go.
            lookback = self.operator.lookback
            if lookback is not None:
                self._floor = max(self._floor, len(tokens) - lookback)
        return max(0, len(tokens) - self._floor)

    def ask(self, step: Step, length: int) -> int:
        """Ask the operator about the token just drawn, the last of so many, and check what it says."""
        try:
            asked = self.operator(step)
        except BacktrackError:
            raise
        except Exception as error:
            raise StrategyError.of(f"operator {self.operator!r}", error) from error
        try:
            count = indices.index(asked)
        except TypeError:
            count = -1
        if count < 0:
            raise StrategyError(
                f"operator {self.operator!r} returned {asked!r}: return how many tokens to take back, 0 for none"
            )
        if count > length:
            raise RollbackError(
                f"operator {self.operator!r} asked for {count} tokens back, but there are only {length}"
            )
        return TakeBack(count, getattr(asked, "why", ""))


def _no_text(tokens: Sequence[int]) -> str:
    return ""


def _unknown(token: int) -> float:
    return math.nan
