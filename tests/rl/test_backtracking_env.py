"""The environments, as gymnasium and stable-baselines3 want them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.utils.env_checker import check_env
from policies import CountingJudge
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines3
from stable_baselines3.common.vec_env import DummyVecEnv
from test_episodes import model, settings

from backtrack_sampler.benchmark.tasks.find import find_task
from backtrack_sampler.rl import BacktrackingEnv, BatchVecEnv
from backtrack_sampler.rl.environment.env import items_of_task

PROMPTS = ["a b", "b", "c c"]


def env(**more: Any) -> BacktrackingEnv:
    return BacktrackingEnv(model(), PROMPTS, CountingJudge(), settings(**more))


def test_both_checkers_find_nothing() -> None:
    """Spaces, seeds, what is returned."""
    check_env(env(), skip_render_check=True)
    check_for_stable_baselines3(env())


def test_many_are_what_as_many_single_ones_are() -> None:
    """Beside DummyVecEnv with the same seeds and actions: observations, rewards, ends and what is said of them.

    Until a text is over: then DummyVecEnv has other seeds for the next one, as gymnasium wants it.
    """
    ours = BatchVecEnv(model(), PROMPTS, CountingJudge(), settings(budget=9), 4, seed=11)
    theirs = DummyVecEnv([lambda: env(budget=9)] * 4)
    theirs.seed(11)
    assert ours.reset().tolist() == theirs.reset().tolist()
    rng = np.random.default_rng(0)
    over = 0
    for _ in range(60):
        actions = rng.choice(4, 4, p=[0.6, 0.2, 0.1, 0.1])
        mine, rewards, dones, infos = ours.step(actions)
        seen, earned, ended, said = theirs.step(actions)
        assert rewards.tolist() == earned.tolist()
        assert dones.tolist() == ended.tolist()
        for row in range(4):
            assert infos[row]["TimeLimit.truncated"] == said[row]["TimeLimit.truncated"]
            assert infos[row]["taken_back"] == said[row]["taken_back"]
            if dones[row]:
                over += 1
                assert infos[row]["terminal_observation"].tolist() == said[row]["terminal_observation"].tolist()
                assert infos[row]["episode_summary"] == said[row]["episode_summary"]
            assert mine[row].tolist() == seen[row].tolist()
    assert over > 3


def test_it_can_be_seeded_and_begun_again() -> None:
    """The seed counts before `reset`; without one the next texts are others."""
    some = BatchVecEnv(model(), PROMPTS, CountingJudge(), settings(), 3)
    some.seed(5)
    first = some.reset().tolist()
    assert some.reset().tolist() != first
    some.seed(5)
    assert some.reset().tolist() == first
    one = env()
    assert one.reset(seed=6)[0].tolist() == first[1]


def test_a_policy_can_be_trained_on_it() -> None:
    """stable-baselines3 takes it as any other; what it logs of episodes is there."""
    some = BatchVecEnv(model(), PROMPTS, CountingJudge(), settings(max_seq_length=6), 4)
    learner = PPO("MlpPolicy", some, n_steps=16, batch_size=32, n_epochs=1, device="cpu", seed=0).learn(128)
    assert learner.num_timesteps == 128
    assert {"r", "l"} <= set(learner.ep_info_buffer[0])  # type: ignore[index]


def test_the_text_can_be_seen() -> None:
    """`render` gives it as it is now."""
    one = BacktrackingEnv(model(), PROMPTS, CountingJudge(), settings(), render_mode="ansi")
    one.reset(seed=1)
    first = one.render()
    one.step(0)
    assert first is not None
    assert len(first) == 1
    assert (one.render() or "").startswith(first)


def test_items_of_a_task_have_what_ends_their_answers() -> None:
    """Its stop strings and its limit: an answer that goes on is a wrong one."""
    item = items_of_task("sums", 3)[0]
    assert item.options["stop"] == list(find_task("sums").stop) == ["\n"]
    assert item.options["max_new_tokens"] == find_task("sums").max_new_tokens
