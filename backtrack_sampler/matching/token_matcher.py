"""Phrases and regular expressions over a stream of tokens that can be taken back.

Ties the three parts of this folder together: tokens become characters, characters drive the
automata, and every match leads back to the token in which it begins. All state is kept per
token, so a rollback is a truncation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..errors import InputError
from .detokenizer import Decode, Detokenizer
from .phrases import compiled, folded, unfolded
from .phrases import exact as identical
from .regexes import RegexAutomaton, Threads, is_word

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

    phrases: int
    threads: Threads
    waiting: tuple[tuple[int, int, int], ...]  # whole words that wait for the next character
    pending_from: int  # the first token that could still become part of a match


_START = _After(0, {}, (), 0)


class TokenMatcher:
    """Feeds on tokens; reports matches and how much of the end might still become one.

    What is searched is the text of the tokens alone: a match that begins in the context is not
    seen. The context decides only what stands before their first character, for whole words, `\\b`
    and, with `(?m)`, whether a line begins there. Without `(?m)`, `^` is what `\\A` is, the beginning
    of the tokens' own text, whatever the context.

    Args:
        decode: token ids to text.
        phrases: texts to find; apostrophes and quotes match in their plain and curly forms.
        regexes: regular expressions to find (see `RegexAutomaton` for what they may hold).
        ignore_case: for both.
        exact: nothing is ignored, neither case nor the form of an apostrophe.
        whole_words: phrases match only where no letter or digit touches them. The end of the
            stream counts as a boundary; at the live edge a match waits for the next character.
        special: tokens without a text, and how each is written: a phrase that is just that matches
            the token.
        context: tokens that stand before the first one: see `reset`.

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
        self._fold = identical if exact else folded if ignore_case else unfolded
        texts = tuple(phrases)
        if "" in texts:
            raise InputError("an empty phrase would match everywhere: leave it out")
        self._phrases = compiled(texts, self._fold)
        patterns = list(regexes)
        self._regexes = RegexAutomaton(patterns, ignore_case=ignore_case) if patterns else None
        self._whole_words = whole_words
        self._special = special or {}
        self._detokenizer = Detokenizer(decode)
        self.reset(context)

    def reset(self, context: Sequence[int] = ()) -> None:
        """A new stream begins, after these tokens (its prompt; only their end is used)."""
        self._detokenizer.reset(context)
        before = self._detokenizer.before
        self._beginning = "^" + unfolded[before] if before else ""  # see `RegexAutomaton.step`
        self._text: list[str] = []
        self._states = [_START]

    def __len__(self) -> int:
        """How many tokens there are."""
        return len(self._detokenizer)

    def push(self, token: int) -> list[Match]:
        """Add a token; return the matches that are certain now, earliest first, then longest."""
        new = self._detokenizer.push(token)
        phrases, threads, waiting, _ = self._states[-1]
        found: list[tuple[int, int, int]] = []
        for character in new:
            phrases, threads, waiting = self._step(phrases, threads, waiting, character, found)
        self._states.append(_After(phrases, threads, waiting, self._pending_from(phrases, threads)))
        matches = self._matches(found) if found else []
        if token in self._special and not self._detokenizer.own_length(token):
            here, index = len(self._text), len(self) - 1
            written = [self._fold[character] for character in self._special[token]]
            matches += [Match(here, here, pattern, index) for pattern in self._phrases.equal_to(written)]
        return matches

    def finish(self) -> list[Match]:
        """What would match if the stream ended here. Changes nothing."""
        phrases, threads, waiting, _ = self._states[-1]
        found: list[tuple[int, int, int]] = []
        length = len(self._text)
        rest = self._detokenizer.finish()
        for character in rest:
            phrases, threads, waiting = self._step(phrases, threads, waiting, character, found)
        found += waiting
        if self._regexes is not None:
            before = unfolded[self._text[-1]] if self._text else self._beginning
            found += self._regexes.finish(threads, len(self._text), before)
        matches = self._matches(found)
        del self._text[length:]
        return matches

    def truncate(self, count: int) -> None:
        """Keep only the first `count` tokens."""
        self._detokenizer.truncate(count)
        del self._states[count + 1 :]
        del self._text[self._detokenizer.length :]

    def pending(self, count: int) -> int:
        """Of the first `count` tokens, how many at the end could still become part of a match.

        Asked of the shorter beginnings as well, as `BaseStrategy.pending` is, these are all that
        `cut` may take back.
        """
        return count - self._states[count].pending_from

    def _pending_from(self, phrases: int, threads: Threads) -> int:
        length = self._detokenizer.length
        start = length - self._phrases.depth[phrases]
        if threads:
            start = min(start, *(first for first, _ in threads.values()))
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

    def _step(
        self,
        phrases: int,
        threads: Threads,
        waiting: Sequence[tuple[int, int, int]],
        character: str,
        found: list[tuple[int, int, int]],
    ) -> tuple[int, Threads, tuple[tuple[int, int, int], ...]]:
        position = len(self._text)
        plain = unfolded[character]
        found += [match for match in waiting if not is_word(plain)]
        self._text.append(character)
        phrases = self._phrases.step(phrases, self._fold[character])
        still_waiting: list[tuple[int, int, int]] = []
        for index in self._phrases.ends(phrases):
            match = (position + 1 - self._phrases.lengths[index], position + 1, index)
            if not self._whole_words or self._starts_word(match[0]):
                waits = self._whole_words and is_word(plain)
                (still_waiting if waits else found).append(match)
        if self._regexes is not None:
            before = unfolded[self._text[-2]] if position else self._beginning
            threads, matches = self._regexes.step(threads, position, before, plain)
            offset = len(self._phrases.lengths)
            found += [(start, end, index + offset) for start, end, index in matches]
        return phrases, threads, tuple(still_waiting)

    def _starts_word(self, start: int) -> bool:
        before = self._text[start - 1] if start else self._beginning[-1:]
        return not is_word(self._text[start]) or not is_word(before)

    def _matches(self, found: list[tuple[int, int, int]]) -> list[Match]:
        found.sort(key=lambda match: (match[0], -match[1]))
        return [Match(*match, self._detokenizer.token_of(match[0])) for match in found]
