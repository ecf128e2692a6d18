"""Small policies and judges for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backtrack_sampler.rl.features import DEFAULT_FEATURES, Features
from backtrack_sampler.rl.judges.base_judge import Answer, Judge
from backtrack_sampler.rl.policy.policy import Policy, PolicySettings


class CountingJudge(Judge):
    """A text is worth its share of one letter; how often it was asked is counted."""

    name = "letters"

    def __init__(self, letter: str = "a") -> None:
        self.letter = letter
        self.asked: list[int] = []

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        self.asked.append(len(answers))
        return [each.text.count(self.letter) / max(1, len(each.text)) for each in answers]


def weights(inputs: int, actions: int, lstm: int = 0, seed: int = 0, hidden: Sequence[int] = (8,)) -> dict[str, Any]:
    """Random ones, by stable-baselines3's names."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Any:
        return rng.normal(0, 1.5, shape).astype(np.float32)

    found: dict[str, Any] = {}
    width = inputs
    if lstm:
        found |= {
            "lstm_actor.weight_ih_l0": normal(4 * lstm, inputs), "lstm_actor.weight_hh_l0": normal(4 * lstm, lstm),
            "lstm_actor.bias_ih_l0": normal(4 * lstm), "lstm_actor.bias_hh_l0": normal(4 * lstm),
        }  # fmt: skip
        width = lstm
    for number, units in enumerate(hidden):
        found[f"mlp_extractor.policy_net.{2 * number}.weight"] = normal(units, width)
        found[f"mlp_extractor.policy_net.{2 * number}.bias"] = normal(units)
        width = units
    return found | {"action_net.weight": normal(actions, width), "action_net.bias": normal(actions)}


def policy(
    lstm: int = 0, seed: int = 0, max_backtrack: int = 3, names: Sequence[str] = DEFAULT_FEATURES, **more: Any
) -> Policy:
    """One of random weights."""
    settings = PolicySettings(Features(tuple(names), 20), max_backtrack, **more)
    return Policy(settings, weights(len(names), max_backtrack + 1, lstm, seed))
