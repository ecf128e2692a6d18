"""Lists of banned phrases, made here: the same on every machine, for the benchmarks and the tests."""

from __future__ import annotations

import random

# What a small model writes all the time.
COMMON = [
    "he was", "she was", "began to", "as the", "it was a", "a sense of", "in the world", "one day", "as she", "as he",
]  # fmt: skip
_ONSETS = "b br c ch d dr f g gl h j k l m n p qu r s sh st t th tr v w y z".split()  # noqa: SIM905
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ou"]
_ENDINGS = "d dor l lly lous mar n ndra ng nt r rian rst s ss th thra us".split()  # noqa: SIM905
_WORDS = [
    "ancient", "barely", "beneath", "breath", "deep", "distant", "echo", "eyes", "faint", "gaze", "gently", "heart",
    "heavy", "her", "hidden", "his", "into", "light", "low", "like", "mind", "of", "over", "quiet", "shadow",
    "silence", "silver", "sky", "smile", "soft", "steady", "tapestry", "than", "the", "their", "through", "trembling",
    "voice", "warm", "was", "weight", "whisper", "with",
]  # fmt: skip


def made_up_phrases(count: int = 8000) -> list[str]:
    """Two thirds single words, names mostly, and one third phrases of 2 to 6 words, as real lists of such phrases are.

    Hardly any of them is ever written; what is written begins like one of them all the time.
    """
    draw = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < count:
        if len(found) % 3:
            syllables = [draw.choice(_ONSETS) + draw.choice(_VOWELS) for _ in range(draw.randint(2, 3))]
            found["".join(syllables) + draw.choice(_ENDINGS)] = None
        else:
            found[" ".join(draw.choices(_WORDS, k=draw.randint(2, 6)))] = None
    return list(found)
