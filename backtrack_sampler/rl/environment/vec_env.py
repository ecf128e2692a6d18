"""Many environments that are one batch: one forward pass a step for all of them, as stable-baselines3 wants it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...benchmark.tasks import Item
from ...errors import MissingPackageError
from ...provider.base_provider import BaseProvider
from ..judges.base_judge import Judge
from .env import action_space, items_of, observation_space, step_info
from .episode import EpisodeSettings
from .episodes import Episodes

try:
    import numpy as np
    import numpy.typing as npt
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise MissingPackageError('stable-baselines3 is not installed: pip install "backtrack_sampler[rl]"') from error

__all__ = ["BatchVecEnv"]


class BatchVecEnv(VecEnv):  # type: ignore[misc]  # of a library without types
    """n environments on one model. Shuffled, environment i writes what a `BacktrackingEnv` with the seed s + i does.

    Otherwise the environments take turns at the prompts, as they stand.

    Args:
        provider, prompts, judge, settings, shuffle: see `BacktrackingEnv`.
        n_envs: how many.
        seed: of the first; each further one has the next.
    """

    def __init__(
        self,
        provider: BaseProvider,
        prompts: Sequence[str | Item],
        judge: Judge,
        settings: EpisodeSettings | None = None,
        n_envs: int = 16,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self.settings = settings or EpisodeSettings()
        self.episodes = Episodes(provider, items_of(prompts), judge, self.settings, n_envs, seed, shuffle)
        self._actions: list[int] = []
        super().__init__(n_envs, observation_space(self.settings), action_space(self.settings))

    def reset(self) -> npt.NDArray[np.float32]:
        seed = self._seeds[0]
        observations = self.episodes.reset(seed=None if seed is None else int(seed))
        self.reset_infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return np.array(observations, np.float32)

    def step_async(self, actions: npt.NDArray[np.int64]) -> None:
        self._actions = [int(action) for action in actions]

    def step_wait(
        self,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        outcomes = self.episodes.step(self._actions)
        infos = []
        for outcome in outcomes:
            info = step_info(outcome)
            info["TimeLimit.truncated"] = outcome.truncated and not outcome.terminated
            if outcome.is_over and outcome.summary is not None:
                info["terminal_observation"] = np.array(outcome.observation, np.float32)
                info["episode"] = {"r": outcome.summary["reward"], "l": outcome.summary["steps"]}
            infos.append(info)
        seen = [outcome.observation if outcome.first is None else outcome.first for outcome in outcomes]
        return (
            np.array(seen, np.float32),
            np.array([outcome.reward for outcome in outcomes], np.float32),
            np.array([outcome.is_over for outcome in outcomes], bool),
            infos,
        )

    def close(self) -> None:
        """Leave nothing of the texts that are being written."""
        self.episodes.close()

    # -- what single environments would be asked ------------------------------------------------------

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        found = None if attr_name == "render_mode" else getattr(self, attr_name)
        return [found for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise AttributeError(f"environments of one batch have no attributes of their own: {attr_name} cannot be set")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        raise AttributeError(f"environments of one batch have no methods of their own: there is no {method_name}")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        # What Monitor would add to `info`, "episode", is there already.
        return [wrapper_class.__name__ == "Monitor" for _ in self._get_indices(indices)]
