"""A comparison as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from typing import Any

from ..trace.files import write_atomically
from .comparison import MEASURES, Comparison, Text
from .measures import distinct, words

__all__ = ["as_json", "contenders_csv", "texts_csv", "write"]


def write(path: str | os.PathLike[str], text: str) -> None:
    """Write it whole or not at all; half a character, as a file name may have, becomes a question mark.

    Raises:
        InputError: it cannot be written.
    """
    write_atomically(path, text.encode(errors="replace").decode())


def contenders_csv(comparison: Comparison) -> str:
    """A row a contender: what the table says, not rounded, and the ends of the intervals."""
    rows = []
    for name in comparison.contenders:
        row = _contender(comparison, name)
        del row["finish_reasons"]
        for measure, interval in row.pop("differences").items():
            row[f"{measure}_difference_low"], row[f"{measure}_difference_high"] = interval or (None, None)
        rows.append(row)
    return _csv(rows)


def texts_csv(comparison: Comparison) -> str:
    """A row a text."""
    return _csv([{**_text(text), "prompt": comparison.prompts[text.prompt]} for text in comparison.texts])


def as_json(comparison: Comparison) -> str:
    """Settings, prompts, contenders and texts, whose prompts are numbers. What cannot be measured is null."""
    whole = {
        "settings": comparison.settings,
        "phrases": comparison.phrases,
        "complete": comparison.complete,
        "prompts": comparison.prompts[: comparison.done],
        "contenders": [_contender(comparison, name) for name in comparison.contenders],
        "texts": [{**_text(text), "places": text.places} for text in comparison.texts],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False, default=repr) + "\n"


def _contender(comparison: Comparison, name: str) -> dict[str, Any]:
    cost, baseline = comparison.costs[name], name == comparison.contenders[0]
    return {
        "contender": name,
        **{measure.name: _number(comparison.value(name, measure)) for measure in MEASURES},
        "unlike_none": comparison.changed(name),
        "failed": comparison.reasons(name).get("error", 0),
        "seconds": cost.seconds,
        "finish_reasons": comparison.reasons(name),
        "differences": {
            measure.name: None if baseline else comparison.difference(name, measure)
            for measure in MEASURES
            if measure.parts is not None
        },
    }


def _text(text: Text) -> dict[str, Any]:
    found = words(text.text)
    return {
        "contender": text.contender,
        "prompt": text.prompt,
        "seed": text.seed,
        "text": text.text,
        "tokens": text.tokens,
        "words": text.words,
        "discarded": text.discarded,
        "rollbacks": text.rollbacks,
        "finish_reason": text.finish_reason,
        "repeated_4_grams": text.repeated,
        **{f"distinct_{size}": _number(distinct([found], size)) for size in (1, 2, 3)},
        "log_probability": _number(text.log_probability),
        "phrases": text.phrases,
        "error": text.error,
    }


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else value


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()
