"""Training as one YAML file says it, checked as a whole before a model is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from ...errors import InputError, MissingPackageError

try:
    from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
except ImportError as error:
    raise MissingPackageError('pydantic is not installed: pip install "backtrack_sampler[rl]"') from error

from ...benchmark.config.model_section import ModelSection
from ...benchmark.config.problems import Problem, problems_of, refusal
from ...benchmark.config.sections import Section, or_none, or_nothing, told
from ...benchmark.config.yaml_file import YamlFile, read_yaml
from ...options import SessionOptions
from ..environment.episode import EpisodeSettings
from ..environment.rewards import Shaping
from ..features import DEFAULT_FEATURES, Features
from ..judges.from_config import JudgeSection

__all__ = ["RlConfig", "read_config"]

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def _features(names: list[str]) -> list[str]:
    with told():
        Features(tuple(names))
    return names


class EnvSection(Section):
    """What an episode is; see `EpisodeSettings`.

    Attributes:
        max_backtrack: most tokens that one decision takes back.
        max_seq_length: most tokens of a text.
        features: what the policy sees, see `Features`.
        dense_every: judge partial texts each time that they have grown by so many tokens.
        budget: tokens that may be taken back in one text before it is cut off.
        max_retries: rollbacks to the same place.
        temperature, top_k, top_p, min_p: how tokens are drawn.
    """

    max_backtrack: Annotated[int, Field(ge=1, le=64)] = 5
    max_seq_length: Count = 128
    features: Annotated[list[str], BeforeValidator(or_none), AfterValidator(_features)] = list(DEFAULT_FEATURES)
    dense_every: Count | None = None
    budget: Count | None = None
    max_retries: Count = 10
    temperature: Annotated[float, Field(gt=0)] = 1.0
    top_k: Annotated[int, Field(ge=0)] | None = 50
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    min_p: Share | None = None


class ShapingSection(Section):
    """Small rewards and penalties, in units of the judge's full score; see `Shaping`."""

    backtrack_action_penalty: Annotated[float, Field(ge=0)] = 0.0
    backtrack_token_penalty: Annotated[float, Field(ge=0)] = 0.0
    repetition_penalty_weight: Annotated[float, Field(ge=0)] = 0.0
    high_confidence_reward: Annotated[float, Field(ge=0)] = 0.0
    high_confidence_threshold: Share = 0.9
    cut_off_penalty: Annotated[float, Field(ge=0)] = 1.0


class TrainingSection(Section):
    """How the policy is trained; names and defaults are those of stable-baselines3, where nothing else is said.

    Attributes:
        total_timesteps: decisions, of all environments together.
        algorithm: "ppo", with an `MlpPolicy`; "recurrent_ppo", with an `MlpLstmPolicy`, which remembers its decisions.
        n_envs: texts that are written at once.
        n_steps: decisions in each of them between two updates.
        normalize: scale observations by their running mean and variance.
        net_arch: units of each hidden layer.
        lstm_hidden_size: units of the LSTM.
        keep_probability: how probable it is at the beginning that a token is kept: all actions alike would take back
            most of what is written, and few texts would ever be judged.
        seed: of everything; the same seed, the same run on one machine.
        checkpoint_every: decisions between two checkpoints that are kept; the last one is always there.
        evaluate_every: decisions between two looks at prompts that are not trained on; None: twenty looks.
        held_out: share of the prompts that is not trained on, where there are at least five.
        evaluation_prompts: most of these.
        items: most items that are taken of a judge's task, where there are no prompts.
        cache_gib: memory for what the model has said already, in GiB; 0 for none.
    """

    total_timesteps: Count = 10_000
    algorithm: Literal["ppo", "recurrent_ppo"] = "ppo"
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    n_envs: Count = 16
    n_steps: Annotated[int, Field(ge=2)] = 64
    batch_size: Annotated[int, Field(ge=2)] = 256
    n_epochs: Count = 10
    gamma: Share = 1.0
    gae_lambda: Share = 0.95
    clip_range: Annotated[float, Field(gt=0)] = 0.2
    ent_coef: Annotated[float, Field(ge=0)] = 0.01
    vf_coef: Annotated[float, Field(ge=0)] = 0.5
    max_grad_norm: Annotated[float, Field(gt=0)] = 0.5
    normalize: bool = True
    net_arch: Annotated[list[Count], BeforeValidator(or_none)] = [64, 64]
    lstm_hidden_size: Count = 64
    keep_probability: Annotated[float, Field(gt=0, lt=1)] = 0.9
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    checkpoint_every: Count = 10_000
    evaluate_every: Count | None = None
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.2
    evaluation_prompts: Count = 32
    items: Count = 1000
    cache_gib: Annotated[float, Field(ge=0)] = 1.0


class RlConfig(ModelSection):
    """All that a training depends on; `read_config` makes it.

    Attributes:
        output_dir: the folder of the run.
        judge: what a text is worth, see `JudgeSection`.
        checker: another judge that is only looked at, on prompts that are not trained on; None: the heuristic.
        env, training, shaping: see there.
    """

    output_dir: str = "rl_output"
    judge: Annotated[JudgeSection, BeforeValidator(or_nothing)] = JudgeSection()
    checker: JudgeSection | None = None
    env: Annotated[EnvSection, BeforeValidator(or_nothing)] = EnvSection()
    training: Annotated[TrainingSection, BeforeValidator(or_nothing)] = TrainingSection()
    shaping: Annotated[ShapingSection, BeforeValidator(or_nothing)] = ShapingSection()

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return Path(self.output_dir).expanduser()

    def episodes(self) -> EpisodeSettings:
        """What an episode is."""
        env = self.env
        return EpisodeSettings(
            Features(tuple(env.features), env.max_seq_length), env.max_backtrack, env.max_seq_length,
            SessionOptions(temperature=env.temperature, top_k=env.top_k, top_p=env.top_p, min_p=env.min_p),
            Shaping(**self.shaping.model_dump()), env.dense_every, env.budget, max_retries=env.max_retries,
        )  # fmt: skip


def read_config(source: str | os.PathLike[str] | Mapping[str, Any]) -> RlConfig:
    """Read a YAML file, or take what one would say, and check all of it.

    Raises:
        InputError: with every error, each with its line and its place in the file; see `read_experiment`.
    """
    if isinstance(source, Mapping):
        file = YamlFile("the configuration", dict(source))
    else:
        file = read_yaml(source, "such as training: {total_timesteps: 10000}")
    data = file.data if file.data is not None else {}
    if not isinstance(data, dict):
        raise InputError(f"{file.name} must be keys and values, such as training: {{total_timesteps: 10000}}")
    _check_indented(data, file)
    problems = [Problem(place, "is there twice: leave one out", line) for place, line in file.repeated]
    try:
        config = RlConfig.model_validate(data)
    except ValidationError as error:
        raise refusal([*problems, *problems_of(error, data, RlConfig, {})], file) from None
    if problems:
        raise refusal(problems, file)
    return config


def _check_indented(data: Mapping[Any, Any], file: YamlFile) -> None:
    """Refuse a file all of whose lines begin at the left: each key would be an error, and there is one mistake."""
    sections: dict[str, type[Section]] = {
        "judge": JudgeSection, "checker": JudgeSection, "env": EnvSection, "training": TrainingSection,
        "shaping": ShapingSection,
    }  # fmt: skip
    for name, section in sections.items():
        beside = [key for key in data if key in section.model_fields and key not in RlConfig.model_fields]
        if name in data and data[name] is None and beside:
            said = (
                f"has nothing in it, and {beside[0]} stands at the beginning of a line: what belongs to a section must "
                f"be indented below it, such as {name}: and then, two spaces to the right, {beside[0]}: ..."
            )
            raise refusal([Problem((name,), said)], file)
