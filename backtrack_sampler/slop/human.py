"""How often people write a word or a phrase.

Words: the frequencies of the package wordfreq (Robyn Speer), which were taken before language models wrote
much of the web. Phrases: from a corpus of the user's, and as far as that does not tell, from the words that
they are made of.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingPackageError
from .words import parts_of, words_of

__all__ = ["HumanText"]

#: What the words of a phrase foretell counts as much as so many words of a corpus.
PRIOR_WORDS = 100_000
#: How many times as frequent as their words foretell phrases may be and still be ordinary: in Jane Austen's
#: novels, nine of ten are (benchmarks/profiles.py --calibrate). Idioms, names and quotations may be far beyond.
ALLOWANCE = 10.0
_COMMON = 1e-3  # words more frequent than this, about a hundred, are of no subject


class HumanText:
    """What people write.

    Args:
        language: as wordfreq names it, such as "en", "de" or "fr".
        corpora: files of human text, plain or `.jsonl` with `{"text": ...}` a line.

    Attributes:
        words: how many the corpora have.

    Raises:
        MissingPackageError: wordfreq is not installed.
        InputError: wordfreq does not know the language, or a file cannot be read.
    """

    def __init__(self, language: str = "en", corpora: Iterable[str | os.PathLike[str]] = ()) -> None:
        self._wordfreq = _wordfreq(language)
        self._language = language
        self._least: float = min(self._wordfreq.get_frequency_dict(language).values())
        self._remembered: dict[str, float] = {}
        #: Words one after the other, "" between those that do not stand next to each other.
        self._corpora = [_words_in(Path(file)) for file in corpora]
        self.words = sum(len(corpus) - corpus.count("") for corpus in self._corpora)

    def is_common(self, word: str) -> bool:
        """Whether a word is one of the hundred or so that are everywhere."""
        return self._word(word) >= _COMMON

    def rates(self, phrases: Collection[str]) -> dict[str, float]:
        """How often people write each: times per word.

        `(c + m p) / (N + m)`: `c` times in the corpora's `N` words, and `p` as its words foretell it, which
        counts as much as `m` = 100,000 words do.

        For a word `p` is wordfreq's frequency, and the rate is at least that: that a corpus does without
        a word makes it no stock phrase. For a phrase `p` is `10 p1 p2^(1/2) p3^(1/4) p4^(1/8) ...`, from its
        rarest word to its commonest. (Were words independent, there would be no exponents, and all that people
        say would stand out; but the more words are known, the less does the next one surprise.) As many times
        as a part of it is more frequent than foretold, it is so too, and it is never more frequent than that.
        """
        parts = {part for phrase in phrases for part in parts_of(phrase)}
        counts = self._counts(parts)
        found: dict[str, float] = {}
        lifts: dict[str, float] = {}  # how many times as frequent as its words alone foretell
        for phrase in sorted(parts, key=lambda part: part.count(" ")):
            alone = foretold = self._foretold(phrase)
            if halves := _halves(phrase):
                foretold = min(*(found[half] for half in halves), alone * max(1.0, *(lifts[half] for half in halves)))
            rate = (counts[phrase] + PRIOR_WORDS * foretold) / (self.words + PRIOR_WORDS)
            found[phrase] = rate if halves else max(rate, foretold)
            lifts[phrase] = found[phrase] / alone
        return {phrase: found[phrase] for phrase in phrases}

    def _foretold(self, phrase: str) -> float:
        """By nothing but the words."""
        rates = sorted(map(self._word, phrase.split(" ")))
        allowance = ALLOWANCE if len(rates) > 1 else 1.0
        return allowance * math.prod(math.pow(rate, 0.5**place) for place, rate in enumerate(rates))

    def _word(self, word: str) -> float:
        rate = self._remembered.get(word)
        if rate is None:
            forms = (word, word.removesuffix("'s"))
            rates = (float(self._wordfreq.word_frequency(form, self._language)) for form in forms)
            rate = self._remembered[word] = next(filter(None, rates), self._least)
        return rate

    def _counts(self, phrases: Collection[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        sizes = sorted({phrase.count(" ") + 1 for phrase in phrases})
        for corpus in self._corpora:
            for size in sizes:
                windows: Iterable[str] = (word.removesuffix("'s") for word in corpus)
                if size > 1:
                    windows = map(" ".join, zip(*(corpus[start:] for start in range(size)), strict=False))
                found.update(phrase for phrase in windows if phrase in phrases)
        return found


def _wordfreq(language: str) -> Any:
    try:
        wordfreq = importlib.import_module("wordfreq")
        about = importlib.import_module("wordfreq.language_info").get_language_info
    except ImportError as error:
        raise MissingPackageError("word frequencies need wordfreq: pip install 'backtrack_sampler[profile]'") from error
    known = [each for each in sorted(wordfreq.available_languages()) if about(each)["tokenizer"] == "regex"]
    if language not in known:
        raise InputError(f"there are no word frequencies for --language {language}: give one of {', '.join(known)}")
    return wordfreq


def _halves(phrase: str) -> tuple[str, ...]:
    """A phrase without its last word, and without its first."""
    return (phrase.rpartition(" ")[0], phrase.partition(" ")[2]) if " " in phrase else ()


def _words_in(file: Path) -> list[str]:
    """The words of a file, with "" between those that do not stand next to each other."""
    found: list[str] = []
    same: dict[str, str] = {}  # one object for each word, however often it is there
    for text in _texts_in(file):
        for word in words_of(unicodedata.normalize("NFC", text)):
            if not word.joined:
                found.append("")
            if word.text:
                found.append(same.setdefault(word.text, word.text))
    if not same:
        raise InputError(f"{file} has no words: give human text with --against")
    return found


def _texts_in(file: Path) -> Iterator[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise InputError(f"{file}: this is not valid text: use UTF-8") from None
    return _json_texts(text, file) if file.suffix.lower() == ".jsonl" else iter(text.split("\n\n"))


def _json_texts(lines: str, file: Path) -> Iterator[str]:
    for number, line in enumerate(lines.split("\n"), 1):
        if line.strip():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                raise InputError(f"{file}, line {number}: this is no JSON") from None
            if isinstance(found, dict) and isinstance(found.get("text"), str):
                yield found["text"]
