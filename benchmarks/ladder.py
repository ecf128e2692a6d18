"""How much of the ladder of tasks a model can do: a Markdown table.

    python benchmarks/ladder.py                                  # SmolLM2-135M, all rungs, greedy and sampled
    python benchmarks/ladder.py sums products:digits=2 --limit 100
    python benchmarks/ladder.py --model FOLDER --chat --shots 5

A strategy can show what it is worth only where a model is sometimes right and sometimes wrong: a rung is of
use for a model that scores between 0.3 and 0.7 on it. Beside each score stands the 95% interval, with items
of one problem as a single sample.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from backtrack_sampler import BacktrackSampler, BaseProvider, load_provider
from backtrack_sampler.benchmark.tasks import Item, Task
from backtrack_sampler.benchmark.tasks.find import find_task, ladder


def answers(provider: BaseProvider, task: Task, items: Sequence[Item], **sampling: Any) -> list[str]:
    """What the model says."""
    prompts = [
        {"prompt" if isinstance(item.prompt, str) else "messages": item.prompt, **item.options} for item in items
    ]
    return BacktrackSampler(provider).generate_texts(
        prompts, seeds=1, stop=task.stop, max_new_tokens=task.max_new_tokens, **sampling
    )


def with_interval(items: Sequence[Item], scores: Sequence[float]) -> str:
    """Mean, and how far the 95% interval goes to each side; scores of one cluster vary together."""
    mean = sum(scores) / len(scores)
    off: dict[str, float] = defaultdict(float)
    for item, score in zip(items, scores, strict=True):
        off[item.cluster or item.id] += score - mean
    error = math.sqrt(sum(each * each for each in off.values())) / len(scores)
    return f"{mean:.2f} ±{1.96 * error:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="default: every rung")
    parser.add_argument("--model")
    parser.add_argument("--engine")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--shots", type=int)
    parser.add_argument("--chat", action="store_true")
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--top-k", type=int, default=50)
    parser.add_argument("--max-batch", type=int, default=16)
    args = parser.parse_args()
    found = [find_task(name, args.shots, args.chat) for name in args.tasks or ladder()]
    provider = load_provider(args.model, args.engine)
    provider.piece = 1  # examples are short: what prompts share is evaluated once all the same
    print("| task | items | problems |", *(f"T = {each:g} |" for each in args.temperatures))
    print("| --- | ---: | ---: |", *("---: |" for _ in args.temperatures), flush=True)
    for task in found:
        items = sorted(task.items(args.split, args.limit), key=lambda item: str(item.prompt))  # those alike together
        cells = [task.name, str(len(items)), str(len({item.cluster for item in items}))]
        for temperature in args.temperatures:
            provider.reset()
            sampling = {"temperature": temperature, "top_k": args.top_k, "max_batch": args.max_batch}
            said = answers(provider, task, items, **sampling)
            cells.append(
                with_interval(items, [score.value for score in task.scores(list(zip(items, said, strict=True)))])
            )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
