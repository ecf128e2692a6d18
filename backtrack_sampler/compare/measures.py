"""What can be counted in a text: how much of it repeats, how varied it is. Pure functions of sequences.

They take tokens as well as words, whatever can be compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Sequence

__all__ = ["distinct", "ngrams", "repeated", "words"]

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


def words(text: str) -> list[str]:
    """The words of a text, in lower case: runs of letters, digits and underscores, with apostrophes inside them.

    Where a language writes no spaces, a run between two punctuation marks is one word.
    """
    return [word.replace("\u2019", "'") for word in _WORD.findall(text.casefold())]


def ngrams(items: Sequence[Hashable], size: int) -> list[tuple[Hashable, ...]]:
    """All sequences of `size` neighbours, in order; none where there are fewer items."""
    return list(zip(*(items[start:] for start in range(size)), strict=False))


def repeated(items: Sequence[Hashable], size: int = 4) -> float:
    """The share of a text's n-grams that were there before: 0 where all differ, and where there are none.

    This is seq-rep-n, one less the different n-grams over all of them, of Welleck et al., "Neural Text
    Generation with Unlikelihood Training" (ICLR 2020); there, too, of tokens, with n = 4.
    """
    grams = ngrams(items, size)
    return (len(grams) - len(set(grams))) / len(grams) if grams else 0.0


def distinct(texts: Iterable[Sequence[Hashable]], size: int) -> float:
    """Different n-grams over all n-grams of several texts together; NaN where there are none.

    This is distinct-n of Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models"
    (NAACL 2016), who divide by the number of words: the same for single words, and nearly so for n-grams, of
    which a text has `size - 1` fewer; dividing by what there is makes 1 the most it can be. No n-gram goes
    from one text to the next. The more text, the less of it is new: compare texts of about the same length,
    and as many of each.
    """
    grams = [gram for text in texts for gram in ngrams(text, size)]
    return len(set(grams)) / len(grams) if grams else math.nan
