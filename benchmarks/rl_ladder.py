"""Does a policy learn to correct real errors? On the ladder at temperature 1, with the checker as the judge.

    python benchmarks/rl_ladder.py --out results/rl_ladder              # five tasks, three seeds each, then eval-rl
    python benchmarks/rl_ladder.py --tasks sums --seeds 1 --steps 4096  # a short one
    python benchmarks/rl_ladder.py --only gather                        # the table, of what is there

A policy is trained on the development split of a task, and measured on its test split by `eval-rl`, beside all that
could be had instead. Whatever ends it, the same command goes on where it was. The table at the end has the mean over
seeds and the lowest and highest of them, beside the best of each kind of control.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from backtrack_sampler import load_provider
from backtrack_sampler.benchmark.progress import LineProgress
from backtrack_sampler.cli.main import main as command
from backtrack_sampler.provider.base_provider import BaseProvider
from backtrack_sampler.rl import read_config, train
from backtrack_sampler.rl.evaluation.evaluate import HEURISTICS

TASKS = ["sums", "products", "gcd", "lcm", "needle"]
FEATURES = ["position", "top_probability", "entropy", "repetition", "probability", "rank"]


def folder_of(out: Path, task: str, seed: int) -> Path:
    return out / task / f"seed_{seed}"


def learn(out: Path, task: str, seed: int, steps: int, provider: BaseProvider) -> None:
    """Train one policy, or go on with it."""
    folder = folder_of(out, task, seed)
    if (folder / "policy.json").exists():
        return
    config = read_config({
        "output_dir": str(folder), "judge": {"task": task},
        "env": {"max_backtrack": 3, "max_seq_length": 64, "features": FEATURES},
        "training": {
            "total_timesteps": steps, "seed": seed, "items": 320, "cache_gib": 4.0, "learning_rate": 1e-3,
            "batch_size": 512, "gae_lambda": 1.0, "evaluate_every": max(1, steps // 5), "evaluation_prompts": 64,
        },
    })  # fmt: skip
    print(f"{task}, seed {seed}", file=sys.stderr, flush=True)
    progress = LineProgress(sys.stderr, every=60, unit="decisions")
    train(config, None, provider, resume=(folder / "config.yml").exists(), progress=progress)


def gather(out: Path, task: str, seeds: int) -> list[str]:
    """A line of the table: scores, and in brackets the tokens drawn over those of never going back."""
    said = json.loads((folder_of(out, task, 0) / "evaluation" / "results.json").read_text())
    rows = {row["row"]: row for row in said["rows"] if row["task"] == task}
    never = next(row for name, row in rows.items() if name.startswith("baseline"))

    def cell(some: list[dict[str, Any]]) -> str:
        scores = [row["score"] for row in some]
        spread = f" ({min(scores):.3f} to {max(scores):.3f})" if len(scores) > 1 else ""
        price = sum(row["drawn"] for row in some) / len(some) / never["drawn"]
        return f"{sum(scores) / len(scores):.3f}{spread} [{price:.2f}]"

    def best(*starts: str) -> str:
        some = [(name, row) for name, row in rows.items() if name.startswith(starts)]
        name, row = max(some, key=lambda pair: pair[1]["score"])
        return f"{cell([row])} {name}"

    policies = [rows[f"policy seed_{seed}"] for seed in range(seeds)]
    drawn = [rows[f"policy seed_{seed}, actions drawn"] for seed in range(seeds)]
    return [
        task, cell([never]), cell(policies), cell(drawn), cell([rows["random policy"]]), best(*HEURISTICS),
        best("min-p"), cell([rows["greedy"]]), best("best-of-n"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/rl_ladder"))
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30_000, help="decisions of each training")
    parser.add_argument("--limit", type=int, default=300, help="items of each test split")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", choices=["train", "evaluate", "gather"])
    options = parser.parse_args()
    if options.only in (None, "train"):
        threads = {} if options.threads is None else {"threads": options.threads}
        provider = load_provider(piece=1, **threads)
        for task in options.tasks:
            for seed in range(options.seeds):
                learn(options.out, task, seed, options.steps, provider)
    if options.only in (None, "evaluate"):
        for task in options.tasks:
            print(task, file=sys.stderr, flush=True)
            folders = [str(folder_of(options.out, task, seed)) for seed in range(options.seeds)]
            numbers = ("limit", "repeats", "trials")
            asked = [f"--{name}={getattr(options, name)}" for name in numbers]
            if code := command(["eval-rl", *folders, *asked]):
                sys.exit(code)
    if options.only in (None, "gather"):
        print(
            "\n| task | never | policies | actions drawn | random | best operator | best min-p | greedy | best-of-n |"
        )
        print("|" + " --- |" * 9)
        for task in options.tasks:
            print("| " + " | ".join(gather(options.out, task, options.seeds)) + " |")


if __name__ == "__main__":
    main()
