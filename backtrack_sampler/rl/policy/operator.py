"""A trained policy as an operator: it decides for each token how many to take back."""

from __future__ import annotations

import math
import os
import random
import warnings

from ...operators import Step
from ...options import SessionOptions
from ...rollback import TakeBack
from ...strategy.base_strategy import Stream
from ..observer import Observer
from .policy import Answer, Policy, load_policy

__all__ = ["RlPolicyOperator"]


class RlPolicyOperator(Observer):
    """Takes back what a policy decides that was trained for it.

    The idea and the name are those of backtracking-llm (Molnár and Tajti). The policy's memory, where it has one,
    counts decisions, as in training: it does not go back with the text. Bans and limits are those of the strategy
    around it: `RlPolicyStrategy` has those of the training.

    Args:
        policy_path: see `load_policy`; or a policy.
        deterministic: the most probable action; otherwise one is drawn, as in training.
        trust: see `load_policy`.
    """

    def __init__(
        self, policy_path: str | os.PathLike[str] | Policy, deterministic: bool = True, trust: bool = False
    ) -> None:
        self._policy = policy_path if isinstance(policy_path, Policy) else load_policy(policy_path, trust=trust)
        settings = self._policy.settings
        super().__init__(settings.features, settings.max_backtrack, settings.max_retries)
        self.deterministic = deterministic
        self.state = self._policy.start()
        self._rng = random.Random()
        self._answer: Answer | None = None
        self.reset()

    @property
    def policy(self) -> Policy:
        """What decides."""
        return self._policy

    def observe(self, step: Step) -> None:
        super().observe(step)
        self._answer = self._policy.ask(self.observation, self.state)

    def decide(self) -> int:
        answer = self._answer or self._policy.ask(self.observation, self.state)
        logits, self.state = answer()
        self._answer = None
        values = logits.tolist()
        top = max(values)
        if self.deterministic:
            action = values.index(top)
        else:
            action = self._rng.choices(range(len(values)), [math.exp(value - top) for value in values])[0]
        if not action:
            return 0
        share = math.exp(values[action] - top) / math.fsum(math.exp(value - top) for value in values)
        return TakeBack(action, f"the policy takes {action} back, by {share:.0%}")

    def backtrack(self, n_tokens: int) -> None:
        super().backtrack(n_tokens)
        self._forget()

    def reset(self) -> None:
        super().reset()
        self._forget()
        self.state = self._policy.start()

    def on_start(self, stream: Stream) -> None:
        super().on_start(stream)
        self._rng = random.Random(f"policy {stream.options.seed}")
        _check_sampling(self._policy, stream.options)

    def _forget(self) -> None:
        if self._answer is not None:  # somebody else took the token back: no decision was made
            self._answer.cancelled = True
            self._answer = None


def _check_sampling(policy: Policy, options: SessionOptions) -> None:
    """Warn where the same token would be seen otherwise than in training."""
    trained = policy.settings.sampling
    if other := [name for name, value in trained.items() if getattr(options, name) != value]:
        said = ", ".join(f"{name} {getattr(options, name)!r} and not {trained[name]!r}" for name in other)
        warnings.warn(f"the policy was trained with other candidates than it sees now: {said}", stacklevel=2)
