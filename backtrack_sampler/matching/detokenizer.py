"""From tokens to text, one token at a time, forwards and backwards.

A character may span tokens, and a token's text may depend on the one before it. Decoding token by
token and joining gets both wrong, so each token is decoded together with the last few, and the
characters at the end that are still incomplete (U+FFFD) wait for the tokens that complete them.
The window technique is that of vLLM's incremental detokeniser.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Decode", "Detokenizer"]

Decode = Callable[[Sequence[int]], str]

_INCOMPLETE = "\ufffd"
_MAX_INCOMPLETE = 4  # a UTF-8 character has at most four bytes, so at most four tokens


class _After(NamedTuple):
    """The state after one token."""

    window: int  # index where the decoding window starts; negative indices reach into the context
    settled: int  # characters of the window's text that are already part of `length`
    length: int  # characters of the whole text so far
    held_from: int  # first token whose characters are still incomplete, or the next index


class Detokenizer:
    """The text of a growing and shrinking list of tokens, and the token each character began in.

    Args:
        decode: token ids to text; an incomplete character decodes to U+FFFD.
        context: tokens that stand before the first one (the end of the prompt), so that the first
            word keeps its leading space in tokenisers that decide it from what comes before.
    """

    def __init__(self, decode: Decode, context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._context = list(context)[-_MAX_INCOMPLETE:]
        self._single: dict[int, int] = {}  # token -> length of its own text
        self.reset()

    def reset(self) -> None:
        """Forget all tokens (not the context)."""
        start = -len(self._context)
        # What the context leaves incomplete is settled with the first token.
        baseline = len(self._decode(self._context).rstrip(_INCOMPLETE)) if self._context else 0
        self._tokens: list[int] = []
        self._states = [_After(start, baseline, 0, 0)]
        self._lengths = [0]  # characters settled after the first n tokens, for bisecting

    def __len__(self) -> int:
        """How many tokens there are."""
        return len(self._tokens)

    @property
    def length(self) -> int:
        """How many characters are settled."""
        return self._lengths[-1]

    def push(self, token: int) -> str:
        """Add a token; return the characters that are settled by it ("" while one is incomplete)."""
        before = self._states[-1]
        self._tokens.append(token)
        count = len(self._tokens)
        text = self._decode(self._slice(before.window))
        stable = text.rstrip(_INCOMPLETE) if text.endswith(_INCOMPLETE) else text
        waited = count - before.held_from if len(stable) <= before.settled else 0
        if len(stable) < len(text) and waited >= _MAX_INCOMPLETE:
            stable = text  # no UTF-8 character is that long: these bytes will never be valid
        new = stable[before.settled :]
        length = before.length + len(new)
        if len(stable) == len(text):
            # All settled: the next window starts with the token or tokens that settled now.
            window = min(before.held_from, count - 1)
            after = _After(window, self._baseline(window), length, count)
        else:
            # The incomplete character begins in this token, or goes on from an earlier one.
            begins = count - 1 if new else before.held_from
            after = _After(before.window, max(before.settled, len(stable)), length, min(begins, count - 1))
        self._states.append(after)
        self._lengths.append(length)
        return new

    def finish(self) -> str:
        """The end of the stream: what is left of incomplete characters, as U+FFFD."""
        last = self._states[-1]
        return self._decode(self._slice(last.window))[last.settled :]

    def truncate(self, count: int) -> None:
        """Keep only the first `count` tokens."""
        del self._tokens[count:]
        del self._states[count + 1 :]
        del self._lengths[count + 1 :]

    def characters_before(self, count: int) -> int:
        """How many characters are settled by the first `count` tokens."""
        return self._lengths[count]

    def token_of(self, character: int) -> int:
        """Index of the token in which this character began (its first byte)."""
        # The token that settled it; where that one only completed it, the one that began it.
        index = bisect_right(self._lengths, character) - 1
        if character == self._lengths[index] or index == len(self._tokens):
            return min(self._states[index].held_from, index)
        return index

    def first_incomplete(self, count: int) -> int:
        """Among the first `count` tokens, index of the first whose characters are incomplete; else `count`."""
        return min(self._states[count].held_from, count)

    def _slice(self, window: int) -> list[int]:
        if window >= 0:
            return self._tokens[window:]
        return self._context[window:] + self._tokens

    def _baseline(self, window: int) -> int:
        tokens = self._tokens[window:]
        if len(tokens) > 1:
            return len(self._decode(tokens))
        length = self._single.get(tokens[0])
        if length is None:
            length = self._single[tokens[0]] = len(self._decode(tokens))
        return length
