"""A policy that learns when to go back: environment, judges, training, and what is learned as a strategy.

`policy` needs NumPy and safetensors; everything else needs the extra `[rl]`. Names are imported when they are
asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "Answer": "judges.base_judge",
    "BacktrackingEnv": "environment.env",
    "BatchVecEnv": "environment.vec_env",
    "CheckerJudge": "judges.checker_judge",
    "EpisodeSettings": "environment.episode",
    "Features": "features",
    "HeuristicJudge": "judges.heuristic_judge",
    "Judge": "judges.base_judge",
    "JudgeError": "judges.base_judge",
    "JudgeSection": "judges.from_config",
    "OpenAIJudge": "judges.openai_judge",
    "PairwiseJudge": "judges.pairwise",
    "Policy": "policy.policy",
    "RlConfig": "training.config",
    "RlPolicyOperator": "policy.operator",
    "RlPolicyStrategy": "policy.strategy",
    "Shaping": "environment.rewards",
    "load_policy": "policy.policy",
    "make_judge": "judges.from_config",
    "read_config": "training.config",
    "train": "training.train",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
