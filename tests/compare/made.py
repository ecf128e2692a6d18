"""Comparisons made by hand, with everything that a table, a file or a page could trip over."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from backtrack_sampler import Stats
from backtrack_sampler.compare import Comparison, PhraseCounter, Text, repeated, words

#: What models write, and worse.
HOSTILE = [
    "delve into", "word ", "\n", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;", "{{data}}",
    "\x1b[2J", "\u202eabc", "漢字", "e\u0301", "😀", '"', ",", "=1+1", "\x00", "\r\n", "שלום", "\ud800", "a tapestry of ", "'",
]  # fmt: skip


def text_of(contender: str, prompt: int, seed: int, text: str, **more: Any) -> Text:
    """A text with what can be counted in it."""
    tokens = text.split(" ")
    given = {
        "tokens": len(tokens), "discarded": 0, "rollbacks": 0, "finish_reason": "length", "words": len(words(text)),
        "repeated": repeated(tokens), "log_probability": -1.5, "places": tuple(PhraseCounter(["delve", "tapestry of"]).find(text)),
    }  # fmt: skip
    return Text(contender, prompt, seed, text, **{**given, **more})


def made(
    contenders: Sequence[str] = ("none", "antislop", "creative-writing", "ngram-overlap"), prompts: int = 2, seeds: int = 2, *,
    chance: int = 0, done: int | None = None, size: float = 1,
) -> Comparison:  # fmt: skip
    """One with random texts of hostile parts; some begin as the baseline's do, some have failed."""
    rng = random.Random(chance)
    found = Comparison(
        prompts=["".join(rng.choices(HOSTILE, k=4)) for _ in range(prompts)],
        contenders=list(contenders),
        seeds=seeds,
        settings={"model": "model", "seed": 0, "temperature": 0.8, "max_new_tokens": 60},
        phrases="list of 2",
    )
    texts = []
    done = prompts if done is None else done
    for prompt in range(done):
        for sample in range(seeds):
            base = rng.choices(HOSTILE, k=rng.randint(0, 12))
            for name in contenders:
                parts = (
                    base
                    if name == contenders[0] or rng.random() < 0.3
                    else base[: rng.randint(0, 12)] + rng.choices(HOSTILE, k=8)
                )
                more: dict[str, Any] = {"log_probability": -rng.random() * 20}
                if name != contenders[0]:
                    more |= {"rollbacks": rng.randint(0, 3), "discarded": int(rng.randint(0, 90) * size)}
                    more |= {"error": "it <b>failed</b>"} if rng.random() < 0.1 else {}
                texts.append(text_of(name, prompt, prompt * seeds + sample, "".join(parts), **more))
    costs = {
        name: Stats(int(900 * size * rng.random()), 5, 3, int(800 * size), int(70000 * size), 2.5, "")
        for name in contenders
    }
    found.add(texts, costs, done)
    return found
