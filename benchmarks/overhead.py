"""What the sampler costs on top of the engine it drives: ratios, measured side by side in one run.

    python benchmarks/overhead.py                          # everything: a table, and JSON
    python benchmarks/overhead.py --engines llamacpp --slops phrases.json --tokens 300
    python benchmarks/overhead.py --rows operators          # base, operators, growth, selection

The sampler writes freely for a few dozen tokens; then a bare evaluation loop of the same engine goes
back and evaluates the same tokens at the same places in the same memory; then it is the sampler's
turn again. A machine whose speed drifts slows both alike.

Each figure of the first rows is the median over these pairs of (bare seconds per forward pass) /
(sampler seconds per forward pass): 1.00 is the engine's own speed, and how often tokens were taken
back neither helps nor hurts. The operators' rows are (tokens drawn per second, those that were taken
back included) / (the bare loop's tokens per second); because a draw after a rollback needs no forward
pass, this may be far above 1, so the ratio per forward pass stands beside it.

Growth is how the time per token grows from token 100 to token 1,500, over how the bare loop's does.
Selection is milliseconds for candidates and a draw from 262,144 logits (an absolute bound).
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from phrases import banned_phrases

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, BaseProvider, OperatorStrategy
from backtrack_sampler.discovery import embedded_model, load_provider, operator_names
from backtrack_sampler.sampling import candidates, draw

PROMPT = "Write a long story about a dragon who is afraid of heights.\n\n"
PIECE = 24  # forward passes of one side before it is the other's turn
VOCABULARY = 262_144
ROWS = ["selection", "base", "operators", "growth"]


# -- the bare loops: nothing but the engine ---------------------------------------------------


class BareLlamacpp:
    """`Llama.eval` token by token, and a look at the logits."""

    def __init__(self, provider: Any) -> None:
        import llama_cpp

        self._llm = provider._llm
        self._get = llama_cpp.llama_get_logits_ith
        self._size = self._llm.n_vocab()

    def go_back(self, count: int) -> None:
        self._llm.n_tokens -= count

    def feed(self, token: int) -> None:
        self._llm.eval([token])
        np.ctypeslib.as_array(self._get(self._llm.ctx, -1), shape=(self._size,)).argmax()


class BareTransformers:
    """`forward` token by token with transformers' own cache."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._model = provider._model

    def go_back(self, count: int) -> None:
        self._provider._stream.memory.cache.crop(-count)

    def feed(self, token: int) -> None:
        import torch

        cache = self._provider._stream.memory.cache
        ids = torch.tensor([[token]], device=self._model.device)
        with torch.inference_mode():
            output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        output.logits[0, -1].argmax()


# -- side by side -----------------------------------------------------------------------------


class Pair(NamedTuple):
    """One turn of each."""

    position: int  # tokens streamed when it ended
    per_forward: float  # speed over the bare loop's, in forward passes
    drawn: float  # the same, in tokens drawn


def pairs(
    provider: BaseProvider, bare: Any, strategy: Any, tokens: int, seed: int = 1
) -> tuple[list[Pair], dict[str, int]]:
    """Run both in turns over about `tokens` tokens; also returns what the sampler counted."""
    prompt = provider.encode(PROMPT)
    provider.eos_token_ids = frozenset()  # a long text is wanted, not a good one
    provider.reset()
    sampler = BacktrackSampler(provider, strategy)
    stream = sampler.stream(prompt, max_new_tokens=tokens, seed=seed)
    reading = iter(stream)
    next(reading)
    found = []
    position = drawn = 1
    while True:
        forwards, started = provider.forward_passes, time.perf_counter()
        for _ in reading:
            position += 1
            if provider.forward_passes - forwards >= PIECE:
                break
        count = provider.forward_passes - forwards
        if count < PIECE:
            break
        seconds = time.perf_counter() - started
        drawn_before, drawn = drawn, len(stream.sequence) - len(prompt) + stream.stats.discarded
        # The same tokens at the same places in the same memory, which ends up as it was.
        again = provider._evaluated[1:][-count:]  # going back over several tokens, more were evaluated than are left
        bare.go_back(len(again))
        started = time.perf_counter()
        for token in again:
            bare.feed(token)
        bare_each = (time.perf_counter() - started) / len(again)
        found.append(Pair(position, bare_each / (seconds / count), bare_each / (seconds / (drawn - drawn_before))))
    stats = sampler.stats
    return found, {"emitted": stats.emitted, "discarded": stats.discarded, "rollbacks": stats.rollbacks}


def ratio(found: list[Pair], low: float = 0, high: float = float("inf"), what: str = "per_forward") -> float:
    """Median ratio of the pairs that end between two positions."""
    return statistics.median(getattr(pair, what) for pair in found if low <= pair.position <= high)


def measure_engine(engine: str, model: Path, slops: Sequence[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows of one engine."""
    provider = load_provider(model, engine, **({} if engine == "llamacpp" else {"dtype": "float32"}))
    bare = BareLlamacpp(provider) if engine == "llamacpp" else BareTransformers(provider)
    pairs(provider, bare, None, 2 * PIECE)  # warm up
    rows: list[dict[str, Any]] = []

    def add(what: str, value: float, bar: float, counts: dict[str, Any], better: str = "higher") -> None:
        rows.append({"engine": engine, "what": what, "value": value, "bar": bar, "better": better, **counts})
        show(rows[-1])

    slop_name = f"anti-slop, {len(slops):,} phrases"
    if "base" in options.rows:
        found, counts = pairs(provider, bare, None, options.tokens)
        add("overhead, no strategy", ratio(found), 0.97, counts)
        found, counts = pairs(provider, bare, AntiSlopStrategy(provider, slops), options.tokens)
        add(f"overhead, {slop_name}", ratio(found), 0.95, counts)
    if "operators" in options.rows:
        for cls in operator_names().values():
            found, counts = pairs(provider, bare, OperatorStrategy(cls()), options.tokens)
            add(
                f"tokens drawn, {cls.__name__}",
                ratio(found, what="drawn"),
                0.95,
                counts | {"per_forward": ratio(found)},
            )
    if "growth" in options.rows:
        long = options.long
        found, counts = pairs(provider, bare, AntiSlopStrategy(provider, slops), long)
        early, late = ratio(found, 50, 250), ratio(found, long - 200)
        add(f"growth from token 100 to {long - 100:,}, {slop_name}", early / late, 1.05, counts, "lower")
    return rows


def measure_selection() -> list[dict[str, Any]]:
    """Milliseconds for candidates and a draw from a large vocabulary."""
    generator, rng, rows = np.random.default_rng(0), random.Random(0), []
    logits = [(generator.standard_normal(VOCABULARY) * spread).astype(np.float32) for spread in (1, 3)]
    for what, filters, bar in (
        ("top-k 50", (50,), 0.5),
        ("no top-k", (None,), 5.0),
        ("top-p 0.95, no top-k", (None, 0.95), 5.0),
    ):
        times = []
        for repeat in range(60):
            started = time.perf_counter()
            draw(candidates(logits[repeat % 2], *filters), rng)
            times.append(1000 * (time.perf_counter() - started))
        rows.append({"engine": "-", "what": f"selection from {VOCABULARY:,}, {what} (ms)", "value": statistics.median(times[4:]), "bar": bar, "better": "lower"})  # fmt: skip
        show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    met = row["value"] >= row["bar"] if row["better"] == "higher" else row["value"] <= row["bar"]
    sign = ">=" if row["better"] == "higher" else "<="
    counts = f"{row['rollbacks']} rollbacks, {row['discarded']} discarded" if "rollbacks" in row else ""
    counts += f", {row['per_forward']:.3f} per forward" if "per_forward" in row else ""
    print(
        f"| {row['engine']:12} | {row['what']:58} | {row['value']:6.3f} | {sign} {row['bar']:<5} | {'met' if met else 'MISSED':6} | {counts:52} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="*", default=["llamacpp", "transformers"])
    parser.add_argument("--model", type=Path, help="a .gguf file (default: the embedded SmolLM2)")
    parser.add_argument("--slops", type=Path, help="a JSON list of phrases (default: 8,000 that are made here)")
    parser.add_argument("--tokens", type=int, default=400, help="tokens a row (default 400)")
    parser.add_argument("--long", type=int, default=1600, help="tokens of the growth row")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=ROWS, help="which rows (default: all)")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/overhead.json"))
    options = parser.parse_args()
    slops = json.loads(options.slops.read_text()) if options.slops else banned_phrases()
    print(f"| {'engine':12} | {'what':58} | {'value':6} | {'bar':8} | {'':6} | {'':52} |")
    print(f"|{'-' * 14}|{'-' * 60}|{'-' * 8}|{'-' * 10}|{'-' * 8}|{'-' * 54}|")
    rows = measure_selection() if "selection" in options.rows else []
    for engine in options.engines:
        rows += measure_engine(engine, options.model or embedded_model(), slops, options)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=1))
    print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
