"""What lm-evaluation-harness asks for in a request, in this package's terms."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InputError

__all__ = ["MAX_NEW_TOKENS", "drawing_of", "seeds_of_requests"]

#: Most tokens of an answer where a task does not say; the harness's own default.
MAX_NEW_TOKENS = 256

#: Of what other engines take, the values that ask for nothing.
_NEUTRAL = {
    "num_beams": 1,
    "num_return_sequences": 1,
    "repetition_penalty": 1,
    "length_penalty": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "no_repeat_ngram_size": 0,
}


def drawing_of(asked: Mapping[str, Any], max_new_tokens: int, top_k: int | None) -> tuple[dict[str, Any], list[str]]:
    """How a request's text is drawn.

    A request draws at random where it says `do_sample`, or a temperature above 0; otherwise it takes the
    most probable token, as everywhere in the harness. Where it says `do_sample` and no temperature, that is 1.

    Args:
        asked: its `generation_kwargs`.
        max_new_tokens, top_k: where it says none.

    Returns:
        Options of `backtrack_sampler.prompts.OPTIONS`; and the names of what it asks for and cannot have.

    Raises:
        InputError: something in it cannot be understood.
    """
    from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs

    try:
        said = dict(normalize_gen_kwargs(dict(asked), max_new_tokens))
        stop = handle_stop_sequences(said.pop("until"), eos=None)
    except (TypeError, ValueError) as error:
        raise InputError(f"the task's generation_kwargs cannot be used ({error}): {dict(asked)}") from error
    samples = bool(said.pop("do_sample"))
    temperature = said.pop("temperature", None)
    options = {
        "stop": [text for text in stop if text],
        "max_new_tokens": said.pop("max_gen_toks"),
        "temperature": (1.0 if temperature is None else temperature) if samples else 0.0,
        "top_k": said.pop("top_k", top_k),
    }
    if options["top_k"] in (None, -1):  # what some engines say for no limit
        options["top_k"] = 0
    options |= {name: said.pop(name) for name in ("top_p", "min_p", "max_length") if name in said}
    said.pop("seed", None)  # part of what the request's own seed is made of
    return options, [name for name, value in said.items() if value is not None and _NEUTRAL.get(name) != value]


def seeds_of_requests(requests: Sequence[Any], seed: int) -> list[int]:
    """A seed for each request: of its task, document, index and text, and which of their repeats it is.

    A request that is repeated is the same object several times, so they are counted. What else is in a
    run, and in which order, makes no difference.

    Args:
        requests: of the harness.
        seed: of the run.
    """
    repeats: Counter[str] = Counter()
    found = []
    for request in requests:
        said = [request.task_name, request.doc_id, request.idx, request.args]
        key = json.dumps([seed, *said], sort_keys=True, default=str)
        digest = hashlib.sha256(f"{key}{repeats[key]}".encode())
        found.append(int.from_bytes(digest.digest()[:6], "big"))
        repeats[key] += 1
    return found
