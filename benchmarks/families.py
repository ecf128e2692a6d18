"""Whether every causal family that transformers ships is evaluated rightly: a Markdown table.

    python benchmarks/families.py                          # all of them, about ten minutes on two cores
    python benchmarks/families.py Llama Bamba MiniMax      # some, by the names of their configs

Each family is built small, with random weights, from its own default config, in a process of its own with
bounds on time and memory. A stream then goes on and back at random, and several do so together;
everything is compared with what the model says of each text alone, without any memory.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from backtrack_sampler import BacktrackError
from backtrack_sampler.provider.transformers_provider import TransformersProvider
from backtrack_sampler.provider.transformers_sibling import sibling
from backtrack_sampler.provider.transformers_trial import difference, rounding

SECONDS, BYTES = 300, 8 << 30
# What default configs leave out, or what makes a family what it is.
EXTRA: dict[str, dict[str, Any]] = {
    "Bamba": {"attn_layer_indices": [2], "num_hidden_layers": 4},
    "GraniteMoeHybrid": {"num_hidden_layers": 4, "layer_types": ["mamba", "mamba", "attention", "mamba"]},
    "Lfm2Moe": {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]},
    "Blenderbot": {"encoder_layers": 3, "decoder_layers": 3},
    "DeepseekV2": {"n_group": 1, "topk_group": 1, "num_experts_per_tok": 2},
}


def small_model(config_class: Any) -> Any:
    """A family's smallest model, or an error that says why there is none."""
    name = config_class.__name__.removesuffix("Config")
    config = config_class(**EXTRA.get(name, {}))
    heads, width = vars(config).get("num_attention_heads"), vars(config).get("hidden_size")
    if isinstance(heads, int) and isinstance(width, int):
        for missing, value in (("head_dim", width // heads), ("num_key_value_heads", heads)):
            if vars(config).get(missing, 0) is None:
                setattr(config, missing, value)
    if hasattr(config, "is_decoder"):
        config.is_decoder = True
    with torch.device("meta"):
        shape = transformers.AutoModelForCausalLM.from_config(config)
    found = sibling(type(shape), shape.config)
    if found is None:
        raise ValueError("no small one of its default config can be evaluated")
    return found.model


class Letters:
    """No text is needed."""

    eos_token_id = 2


def walk(provider: TransformersProvider, seed: int) -> float:
    """The largest difference, as a share of the range of the logits."""
    rng = random.Random(seed)
    worst = 0.0

    def compare(found: torch.Tensor, tokens: list[int]) -> None:
        nonlocal worst
        worst = max(worst, difference(found, provider._causal.plain(tokens)))

    longest = min(200, provider.context_size or 200)
    tokens = [rng.randrange(3, 100) for _ in range(20)]
    streams = [tokens, tokens[:12] + [5], [7, 8, 9]]
    for _ in range(25):
        if rng.random() < 0.3:
            tokens = tokens[: max(1, len(tokens) - rng.choice([1, 3, 10, 40]))]
        tokens = (tokens + [rng.randrange(3, 100) for _ in range(rng.choice([1, 1, 1, 2, 6, 20]))])[:longest]
        compare(provider.logits(tokens), tokens)
    for _ in range(8):
        index = rng.randrange(3)
        streams[index] = streams[index][: max(1, len(streams[index]) - rng.choice([0, 1, 5]))]
        streams = [each + [rng.randrange(3, 100)] for each in streams]
        for found, each in zip(provider.logits_batch(streams), streams, strict=True):
            compare(found, each)
    return worst


def examine(config_class: Any) -> dict[str, Any]:
    """One row of the table."""
    try:
        provider = TransformersProvider(small_model(config_class), Letters())
    except Exception as error:
        return {"result": "cannot be built", "why": f"{type(error).__name__}: {' '.join(str(error).split())[:110]}"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            worst = max(walk(provider, seed) for seed in range(2))
        except BacktrackError as error:
            return {"result": "refused", "why": str(error)}
    said = [str(each.message) for each in caught if "without a memory" in str(each.message)]
    exact = worst <= 4 * rounding(provider._causal)  # texts are longer than in the trial
    return {
        "result": ("trial fell back" if said else "exact") if exact else f"WRONG by {worst:.2g}",
        "why": said[0].split("with one, ")[1] if said else "",
        "batched": provider.batched,
    }


def bounded(config_class: Any) -> dict[str, Any]:
    """The same in a process that may fail, take too long or too much."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        child = os.fork()
        if child == 0:
            try:
                resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
                signal.alarm(SECONDS)
                file.write_text(json.dumps(examine(config_class)))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if status or not file.exists():
            return {"result": "cannot be built", "why": f"more than {SECONDS} s or {BYTES >> 30} GB"}
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def main() -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)  # a process that was forked must not wait for threads it has not
    classes = sorted(MODEL_FOR_CAUSAL_LM_MAPPING.keys(), key=lambda each: each.__name__)
    if names := set(sys.argv[1:]):
        classes = [each for each in classes if each.__name__.removesuffix("Config") in names]
    print("| family | result | batched | what was found |\n| --- | --- | --- | --- |")
    counts: dict[str, int] = {}
    for config_class in classes:
        row = bounded(config_class)
        kind = row["result"].split(" by ")[0]
        counts[kind] = counts.get(kind, 0) + 1
        batched = "yes" if row.get("batched") else ""
        print(
            f"| {config_class.__name__.removesuffix('Config')} | {row['result']} | {batched} | {row['why']} |",
            flush=True,
        )
    print(f"\ntransformers {transformers.__version__}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))


if __name__ == "__main__":
    main()
