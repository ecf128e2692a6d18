"""Train a policy that decides when to go back, on the embedded model, and write with it.

python examples/rl_training.py                              # a minute or two: long enough to see how it is done
python examples/rl_training.py --steps 100000 --seed 1      # long enough to learn something, perhaps

The judge here is a function. docs/rl.md has the others, and says what to expect. Interrupted in whatever way, the same
command goes on where it was.
"""

from __future__ import annotations

import argparse
import sys

from backtrack_sampler import BacktrackError, BacktrackSampler, load_provider
from backtrack_sampler.benchmark.progress import progress_on
from backtrack_sampler.rl import CheckerJudge, RlPolicyStrategy, read_config, train

PROMPTS = [
    f"{opening} {subject}"
    for opening in ("Once upon a time there was", "Everybody knows", "My grandmother told me about")
    for subject in ("the sea", "a small town", "the winter", "an old clock", "a dragon", "the moon", "a train", "music")
]


def score(prompt: str, text: str) -> float:
    """What a text is worth: the share of its words that stand in it for the first time, if it has a few."""
    words = text.lower().split()
    return len(set(words)) / len(words) if len(words) >= 5 else 0.0


def main() -> None:
    """Train, and write a text with the policy and without."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4096, help="decisions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="the folder of the run (rl_output/seed_N)")
    options = parser.parse_args()
    config = read_config({
        "output_dir": options.out or f"rl_output/seed_{options.seed}",
        "env": {
            "max_backtrack": 2, "max_seq_length": 24,
            "features": ["position", "entropy", "repetition", "probability", "rank"],
        },
        "shaping": {"backtrack_action_penalty": 0.005},
        "training": {"total_timesteps": options.steps, "seed": options.seed, "evaluate_every": 1024},
    })  # fmt: skip
    provider = load_provider()
    resume = (config.folder / "config.yml").exists()
    folder = train(
        config, PROMPTS, provider, judge=CheckerJudge(score), resume=resume, progress=progress_on(unit="decisions")
    )
    print(f"the page of the training: {folder / 'training.html'}")

    for name, strategy in (("never going back", []), ("the policy", RlPolicyStrategy(provider, folder))):
        sampler = BacktrackSampler(provider, strategy)
        text = sampler.generate_text(PROMPTS[0], max_new_tokens=24, seed=1)
        print(f"\n--- {name}, {sampler.stats.rollbacks} rollbacks\n{PROMPTS[0]}{text}")


if __name__ == "__main__":
    try:
        main()
    except BacktrackError as error:
        sys.exit("\n".join([f"rl_training: {error}", *getattr(error, "__notes__", [])]))
