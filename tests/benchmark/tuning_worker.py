"""A worker on a study, as a process of its own: python tuning_worker.py STORAGE N_TRIALS [ARM_TO_HANG_IN].

What it measures is a function of the parameters alone. It says each arm that it begins and each trial that it
finishes; in the arm of the given number, counted from 1, it stops in the middle, until somebody kills it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from backtrack_sampler.benchmark.arms import Arm, sampling_of
from backtrack_sampler.benchmark.tuning.search_space import Tuning
from backtrack_sampler.benchmark.tuning.study import Partial, tune


def score_of(arm: Arm) -> float:
    """Best at 0.1, and with one token back."""
    arguments = arm.specs[0].arguments
    return 1.0 - abs(arguments["min_probability"] - 0.1) - 0.1 * arguments["backtrack_count"]


def main(storage: str, n_trials: str, hang_in: str = "0") -> None:
    begun = 0

    def measure(arm: Arm) -> Iterator[Partial]:
        nonlocal begun
        begun += 1
        print("began", arm.strategies[0][1], flush=True)
        yield Partial(10, score_of(arm), 20.0, planned=20)
        if begun == int(hang_in):
            print("hangs", flush=True)
            sys.stdin.read()
        yield Partial(20, score_of(arm), 20.0, planned=20)

    tuning = Tuning("threshold", "operator", "ProbabilityThreshold", n_trials=int(n_trials))
    found = tune(
        tuning, sampling_of(), measure, storage=storage,
        on_trial=lambda trial, done: print("finished", trial.number, done, flush=True),
    )  # fmt: skip
    print("best", found.arm.strategies[0][1], found.value, len(found.trials), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
