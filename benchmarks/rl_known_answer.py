"""Does training find what is right where that is known? Some draws are replaced by a token from the tail, and the right
thing is to take back just those.

    python benchmarks/rl_known_answer.py --out results/known        # SmolLM2, PPO and recurrent PPO, three seeds each

A text is worth half as much for each token from the tail that stands, and going back costs a little. Printed are the
return of each policy on prompts that it was not trained on, that of never going back, and that of an oracle that sees
which tokens were replaced; and a picture of the learning curves is drawn.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backtrack_sampler import BaseStrategy, load_provider
from backtrack_sampler.batch import Batch
from backtrack_sampler.benchmark.logit_cache import LogitCache
from backtrack_sampler.benchmark.progress import LineProgress
from backtrack_sampler.matching import Detokenizer
from backtrack_sampler.rl.deciding_strategy import DecidingStrategy
from backtrack_sampler.rl.environment.env import items_of
from backtrack_sampler.rl.environment.episode import EpisodeSettings, prompt_of
from backtrack_sampler.rl.features import Features
from backtrack_sampler.rl.judges.base_judge import Answer, Judge
from backtrack_sampler.rl.observer import Observer
from backtrack_sampler.rl.policy.policy import load_policy
from backtrack_sampler.rl.policy.strategy import RlPolicyStrategy
from backtrack_sampler.rl.training.config import read_config
from backtrack_sampler.rl.training.curves import Curves
from backtrack_sampler.rl.training.splitting import split
from backtrack_sampler.rl.training.train import train
from backtrack_sampler.stream import TokenStream

PENALTY = 0.02  # of going back once
SHARE = 0.15  # of draws that are replaced
# Larger batches and steps than the defaults, for a run of minutes; texts are short, so returns are taken as they are.
TRAINING = {
    "ppo": {"total_timesteps": 40_000, "learning_rate": 2e-3, "batch_size": 512, "gae_lambda": 1.0},
    "recurrent_ppo": {"total_timesteps": 90_000, "learning_rate": 1e-3, "batch_size": 512, "gae_lambda": 1.0},
}
HELD_OUT = 0.2
SUBJECTS = [
    "the sea",
    "a small town",
    "winter",
    "an old clock",
    "bread",
    "the moon",
    "a train",
    "the garden",
    "music",
    "a letter",
]
OPENINGS = [
    "Once upon a time there was {}, and",
    "Everybody knows that {}",
    "Let me tell you about {}:",
    "My thoughts on {} are",
]
PROMPTS = [opening.format(subject) for subject in SUBJECTS for opening in OPENINGS]


class Corruption(BaseStrategy):
    """Replaces a draw by one from the less probable half of the candidates, now and then; knows which ones stand.

    Args:
        found: text -> how many stand in it, of those texts that have ended.
    """

    def __init__(self, found: dict[str, int]) -> None:
        self._found = found
        self.flags: list[bool] = []
        self._now = False

    def on_start(self, stream: Any) -> None:
        self._rng = random.Random(f"corruption {stream.options.seed}")
        self._stream = stream

    def reset(self) -> None:
        self.flags = []

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        self._now = self._rng.random() < SHARE and len(probs) > 3
        if not self._now:
            return probs
        tail = list(probs)[len(probs) // 2 :]
        return {self._rng.choice(tail): 1.0}

    def on_next_token(self, tokens: list[int], probs: Any) -> None:
        self.flags.append(self._now)

    def on_rollback(self, tokens: list[int]) -> None:
        del self.flags[len(tokens) :]

    def at_end(self, tokens: list[int]) -> int:
        detokenizer = Detokenizer(self._stream.decode, self._stream.prompt)
        text = "".join(detokenizer.push(token) for token in tokens) + detokenizer.finish()
        self._found[text] = sum(self.flags)
        return 0


class Stands(Judge):
    """A text is worth half as much for each replaced token that stands in it."""

    name = "replaced tokens that stand"

    def __init__(self) -> None:
        self.found: dict[str, int] = {}

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        return [0.5 ** self.found[each.text] for each in answers]


class Oracle(Observer):
    """Sees which tokens were replaced."""

    def __init__(self, corruption: Corruption) -> None:
        super().__init__(Features(), 1)
        self._corruption = corruption

    def decide(self) -> int:
        return int(self._corruption.flags[-1])


def returns(
    provider: Any, settings: EpisodeSettings, judge: Stands, prompts: Sequence[str], policy: Any
) -> tuple[float, float, float]:
    """Mean return, score and rollbacks of a text; `policy` is a `Policy`, "oracle", or None for never going back."""

    def strategies(_: TokenStream) -> list[Any]:
        corruption = Corruption(judge.found)
        if policy is None:
            return [corruption]
        if policy == "oracle":
            return [DecidingStrategy(Oracle(corruption)), corruption]
        return [RlPolicyStrategy(None, policy), corruption]

    items = items_of(prompts)
    streams = []
    for number in range(12 * len(items)):
        tokens, options = prompt_of(provider, items[number % len(items)], settings)
        streams.append(TokenStream(provider, tokens, replace(options, seed=10_000 + number), strategies, index=number))
    for _ in Batch(provider, streams, 16).results():
        pass
    scores = judge.scores([Answer("", stream.text, items[0]) for stream in streams])
    back = [stream.stats.rollbacks for stream in streams]
    return float(np.mean(scores) - PENALTY * np.mean(back)), float(np.mean(scores)), float(np.mean(back))


def steps_of(folder: Path) -> int:
    """Decisions that a policy was trained for; 0 where there is none."""
    file = folder / "policy.json"
    return int(json.loads(file.read_text())["trained"]["steps"]) if file.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="results/known_answer", help="folder of the runs")
    parser.add_argument("--steps", type=int, help="decisions of each run (40,000, and 90,000 of recurrent PPO)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--algorithms", default="ppo,recurrent_ppo")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    provider = LogitCache(load_provider(piece=1, **({"threads": options.threads} if options.threads else {})), 1 << 30)
    out = Path(options.out)
    held_out = [str(item.prompt) for item in split(items_of(PROMPTS), HELD_OUT, len(PROMPTS))[1]]
    rows: list[tuple[str, float, float, float]] = []
    curves: dict[str, list[Curves]] = {}
    settings, judge = EpisodeSettings(), Stands()
    for algorithm in options.algorithms.split(","):
        for seed in range(options.seeds):
            config = read_config({
                "output_dir": str(out / f"{algorithm}_{seed}"),
                "env": {
                    "max_backtrack": 3, "max_seq_length": 16,
                    "features": ["position", "top_probability", "entropy", "repetition", "probability", "rank"],
                },
                "shaping": {"backtrack_action_penalty": PENALTY},
                "training": {
                    "algorithm": algorithm, "seed": seed, "held_out": HELD_OUT, "cache_gib": 0.0, **TRAINING[algorithm],
                    **({"total_timesteps": options.steps} if options.steps else {}),
                },
            })  # fmt: skip
            settings = replace(config.episodes(), others=lambda: [Corruption(judge.found)])
            if not rows:
                for name, policy in (("never going back", None), ("oracle", "oracle")):
                    rows.append((name, *returns(provider, settings, judge, held_out, policy)))
                    print(*rows[-1], flush=True)
            folder = config.folder
            if steps_of(folder) < config.training.total_timesteps:
                progress = LineProgress(sys.stderr, every=60, unit="decisions")
                train(
                    config, PROMPTS, provider, judge=judge, settings=settings, progress=progress,
                    resume=(folder / "config.yml").exists(),
                )  # fmt: skip
            rows.append(
                (f"{algorithm}, seed {seed}", *returns(provider, settings, judge, held_out, load_policy(folder)))
            )
            print(*rows[-1], flush=True)
            curves.setdefault(algorithm, []).append(Curves(folder / "curves.csv"))
    best = rows[1][1]
    print("\n| policy | return | of the oracle's | score | rollbacks a text |\n| --- | ---: | ---: | ---: | ---: |")
    for name, earned, score, back in rows:
        print(f"| {name} | {earned:.3f} | {earned / best:.0%} | {score:.3f} | {back:.2f} |")
    draw(curves, {name: earned for name, earned, _, _ in rows[:2]}, out / "curves.png")


def draw(curves: dict[str, list[Curves]], lines: dict[str, float], file: Path) -> None:
    """Reward of training texts against decisions: mean over the seeds, and their spread."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for algorithm, some in curves.items():
        columns = [each.column("train_reward") for each in some]
        steps = columns[0][0]
        shortest = min(len(each[1]) for each in columns)
        steps, values = steps[:shortest], np.array([each[1][:shortest] for each in columns])
        axes.plot(steps, values.mean(axis=0), label=algorithm.replace("_", " "))
        axes.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.2)
    for (name, value), style in zip(lines.items(), (":", "--"), strict=True):
        axes.axhline(value, color="0.4", linestyle=style, label=name)
    axes.set(xlabel="decisions", ylabel="return of a text in training", ylim=(0, 1))
    axes.legend()
    figure.savefig(file, dpi=110)
    print(f"\nlearning curves: {file}")


if __name__ == "__main__":
    main()
