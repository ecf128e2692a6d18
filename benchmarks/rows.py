"""What a row of a batch costs where logits cost nothing: microseconds a drawn token. Needs no model.

    python benchmarks/rows.py                              # 64 rows, vocabulary 128,256, NumPy and torch
    python benchmarks/rows.py --rows 16 --vocabulary 32000 --phrases phrases.json

A provider hands out rows that are ready; what is left is our own: the memory of rows, candidates, the
draw, the strategies, the release. Each figure is the median of several runs, and copying a row of that
size, which a memory cannot do without, stands beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from phrases import banned_phrases

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, OperatorStrategy
from backtrack_sampler.operators import NGramOverlap
from backtrack_sampler.provider.base_provider import BaseProvider
from backtrack_sampler.provider.memory import Memory
from backtrack_sampler.provider.row import Row, Work

WORDS = "the of and to in a is that for it as was with be by on not he his but at are this have from or had".split()  # noqa: SIM905


class Ready(BaseProvider):
    """A model whose logits are there already, one row for each place."""

    def __init__(self, rows: int, vocabulary: int, library: str) -> None:
        super().__init__()
        rng = np.random.default_rng(1)
        self.table = (rng.standard_normal((rows, vocabulary)) * 3).astype(np.float32)
        if library == "torch":
            import torch

            self.table = torch.from_numpy(self.table)

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [1]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(f" {WORDS[token % len(WORDS)]}" for token in tokens)

    def _evaluate(self, tokens: list[int], start: int) -> Any:
        return self.table[0]

    def _keep(self, length: int, tokens: list[int]) -> int:
        return length

    def _copy(self, raw: Any) -> Any:
        return raw.clone() if hasattr(raw, "clone") else raw.copy()

    def _new_batch(self) -> Memory:
        return ReadyRows(self, self._remember)


class ReadyRows(Memory):
    def __init__(self, provider: Ready, remember: int) -> None:
        super().__init__(provider, remember)
        self._ready = provider

    def _evaluate(self, work: list[Work]) -> list[Any]:
        return [self._ready.table[row.place] for row, _, _ in work]

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        return length

    def _share(self, source: Row, target: Row, length: int) -> int:
        return length


def microseconds(provider: Ready, rows: int, tokens: int, make: Callable[[], Any] | None, top_k: int | None) -> float:
    """A drawn token, in one batch."""
    provider.reset()
    batch = BacktrackSampler(provider).generate_batch(
        [[n] for n in range(rows)], make, seeds=1, max_batch=rows, max_new_tokens=tokens, top_k=top_k
    )
    started = time.perf_counter()
    for _ in batch:
        pass
    return (time.perf_counter() - started) / batch.stats.drawn * 1e6


def copying(provider: Ready, rows: int) -> float:
    """Copying each row once to memory that is there."""
    targets = [provider._copy(row) for row in provider.table]
    started = time.perf_counter()
    for target, row in zip(targets, provider.table, strict=True):
        target[:] = row
    return (time.perf_counter() - started) / rows * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=128_256)
    parser.add_argument("--tokens", type=int, default=40, help="a row (default 40)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--libraries", nargs="*", default=["numpy", "torch"])
    parser.add_argument("--phrases", type=Path, help="a JSON list")
    options = parser.parse_args()
    phrases = json.loads(options.phrases.read_text()) if options.phrases else banned_phrases()
    print(
        f"| library | what | top-k | µs a token | of it copying | ({options.rows} rows, vocabulary {options.vocabulary:,})"
    )
    print("|---|---|---:|---:|---:|")
    for library in options.libraries:
        provider = Ready(options.rows, options.vocabulary, library)
        kinds: list[tuple[str, Callable[[], Any] | None, int | None]] = [
            ("no strategy", None, 50),
            ("operator", lambda: OperatorStrategy(NGramOverlap()), 50),
            (f"anti-slop, {len(phrases):,} phrases", lambda: AntiSlopStrategy(provider, phrases), 50),  # noqa: B023
            ("no strategy", None, None),
        ]
        for what, make, top_k in kinds:
            found = [
                microseconds(provider, options.rows, options.tokens, make, top_k) for _ in range(options.repeats + 1)
            ]
            copied = statistics.median(copying(provider, options.rows) for _ in range(5))
            print(
                f"| {library} | {what} | {top_k or 'all'} | {statistics.median(found[1:]):.0f} | {copied:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
