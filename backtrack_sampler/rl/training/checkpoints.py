"""Where a training stands: all that it takes to go on as if nothing had happened.

A checkpoint is taken between two updates. It holds stable-baselines3's own file of the model with its optimiser, the
running mean and variance of observations, the state of every random generator, and of each text in progress its
seed and actions: written once more with these, it is the same text. To load one runs the pickles in it; a
checkpoint is for whoever made it.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...errors import InputError, StorageError

__all__ = ["Checkpoints"]

LAST = "last"
_MODEL, _RUNNING, _STATE, _RANDOM = "model.zip", "running.pkl", "state.json", "random.pkl"


class Checkpoints:
    """Checkpoints of a run: the last one, and some on the way.

    Args:
        folder: theirs.
        every: decisions between two that are kept.
    """

    def __init__(self, folder: str | os.PathLike[str], every: int) -> None:
        self.folder = Path(folder)
        self._every = every

    @property
    def last(self) -> Path | None:
        """The last one; None where there is none."""
        # One that was being put in the place of another when the process ended lies beside it.
        for name in (LAST, f"{LAST}.new", f"{LAST}.old"):
            if (self.folder / name / _STATE).is_file():
                return self.folder / name
        return None

    def save(self, model: Any, env: Any, said: dict[str, Any]) -> Path:
        """Write one.

        Args:
            model: of stable-baselines3.
            env: a `VecNormalize` around the environments.
            said: what else is to be known; JSON.

        Raises:
            StorageError: it cannot be written; the last one is still there.
        """
        new, last, old = (self.folder / name for name in (f"{LAST}.new", LAST, f"{LAST}.old"))
        steps = int(model.num_timesteps)
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            model.save(new / _MODEL)
            (new / _RUNNING).write_bytes(pickle.dumps((env.obs_rms, env.ret_rms, env.returns, _memory(model))))
            (new / _RANDOM).write_bytes(pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state())))
            state = {"steps": steps, "episodes": env.venv.episodes.state(), **said}
            (new / _STATE).write_text(json.dumps(state), encoding="utf-8")  # the last: with it, all is there
            if last.exists():
                shutil.rmtree(old, ignore_errors=True)
                last.rename(old)
            new.rename(last)
            shutil.rmtree(old, ignore_errors=True)
            kept = self.folder / f"{steps // self._every * self._every:09}"
            if steps >= self._every and not kept.exists():
                shutil.copytree(last, kept)
        except OSError as error:
            raise StorageError(
                f"cannot write a checkpoint to {self.folder}: {error.strerror or error}; the one before is kept, and "
                "--resume goes on from there"
            ) from error
        return last

    def load(self, kind: type[Any], env: Any, **changed: Any) -> tuple[Any, dict[str, Any]]:
        """The model of the last one, in an environment as it was then; and what was said.

        Args:
            kind: the class of the model.
            env: a new `VecNormalize`, as when the run began. Its texts are written again up to where they were.
            changed: parameters of the model that may be others than they were.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        folder = self.last
        if folder is None:
            raise InputError(f"there is no checkpoint in {self.folder}: start without --resume")
        try:
            said = json.loads((folder / _STATE).read_text(encoding="utf-8"))
            env.obs_rms, env.ret_rms, env.returns, memory = pickle.loads((folder / _RUNNING).read_bytes())
            seen = env.venv.episodes.restore(said["episodes"])
            model = kind.load(folder / _MODEL, env=env, device="cpu", force_reset=False, **changed)
            ours, numpys, torchs = pickle.loads((folder / _RANDOM).read_bytes())
        except (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(f"the checkpoint {folder} cannot be read: {error}") from error
        # As it was; but where an engine rounds otherwise in another batch, what the texts are now is what counts.
        model._last_obs = env.normalize_obs(np.array(seen, np.float32))
        if memory is not None:  # loading has made it zeros
            model._last_lstm_states = memory
        random.setstate(ours)
        np.random.set_state(numpys)
        torch.set_rng_state(torchs)
        return model, said


def _memory(model: Any) -> Any:
    """What a recurrent policy remembers of the texts in progress."""
    return getattr(model, "_last_lstm_states", None)
