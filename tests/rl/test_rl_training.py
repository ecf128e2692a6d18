"""Training a policy: what is left of a run, and that it goes on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policies import CountingJudge
from safetensors.numpy import load_file
from test_episodes import model

from backtrack_sampler import BacktrackSampler, InputError
from backtrack_sampler.benchmark.config.yaml_file import read_yaml
from backtrack_sampler.rl import RlPolicyStrategy, read_config, train
from backtrack_sampler.rl.evaluation.evaluate import run_of
from backtrack_sampler.rl.judges.base_judge import Answer, JudgeError
from backtrack_sampler.rl.training.curves import Curves
from backtrack_sampler.rl.training.page import page, warnings_of
from backtrack_sampler.rl.training.watching import TrainingFailed

PROMPTS = ["a b", "b", "c c", "ab", "ba", "a a"]


def config(folder: Path, steps: int = 128, algorithm: str = "ppo", **more: Any) -> Any:
    return read_config({
        "output_dir": str(folder), "env": {"max_backtrack": 2, "max_seq_length": 6},
        "training": {
            "total_timesteps": steps, "algorithm": algorithm, "n_envs": 4, "n_steps": 8, "batch_size": 16, "n_epochs": 1,
            "net_arch": [8], "lstm_hidden_size": 6, "checkpoint_every": 64, "evaluate_every": 64, **more,
        },
    })  # fmt: skip


class Dying(CountingJudge):
    """Is there for so many texts."""

    def __init__(self, texts: int) -> None:
        super().__init__()
        self.left = texts

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        self.left -= len(answers)
        if self.left < 0:
            raise JudgeError("the judge is down: start it, and go on with --resume")
        return super().scores(answers)


def test_a_run_leaves_what_it_takes_to_use_it_and_to_go_on(tmp_path: Path) -> None:
    """The files that are named, and a policy that writes."""
    folder = train(config(tmp_path / "run"), PROMPTS, model(), judge=CountingJudge())
    there = {each.name for each in folder.iterdir()}
    assert there >= {
        "config.yml", "command.txt", "policy.zip", "policy.safetensors", "policy.json", "best_model",
        "vecnormalize.pkl", "checkpoints", "tensorboard", "curves.csv", "training.html", "prompts.json",
    }  # fmt: skip
    assert {each.name for each in (folder / "checkpoints").iterdir()} == {"last", "000000064", "000000128"}
    rows = Curves(folder / "curves.csv").rows
    assert [row["steps"] for row in rows] == [0, 64, 128]
    assert all(row["score"] is not None and row["checked"] is not None for row in rows)
    page = (folder / "training.html").read_text()
    assert page.count("<svg") == 8
    stream = BacktrackSampler(model(), RlPolicyStrategy(None, folder)).stream("a b", max_new_tokens=8, seed=1)
    list(stream)
    assert stream.stats.drawn >= 5
    assert json.loads((folder / "policy.json").read_text())["trained"]["steps"] == 128


@pytest.mark.parametrize("algorithm", ["ppo", "recurrent_ppo"])
def test_a_run_that_was_broken_off_goes_on_as_if_nothing_had_happened(tmp_path: Path, algorithm: str) -> None:
    """The judge goes down in the middle; gone on with, the weights are those of a run that nobody disturbed."""
    whole = train(config(tmp_path / "whole", 192, algorithm), PROMPTS, model(), judge=CountingJudge(), shuffle=True)
    with pytest.raises(JudgeError, match="--resume"):
        train(config(tmp_path / "broken", 192, algorithm), PROMPTS, model(), judge=Dying(9), shuffle=True)
    assert not (tmp_path / "broken" / "policy.zip").exists()
    again = train(
        config(tmp_path / "broken", 192, algorithm), PROMPTS, model(), judge=CountingJudge(), shuffle=True, resume=True
    )
    one, other = (load_file(folder / "policy.safetensors") for folder in (whole, again))
    assert {name: each.tobytes() for name, each in one.items()} == {
        name: each.tobytes() for name, each in other.items()
    }
    first, second = (Curves(folder / "curves.csv").rows for folder in (whole, again))
    assert [row["score"] for row in first] == [row["score"] for row in second]


def test_a_run_can_be_made_longer(tmp_path: Path) -> None:
    """More decisions than it was begun with; but not with other settings."""
    train(config(tmp_path / "run", 64), PROMPTS, model(), judge=CountingJudge())
    folder = train(config(tmp_path / "run", 128), PROMPTS, model(), judge=CountingJudge(), resume=True)
    assert json.loads((folder / "policy.json").read_text())["trained"]["steps"] == 128
    with pytest.raises(InputError, match=r"begun with training.net_arch \[8\], and now it is \[9\]"):
        train(config(tmp_path / "run", 128, net_arch=[9]), PROMPTS, model(), judge=CountingJudge(), resume=True)
    with pytest.raises(InputError, match="has a run already: go on with it with --resume"):
        train(config(tmp_path / "run"), PROMPTS, model(), judge=CountingJudge())
    with pytest.raises(InputError, match="there is no run in .* to go on with"):
        train(config(tmp_path / "nothing"), PROMPTS, model(), judge=CountingJudge(), resume=True)


def test_numbers_that_are_none_stop_it(tmp_path: Path) -> None:
    """A NaN: the last good checkpoint is kept, and named."""
    with pytest.raises(TrainingFailed, match="the last good checkpoint is .*last; lower training.learning_rate"):
        train(config(tmp_path / "run", 512, learning_rate=1e30), PROMPTS, model(), judge=CountingJudge())
    state = json.loads((tmp_path / "run" / "checkpoints" / "last" / "state.json").read_text())
    assert state["steps"] >= 0


def test_a_judge_that_rewards_length_is_visible(tmp_path: Path) -> None:
    """Where its score has risen with the length, and another judge's has fallen, the page says so."""
    curves = Curves(tmp_path / "curves.csv")
    base = dict.fromkeys(("score", "checked", "kept", "drawn", "rollbacks", "repetition"), 0.5)
    curves.add({"steps": 100.0, **base, "score": 0.9, "checked": 0.3, "kept": 1.0})
    said = warnings_of(curves, base)
    assert any("the other judge's has fallen" in each for each in said)
    assert any("the length has risen" in each for each in said)
    assert warnings_of(curves, base | {"score": 0.9}) == []


def test_the_seeds_configuration_is_accepted(tmp_path: Path) -> None:
    """As backtracking-llm prints it; a model of a hub is not looked for before it is loaded."""
    said = read_config({
        "model_name_or_path": "Qwen/Qwen2.5-0.5B-Instruct", "output_dir": "rl_output", "device": "cuda",
        "judge": {"model": "gpt-4-turbo-preview", "api_key": "sk-..."}, "env": {"max_backtrack": 5, "max_seq_length": 128},
        "training": {"total_timesteps": 10000, "learning_rate": 0.0003},
        "shaping": {"backtrack_action_penalty": 0.05, "repetition_penalty_weight": 0.1},
    })  # fmt: skip
    assert (said.env.max_backtrack, said.shaping.repetition_penalty_weight) == (5, 0.1)
    assert np.isclose(said.training.learning_rate, 3e-4)
    with pytest.raises(InputError) as error:
        read_config({"training": {"total_timestep": 3}, "env": {"features": ["nose"]}, "shapping": {}})
    assert len(error.value.__notes__) == 3


def test_it_begins_by_keeping_nearly_everything(tmp_path: Path) -> None:
    """With the probability that it was told, whatever is seen; so texts come to their ends and are judged."""
    from backtrack_sampler.rl.environment.vec_env import BatchVecEnv
    from backtrack_sampler.rl.training.train import _new_model

    said = config(tmp_path / "run", keep_probability=0.95)
    env = BatchVecEnv(model(), PROMPTS, CountingJudge(), said.episodes(), 4)
    learner = _new_model(said.training, env)
    shares = learner.policy.get_distribution(learner.policy.obs_to_tensor(env.reset())[0]).distribution.probs
    assert shares[:, 0].tolist() == pytest.approx([0.95] * 4, abs=0.01)


def test_texts_that_were_cut_off_are_visible(tmp_path: Path) -> None:
    """Their share is plotted, and said where it is large: scores are those of the others."""
    curves = Curves(tmp_path / "curves.csv")
    base = dict.fromkeys(("score", "checked", "kept", "drawn", "rollbacks", "repetition"), 0.5)
    curves.add({"steps": 100.0, **base, "train_truncated": 0.01})
    assert warnings_of(curves, base) == []
    curves.add({"steps": 200.0, **base, "train_truncated": 0.25})
    assert any(each.startswith("25% of the texts of training were cut off") for each in warnings_of(curves, base))
    assert "share of texts cut off" in page(curves, base, {})


def test_a_judge_from_python_is_not_forgotten(tmp_path: Path) -> None:
    """The configuration does not know it: eval-rl says so, and does not ask another one."""
    folder = train(config(tmp_path / "run", 64), PROMPTS, model(), judge=CountingJudge())
    with pytest.raises(InputError, match=r"had its judge given in Python.*backtrack-sampler benchmark"):
        run_of(folder)


def test_tokens_of_a_hub_are_written_nowhere(tmp_path: Path) -> None:
    """What is secret among the options of a model is left out of the run's configuration."""
    said = config(tmp_path / "run", 64).model_copy(update={"model_kwargs": {"token": "hf_secret", "context": 64}})
    folder = train(said, PROMPTS, model(), judge=CountingJudge())
    assert not any(b"hf_secret" in file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert read_yaml(folder / "config.yml").data["model_kwargs"] == {"context": 64}


def test_the_heuristic_beside_itself_says_nothing(tmp_path: Path) -> None:
    """Without a judge of one's own there is no other judge, and the page says how to have one."""
    folder = train(config(tmp_path / "run", 64), PROMPTS, model())
    assert all(row["checked"] is None for row in Curves(folder / "curves.csv").rows)
    assert "no other judge beside the heuristic" in (folder / "training.html").read_text()
