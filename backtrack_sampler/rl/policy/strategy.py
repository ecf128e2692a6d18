"""A trained policy as a strategy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...provider.base_provider import BaseProvider
from ..deciding_strategy import DecidingStrategy
from .operator import RlPolicyOperator
from .policy import Policy, policy_files

__all__ = ["RlPolicyStrategy"]

_USUAL = "rl_output"


class RlPolicyStrategy(DecidingStrategy):
    """Takes back what a policy decides that was trained with `backtrack-sampler train-rl`.

    The rows of a batch share one call of the policy at each step. How often it may try a place again is as in its
    training.

    Args:
        provider: the model; it must be the one that the policy was trained on.
        policy: its folder; see `load_policy`.
        deterministic: the most probable action; otherwise one is drawn with the stream's seed, as in training.
        any_model: use it on another model as well.
        trust: see `load_policy`.
    """

    sources = (
        "backtrack_sampler.rl.features", "backtrack_sampler.rl.observer", "backtrack_sampler.rl.policy.network",
        "backtrack_sampler.rl.policy.operator", "backtrack_sampler.rl.policy.policy",
    )  # fmt: skip
    operator: RlPolicyOperator

    @classmethod
    def files_of(cls, arguments: Mapping[str, Any]) -> Sequence[Path]:
        if "policy" not in arguments and not os.path.exists(_USUAL):
            return ()  # it is missed when it is used
        policy = arguments.get("policy", _USUAL)
        return () if isinstance(policy, Policy) else policy_files(policy)

    def __init__(
        self,
        provider: BaseProvider | None = None,
        policy: str | os.PathLike[str] | Policy = _USUAL,
        deterministic: bool = True,
        any_model: bool = False,
        trust: bool = False,
    ) -> None:
        operator = RlPolicyOperator(policy, deterministic, trust)
        settings = operator.policy.settings
        trained_on, name = str(settings.model.get("name", "")), provider.model_name if provider is not None else ""
        # A run's files name no folders of the machine that it was made on.
        if name and trained_on and trained_on not in (name, Path(name).name) and not any_model:
            raise InputError(
                f"this policy was trained on {trained_on}, and this model is {name}: train one for it with "
                "backtrack-sampler train-rl, or pass any_model=true"
            )
        super().__init__(operator, settings.retry, settings.max_retries, settings.max_discarded)

    def __str__(self) -> str:
        return "RlPolicyStrategy"
