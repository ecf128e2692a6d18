"""What the benchmark suite costs on top of the model, and what it spares: ratios, each taken in one run.

    python benchmarks/suite.py                                   # both engines, 16 streams
    python benchmarks/suite.py --engines llamacpp --items 64

Wall over forward: the time of a whole run, from its tasks to its report, over the time inside the provider's own
forward passes, after a first run of one item: libraries are imported by then. Memory for what the model has said already is off, so that no
row profits from another one; and then on, which is what a run does by default.

One at a time: the same texts as backtracking-llm's harness would write them, item after item, alone, each prompt from
its beginning; in turns with the suite's batch, on fewer items. The speed-up is the median of the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from backtrack_sampler import BacktrackSampler, load_provider
from backtrack_sampler.benchmark.arms import Arm
from backtrack_sampler.benchmark.config import read_experiment
from backtrack_sampler.benchmark.drawing import seed_of
from backtrack_sampler.benchmark.run import run
from backtrack_sampler.benchmark.tasks.find import find_task
from backtrack_sampler.discovery import embedded_model

OPERATORS = ["probability-threshold", "probability-trend", "repetition"]
TASKS = ["sums", "gcd", "countdown", "needle"]


def loaded(engine: str) -> Any:
    """As an experiment loads it; without saved states of prompts, which the original does not have."""
    if engine == "llamacpp":
        return load_provider(piece=1, cache_bytes=0)
    path = embedded_model()
    return load_provider(str(path), "transformers")


@contextmanager
def timed_passes(provider: Any) -> Iterator[list[float]]:
    """The seconds inside of each forward pass of its batch memory."""
    spent: list[float] = []
    make = provider._new_batch

    def new_batch() -> Any:
        memory = make()
        evaluate: Callable[..., Any] = memory._evaluate

        def timed(work: Any) -> Any:
            started = time.perf_counter()
            try:
                return list(evaluate(work))
            finally:
                spent.append(time.perf_counter() - started)

        memory._evaluate = timed
        return memory

    provider.reset()
    provider._new_batch = new_batch
    try:
        yield spent
    finally:
        provider._new_batch = make
        provider.reset()


def whole_run(provider: Any, items: int, cache: float) -> tuple[float, float, int]:
    """Wall seconds, seconds inside the forward passes, and texts."""
    with tempfile.TemporaryDirectory() as folder, timed_passes(provider) as spent:
        experiment = read_experiment({
            "strategies": OPERATORS,
            "evaluation": {"tasks": TASKS, "limit": items, "output_dir": folder, "max_batch": 16, "cache_gib": cache},
            "controls": {"temperatures": [0.7], "min_p": [0.1], "top_p": [0.9]},
        })  # fmt: skip
        started = time.perf_counter()
        found = run(experiment, provider)
        return time.perf_counter() - started, sum(spent), len(found.records)


def one_at_a_time(provider: Any, items: int) -> float:
    """The ratio of a text's seconds, alone and in the suite's batch; median over operators and tasks."""
    from backtrack_sampler.benchmark.drawing import Drawer, Wanted
    from backtrack_sampler.benchmark.store import Store

    ratios = []
    for name in OPERATORS:
        for task in map(find_task, TASKS):
            arm, asked = Arm(name, (("operator", name),)), task.items(limit=items)
            started = time.perf_counter()
            for item in asked:
                provider.reset()
                sampler = BacktrackSampler(provider, arm.build(provider))
                sampler.generate_text(
                    item.prompt,
                    max_new_tokens=task.max_new_tokens,
                    stop=task.stop,
                    seed=seed_of(0, task.name, item.id, 0),
                )
            alone = time.perf_counter() - started
            provider.reset()
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                Drawer(provider, Store(folder), model="").records([Wanted(arm, task, item) for item in asked])
                ratios.append(alone / (time.perf_counter() - started))
    return statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=["llamacpp", "transformers"])
    parser.add_argument("--items", type=int, default=32)
    options = parser.parse_args()
    print("| engine | wall over forward | with memory | texts | one at a time over batch |\n|---|---|---|---|---|")
    for engine in options.engines:
        provider = loaded(engine)
        whole_run(provider, 1, 0)  # what is imported is not paid for twice, and is no cost of the texts
        wall, inside, texts = whole_run(provider, options.items, 0)
        cached, cached_inside, _ = whole_run(provider, options.items, 1)
        alone = one_at_a_time(provider, min(options.items, 16))
        print(f"| {engine} | {wall / inside:.3f} | {cached / cached_inside:.3f} | {texts} | {alone:.2f} |", flush=True)


if __name__ == "__main__":
    main()
