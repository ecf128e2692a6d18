"""Which words and phrases of a model's texts stand out against human ones, and how strongly.

The method is that of Sam Paech's slop-forensics and auto-antislop: frequencies in the model's texts over
human ones, words and phrases apart, only what is in texts of several prompts. What is our own is how sure
it has to be, and what becomes of phrases within phrases.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field

from ..checks import check_count, check_number
from ..trace.files import write_atomically
from .counting import Counted, Place, Tally
from .human import HumanText
from .words import Written, parts_of

__all__ = ["Finding", "Profile", "find_slop", "strength_of"]

LONGEST = 5  # words of a phrase
_NEARLY = 0.75  # of the places of a phrase are "nearly all"
_NEVER = 100.0  # times as frequent as in human text: never again
_Z = 1.645  # one-sided, 95%


@dataclass(frozen=True)
class Finding:
    """A word or phrase that stands out.

    Attributes:
        phrase: in lower case, with single spaces.
        strength: for anti-slop, from 0 to 1.
        count: how often it is there.
        texts: in how many.
        rate: times per word, in the texts where it counts.
        human: times per word, in human text.
        example: a text with it, and where it begins and ends in that.
    """

    phrase: str
    strength: float
    count: int
    texts: int
    rate: float
    human: float
    example: tuple[str, int, int]

    @property
    def ratio(self) -> float:
        """How many times as frequent as in human text."""
        return self.rate / self.human


@dataclass(frozen=True)
class Profile:
    """What stands out in some texts.

    Attributes:
        findings: the strongest first.
        texts: how many there are.
        prompts: different ones.
        words: of all texts.
        covered: words that are part of a finding.
        against: words of the human corpora; 0 where there was none.
    """

    findings: list[Finding] = field(default_factory=list)
    texts: int = 0
    prompts: int = 0
    words: int = 0
    covered: int = 0
    against: int = 0

    def strengths(self) -> dict[str, float]:
        """As anti-slop takes them: `AntiSlopStrategy(provider, profile.strengths(), whole_words=True)`."""
        return {finding.phrase: finding.strength for finding in self.findings}

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the strengths, for `--strategy antislop:slops=@FILE,whole_words=true`."""
        save_strengths(self.strengths(), path)


def save_strengths(strengths: Mapping[str, float], path: str | os.PathLike[str]) -> None:
    """Write phrases and their strengths as JSON, a phrase a line; the file is there whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    write_atomically(path, json.dumps(dict(strengths), ensure_ascii=False, indent=1) + "\n")


def certain_ratio(stretches: int, words: int, human: float) -> float:
    """How many times as frequent as in human text a phrase is at the very least, one-sided with 95%.

    `(sqrt(k) - 1.645 / 2)^2 / (words human)`: the square root of a Poisson count has a standard deviation of
    a half (Bartlett 1936). `k` is not how often it is there, which one text that repeats itself would raise,
    but the number of stretches of a hundred words that it is in.

    Args:
        stretches: in which it is.
        words: in all of the model's texts in which it counts.
        human: times per word in human text.
    """
    return max(0.0, math.sqrt(stretches) - _Z / 2) ** 2 / (words * human)


def strength_of(ratio: float) -> float:
    """How strongly anti-slop should keep away what is so many times as frequent as it should be.

    `1 - 1 / ratio`: the share by which it would have to become less likely. From a hundred times on it is 1, never.
    """
    return 1.0 if ratio >= _NEVER else math.floor(100 * (1 - 1 / max(1.0, ratio))) / 100


def find_slop(
    texts: Iterable[Written | tuple[str, str]],
    human: HumanText,
    *,
    min_texts: int = 3,
    min_prompts: int = 3,
    min_ratio: float = 10.0,
) -> Profile:
    """Find the words and phrases that a model uses more often than people do.

    Args:
        texts: `(text, prompt)` for each.
        human: how often people use them.
        min_texts: in so many texts at least.
        min_prompts: to so many different prompts, or to all where there are fewer.
        min_ratio: so many times as often as people, with 95% certainty (see `certain_ratio`).

    Raises:
        InputError: a number that cannot be used.
    """
    min_texts = check_count("min_texts", min_texts)
    min_prompts = check_count("min_prompts", min_prompts)
    min_ratio = check_number("min_ratio", min_ratio, 1.0)
    counted = Counted((Written(*text) for text in texts), human.is_common)
    min_prompts = max(1, min(min_prompts, len(counted.prompts)))
    tallies = counted.tallies(LONGEST, min_texts, min_prompts)
    rates = human.rates(tallies)
    words = {phrase: counted.words_for(phrase) for phrase in tallies}

    def ratio(phrase: str, tally: Tally) -> float:
        enough = tally.texts >= min_texts and len(tally.prompts) >= min_prompts
        return certain_ratio(tally.stretches, words[phrase], rates[phrase]) if enough else 0.0

    ratios = {phrase: ratio(phrase, tally) for phrase, tally in tallies.items() if _is_phrase(phrase, human)}
    strengths = {phrase: strength_of(least) for phrase, least in ratios.items() if least >= min_ratio}
    places: dict[str, list[Place]] = defaultdict(list)
    for place in counted.places(strengths):
        places[place.phrase].append(place)

    # The longest first, then the most widespread; of windows on something longer still, the one that says most.
    listed = sorted(strengths, key=lambda each: (-each.count(" "), -tallies[each].texts, -_said(each, human)))
    listed = _without_parts(listed, {phrase: tallies[phrase].count for phrase in listed})
    shorter = frozenset(listed)
    listed = [phrase for phrase in listed if not _has_part(phrase, shorter, strengths)]
    listed = _without_shifted(listed, places, lambda phrase, own: ratio(phrase, counted.tally(own)) >= min_ratio)
    findings = [
        Finding(
            phrase,
            strengths[phrase],
            tallies[phrase].count,
            tallies[phrase].texts,
            tallies[phrase].count / words[phrase],
            rates[phrase],
            _example(counted, places[phrase]),
        )
        for phrase in listed
    ]
    findings.sort(key=lambda found: (-found.strength, -found.texts, found.phrase))
    covered = set[tuple[int, int]]().union(*(place.words for phrase in listed for place in places[phrase]))
    return Profile(findings, len(counted.texts), len(counted.prompts), counted.words, len(covered), human.words)


def _said(phrase: str, human: HumanText) -> int:
    """How many words are not of the commonest."""
    return sum(not human.is_common(word) for word in phrase.split(" "))


def _is_phrase(phrase: str, human: HumanText) -> bool:
    """Whether it is more than a word of the commonest, or another one with such a one beside it."""
    words = phrase.split(" ")
    return len(words) > 2 or (len(phrase) > 1 and not any(map(human.is_common, words)))


def _without_parts(order: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    """Phrases without those that are nearly always part of the same longer one: a testament to, not testament."""
    kept: list[str] = []
    most: dict[str, int] = {}  # of the longer ones that a part belongs to, how often the most frequent is there
    for phrase in order:
        if most.get(phrase, 0) < _NEARLY * counts[phrase]:
            kept.append(phrase)
            most.update((part, max(most.get(part, 0), counts[phrase])) for part in parts_of(phrase))
    return kept


def _has_part(phrase: str, others: Container[str], strengths: Mapping[str, float]) -> bool:
    """Whether a part of it is kept away as strongly: then it never comes to the whole."""
    parts = (part for part in parts_of(phrase) if part != phrase and part in others)
    return any(strengths[part] >= strengths[phrase] for part in parts)


def _without_shifted(
    order: Iterable[str], places: Mapping[str, list[Place]], stands_out: Callable[[str, list[Place]], bool]
) -> list[str]:
    """Phrases that stand out also where not more than half of them is part of one before."""
    kept: list[str] = []
    taken: set[tuple[int, int]] = set()
    for phrase in order:
        if stands_out(phrase, [each for each in places[phrase] if 2 * len(each.words & taken) <= each.size]):
            kept.append(phrase)
            taken.update(*(place.words for place in places[phrase]))
    return kept


def _example(counted: Counted, places: list[Place]) -> tuple[str, int, int]:
    """The place with the most text around it."""

    def around(place: Place) -> int:
        start, end = counted.span(place)
        return min(start, 60) + min(len(counted.texts[place.text]) - end, 60)

    place = max(places, key=around)
    return (counted.texts[place.text], *counted.span(place))
