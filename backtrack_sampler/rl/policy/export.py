"""From stable-baselines3's policies to ours: the actor's weights, by their names, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, MissingPackageError
from .policy import SETTINGS, Normaliser, Policy, PolicySettings, read_settings

__all__ = ["normaliser_of", "policy_of_model", "policy_of_zip", "weights_of"]

_ACTOR = ("mlp_extractor.policy_net.", "action_net.", "lstm_actor.")


def weights_of(model: Any) -> dict[str, Any]:
    """The actor's weights of a model of stable-baselines3, as NumPy arrays."""
    return {
        name: tensor.detach().cpu().numpy().astype(np.float32)
        for name, tensor in model.policy.state_dict().items()
        if name.startswith(_ACTOR)
    }


def normaliser_of(env: Any) -> Normaliser | None:
    """How a `VecNormalize` scales observations now; None where it does not."""
    if not getattr(env, "norm_obs", False):
        return None
    running = env.obs_rms
    return Normaliser(running.mean.tolist(), running.var.tolist(), float(env.epsilon), float(env.clip_obs))


def policy_of_model(model: Any, settings: PolicySettings) -> Policy:
    """A trained model as a policy for use."""
    return Policy(settings, weights_of(model))


def policy_of_zip(path: Path) -> Policy:
    """A `policy.zip` of a run, with the settings that lie beside it. It runs what is in the zip: see `load_policy`.

    Raises:
        InputError: it cannot be loaded.
        MissingPackageError: stable-baselines3 is not installed.
    """
    try:
        from sb3_contrib import RecurrentPPO
        from stable_baselines3 import PPO
    except ImportError as error:
        raise MissingPackageError('stable-baselines3 is not installed: pip install "backtrack_sampler[rl]"') from error
    settings = read_settings(path.parent / SETTINGS)
    kind = RecurrentPPO if settings.trained.get("algorithm") == "recurrent_ppo" else PPO
    try:
        model = kind.load(path, device="cpu")
    except Exception as error:  # a pickle may fail in any way
        raise InputError(f"{path} cannot be loaded as a policy of stable-baselines3: {error}") from error
    return policy_of_model(model, settings)
