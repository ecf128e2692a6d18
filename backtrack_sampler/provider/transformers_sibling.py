"""A small model of the same architecture as a large one, with random weights, in float64 or float32.

Whether a memory is right is a question about the architecture. On the model itself rounding would answer
it, in bfloat16 at least, or its size would make the answer dear.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from transformers import PreTrainedConfig
from transformers.cache_utils import DynamicCache

from .transformers_model import CausalModel

__all__ = ["shrunk", "sibling"]

_MOST_PARAMETERS = 50_000_000
_VOCABULARY = 128
_WINDOW = 8  # so that a short text slides out of it
# Names of numbers in configs, by what becomes of them; the first that fits.
_WINDOWS = re.compile(r"^(sliding_window(_size)?|attention_(chunk|window)_size|window_size|local_attention)$")
_CHOSEN = re.compile(r"(per_tok|topk|top_k|moe_k)$")  # of the experts
_GROUPS = re.compile(r"groups?$")
# What is a head's own, or no size at all, stays: so rotary sections, ratios and periods still fit.
_KEPT = re.compile(
    r"head_?dim|d_head|dim_head|head_size|headdim|rotary|max_|position|length|seq_len|n_ctx|layer|type|_id|rank$|state|conv"
    r"|kernel|expand|chunk|block|period|offset|interval|scalar|floor|multipl|divisible|bucket|channel|seed|extent|d_rel"
)
_HEADS = re.compile(r"heads?$")
_EXPERTS = re.compile(r"experts?(_num)?$")


def sibling(model_class: Any, config: PreTrainedConfig) -> CausalModel | None:
    """A model of the same class with the same kinds of layers, as small as can be built and evaluated.

    Args:
        model_class: as `type(model)`.
        config: the whole config of the model.

    Returns:
        On the CPU and in evaluation mode, the same at every call; None where there is none: its class makes
        nothing so small, or what it does with the beginning of a text does not reach the end.
    """
    sizes = (2, False), (2, True), (4, False), (1, False), (1, True)
    for (heads, all_layers), dtype in product(sizes, (torch.float64, torch.float32)):
        try:
            small = shrunk(config, heads, all_layers)
            with torch.device("meta"):
                size = sum(weights.numel() for weights in model_class(copy.deepcopy(small)).parameters())
            if size > _MOST_PARAMETERS:
                continue
            with torch.random.fork_rng(devices=[]), torch.device("cpu"):
                torch.manual_seed(1)
                model = CausalModel(model_class(small).to(dtype))
            if _remembers(model):
                return model
        except Exception:  # any of a hundred kinds that a class finds wrong with its sizes
            continue
    return None


def shrunk(config: PreTrainedConfig, heads: int = 2, all_layers: bool = False) -> PreTrainedConfig:
    """A config of the same architecture with small sizes.

    Heads keep their own size, and become few; what is made of heads is divided by as much, so that all
    that has to fit still fits.

    Args:
        config: not changed.
        heads: leave at least so many, where that divides what there are.
        all_layers: keep them all, instead of as many at the beginning as have every kind.
    """
    config = copy.deepcopy(config)
    config._experts_implementation = "eager"  # others take no float64
    for each in _configs(config):
        _shrink(each, heads)
        if not all_layers:
            _shorten(each)
    return config


def _configs(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    yield config
    for value in list(vars(config).values()):
        if isinstance(value, PreTrainedConfig):
            yield from _configs(value)


def _shrink(config: PreTrainedConfig, heads: int) -> None:
    count, width = _number(config, "num_attention_heads", "num_heads"), _number(config, "hidden_size")
    factor = 1
    if count is not None:
        factor = count // next((n for n in range(heads, heads + 3) if count % n == 0), 1)
    elif width is not None:
        factor = max(1, width // 64)
    for name, value in list(vars(config).items()):
        if type(value) is int:
            setattr(config, name, _small(name, value, factor))
        elif isinstance(value, list) and any(type(each) is int for each in value):
            setattr(config, name, [_small(name, each, factor) if type(each) is int else each for each in value])
        elif name in ("initializer_range", "init_std", "initializer_std") and width is not None:
            # Enough for what a token is to reach those after it.
            setattr(config, name, math.sqrt(factor / width))


def _number(config: PreTrainedConfig, *names: str) -> int | None:
    for name in names:
        try:
            if isinstance(value := getattr(config, name), int):
                return value
        except AttributeError:  # where layers differ, it also refuses what it has
            continue
    return None


def _small(name: str, value: int, factor: int) -> int:
    if value < 2:
        return value
    if "vocab" in name:
        return min(value, _VOCABULARY)
    if name.endswith("token_id"):
        return min(value, 2)
    if _WINDOWS.search(name):
        return min(value, _WINDOW)
    if _CHOSEN.search(name):
        # Few of a text's positions would be a matter of chance: small indexers find them all alike.
        return value if name.startswith("index") else min(value, 2)
    if _GROUPS.search(name):
        return 1
    if _KEPT.search(name):
        return value
    if _HEADS.search(name):
        return max(1, value // factor)
    if _EXPERTS.search(name):
        return min(value, 8)
    if value < 64:
        return value
    if value % factor or re.search("intermediate|ffn", name):  # made of nothing
        return -(-value // (16 * factor)) * 16  # experts are multiplied in pieces of 16 bytes
    return value // factor


def _shorten(config: PreTrainedConfig) -> None:
    """Keep the first layers: at least two, and one of each kind."""
    count = getattr(config, "num_hidden_layers", 0)
    if not count:
        return
    lists = {name: value for name, value in vars(config).items() if isinstance(value, list) and len(value) == count}
    kinds = [[repr(kind) for kind in each] for each in lists.values()]
    kinds.append([type(layer).__name__ for layer in DynamicCache(config=config).layers])
    few = max(2, *(1 + max(each.index(kind) for kind in set(each)) for each in kinds if len(set(each)) <= 4))
    if few < count:
        for name, value in list(vars(config).items()):
            if name in lists:
                setattr(config, name, value[:few])
            elif name.endswith("layers") and value == count:
                setattr(config, name, few)
        config.num_hidden_layers = few


def _remembers(model: CausalModel) -> bool:
    """Whether a token changes what comes some time later, so that a memory that lost it would show."""
    tokens = [3 + 7 * place % 91 for place in range(20)]
    with torch.inference_mode():
        model.model(input_ids=torch.tensor([tokens]))  # with its own memory; its sizes must fit that too
    one, other = (model.plain(each) for each in (tokens, [*tokens[:8], 95, *tokens[9:]]))
    return bool((one - other).abs().max() > 6e-4 * (one - one.mean()).abs().max())
