"""Train a policy: proximal policy optimisation (Schulman et al., 2017), by stable-baselines3 and sb3-contrib."""

from __future__ import annotations

import importlib.metadata
import json
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...benchmark.config.yaml_file import dump_yaml, read_yaml
from ...benchmark.fingerprint import describe_model
from ...benchmark.logit_cache import LogitCache
from ...benchmark.private import public
from ...benchmark.progress import Progress
from ...benchmark.tasks import Item
from ...errors import InputError, MissingPackageError
from ...provider.base_provider import BaseProvider
from ...trace.files import write_atomically
from ..environment.env import items_of, items_of_task
from ..environment.episode import EpisodeSettings
from ..environment.vec_env import BatchVecEnv
from ..evaluation.judged_task import PROMPTS, write_prompts
from ..judges.base_judge import Judge
from ..judges.from_config import JudgeSection, make_judge
from ..policy.export import normaliser_of, policy_of_model
from ..policy.policy import SETTINGS, Policy, PolicySettings
from .checkpoints import Checkpoints
from .config import RlConfig, TrainingSection
from .curves import Curves
from .page import page
from .splitting import split
from .trying import mean_of, try_policy

try:
    import numpy as np
    import torch
    from sb3_contrib import RecurrentPPO
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import configure
    from stable_baselines3.common.vec_env import VecNormalize
except ImportError as error:
    raise MissingPackageError('stable-baselines3 is not installed: pip install "backtrack_sampler[rl]"') from error

from .watching import TrainingFailed, Watching

__all__ = ["Run", "train"]

_CONFIG, _COMMAND, _PAGE, _NEVER = "config.yml", "command.txt", "training.html", "never.json"
_LOOKS = 20
_GIB = 1 << 30
#: What may be another when a run is gone on with: how long it is, what only those who look notice, and what helps
#: where the numbers were none any more. Of judges: how they are asked, and not what.
_MAY_CHANGE = {
    "training": {
        "total_timesteps", "checkpoint_every", "evaluate_every", "cache_gib", "learning_rate", "ent_coef",
    },
    "judge": {"base_url", "timeout", "max_retries", "concurrency", "max_calls"},
}  # fmt: skip


def train(
    config: RlConfig,
    prompts: Sequence[str | Item] | None,
    provider: BaseProvider | Callable[[], BaseProvider],
    *,
    resume: bool = False,
    shuffle: bool = False,
    progress: Progress | None = None,
    judge: Judge | None = None,
    settings: EpisodeSettings | None = None,
    allow_code_execution: bool = False,
) -> Path:
    """Train a policy, and write all that it takes to use it and to go on with it to the run's folder.

    Args:
        config: see `read_config`.
        prompts: what is written; None: the items of the judge's task.
        provider: the model; or what loads it, called when all that needs no model has been checked.
        resume: go on with the run that is in the folder.
        shuffle: prompts in an order that follows from the seed; otherwise as they stand.
        progress: shows how far it is.
        judge: in the place of that of the configuration.
        settings: in the place of those of the configuration.
        allow_code_execution: let the judge's task run what the model has written; see `find_task`.

    Returns:
        The folder of the run: `policy.safetensors` and `policy.json` for use, `policy.zip` and `vecnormalize.pkl` to
        go on with it, `best_model/` (the same four, as they were when it scored best on prompts that were not trained
        on), `checkpoints/`, `curves.csv`, `training.html`, `tensorboard/`, `config.yml` and `command.txt`.

    Raises:
        InputError: something cannot be used.
        JudgeError: the judge cannot be asked: `resume` goes on where it was.
        TrainingFailed: the numbers have become nonsense.
    """
    run = Run(config, prompts, provider, resume, shuffle, progress or Progress(), judge, settings, allow_code_execution)
    try:
        return run.run()
    finally:
        run.close()


class Run:
    """One process of a training; see `train`."""

    def __init__(
        self,
        config: RlConfig,
        prompts: Sequence[str | Item] | None,
        provider: BaseProvider | Callable[[], BaseProvider],
        resume: bool,
        shuffle: bool,
        progress: Progress,
        judge: Judge | None = None,
        settings: EpisodeSettings | None = None,
        allow_code_execution: bool = False,
    ) -> None:
        asked = config.training
        self._config, self._progress = config, progress
        self.folder = config.folder
        self._checkpoints = Checkpoints(self.folder / "checkpoints", asked.checkpoint_every)
        # What has ended before its first checkpoint has learned nothing: it may begin anew, also as another run.
        there = (self.folder / _CONFIG).is_file()
        begun = self._checkpoints.last is not None or (self.folder / SETTINGS).is_file()
        if there and begun and not resume:
            raise InputError(
                f"{self.folder} has a run already: go on with it with --resume, or name another output_dir"
            )
        if resume and not there:
            raise InputError(f"there is no run in {self.folder} to go on with: start without --resume")
        self._in_python = {"judge": judge, "settings": settings}
        self._settings = settings or config.episodes()
        self._train, self._held_out = split(_items(config, prompts), asked.held_out, asked.evaluation_prompts)
        self._shuffle = shuffle
        self._resume = resume and begun
        self._before = read_yaml(self.folder / _CONFIG).data if self._resume else {}
        if self._resume:
            self._check_same()
        self._given, self._load, self._allowed = judge, provider, allow_code_execution
        self._judges: list[Judge] = []

    def close(self) -> None:
        """Let go of the judges."""
        for each in self._judges:
            each.close()

    def _prepare(self) -> None:
        """Ask the judges whether they are there, and load the model: those that need none first."""
        _made(self.folder)
        config = self._config
        sections = {"judge": config.judge}
        if config.checker is not None or self._given is not None or not config.judge.asks_writer:
            sections["checker"] = config.checker or JudgeSection(kind="heuristic")  # beside itself it would say nothing
        found: dict[str, Judge] = {} if self._given is None else {"judge": self._given}
        self._judges += found.values()
        for name, section in sections.items():
            if name not in found and not section.asks_writer:
                found[name] = self._make(section, name, None)
        for each in found.values():
            each.check()
        provider = self._load if isinstance(self._load, BaseProvider) else self._load()
        cache = int(config.training.cache_gib * _GIB)
        self._provider = LogitCache(provider, cache) if cache else provider
        described = describe_model(provider, config.model_name_or_path, config.model_options())
        self._model_named = {name: described[name] for name in ("name", "engine", "sha256")}
        self._check_same_model()
        for name, section in sections.items():
            if name not in found:
                found[name] = self._make(section, name, self._provider)
                found[name].check()
        self._judge, self._checker = found["judge"], found.get("checker")

    def _make(self, section: JudgeSection, name: str, provider: BaseProvider | None) -> Judge:
        cache = self.folder / f"{name}_cache.sqlite"
        self._judges.append(make_judge(section, provider, cache, self._allowed))
        return self._judges[-1]

    def run(self) -> Path:
        """Do it all."""
        asked = self._config.training
        self._prepare()
        self._write_config()
        write_atomically(self.folder / PROMPTS, write_prompts(self._train, self._held_out))
        torch.manual_seed(asked.seed)
        np.random.seed(asked.seed)
        inner = BatchVecEnv(
            self._provider, self._train, self._judge, self._settings, asked.n_envs, asked.seed, self._shuffle
        )
        env = VecNormalize(inner, norm_obs=asked.normalize, norm_reward=False)
        try:
            curves = Curves(self.folder / "curves.csv")
            said: dict[str, Any] = {}
            if self._resume:
                model, said = self._checkpoints.load(
                    _kind(asked), env, learning_rate=asked.learning_rate, ent_coef=asked.ent_coef
                )
            else:
                model = _new_model(asked, env)
                (self.folder / _NEVER).unlink(missing_ok=True)
            curves.forget_after(said.get("steps", -1))
            model.set_logger(configure(str(self.folder / "tensorboard"), ["tensorboard"]))
            best = said.get("best")
            every = asked.evaluate_every or max(1, asked.total_timesteps // _LOOKS)
            watching = Watching(
                env, self._checkpoints, curves, self._progress, every,
                lambda: self._try(model, env), lambda: self._save_best(model, env), said.get("seconds", 0.0),
                -math.inf if best is None else best, said.get("texts", ()),
            )  # fmt: skip
            self._compare()
            self._progress.plan(asked.total_timesteps, int(model.num_timesteps))
            left = asked.total_timesteps - int(model.num_timesteps)
            if left > 0:
                _learn(model, left, watching)
            self._finish(model, env, curves)
        finally:
            env.close()
        return self.folder

    # -- on the way --------------------------------------------------------------------------------

    def _policy(self, model: Any, env: Any) -> Policy:
        settings, asked = self._settings, self._config.training
        return policy_of_model(
            model,
            PolicySettings(
                settings.features, settings.max_backtrack, "tanh", normaliser_of(env), self._model_named,
                settings.retry, settings.max_retries, settings.most_discarded,
                {name: getattr(settings.options, name) for name in ("temperature", "top_k", "top_p", "min_p")},
                {
                    "algorithm": asked.algorithm, "steps": int(model.num_timesteps), "seed": asked.seed,
                    "judge": self._judge.name,
                },
            ),
        )  # fmt: skip

    def _try(self, model: Any, env: Any) -> dict[str, float | None]:
        return self._tried(self._policy(model, env))

    def _tried(self, policy: Policy | None) -> dict[str, float | None]:
        asked = self._config.training
        return mean_of(
            try_policy(
                self._provider, self._held_out, policy, self._settings, self._judge, self._checker, seed=asked.seed,
                max_batch=asked.n_envs,
            )
        )  # fmt: skip

    def _compare(self) -> None:
        """What never going back is worth on the same prompts with the same seeds: a line in all pictures."""
        file = self.folder / _NEVER
        if file.is_file():
            return
        write_atomically(file, json.dumps(self._tried(None), indent=1) + "\n")

    def _save_best(self, model: Any, env: Any) -> None:
        self._save(model, env, self.folder / "best_model")

    def _finish(self, model: Any, env: Any, curves: Curves) -> None:
        self._save(model, env, self.folder)
        self._write_page(curves)

    def _save(self, model: Any, env: Any, folder: Path) -> None:
        """For use, and to go on with."""
        self._policy(model, env).save(folder)
        model.save(folder / "policy.zip")
        env.save(str(folder / "vecnormalize.pkl"))

    def _write_page(self, curves: Curves) -> None:
        never = json.loads((self.folder / _NEVER).read_text(encoding="utf-8"))
        about = {
            "model": self._model_named["name"], "judge": self._judge.name,
            "other judge": "none" if self._checker is None else self._checker.name,
            "algorithm": self._config.training.algorithm, "prompts": len(self._train), "held out": len(self._held_out),
            "same prompts": self._train[0] is self._held_out[0], **self._judge.report(),
        }  # fmt: skip
        write_atomically(self.folder / _PAGE, page(curves, never, about))

    # -- the folder ----------------------------------------------------------------------------------

    def _said(self) -> dict[str, Any]:
        said = self._config.model_dump(mode="json", exclude={"judge": {"api_key"}, "checker": {"api_key"}})
        said["model_kwargs"] = public(said["model_kwargs"])
        given = [name for name, value in self._in_python.items() if value is not None]
        return {**said, "shuffle_prompts": self._shuffle, **({"given_in_python": given} if given else {})}

    def _check_same(self) -> None:
        """A run goes on as what it was; it may only be made longer."""
        before, now = self._before, self._said()
        if not isinstance(before, dict):
            raise InputError(f"{self.folder / _CONFIG} is no run's configuration any more: name another output_dir")
        if (shuffled := before.get("shuffle_prompts", self._shuffle)) != self._shuffle:
            with_or_without = "with" if shuffled else "without"
            raise InputError(f"this run was begun {with_or_without} --shuffle-prompts: go on {with_or_without} it")
        for section in ("env", "shaping", "training", "judge"):
            old = before.get(section) or {}
            for name, value in now[section].items():
                if value != old.get(name) and name not in _MAY_CHANGE.get(section, ()):
                    raise InputError(
                        f"this run was begun with {section}.{name} {old.get(name)!r}, and now it is {value!r}: go on "
                        "with what it was, or name another output_dir"
                    )
        file = self.folder / PROMPTS
        if file.is_file() and file.read_text(encoding="utf-8") != write_prompts(self._train, self._held_out):
            raise InputError(
                "this run was begun with other prompts, or in another order: go on with those, or name another "
                "output_dir"
            )

    def _check_same_model(self) -> None:
        before, now = self._before.get("model"), self._model_named
        if isinstance(before, dict) and before != now:
            old, new = (f"{each.get('name')} ({each.get('engine')}, {each.get('sha256'):.8})" for each in (before, now))
            raise InputError(
                f"this run was begun on the model {old}, and now it is {new}: go on with the one it was, or name "
                "another output_dir"
            )

    def _write_config(self) -> None:
        versions = {name: importlib.metadata.version(name) for name in ("stable-baselines3", "sb3-contrib", "torch")}
        said = {**self._said(), "versions": versions, "model": self._model_named}
        write_atomically(self.folder / _CONFIG, dump_yaml(said))
        with (self.folder / _COMMAND).open("a", encoding="utf-8") as file:
            file.write(shlex.join(sys.argv) + "\n")


def _learn(model: Any, steps: int, watching: Watching) -> None:
    try:
        model.learn(steps, watching, reset_num_timesteps=False)
    except ValueError as error:  # torch looks at each distribution, in the middle of an update
        watching.check_numbers()
        if "Expected parameter" not in str(error):
            raise
        raise TrainingFailed(watching.about_numbers()) from error


def _kind(asked: TrainingSection) -> type[Any]:
    kind: type[Any] = RecurrentPPO if asked.algorithm == "recurrent_ppo" else PPO
    return kind


def _new_model(asked: TrainingSection, env: Any) -> Any:
    recurrent = asked.algorithm == "recurrent_ppo"
    network: dict[str, Any] = {"net_arch": {"pi": asked.net_arch, "vf": asked.net_arch}}
    if recurrent:
        network["lstm_hidden_size"] = asked.lstm_hidden_size
    model = _kind(asked)(
        "MlpLstmPolicy" if recurrent else "MlpPolicy", env, seed=asked.seed, device="cpu", policy_kwargs=network,
        learning_rate=asked.learning_rate, n_steps=asked.n_steps, n_epochs=asked.n_epochs,
        batch_size=min(asked.batch_size, asked.n_steps * asked.n_envs), gamma=asked.gamma, gae_lambda=asked.gae_lambda,
        clip_range=asked.clip_range, ent_coef=asked.ent_coef, vf_coef=asked.vf_coef, max_grad_norm=asked.max_grad_norm,
    )  # fmt: skip
    others = int(env.action_space.n) - 1
    with torch.no_grad():
        model.policy.action_net.bias[0] = math.log(asked.keep_probability * others / (1 - asked.keep_probability))
    return model


def _items(config: RlConfig, prompts: Sequence[str | Item] | None) -> list[Item]:
    if prompts is not None:
        return items_of(prompts)
    if config.judge.task is None:
        raise InputError("there is nothing to write: give prompts, or a judge that is a task")
    return items_of_task(config.judge.task, config.training.items)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}") from error
