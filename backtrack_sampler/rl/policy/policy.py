"""A trained policy as it is used: weights, what it sees, and what it was trained in; and one call for all who ask.

On disk it is two files, `policy.safetensors` and `policy.json`, which hold numbers and names: to load them runs
nothing of a stranger's, as a pickle would.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError, MissingPackageError
from ...trace.files import write_atomically
from ..features import Features
from .network import Network, State

__all__ = ["Answer", "Normaliser", "Policy", "PolicySettings", "load_policy", "policy_files"]

_FORMAT = 1
WEIGHTS, SETTINGS = "policy.safetensors", "policy.json"


@dataclass(frozen=True)
class Normaliser:
    """How observations are scaled before the network sees them, as `VecNormalize` does.

    Attributes:
        mean, variance: of each number, as they were when training ended.
        epsilon: added to the variance.
        clip: the largest that comes out.
    """

    mean: Sequence[float]
    variance: Sequence[float]
    epsilon: float = 1e-8
    clip: float = 10.0

    def __call__(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        scaled = (observations - np.asarray(self.mean)) / np.sqrt(np.asarray(self.variance) + self.epsilon)
        clipped: npt.NDArray[np.float32] = np.clip(scaled, -self.clip, self.clip).astype(np.float32)
        return clipped


@dataclass(frozen=True)
class PolicySettings:
    """All of a policy but its weights.

    Attributes:
        features: what it sees.
        max_backtrack: most tokens that it takes back at once; one action for each number, and 0.
        activation: of its network; see `network.ACTIVATIONS`.
        normaliser: of observations; None where they are used as they are.
        model: the model that it was trained on: "name", and what else tells it from others.
        retry, max_retries, max_discarded: see `OperatorStrategy`; as in training.
        trained: what else was said of its training, for whoever reads it; JSON.
    """

    features: Features
    max_backtrack: int
    activation: str = "tanh"
    normaliser: Normaliser | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    retry: str = "ban"
    max_retries: int = 10
    max_discarded: int | None = None
    trained: Mapping[str, Any] = field(default_factory=dict)


class Answer:
    """What a policy says to one observation: asked for now, computed together with all others that wait.

    Attributes:
        cancelled: nobody wants it any more.
    """

    def __init__(self, policy: Policy, observation: Sequence[float], state: State | None) -> None:
        self.cancelled = False
        self._policy = policy
        self._observation = observation
        self._state = state
        self._found: tuple[npt.NDArray[np.float32], State | None] | None = None

    def __call__(self) -> tuple[npt.NDArray[np.float32], State | None]:
        """The logits of the actions, shape (actions,), and the state after."""
        if self._found is None:
            self._policy._answer_all(self)
        assert self._found is not None
        return self._found


class Policy:
    """A policy network with all that belongs to it. Streams of a batch share one.

    Args:
        settings: see there.
        weights: see `Network`.

    Attributes:
        settings: as given.
        calls: how often the network was asked; each time for all rows that waited.

    Raises:
        InputError: the network has not the inputs or the actions that the settings say.
    """

    def __init__(self, settings: PolicySettings, weights: Mapping[str, Any]) -> None:
        self.settings = settings
        self.weights = dict(weights)
        self.calls = 0
        self._network = Network(self.weights, settings.activation)
        self._waiting: list[weakref.ref[Answer]] = []
        self._lock = threading.Lock()
        names, actions = settings.features.names, settings.max_backtrack + 1
        if self._network.inputs != len(names):
            raise InputError(
                f"this policy's network has {self._network.inputs} inputs, but its settings name {len(names)} features "
                f"({', '.join(names)}): the two files are not of one policy"
            )
        if self._network.actions != actions:
            raise InputError(
                f"this policy's network has {self._network.actions} actions, but its settings say {actions} "
                f"(max_backtrack {settings.max_backtrack}): the two files are not of one policy"
            )

    @property
    def is_recurrent(self) -> bool:
        """Whether it has a memory of its decisions."""
        return self._network.layers > 0

    def start(self) -> State | None:
        """The state that a stream begins in."""
        return self._network.state()

    def ask(self, observation: Sequence[float], state: State | None) -> Answer:
        """What to do, answered when somebody wants to know, for all who have asked until then in one call.

        Args:
            observation: shape (features,).
            state: shape (layers, 1, units) each; None without an LSTM.
        """
        answer = Answer(self, observation, state)
        with self._lock:
            self._waiting.append(weakref.ref(answer))
        return answer

    def _answer_all(self, wanted: Answer) -> None:
        with self._lock:
            waiting = [each for ref in self._waiting if (each := ref()) is not None and not each.cancelled]
            self._waiting.clear()
            if wanted not in waiting:  # cancelled, and wanted all the same
                waiting.append(wanted)
            observations = np.array([each._observation for each in waiting], np.float32)
            if self.settings.normaliser is not None:
                observations = self.settings.normaliser(observations)
            state = None
            if self.is_recurrent:
                hidden, cell = zip(*(each._state or self._network.state() for each in waiting), strict=True)
                state = np.concatenate(hidden, axis=1), np.concatenate(cell, axis=1)
            logits, after = self._network(observations, state)
            self.calls += 1
            for row, each in enumerate(waiting):
                own = None if after is None else (after[0][:, row : row + 1], after[1][:, row : row + 1])
                each._found = logits[row], own

    # -- files -----------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `policy.safetensors` and `policy.json`; returns the folder."""
        folder = Path(folder)
        tensors = _safetensors()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / f".{WEIGHTS}.{os.urandom(4).hex()}"
            try:
                tensors.save_file({name: np.ascontiguousarray(each) for name, each in self.weights.items()}, temporary)
                temporary.replace(folder / WEIGHTS)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"cannot write the policy to {folder}: {error.strerror or error}") from error
        said = {"format": _FORMAT, **asdict(self.settings)}
        write_atomically(folder / SETTINGS, json.dumps(said, indent=1) + "\n")
        return folder


def load_policy(path: str | os.PathLike[str], *, trust: bool = False) -> Policy:
    """A policy from its files; the same object for all who load it, until the files change.

    Args:
        path: its folder, or one of its two files; or a `policy.zip` of stable-baselines3, beside which
            `policy.json` must lie.
        trust: load the zip. It holds pickles, and to load these runs whatever code whoever made them put there:
            only for files of your own.

    Raises:
        InputError: it is not there, or cannot be used.
        MissingPackageError: safetensors is not installed; stable-baselines3, for a zip.
    """
    weights, settings = policy_files(path)
    if weights.suffix == ".zip":
        if not trust:
            raise InputError(
                f"to load {path} runs code that its maker put there: load the folder with {WEIGHTS} and {SETTINGS} "
                "instead, or pass trust=True if it is your own"
            )
        from .export import policy_of_zip

        return policy_of_zip(weights)
    return _loaded(weights.resolve(), settings.resolve(), (weights.stat().st_mtime_ns, settings.stat().st_mtime_ns))


def policy_files(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Where a policy's weights are, and its settings; see `load_policy`.

    Raises:
        InputError: one of them is not there.
    """
    path = Path(path).expanduser()
    if path.suffix == ".zip":
        files, needed = (path, path.with_name(SETTINGS)), f"the zip, and {SETTINGS} beside it, are needed"
    else:
        folder = path.parent if path.name in (WEIGHTS, SETTINGS) else path
        files, needed = (folder / WEIGHTS, folder / SETTINGS), f"a folder with {WEIGHTS} and {SETTINGS} is needed"
    if not all(file.is_file() for file in files):
        raise InputError(f"there is no policy at {path}: {needed}")
    return files


@lru_cache(16)
def _loaded(weights: Path, settings: Path, _: tuple[int, int]) -> Policy:
    tensors = _safetensors()
    try:
        numbers = tensors.load_file(weights)
    except Exception as error:  # safetensors has its own error, of its Rust half
        raise InputError(f"{weights} cannot be read as safetensors: {error}") from error
    return Policy(read_settings(settings), numbers)


def read_settings(file: Path) -> PolicySettings:
    """What stands in a `policy.json`.

    Raises:
        InputError: it is none, or of a later version.
    """
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        if said.pop("format") != _FORMAT:
            raise InputError(
                f"{file} is of another version of backtrack_sampler: train the policy again, or use that one"
            )
        features = said.pop("features")
        normaliser = said.pop("normaliser")
        return PolicySettings(
            features=Features(tuple(features["names"]), features["max_seq_length"]),
            normaliser=None if normaliser is None else Normaliser(**normaliser),
            **said,
        )
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{file} is no policy's: {type(error).__name__}: {error}") from error


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingPackageError('safetensors is not installed: pip install "backtrack_sampler[rl]"') from error
    return safetensors.numpy
