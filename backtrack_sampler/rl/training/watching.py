"""Looks at a training between two updates: tries the policy, keeps a checkpoint, and stops where numbers are none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback

from ...benchmark.progress import Progress
from ...errors import BacktrackError
from .checkpoints import Checkpoints
from .curves import Curves

__all__ = ["TrainingFailed", "Watching"]


#: What is kept of each text of training, see `Outcome.summary`.
_NUMBERS = ("reward", "score", "kept", "drawn", "rollbacks", "repetition", "truncated")


class TrainingFailed(BacktrackError):
    """The numbers have become nonsense; what was learned before is kept."""


class Watching(BaseCallback):  # type: ignore[misc]  # of a library without types
    """What happens between two updates.

    Args:
        env: the `VecNormalize`.
        checkpoints, curves, progress: what is told.
        every: decisions between two tries.
        attempt: tries the policy as it is now; means by name, see `mean_of`.
        on_best: called where a try was the best until now.
        seconds: that the run has taken before this process.
        best: the best score until now.
        texts: of training that were over since the last try, as a checkpoint has kept them.
    """

    def __init__(
        self,
        env: Any,
        checkpoints: Checkpoints,
        curves: Curves,
        progress: Progress,
        every: int,
        attempt: Callable[[], Mapping[str, float | None]],
        on_best: Callable[[], None],
        seconds: float = 0.0,
        best: float = -math.inf,
        texts: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__()
        self._env, self._checkpoints, self._curves, self._progress = env, checkpoints, curves, progress
        self._every, self._attempt, self._on_best = every, attempt, on_best
        self._seconds, self._started = seconds, time.monotonic()
        self.best = best
        self._texts: list[Mapping[str, Any]] = list(texts)

    @property
    def seconds(self) -> float:
        """That the run has taken, of all its processes."""
        return self._seconds + time.monotonic() - self._started

    def _on_step(self) -> bool:
        self._progress.text(self.training_env.num_envs)
        over = [info["episode_summary"] for info in self.locals["infos"] if "episode_summary" in info]
        self._texts += [{name: each[name] for name in _NUMBERS} for each in over]
        return True

    def _on_rollout_start(self) -> None:
        self.look()

    def _on_training_end(self) -> None:
        self.look(last=True)

    def look(self, last: bool = False) -> None:
        """Between two updates."""
        self.check_numbers()
        steps = int(self.model.num_timesteps)
        known = [int(row["steps"] or 0) for row in self._curves.rows]
        due = (steps // self._every > max(known) // self._every) if known else True
        if (due or last) and steps not in known:
            self._try(steps)
        self._checkpoints.save(
            self.model, self._env, {"seconds": self.seconds, "best": _finite(self.best), "texts": self._texts}
        )

    def _try(self, steps: int) -> None:
        found = self._attempt()
        row = {"steps": float(steps), "seconds": self.seconds, **self._of_training(), **found}
        self._curves.add(row)
        self._texts.clear()
        for name, value in row.items():
            if value is not None and name != "steps":
                self.logger.record(f"look/{name}", value)
        self.logger.dump(steps)
        score = found["score"]
        self._progress.note(
            f"{steps:,} decisions: score {score:.3f}" if score is not None else f"{steps:,} decisions"
        )  # fmt: skip
        if score is not None and score > self.best:
            self.best = score
            self._on_best()

    def _of_training(self) -> dict[str, float | None]:
        found: dict[str, float | None] = {"train_texts": float(len(self._texts))}
        for name in _NUMBERS:
            values = [float(each[name]) for each in self._texts if each[name] is not None]
            found[f"train_{name}"] = sum(values) / len(values) if values else None
        return found

    def check_numbers(self) -> None:
        """Stop where some of them are none.

        Raises:
            TrainingFailed: they are.
        """
        values = [*self.model.policy.state_dict().values(), torch.as_tensor(self._env.obs_rms.mean)]
        if not all(bool(torch.isfinite(each).all()) for each in values):
            raise TrainingFailed(self.about_numbers())

    def about_numbers(self) -> str:
        """What to say where they are none."""
        last = self._checkpoints.last
        kept = f"the last good checkpoint is {last}; " if last is not None else ""
        return (
            f"the policy's numbers are no numbers any more after {self.model.num_timesteps:,} decisions: {kept}"
            "lower training.learning_rate or training.ent_coef, and go on with --resume"
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
