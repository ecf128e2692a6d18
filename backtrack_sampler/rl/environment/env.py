"""Going back as a gymnasium environment: one text an episode, one token a step."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, SupportsFloat

from ...benchmark.tasks import DEVELOPMENT, Item
from ...benchmark.tasks.find import find_task
from ...errors import MissingPackageError
from ...provider.base_provider import BaseProvider
from ..judges.base_judge import Judge
from .episode import EpisodeSettings
from .episodes import Episodes, Outcome

try:
    import gymnasium
    import numpy as np
    import numpy.typing as npt
    from gymnasium import spaces
except ImportError as error:
    raise MissingPackageError('gymnasium is not installed: pip install "backtrack_sampler[rl]"') from error

__all__ = ["BacktrackingEnv", "action_space", "items_of", "items_of_task", "observation_space", "step_info"]

Observation = npt.NDArray[np.float32]


def observation_space(settings: EpisodeSettings) -> spaces.Box:
    """Numbers from 0 to 1: see `Features`."""
    return spaces.Box(0.0, 1.0, (len(settings.features.names),), np.float32)


def action_space(settings: EpisodeSettings) -> spaces.Discrete:
    """How many tokens to take back, from 0."""
    return spaces.Discrete(settings.max_backtrack + 1)


def items_of(prompts: Sequence[str | Item]) -> list[Item]:
    """Prompts as items, numbered where they are no items yet."""
    return [each if isinstance(each, Item) else Item(str(number), each) for number, each in enumerate(prompts)]


def items_of_task(name: str, limit: int | None = None) -> list[Item]:
    """The development split of a task of the benchmark suite, each item with what ends its answer."""
    task = find_task(name, allow_code_execution=True)  # nothing is run by reading them
    ends = {"max_new_tokens": task.max_new_tokens, "stop": list(task.stop)}
    return [replace(item, options={**ends, **item.options}) for item in task.items(DEVELOPMENT, limit)]


def step_info(outcome: Outcome) -> dict[str, Any]:
    """What an environment says besides observation and reward.

    "taken_back": tokens; "clipped": how many more the action had asked for. At the end of an episode also
    "episode_summary", see `Outcome.summary`.
    """
    info: dict[str, Any] = {"taken_back": outcome.taken_back, "clipped": outcome.clipped}
    if outcome.summary is not None:
        info["episode_summary"] = outcome.summary
    return info


class BacktrackingEnv(gymnasium.Env[Observation, int]):  # type: ignore[misc]  # of a library that mypy skips
    """One text an episode: see which token was drawn, and say how many to take back.

    An action of k takes k tokens back, counting the one drawn last, and bans the first of them in its place; then the
    next token is drawn. 0 keeps it. More than can be undone is clipped, and `info` says so.

    Args:
        provider: the model.
        prompts: texts or items of a task.
        judge: gives what a text is worth, from 0 to 1.
        settings: what an episode is, and how it is rewarded.
        shuffle: see `Episodes`.
    """

    metadata = {"render_modes": ["ansi"]}

    def __init__(
        self,
        provider: BaseProvider,
        prompts: Sequence[str | Item],
        judge: Judge,
        settings: EpisodeSettings | None = None,
        shuffle: bool = True,
        render_mode: str | None = None,
    ) -> None:
        self.settings = settings or EpisodeSettings()
        self.observation_space = observation_space(self.settings)
        self.action_space = action_space(self.settings)
        self.render_mode = render_mode
        seed = random.SystemRandom().getrandbits(31)
        self._episodes = Episodes(provider, items_of(prompts), judge, self.settings, 1, seed, shuffle, restart=False)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        (observation,) = self._episodes.reset(seed=seed)
        return np.array(observation, np.float32), {"item": self._episodes.items[0].id}

    def step(self, action: int) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        (outcome,) = self._episodes.step([int(action)])
        observation = np.array(outcome.observation, np.float32)
        return observation, outcome.reward, outcome.terminated, outcome.truncated, step_info(outcome)

    def render(self) -> str | None:
        """The text as it is now."""
        return self._episodes.texts[0] if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Leave nothing of the text that is being written."""
        self._episodes.close()

    def state(self) -> list[dict[str, Any]]:
        """See `Episodes.state`."""
        return self._episodes.state()
