"""From tokens to text, one token at a time, forwards and backwards.

A character may span tokens, and a token's text may depend on the one before it. Decoding token by
token and joining gets both wrong, so each token is decoded together with the last few, and the
characters at the end that are still incomplete (U+FFFD) are pending until tokens complete them.
The window technique is that of vLLM's incremental detokeniser.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Decode", "Detokenizer"]

Decode = Callable[[Sequence[int]], str]

_INCOMPLETE = "\ufffd"
_MAX_BYTES = 4  # of a UTF-8 character: an incomplete one lies in the last three tokens that have text
_CONTEXT = 8  # tokens of it that are used: enough to find where a character begins
_MAX_WINDOW = 64  # tokens without a text (special ones) neither make a window endless nor keep a character waiting


class _After(NamedTuple):
    """The state after one token. Indices count from the first token of the context."""

    window: int  # where the decoding window starts: if incomplete, the token in which that character begins
    settled: int  # characters of the window's text that are already given out
    incomplete: bool  # whether characters at the end are pending


class Detokenizer:
    """The text of a growing and shrinking list of tokens, and the token each character began in.

    All that is given out, with `finish`, is what the bytes of all tokens decode to at once: bytes
    that are not valid become U+FFFD, and cost no valid character. A tokenizer that itself decodes a
    whole run of bytes to U+FFFD if one of them is not valid may lose those next to that one.

    Args:
        decode: token ids to text; an incomplete character decodes to U+FFFD.
        context: tokens that stand before the first one (the prompt; only its end is used), so that
            the first word keeps its leading space in tokenisers that decide it from what comes
            before, and a character that the prompt began is completed.

    Attributes:
        before: the end of the context's text; "" where there is none, or where a token without text (a
            special one) comes after it.
    """

    def __init__(self, decode: Decode, context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._own: dict[int, int] = {}  # token -> length of its own text
        self.reset(context)

    def reset(self, context: Sequence[int] = ()) -> None:
        """Forget all tokens: another stream begins, after this context."""
        context = context[-_CONTEXT:]
        self._tokens: list[int] = []
        self._states = [_After(0, 0, False)]
        self._lengths = [0]  # characters settled after the first n tokens, for bisecting
        self._base = len(context)
        text = "".join(map(self.push, context))
        self.before = text if context and self.own_length(context[-1]) else ""
        # The first character after the context is character 0.
        self._lengths = [length - len(text) for length in self._lengths]

    def __len__(self) -> int:
        """How many tokens there are."""
        return len(self._tokens) - self._base

    @property
    def length(self) -> int:
        """How many characters are settled."""
        return self._lengths[-1]

    def push(self, token: int) -> str:
        """Add a token; return the characters that are settled by it ("" while one is incomplete)."""
        window, settled, continued = self._states[-1]
        index = len(self._tokens)
        self._tokens.append(token)
        text = self._decode(self._tokens[window:])
        incomplete = text.endswith(_INCOMPLETE)
        if not incomplete:
            new = text[settled:]
            settled = len(text)
            # Without a text of its own (a special token) it would be no context for the next one.
            if not continued and (self.own_length(token) or index - window >= _MAX_WINDOW):
                window, settled = index, self.own_length(token)
        else:
            stable = len(text.rstrip(_INCOMPLETE))
            if stable > settled or not continued:
                # It begins in this token. By itself that may begin otherwise, but it ends the same.
                new = text[settled:stable]
                window, settled = index, max(0, self.own_length(token) - (len(text) - stable))
            else:
                new, window, settled, incomplete = self._still_incomplete(text, window, settled)
        self._states.append(_After(window, settled, incomplete))
        self._lengths.append(self._lengths[-1] + len(new))
        return new

    def finish(self, count: int | None = None) -> str:
        """If the stream ended after `count` tokens (None: all): what is left of incomplete characters, as U+FFFD."""
        end = len(self._tokens) if count is None else self._base + count
        window, settled, incomplete = self._states[end]
        return self._decode(self._tokens[window:end])[settled:] if incomplete else ""

    def truncate(self, count: int) -> None:
        """Keep only the first `count` tokens."""
        count += self._base
        del self._tokens[count:]
        del self._states[count + 1 :]
        del self._lengths[count + 1 :]

    def characters_before(self, count: int) -> int:
        """How many characters are settled by the first `count` tokens."""
        return self._lengths[self._base + count]

    def token_of(self, character: int) -> int:
        """Index of the token in which this character began (its first byte)."""
        # The token that settled it; where that one only completed it, the one that began it.
        index = bisect_right(self._lengths, character) - 1
        if character == self._lengths[index] or index == len(self._tokens):
            return self.first_incomplete(index - self._base)
        return index - self._base

    def first_incomplete(self, count: int) -> int:
        """Among the first `count` tokens, index of the first whose characters are incomplete; else `count`."""
        state = self._states[self._base + count]
        return max(0, state.window - self._base) if state.incomplete else count

    def own_length(self, token: int) -> int:
        """Length of the text that a token has by itself."""
        length = self._own.get(token)
        if length is None:
            length = self._own[token] = len(self._decode([token]))
        return length

    def _still_incomplete(self, text: str, window: int, settled: int) -> tuple[str, int, int, bool]:
        """One more token, and still nothing but U+FFFD: the characters that stay so, and the state."""
        with_text = [n for n in range(window, len(self._tokens)) if self.own_length(self._tokens[n])]
        if len(with_text) < _MAX_BYTES and len(self._tokens) - window < _MAX_WINDOW:
            return "", window, settled, True
        begin = with_text[1 - _MAX_BYTES] if len(with_text) >= _MAX_BYTES else len(self._tokens)
        tail = self._decode(self._tokens[begin:])
        if not tail.endswith(_INCOMPLETE):  # valid, but for what stands before it
            return self._decode(self._tokens[window:begin])[settled:] + tail, begin, len(tail), False
        pending = min(len(text) - settled, len(tail))
        return text[settled : len(text) - pending], begin, len(tail) - pending, True
