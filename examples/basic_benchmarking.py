"""Two operators on small sums, with all their controls: does it help, and at which price?

python examples/basic_benchmarking.py                      # the experiment below, in a minute or two
python examples/basic_benchmarking.py my_experiment.yaml   # yours; docs/benchmarking.md explains it

Interrupted in whatever way, the same command goes on where it was.
"""

from __future__ import annotations

import sys

from backtrack_sampler import BacktrackError, load_provider
from backtrack_sampler.benchmark.config import read_experiment
from backtrack_sampler.benchmark.run import run
from backtrack_sampler.benchmark.table import Table

EXPERIMENT = {
    "strategies": ["probability-threshold:min_probability=0.3", "ngram-overlap"],
    "evaluation": {"tasks": ["sums"], "limit": 24, "output_dir": "benchmark_results/basic"},
    "controls": {"temperatures": [0.5], "min_p": [0.1], "top_p": [0.9]},
}


def main() -> None:
    """The table, and what the first operator has changed."""
    try:
        experiment = read_experiment(sys.argv[1] if len(sys.argv) > 1 else EXPERIMENT)
        model, engine = experiment.model_name_or_path, experiment.engine
        provider = load_provider(model, engine, **experiment.model_options())
        results = run(experiment, provider, resume=True)
    except BacktrackError as error:
        sys.exit("\n".join([f"basic_benchmarking: {error}", *getattr(error, "__notes__", [])]))
    print(Table(results.rows))

    strategy = next(row for row in results.rows if row.kind == "strategy")
    assert strategy.baseline is not None
    for task in strategy.outcomes:
        for mine, theirs in results.changed(strategy, strategy.baseline, task)[:3]:
            print(
                f"\n{mine.item}: {theirs.text!r} (score {theirs.score:g}) became {mine.text!r} (score {mine.score:g})"
            )
            for position, text, why in mine.taken_back:
                print(f"  at token {position}: took back {text!r}, {why}")


if __name__ == "__main__":
    main()
