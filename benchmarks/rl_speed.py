"""What learning and using a policy cost on top of the model: ratios, each taken in one run.

    python benchmarks/rl_speed.py                               # both engines
    python benchmarks/rl_speed.py --engines llamacpp --seconds 20

Environments: decisions a second of 16 environments that are one batch, over those of one, and over those of
stable-baselines3's `DummyVecEnv` of 16 environments of one stream each, which have a memory of their own each. The
three take turns; the figure is the median ratio. All take the same random actions, and keep nine tokens in ten.

Training: wall time over the time inside the model's forward passes, of PPO with 16 environments and networks of 64
and 64 units: collecting alone, and with the updates. The judge costs nothing, and nothing is remembered.

In use: tokens per second of a policy that never goes back, over those of a bare loop of the same engine over the same
tokens; see overhead.py. And of one that goes back, per forward pass and per token drawn.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from overhead import BareLlamacpp, BareTransformers, pairs, ratio
from rl_known_answer import PROMPTS
from suite import loaded, timed_passes

from backtrack_sampler.rl import BacktrackingEnv, BatchVecEnv, EpisodeSettings, Features, RlPolicyStrategy
from backtrack_sampler.rl.judges.base_judge import Answer, Judge
from backtrack_sampler.rl.policy.export import policy_of_model
from backtrack_sampler.rl.policy.policy import Policy, PolicySettings

N = 16
SETTINGS = EpisodeSettings(max_backtrack=3, max_seq_length=64)


class Free(Judge):
    """Costs nothing."""

    name = "free"

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [0.5 for _ in answers]


# -- environments ---------------------------------------------------------------------------------


def dummy(engine: str) -> Any:
    """16 environments of one stream each, as stable-baselines3 steps them; the weights are shared."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    first = loaded(engine)

    def another() -> Any:
        if engine == "llamacpp":
            return loaded(engine)  # its file is mapped into memory once for all of them
        return type(first)(first._model, first._tokenizer)

    providers = [first, *(another() for _ in range(N - 1))]
    return DummyVecEnv([lambda each=each: BacktrackingEnv(each, PROMPTS, Free(), SETTINGS) for each in providers])


def decisions(env: Any, seconds: float, rng: random.Random) -> float:
    """A second, with random actions."""
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        env.step(np.array([rng.randint(1, 3) if rng.random() < 0.1 else 0 for _ in range(env.num_envs)]))
        count += env.num_envs
    return count / (time.perf_counter() - started)


def environments(engine: str, seconds: float) -> tuple[float, float]:
    """Over one environment, and over a `DummyVecEnv`."""
    provider, alone = loaded(engine), loaded(engine)
    many = [BatchVecEnv(provider, PROMPTS, Free(), SETTINGS, N), BatchVecEnv(alone, PROMPTS, Free(), SETTINGS, 1)]
    envs = [*many, dummy(engine)]
    for env in envs:
        env.seed(0)
        env.reset()
        decisions(env, 1.0, random.Random(0))
    over_one, over_dummy = [], []
    for turn in range(5):
        batch, one, dummies = (decisions(env, seconds / 5, random.Random(turn)) for env in envs)
        over_one.append(batch / one)
        over_dummy.append(batch / dummies)
    for env in envs:
        env.close()
    return statistics.median(over_one), statistics.median(over_dummy)


# -- training -----------------------------------------------------------------------------------


def training(engine: str, algorithm: str) -> tuple[float, float]:
    """Wall over forward of collecting, and with updates."""
    import torch
    from sb3_contrib import RecurrentPPO
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecNormalize

    class Watch(BaseCallback):  # type: ignore[misc]
        """Seconds of collecting."""

        seconds = 0.0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            self.started = time.perf_counter()

        def _on_rollout_end(self) -> None:
            self.seconds += time.perf_counter() - self.started

    torch.manual_seed(0)
    provider = loaded(engine)
    with timed_passes(provider) as spent:
        env = VecNormalize(BatchVecEnv(provider, PROMPTS, Free(), SETTINGS, N), norm_reward=False)
        kind, name, network = PPO, "MlpPolicy", {"net_arch": [64, 64]}
        if algorithm == "recurrent_ppo":
            kind, name, network = RecurrentPPO, "MlpLstmPolicy", {"net_arch": [64, 64], "lstm_hidden_size": 64}
        model = kind(name, env, n_steps=64, batch_size=256, device="cpu", policy_kwargs=network)
        with torch.no_grad():
            model.policy.action_net.bias[0] = 3.3  # nine in ten are kept, as where a training begins
        model.learn(N * 64)
        spent.clear()
        watch, started = Watch(), time.perf_counter()
        model.learn(4 * N * 64, watch, reset_num_timesteps=False)
        wall, inside = time.perf_counter() - started, sum(spent)
    return watch.seconds / inside, wall / inside


# -- in use --------------------------------------------------------------------------------------


def policies() -> dict[str, Policy]:
    """Networks as training makes them, before they have learned: they keep everything, or a good part."""
    import gymnasium
    import torch
    from sb3_contrib import RecurrentPPO
    from stable_baselines3 import PPO

    names = ("position", "top_probability", "entropy", "repetition", "probability", "rank")
    env = gymnasium.make("CartPole-v1").unwrapped
    env.observation_space = gymnasium.spaces.Box(0, 1, (len(names),))
    env.action_space = gymnasium.spaces.Discrete(4)
    torch.manual_seed(0)
    models = {
        "network": PPO("MlpPolicy", env, policy_kwargs={"net_arch": [64, 64]}, device="cpu"),
        "LSTM": RecurrentPPO(
            "MlpLstmPolicy", env, policy_kwargs={"net_arch": [64, 64], "lstm_hidden_size": 64}, device="cpu"
        ),
    }
    for model in models.values():
        with torch.no_grad():
            model.policy.action_net.bias[0] = 3.3
    settings = PolicySettings(Features(names, 128), 3)
    return {name: policy_of_model(model, settings) for name, model in models.items()}


def in_use(engine: str, tokens: int) -> list[tuple[str, float, float, int]]:
    """Of each kind of policy: tokens drawn over the bare loop's, the same per forward pass, and rollbacks."""
    provider = loaded(engine)
    bare = BareLlamacpp(provider) if engine == "llamacpp" else BareTransformers(provider)
    pairs(provider, bare, None, 48)  # warm up
    rows = []
    for name, policy in policies().items():
        for deterministic, what in ((True, "keeps all"), (False, "takes back")):
            found, counts = pairs(provider, bare, RlPolicyStrategy(None, policy, deterministic), tokens)
            rows.append((f"{name}, {what}", ratio(found, what="drawn"), ratio(found), counts["rollbacks"]))
    return rows


def table(head: str, rows: Sequence[Sequence[Any]]) -> None:
    names = [name.strip() for name in head.split("|")]
    print("\n| " + " | ".join(names) + " |\n|" + "|".join([" --- "] * len(names)) + "|", flush=True)
    for row in rows:
        print("| " + " | ".join(f"{each:.3f}" if isinstance(each, float) else str(each) for each in row) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=["llamacpp", "transformers"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the environments")
    parser.add_argument("--tokens", type=int, default=300, help="tokens a row of those in use")
    parser.add_argument("--parts", nargs="+", default=["environments", "training", "use"])
    options = parser.parse_args()
    parts: dict[str, tuple[str, Callable[[str], Sequence[Sequence[Any]]]]] = {
        "environments": (
            "engine | 16 over 1 | 16 over DummyVecEnv of 16",
            lambda engine: [(engine, *environments(engine, options.seconds))],
        ),
        "training": (
            "engine | algorithm | collecting: wall over forward | with updates",
            lambda engine: [(engine, each, *training(engine, each)) for each in ("ppo", "recurrent_ppo")],
        ),
        "use": (
            "engine | policy | tokens drawn over the bare loop's | per forward pass | rollbacks",
            lambda engine: [(engine, *row) for row in in_use(engine, options.tokens)],
        ),
    }
    for part in options.parts:
        head, rows = parts[part]
        table(head, [row for engine in options.engines for row in rows(engine)])


if __name__ == "__main__":
    main()
