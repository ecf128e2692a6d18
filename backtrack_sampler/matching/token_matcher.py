"""Phrases and regular expressions over a stream of tokens that can be taken back.

Ties the three parts of this folder together: tokens become characters, characters drive the
automata, and every match leads back to the token in which it begins. All state is kept per
token, so a rollback is a truncation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .detokenizer import Decode, Detokenizer
from .phrase_finder import Found, PhraseFinder, phrases_of
from .regexes import NO_THREADS, RegexAutomaton, Running

__all__ = ["Match", "TokenMatcher"]


class Match(NamedTuple):
    """One occurrence in the text.

    Attributes:
        start: index of its first character.
        end: index after its last character; `start` where it is a special token, which has no text.
        pattern: index of the phrase; regular expressions are counted on after the phrases.
        token: index of the token in which it begins.
    """

    start: int
    end: int
    pattern: int
    token: int


class _After(NamedTuple):
    """The state after some number of tokens."""

    running: Running  # of the regular expressions
    pending_from: int  # the first token that could still become part of a match


_START = _After(NO_THREADS, 0)


class TokenMatcher:
    """Feeds on tokens; reports matches and how much of the end might still become one.

    What is searched is the text of the tokens alone: a match that begins in the context is not
    seen. The context decides only what stands before their first character, for whole words, `\\b`
    and, with `(?m)`, whether a line begins there. Without `(?m)`, `^` is what `\\A` is, the beginning
    of the tokens' own text, whatever the context.

    Args:
        decode: token ids to text.
        phrases: texts to find, in whatever way they are written: see `folding`.
        regexes: regular expressions to find in the text as it is written (see `RegexAutomaton` for what
            they may hold).
        ignore_case: for both.
        exact: phrases are found only as they are written, in case, signs and spaces.
        whole_words: phrases match only where no letter or digit touches them. The end of the
            stream counts as a boundary; at the live edge a match waits for the next character.
        special: tokens without a text, and how each is written: a phrase that is just that matches
            the token.
        context: tokens that stand before the first one: see `reset`.

    Attributes:
        too_long: indices of regular expressions that can never match, because the shortest text that they
            match is longer than `RegexAutomaton` looks for.

    Raises:
        InputError: an empty phrase, or a regular expression that cannot be used.
    """

    def __init__(
        self,
        decode: Decode,
        phrases: Iterable[str] = (),
        regexes: Iterable[str] = (),
        *,
        ignore_case: bool = True,
        exact: bool = False,
        whole_words: bool = False,
        special: Mapping[int, str] | None = None,
        context: Sequence[int] = (),
    ) -> None:
        texts = tuple(phrases)
        self._phrase_count = len(texts)
        self._phrases = phrases_of(texts, ignore_case, exact)
        self._text: list[str] = []  # as it is written
        self._finders = [PhraseFinder(group, whole_words, self._text) for group in self._phrases.groups]
        patterns = list(regexes)
        self._regexes = RegexAutomaton(patterns, ignore_case=ignore_case) if patterns else None
        self.too_long = self._regexes.too_long if self._regexes is not None else []
        self._special = special or {}
        self._detokenizer = Detokenizer(decode)
        self.reset(context)

    def reset(self, context: Sequence[int] = ()) -> None:
        """A new stream begins, after these tokens (its prompt; only their end is used)."""
        self._detokenizer.reset(context)
        before = self._detokenizer.before
        self._beginning = "^" + before[-1] if before else ""  # see `RegexAutomaton.step`
        self._text.clear()
        for finder in self._finders:
            finder.reset(before)
        self._states = [_START]

    def __len__(self) -> int:
        """How many tokens there are."""
        return len(self._detokenizer)

    def push(self, token: int) -> list[Match]:
        """Add a token; return the matches that are certain now, earliest first, then longest."""
        new = self._detokenizer.push(token)
        running, found = self._add(new, self._states[-1].running)
        self._states.append(_After(running, self._pending_from(running)))
        matches = self._matches(found) if found else []
        if token in self._special and not self._detokenizer.own_length(token):
            here, index, written = len(self._text), len(self) - 1, self._special[token]
            phrases = sorted(phrase for finder in self._finders for phrase in finder.equal_to(written))
            matches += [Match(here, here, phrase, index) for phrase in phrases]
        return matches

    def finish(self, end: int | None = None) -> list[Match]:
        """What would match if the stream ended here, or in front of the character at `end`. Changes nothing."""
        before = self._detokenizer.characters_before
        count = len(self)
        while end is not None and before(count) > end:
            count -= 1
        settled = before(count)
        rest = self._detokenizer.finish() if count == len(self) else "".join(self._text[settled:end])
        behind = ["".join(self._text[before(n) : before(n + 1)]) for n in range(count, len(self))]
        self._cut(count, settled)
        running, found = self._add(rest, self._states[count].running)
        for finder in self._finders:
            found += finder.finish()
        if self._regexes is not None:
            last = self._text[-1] if self._text else self._beginning
            found += self._by_regex(self._regexes.finish(running, len(self._text), last))
        matches = self._matches(found)
        self._cut(count, settled)
        for text in behind:
            self._text += text
            for finder in self._finders:
                finder.push(text)
        return matches

    def truncate(self, count: int) -> None:
        """Keep only the first `count` tokens."""
        self._detokenizer.truncate(count)
        del self._states[count + 1 :]
        self._cut(count, self._detokenizer.length)

    def _cut(self, count: int, characters: int) -> None:
        del self._text[characters:]
        for finder in self._finders:
            finder.truncate(count, characters)

    def pending(self, count: int) -> int:
        """Of the first `count` tokens, how many at the end could still become part of a match.

        Asked of the shorter beginnings as well, as `BaseStrategy.pending` is, these are all that
        `cut` may take back.
        """
        return count - self._states[count].pending_from

    def _pending_from(self, running: Running) -> int:
        length = self._detokenizer.length
        start = min([finder.begun for finder in self._finders], default=length)
        if running is not NO_THREADS:
            start = min(start, running.first)
        incomplete = self._detokenizer.first_incomplete(len(self))
        return min(incomplete, self._detokenizer.token_of(start)) if start < length else incomplete

    def first_incomplete(self, count: int) -> int:
        """See `Detokenizer.first_incomplete`."""
        return self._detokenizer.first_incomplete(count)

    def cut(self, match: Match) -> tuple[int, str]:
        """Where to cut so that the text before a match stays as it is.

        Returns:
            The first token to take back, and the text before the match that goes with it. That is
            the token in which the match begins or, where it also ends a character, the one in which
            that begins: half a character would be left.
        """
        token = match.token
        while True:
            before = self.text(self._detokenizer.characters_before(token), match.start)
            left = self._detokenizer.finish(token)  # what the tokens before it end in, if it goes
            earlier = self._detokenizer.first_incomplete(token)
            if earlier == token or not before or before.startswith(left):
                return token, before.removeprefix(left)
            token = earlier

    def text(self, start: int, end: int) -> str:
        """Characters `start` to `end` of the text."""
        return "".join(self._text[start:end])

    def _add(self, new: str, running: Running) -> tuple[Running, list[Found]]:
        """More text: what of the regular expressions runs then, and what is found by it."""
        position = len(self._text)
        self._text += new
        found = [match for finder in self._finders for match in finder.push(new)]
        if self._regexes is not None:
            before = self._text[position - 1] if position else self._beginning
            for character in new:
                running, matches = self._regexes.step(running, position, before, character)
                found += self._by_regex(matches)
                position, before = position + 1, character
        return running, found

    def _by_regex(self, matches: Iterable[Found]) -> list[Found]:
        return [(start, end, index + self._phrase_count) for start, end, index in matches]

    def _matches(self, found: list[Found]) -> list[Match]:
        found.sort(key=lambda match: (match[0], -match[1]))
        return [Match(*match, self._detokenizer.token_of(match[0])) for match in found]
