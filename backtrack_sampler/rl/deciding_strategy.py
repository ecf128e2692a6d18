"""An observer as a strategy whose decision comes late: when its stream settles, not when the token is drawn.

Between the two, whoever decides can do so for many streams at once: a policy with one call for all rows of a
batch, and in training the agent.
"""

from __future__ import annotations

from ..operators import Step
from ..strategy.base_strategy import Stream
from ..strategy.operator_strategy import OperatorStrategy
from .observer import Observer

__all__ = ["DecidingStrategy"]


class DecidingStrategy(OperatorStrategy):
    """Takes back what its observer decides, when the stream settles.

    Args:
        operator: the observer.
        retry, max_retries, max_discarded: see `OperatorStrategy`. They are part of what a policy was trained in.

    Attributes:
        granted: how many tokens the last decision has taken back.
        has_refused: whether it wanted more than `max_discarded` leaves.
    """

    operator: Observer
    granted = 0
    has_refused = False

    def __init__(
        self, operator: Observer, retry: str = "ban", max_retries: int = 10, max_discarded: int | None = None
    ) -> None:
        super().__init__(operator, 1, retry, max_retries, max_discarded)
        operator.max_attempts = max_retries

    def on_start(self, stream: Stream) -> None:
        super().on_start(stream)
        self.operator.limit = stream.options.max_new_tokens

    def ask(self, step: Step, length: int) -> int:
        self.operator.observe(step)
        self.granted, self.has_refused = 0, False
        return 0

    def backtrack(self, tokens: list[int]) -> int:
        self._asked = min(self.operator.decide(), len(tokens))
        self.has_refused = bool(self._asked) and self._discarded + self._asked > self._max_discarded
        self.granted = super().backtrack(tokens)
        return self.granted
