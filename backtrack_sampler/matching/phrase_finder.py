"""Phrases in a text that grows and shrinks by tokens, compared in a normal form.

A character as it is written may stand for none, one or several in that form, so positions are kept for
both: a match begins and ends with whole characters as they are written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import combining
from weakref import WeakValueDictionary

from ..errors import InputError
from .folding import Form, exact, form_of, is_letter, ordered
from .phrases import PhraseAutomaton

__all__ = ["Found", "PhraseFinder", "Phrases", "phrases_of"]

#: Where a match begins, where it ends, and which phrase it is.
Found = tuple[int, int, int]

_FIRST_MARK = "\u0300"  # no character before it combines with another


class _After(NamedTuple):
    """The state after a token."""

    state: int  # of the automaton
    base: int  # ... before the accents that the text ends with: more of them may belong before these
    accents: int  # how many those are
    waiting: tuple[Found, ...]  # whole words that wait for the next character


class _Group(NamedTuple):
    """Phrases that are compared in the same form.

    Attributes:
        indices: what each is called in matches.
    """

    form: Form
    indices: list[int]
    automaton: PhraseAutomaton


class Phrases:
    """Phrases, ready to be looked for. Any number of streams can share them.

    Args:
        texts: none of them empty.
        ignore_case: whether case makes no difference.
        as_written: whether nothing does: each is found only as it is written.

    Raises:
        InputError: one that is empty.
    """

    def __init__(self, texts: Sequence[str], ignore_case: bool, as_written: bool) -> None:
        forms: dict[int, Form] = {}
        members: dict[int, list[int]] = {}
        folded: list[str] = []
        for index, text in enumerate(texts):
            if not text:
                raise InputError("an empty phrase would match everywhere: leave it out")
            form = exact if as_written else form_of(text, ignore_case)
            folded.append(form.text(text))
            if not folded[-1]:
                raise InputError(f"the phrase {text!a} has nothing in it that can be seen: leave it out")
            forms[id(form)] = form
            members.setdefault(id(form), []).append(index)
        self.groups = [
            _Group(forms[key], indices, PhraseAutomaton(folded[index] for index in indices))
            for key, indices in members.items()
        ]


_known: WeakValueDictionary[tuple[tuple[str, ...], bool, bool], Phrases] = WeakValueDictionary()


def phrases_of(texts: tuple[str, ...], ignore_case: bool, as_written: bool) -> Phrases:
    """`Phrases(...)`; streams that look for the same ones share them.

    Without that, each of many streams with 8,000 phrases would take 0.3 s and 13 MB of its own.
    """
    key = (texts, ignore_case, as_written)
    phrases = _known.get(key)
    if phrases is None:
        phrases = _known[key] = Phrases(texts, ignore_case, as_written)
    return phrases


class PhraseFinder:
    """Finds phrases in the text of tokens.

    Args:
        group: the phrases.
        whole_words: no letter or digit may touch a match. The end of the stream counts as a
            boundary; at the live edge a match waits for the next character.
        written: the characters of the text as they are; its owner adds them before `push`.
    """

    def __init__(self, group: _Group, whole_words: bool, written: Sequence[str]) -> None:
        self._form, self._indices, self._automaton = group
        self._whole_words = whole_words
        self._written = written
        self.reset("")

    def reset(self, before: str) -> None:
        """A new text begins, after this one."""
        self._before = self._form.text(before)[-1:]
        self._folded: list[str] = []  # the text in its form
        self._ends: list[int] = []  # for each written character, how long that is after it
        self._states = [_After(0, 0, 0, ())]

    def push(self, new: str) -> list[Found]:
        """A token brings these characters; returns the matches that are certain now."""
        state, base, accents, waiting = self._states[-1]
        if not new:
            self._states.append(self._states[-1])
            return []
        automaton, form, folded, ends = self._automaton, self._form, self._folded, self._ends
        step, phrases_at = automaton.step, automaton.ends
        found: list[Found] = []
        for character in new:
            added = form[character]
            if waiting and added:
                if not is_letter(added[0]):
                    found += waiting
                waiting = ()
            if folded and (added == folded[-1] or added >= _FIRST_MARK):
                added = form.added(character, folded[-1])
            if len(added) == 1 and added < _FIRST_MARK:  # nearly all
                folded.append(added)
                state = base = step(state, added)
                accents = 0
            else:
                for each in added:
                    rank = combining(each)
                    misplaced = folded and 0 < rank < combining(folded[-1])
                    folded.append(each)
                    state = self._state_of_end() if misplaced else step(state, each)
                    base, accents = (base, accents + 1) if rank else (state, 0)
            ends.append(len(folded))
            if added and (here := phrases_at(state)):
                matches = self._whole(here)
                if self._whole_words and is_letter(folded[-1]):
                    waiting = tuple(matches)
                else:
                    found += matches
        self._states.append(_After(state, base, accents, waiting))
        return found

    def finish(self) -> tuple[Found, ...]:
        """Matches that only wait for the end of the text."""
        return self._states[-1].waiting

    def truncate(self, tokens: int, characters: int) -> None:
        """Keep only the first tokens, which have so many characters."""
        del self._states[tokens + 1 :]
        del self._ends[characters:]
        del self._folded[self._ends[-1] if self._ends else 0 :]

    @property
    def begun(self) -> int:
        """The first character that may belong to a match yet to come; the length of the text where there is none."""
        state, base, accents, _ = self._states[-1]
        depth = self._automaton.depth[state]
        if accents:
            depth = max(depth, self._automaton.depth[base] + accents)
        return bisect_right(self._ends, len(self._folded) - depth) if depth else len(self._ends)

    def equal_to(self, written: str) -> list[int]:
        """The phrases that are this text."""
        state = 0
        text = self._form.text(written)
        for character in text:
            state = self._automaton.step(state, character)
        return [
            self._indices[index] for index in self._automaton.ends(state) if self._automaton.lengths[index] == len(text)
        ]

    def _whole(self, phrases: Sequence[int]) -> list[Found]:
        """Phrases that end here: those that begin with a whole character and, where that is wanted, a whole word."""
        folded, ends, matches = self._folded, self._ends, []
        for index in phrases:
            first = len(folded) - self._automaton.lengths[index]
            start = bisect_right(ends, first)
            if first != (ends[start - 1] if start else 0):
                continue  # in the middle of one
            if self._whole_words and is_letter(folded[first]):
                before = folded[first - 1] if first else self._before
                if before and is_letter(before):
                    continue
            if folded[first] == " ":
                start = self._last_space(start, bisect_right(ends, first + 1))
            matches.append((start, len(ends), self._indices[index]))
        return matches

    def _last_space(self, start: int, following: int) -> int:
        """A phrase that begins with a space begins at the last one of several: nothing before it need go."""
        spaces = (n for n in range(following - 1, start, -1) if self._written[n].isspace())
        return next(spaces, start)

    def _state_of_end(self) -> int:
        """The automaton's state where an accent belongs before those that stand there already."""
        first = max(0, len(self._folded) - self._automaton.longest)  # no phrase reaches further back
        while first and combining(self._folded[first]):
            first -= 1
        state = 0
        for character in ordered("".join(self._folded[first:])):
            state = self._automaton.step(state, character)
        return state
