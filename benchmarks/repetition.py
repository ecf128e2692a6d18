"""How much greedy text repeats itself, without and with operators: the table in the README.

    python benchmarks/repetition.py             # prints it
    python benchmarks/repetition.py --readme    # and writes it into README.md

SmolLM2-135M at temperature 0 goes round in circles; each row is the share of its 4-grams (of
tokens) that were there before. The prompt is in the model's chat format: to the plain text it has
nothing to add.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from backtrack_sampler import BacktrackSampler, BaseProvider, OperatorStrategy, load_provider
from backtrack_sampler.compare import repeated
from backtrack_sampler.discovery import operator_names
from backtrack_sampler.operators import BaseOperator, NGramOverlap, ProbabilityTrend, Repetition

PROMPT = "Tell me a short tale of a dragon who is afraid of heights."
README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- made by benchmarks/repetition.py -->", "<!-- end -->"


def table(provider: BaseProvider, tokens: int, everything: bool) -> str:
    """A Markdown table, a row an operator."""
    prompt = provider.chat_prompt([{"role": "user", "content": PROMPT}])
    operators: list[BaseOperator | None] = [None, NGramOverlap(), Repetition(), ProbabilityTrend()]
    operators.append(ProbabilityTrend(backtrack_count=3))
    if everything:
        operators += [cls() for cls in operator_names().values() if cls not in map(type, operators)]
    lines = ["| operator | repeated 4-grams | rollbacks | discarded | tokens |", "| --- | ---: | ---: | ---: | ---: |"]
    print(*lines, sep="\n")
    for operator in operators:
        provider.reset()
        sampler = BacktrackSampler(provider, OperatorStrategy(operator) if operator else None)
        written = list(sampler.generate(prompt, temperature=0, max_new_tokens=tokens))
        stats, name = sampler.stats, f"`{operator!r}`" if operator else "none"
        share = repeated([token for token in written if token not in provider.eos_token_ids])
        lines.append(f"| {name} | {share:.1%} | {stats.rollbacks} | {stats.discarded} | {stats.emitted} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="default: the embedded SmolLM2")
    parser.add_argument("--engine", help="llamacpp or transformers")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--all", action="store_true", help="all operators")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    options = parser.parse_args()
    text = table(load_provider(options.model, options.engine), options.tokens, options.all)
    if options.readme:
        before, _, rest = README.read_text().partition(START)
        _, _, after = rest.partition(END)
        README.write_text(f"{before}{START}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
