"""The operator that both training and use are made of: it observes each token, and somebody decides."""

from __future__ import annotations

from abc import abstractmethod

from ..checks import check_count
from ..operators import BaseOperator, Step
from ..rollback import truncate_positions
from ..strategy.base_strategy import Stream
from .features import WINDOW, Features, Place, repetition

__all__ = ["Observer"]


class Observer(BaseOperator):
    """Computes the observation of each token; subclasses decide by it how many tokens to take back.

    Args:
        features: what is observed.
        max_backtrack: most tokens that one decision takes back.
        max_attempts: rollbacks to the same place, as its strategy allows them.

    Attributes:
        limit: most tokens of the continuation, as its stream has it; for the feature "remaining".
        observation: of the token drawn last: `len(features.names)` numbers.
        probability: of that token.
        repetition: of the last five tokens.
    """

    def __init__(self, features: Features, max_backtrack: int, max_attempts: int = 10) -> None:
        self.features = features
        self.max_backtrack = check_count("max_backtrack", max_backtrack)
        self.max_attempts = max_attempts
        self.limit: int | None = None
        self.observation: list[float] = []
        self.probability = 1.0
        self.repetition = 0.0
        self._tokens: list[int] = []
        self._landings: dict[int, int] = {}  # length -> rollbacks that landed there

    def on_start(self, stream: Stream) -> None:
        self.limit = stream.options.max_new_tokens

    @property
    def lookback(self) -> int:
        return self.max_backtrack - 1

    def __call__(self, step: Step) -> int:
        self.observe(step)
        return min(self.decide(), len(self._tokens))

    def observe(self, step: Step) -> None:
        """A token was drawn."""
        here = len(self._tokens)
        self._tokens.append(step.token)
        recent = self._tokens[-WINDOW:]
        place = Place(recent, here + 1, self.limit, self._landings.get(here, 0), self.max_attempts)
        self.probability, self.repetition = step.probability, repetition(recent)
        self.observation = self.features.of(step, place)

    @abstractmethod
    def decide(self) -> int:
        """How many tokens to take back, by `observation`; asked once for each token that nobody else has taken back."""

    def backtrack(self, n_tokens: int) -> None:
        if n_tokens <= 0:
            return
        del self._tokens[max(0, len(self._tokens) - n_tokens) :]
        here = len(self._tokens)
        truncate_positions(self._landings, here)
        self._landings[here] = self._landings.pop(here, 0) + 1

    def reset(self) -> None:
        self._tokens.clear()
        self._landings.clear()
