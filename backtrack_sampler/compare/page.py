"""A comparison as one page that needs nothing else: the table, and the texts next to each other."""

from __future__ import annotations

from itertools import pairwise, takewhile
from typing import Any

from ..pages import document
from .comparison import Comparison, Text
from .table import differences, facts, notes, values

__all__ = ["page"]

_FOUND, _SHARED = 1, 2


def page(comparison: Comparison) -> str:
    """The page. All text from the model is data in it, and becomes text nodes only."""
    title = f"Compared: {', '.join(comparison.contenders)}"
    return document("backtrack_sampler.compare", title, _data(comparison))


def _data(comparison: Comparison) -> dict[str, Any]:
    """What the page shows.

    A line of the table is [label, cell of each contender, interval of each], where an interval may be "".
    A text is {"by": index of its contender, "parts": [what it is, characters] ..., "said": what to say below}.
    """
    spans = {line.label: ["", *line.cells] for line in differences(comparison)}
    nothing = [""] * len(comparison.contenders)
    return {
        "facts": facts(comparison),
        "notes": notes(comparison),
        "contenders": comparison.contenders,
        "lines": [[line.label, line.cells, spans.get(line.label, nothing)] for line in values(comparison)],
        "prompts": [
            {"prompt": prompt, "seeds": _seeds(comparison, number)}
            for number, prompt in enumerate(comparison.prompts[: comparison.done])
        ],
    }


def _seeds(comparison: Comparison, prompt: int) -> list[dict[str, Any]]:
    """The texts of a prompt, seed by seed, the baseline's first."""
    seeds: dict[int, list[Text]] = {}
    for text in comparison.texts:
        if text.prompt == prompt:
            seeds.setdefault(text.seed, []).append(text)
    return [
        {
            "seed": seed,
            "texts": [
                {
                    "by": comparison.contenders.index(text.contender),
                    "parts": _parts(text, texts[0].text if text is not texts[0] else ""),
                    "said": _said(text, texts[0]),
                }
                for text in texts
            ],
        }
        for seed, texts in seeds.items()
    ]


def _parts(text: Text, baseline: str) -> list[list[Any]]:
    """A text in pieces: what was found, what is as the baseline has it, and the rest."""
    shared = _shared(text.text, baseline)
    cuts = sorted({0, shared, len(text.text), *(place for found in text.places for place in found)})
    parts: list[list[Any]] = []
    found = iter([*text.places, (len(text.text), len(text.text))])
    start, end = next(found)
    for here, after in pairwise(cuts):
        while here >= end < len(text.text):
            start, end = next(found)
        what = (_FOUND if start <= here < end else 0) + (_SHARED if here < shared else 0)
        parts.append([what, text.text[here:after]])
    return parts


def _shared(text: str, other: str) -> int:
    """How many characters at the beginning are the same, in whole words."""
    if text == other:
        return len(text)
    alike = (one == another for one, another in zip(text, other, strict=False))
    same = sum(1 for _ in takewhile(bool, alike))
    while same and not text[same - 1].isspace():
        same -= 1
    return same


def _said(text: Text, baseline: Text) -> str:
    if text.error:
        return f"failed: {text.error}"
    said = [_count(text.tokens, "token")]
    if text.rollbacks:
        said.append(f"{_count(text.rollbacks, 'rollback')}, {text.discarded:,} taken back")
    elif text is not baseline and text.text == baseline.text:
        said.append("the same text")
    said += [_count(text.phrases, "phrase")] if text.phrases else []
    said.append(f"ended by {text.finish_reason}")
    return " · ".join(said)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
