"""How often words and phrases stand in texts that were written to prompts.

A word that is the prompt's own counts for nothing in the texts of that prompt, nor does a phrase with it:
that a tale of a dragon has dragons in it says nothing of who tells it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .words import Word, Written, same_subject, words_of

__all__ = ["Counted", "Place", "Tally"]

_ALIKE = 3  # letters with which all forms of a word begin
_STRETCH = 100  # words; what is repeated within so many counts once, where it is asked how sure a count is


@dataclass(slots=True)
class Tally:
    """How often a phrase is there.

    Attributes:
        count: all of its places.
        stretches: of a hundred words, in which it is.
        texts: in which it is.
        prompts: to which those were written, by number.
    """

    count: int = 0
    stretches: int = 0
    texts: int = 0
    prompts: set[int] = field(default_factory=set)
    _last: tuple[int, int] = (-1, -1)

    def add(self, text: int, prompt: int, word: int) -> None:
        """One more place; they come in order."""
        here = (text, word // _STRETCH)
        self.count += 1
        if here != self._last:
            self.stretches += 1
            if text != self._last[0]:
                self.texts += 1
                self.prompts.add(prompt)
            self._last = here


class Place(NamedTuple):
    """Where a phrase is: number of the text, and its first word in it; how many words it has."""

    phrase: str
    text: int
    word: int
    size: int

    @property
    def words(self) -> set[tuple[int, int]]:
        """Its words: number of the text, and of the word in it."""
        return {(self.text, self.word + offset) for offset in range(self.size)}


class Counted:
    """Texts, word by word.

    Args:
        texts: and their prompts.
        is_common: whether a word is one that any prompt may have, such as "the".

    Attributes:
        texts: in composed form (NFC), as words have their places in them.
        prompts: those that are different.
        words: how many there are.
    """

    def __init__(self, texts: Iterable[Written], is_common: Callable[[str], bool]) -> None:
        written = list(texts)
        self._is_common = is_common
        self._numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompt for _, prompt in written))}
        self._subjects = self._subjects_of(self._numbers)
        self._with: dict[str, frozenset[int]] = {}
        self._sizes = [0] * len(self._numbers)  # of each prompt: words of its texts
        self.texts: list[str] = []
        self._prompts: list[int] = []  # of each text
        self._words: list[list[Word]] = []
        self._reach: list[list[int]] = []
        for text, prompt in written:
            number = self._numbers[prompt]
            composed = unicodedata.normalize("NFC", text)
            words = list(words_of(composed))
            self.texts.append(composed)
            self._prompts.append(number)
            self._words.append(words)
            self._reach.append(self._reach_of(number, words))
            self._sizes[number] += len(words)

    @property
    def prompts(self) -> list[str]:
        return list(self._numbers)

    @property
    def words(self) -> int:
        return sum(self._sizes)

    def words_for(self, phrase: str) -> int:
        """Words of the texts in which a phrase counts: not of those to whose prompts it belongs."""
        own = frozenset[int]().union(*(self._prompts_with(word) for word in phrase.split(" ")))
        return self.words - sum(self._sizes[number] for number in own)

    def tallies(self, longest: int, least_texts: int, least_prompts: int) -> dict[str, Tally]:
        """All words, and phrases of up to so many, that are in enough texts of enough prompts.

        A phrase can be that only where its beginning and its end are, so each round looks at what is
        left of the one before (Agrawal and Srikant's Apriori, 1994).
        """
        found: dict[str, Tally] = {}
        alive = [bytearray(b"\1" * (len(words) + 1)) for words in self._words]
        for size in range(1, longest + 1):
            level: dict[str, Tally] = {}
            for text, flags in enumerate(alive):
                for word, phrase in self._windows(text, size, flags):
                    level.setdefault(phrase, Tally()).add(text, self._prompts[text], word)
            enough = {
                phrase: tally
                for phrase, tally in level.items()
                if tally.texts >= least_texts and len(tally.prompts) >= least_prompts
            }
            for text, flags in enumerate(alive):
                kept = bytearray(len(flags))
                for word, phrase in self._windows(text, size, flags):
                    kept[word] = phrase in enough
                alive[text] = kept
            found.update(enough)
        return found

    def places(self, phrases: Collection[str]) -> Iterator[Place]:
        """Where these count, text by text, and in each of them the shorter phrases first."""
        sizes = sorted({phrase.count(" ") + 1 for phrase in phrases})
        for text in range(len(self.texts)):
            for size in sizes:
                for word, phrase in self._windows(text, size):
                    if phrase in phrases:
                        yield Place(phrase, text, word, size)

    def tally(self, places: Iterable[Place]) -> Tally:
        """Of one phrase, at some of its places, in order."""
        tally = Tally()
        for _, text, word, _ in places:
            tally.add(text, self._prompts[text], word)
        return tally

    def span(self, place: Place) -> tuple[int, int]:
        """Where a place begins and ends in its text."""
        words = self._words[place.text]
        return words[place.word].start, words[place.word + place.size - 1].end

    def _subjects_of(self, prompts: Mapping[str, int]) -> dict[str, list[tuple[str, int]]]:
        """Words that are some prompt's own, with its number, by how they begin."""
        found: dict[str, list[tuple[str, int]]] = {}
        for prompt, number in prompts.items():
            for word in {word.text for word in words_of(unicodedata.normalize("NFC", prompt))}:
                if word and not self._is_common(word):
                    found.setdefault(word.removesuffix("'s")[:_ALIKE], []).append((word, number))
        return found

    def _prompts_with(self, word: str) -> frozenset[int]:
        """The prompts whose own a word is; remembered."""
        found = self._with.get(word)
        if found is None:
            near = [] if self._is_common(word) else self._subjects.get(word.removesuffix("'s")[:_ALIKE], [])
            found = frozenset(number for subject, number in near if same_subject(word, subject))
            self._with[word] = found
        return found

    def _reach_of(self, prompt: int, words: list[Word]) -> list[int]:
        """Of each word how many stand next to each other from there on, and count."""
        reach = [0] * (len(words) + 1)
        for index in range(len(words) - 1, -1, -1):
            text = words[index].text
            if text and prompt not in self._prompts_with(text):
                further = index + 1 < len(words) and words[index + 1].joined
                reach[index] = 1 + (reach[index + 1] if further else 0)
        return reach

    def _windows(self, text: int, size: int, alive: bytearray | None = None) -> Iterator[tuple[int, str]]:
        """Phrases of so many words, and their first words.

        Args:
            alive: where phrases of one word less begin that may be parts of one.
        """
        words = self._words[text]
        for index, reach in enumerate(self._reach[text]):
            if reach >= size and (alive is None or (alive[index] and (size == 1 or alive[index + 1]))):
                if size == 1:
                    yield index, words[index].text.removesuffix("'s")  # Lena's is one more Lena
                else:
                    yield index, " ".join([word.text for word in words[index : index + size]])
