"""Creative writing: avoid the most probable word, but not where the model has lost the thread."""

from __future__ import annotations

from ..checks import check_number
from ..errors import InputError
from ..provider.base_provider import BaseProvider
from ..sampling import most_probable
from .base_strategy import BaseStrategy, Candidates, TakeBack

__all__ = ["CreativeWritingStrategy"]


class CreativeWritingStrategy(BaseStrategy):
    """Bans the most probable token at each step; takes the last unusual one back where that led nowhere.

    The end token is never banned. Where the next distribution is flat (it takes many tokens to
    reach some probability mass), the last token that was not the most probable one is taken back,
    if it is not streamed yet, and the most probable one takes its place.

    Args:
        provider: for its end tokens.
        top_p_flat: the mass, between 0 and 1.
        top_k_threshold_flat: the distribution is flat when at least so many tokens are needed.
        eos_penalty: the end token's probability is multiplied by this.

    Example:
        creative-writing:top_p_flat=0.7
    """

    def __init__(
        self,
        provider: BaseProvider,
        top_p_flat: float = 0.65,
        top_k_threshold_flat: int = 9,
        eos_penalty: float = 0.8,
    ) -> None:
        self._eos = provider.eos_token_ids
        self._top_p_flat = check_number("top_p_flat", top_p_flat, 0, 1)
        if top_p_flat == 0:
            raise InputError("top_p_flat must be more than 0 and at most 1, not 0")
        self._threshold = check_number("top_k_threshold_flat", top_k_threshold_flat, 1)
        self._eos_penalty = check_number("eos_penalty", eos_penalty, 0)
        self.reset()

    def reset(self) -> None:
        # Indices of tokens that were not the most probable: the last, and those before it while it may still go.
        self._unusual: list[int] = []
        self._most_probable = -1
        self._flat = False
        self._take_best_at: int | None = None

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        for token in self._eos:
            if token in probs:
                probs[token] *= self._eos_penalty
        if isinstance(probs, dict) and not self._eos.isdisjoint(probs):
            probs = dict(sorted(probs.items(), key=lambda pair: -pair[1]))  # the end tokens have lost their place
        best = most_probable(probs)
        if best is None:
            return probs
        self._most_probable = best
        self._flat = self._is_flat(probs)
        if self._take_best_at == len(tokens):
            return {best: 1.0}
        if best not in self._eos and len(probs) > 1:
            del probs[best]
        return probs

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        # A flat step is about to take the last unusual token back; its own does not matter.
        if not (self._flat and self._unusual) and tokens[-1] != self._most_probable:
            self._unusual.append(len(tokens) - 1)

    def backtrack(self, tokens: list[int]) -> int:
        if not self._flat or not self._unusual or self._unusual[-1] == len(tokens) - 1:
            return 0
        self._take_best_at = self._unusual[-1]
        return TakeBack(len(tokens) - self._unusual[-1], "led to a flat distribution")

    def on_rollback(self, tokens: list[int]) -> None:
        while self._unusual and self._unusual[-1] >= len(tokens):
            self._unusual.pop()
        if self._take_best_at is not None and self._take_best_at > len(tokens):
            self._take_best_at = None
        self._flat = False

    def pending(self, tokens: list[int]) -> int:
        if not self._unusual:
            return 0
        if self._unusual[-1] < len(tokens):
            del self._unusual[:-1]  # it stands, so what comes before it may be streamed now
        return max(0, len(tokens) - self._unusual[-1])

    def _is_flat(self, probs: Candidates) -> bool:
        """Whether the most probable tokens, fewer than the threshold, fall short of the mass."""
        mass = 0.0
        for count, token in enumerate(probs, 1):
            if count >= self._threshold:
                return True
            mass += probs[token]
            if mass >= self._top_p_flat:
                return False
        return False
