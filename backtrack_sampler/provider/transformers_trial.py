"""Whether a model's memory gives the logits that each text has by itself: found out once, before it is used.

Some families of transformers need to be told positions, some make a memory of their own, some are wrong with
any, and say nothing. So all but those known to be right are tried, on a small sibling where one can be built:
then neither dtype nor size changes the answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers.cache_utils import DummyLayer, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from ..errors import ModelError
from .one_row import OneRow
from .transformers_batch import TransformersBatch, windows
from .transformers_model import CausalModel
from .transformers_sibling import sibling
from .transformers_stream import Stream

__all__ = ["batches_exactly", "difference", "rounding", "settle"]

_COLUMNS = 512  # more than the window that GPT-Neo counts for itself
_FAILS = "it fails"
_known: dict[tuple[str, type, str], Any] = {}  # what siblings have shown


class _Nobody:
    """Owns the memory of a trial."""

    context_size: int | None = None
    piece = 1
    forward_passes = evaluated_tokens = 0

    def check_vocabulary(self, tokens: Sequence[int]) -> None:
        pass

    def _overwrite(self, array: torch.Tensor, raw: torch.Tensor) -> None:
        array[:] = raw


def settle(causal: CausalModel) -> str:
    """Decide whether positions are passed, and whether a memory is used at all.

    Returns:
        What was found where no memory is right; "" where one is.

    Raises:
        ModelError: the model cannot be evaluated in any way.
    """
    if causal.cache_name is None or _is_like_llama(causal):
        return ""
    found: str
    causal.positions, found = _verdict("stream", causal, _stream_trial)
    if found:
        try:
            causal.plain(_text(2, causal))
            if found.startswith(_FAILS):  # which may be for the sizes of the sibling
                causal.positions, found = _stream_trial(causal, rounding(causal))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            raise ModelError(f"{type(causal.model).__name__} cannot be evaluated ({_line(error)})") from error
    if found:
        causal.cache_name = None
    return found


def batches_exactly(causal: CausalModel) -> bool:
    """Whether the model gives each row of a batch the logits that it gives the same text alone.

    Its memory must consist of layers that are understood, its positions must not depend on how long
    another text is, and it must go by the positions and masks that it is given. (Not all do: ALiBi and
    GPT-Neo count for themselves.) That is tried, on a few tokens in rows of different lengths, beside many
    masked columns.
    """
    needed = {"attention_mask", "position_ids", "past_key_values"}
    if not needed <= causal.accepted or causal.cache_name is None or windows(causal.config) is None:
        return False
    if any(rope.get(name) in ("dynamic", "longrope") for rope in causal.ropes for name in ("rope_type", "type")):
        return False  # the longest text decides for all
    return bool(_verdict("batch", causal, _batch_trial))


def _is_like_llama(causal: CausalModel) -> bool:
    """Full attention and sliding windows, with rotary positions that it can be told: those are known to be right.

    But where a config does not say which layers slide, and only has a window, some use it and some do not (Moshi).
    """
    right = {DynamicLayer, DummyLayer}
    if getattr(causal.config, "layer_types", None):
        right.add(DynamicSlidingWindowLayer)
    layers = {type(layer) for layer in DynamicCache(config=causal.config).layers}
    return causal.positions and bool(causal.ropes) and layers <= right


def _verdict(what: str, causal: CausalModel, trial: Callable[[CausalModel, float], Any]) -> Any:
    """What a trial says, of the sibling once and for all, or of the model itself where it has none."""
    config = causal.model.config
    settings = {name: value for name, value in config.to_dict().items() if name not in ("dtype", "_name_or_path")}
    key = what, type(causal.model), json.dumps(settings, sort_keys=True, default=str)
    if key not in _known:
        # Other implementations of attention are not on every device.
        plain = config._attn_implementation in (None, "sdpa", "eager")
        small = sibling(type(causal.model), config) if plain else None
        if small is None:
            return trial(causal, rounding(causal))
        _known[key] = trial(small, rounding(small))
    return _known[key]


def _stream_trial(causal: CausalModel, tolerance: float) -> tuple[bool, str]:
    """One stream on, and back, and on, with positions and without: which is right, and what was wrong in the end."""
    text = _text(30, causal)
    steps = [text[:20], text[:21], text[:22], text[:26], text[:24] + text[:1], text[:9], text[:9] + text[:3]]
    found = ""
    for positions in (True, False) if causal.positions else (False,):
        tried = causal.variant(positions)
        nobody = _Nobody()
        memory = OneRow(nobody, 1, Stream(tried, nobody))
        try:
            worst = max(difference(memory.logits([tokens])[0], causal.plain(tokens)) for tokens in steps)
        except torch.OutOfMemoryError:
            raise  # that says nothing of the model
        except Exception as error:
            found = found or f"{_FAILS} ({_line(error)})"
            continue
        if worst <= tolerance:
            return positions, ""
        found = f"logits are off by {worst:.2g} of their range"
    return False, found


def _batch_trial(causal: CausalModel, tolerance: float) -> bool:
    """Rows of different lengths go on and back together."""
    texts = [_text(23, causal), _text(9, causal)[4:], _text(20, causal)[6:]]
    nobody = _Nobody()
    batch = TransformersBatch(nobody, 1, causal)
    batch.least_visible = min(getattr(causal.config, "max_position_embeddings", None) or _COLUMNS, _COLUMNS)
    try:
        batch.logits([text[:-2] for text in texts])
        batch.logits([text[:-1] + [0] for text in texts])  # goes back over the last of these
        found = [row.clone() for row in batch.logits(texts)]
        return all(difference(row, causal.plain(text)) <= tolerance for row, text in zip(found, texts, strict=True))
    except torch.OutOfMemoryError:
        raise
    except Exception:
        return False  # it cannot take what it was given


def rounding(causal: CausalModel) -> float:
    """What difference rounding may make: more than between two right ways to evaluate a text, alone and as a beginning.

    Both without a memory. Rounding is bounded as well, by what a memory that is wrong would do.
    """
    dtype = causal.model.dtype
    least, most = {torch.float64: (2e-5, 3e-3), torch.float32: (3e-4, 3e-3)}.get(
        dtype, (8 * torch.finfo(dtype).eps, 0.1)
    )
    text = _text(24, causal)
    with torch.inference_mode():
        whole = causal.model(input_ids=torch.tensor([text], device=causal.device)).logits[0].float()
    seen = [difference(whole[length - 1], causal.plain(text[:length])) for length in (5, 9, 14, 23)]
    return float(min(most, max(least, 4 * max(seen))))


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest one between logits, as a share of how far these are from their mean."""
    share: float = ((found - expected).abs().max() / (expected - expected.mean()).abs().max()).item()
    return math.inf if math.isnan(share) else share


def _text(length: int, causal: CausalModel) -> list[int]:
    return [3 + 7 * place % (causal.size - 3) for place in range(length)]


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
