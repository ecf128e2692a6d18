"""Replace: find and replace, while the model writes.

A general form of vgel's script that makes a reasoning model think on: the end of its thoughts is
replaced by "Wait, but", and it goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ..checks import check_number
from ..errors import InputError
from ..matching import TokenMatcher
from ..provider.base_provider import BaseProvider
from ..rollback import Bans
from ..sampling import total
from .base_strategy import BaseStrategy, Candidates, Stream, TakeBack

__all__ = ["ReplaceStrategy"]


class ReplaceStrategy(BaseStrategy):
    """Takes a found text back and puts another in its place; the model goes on from that.

    The text is found however it is tokenised, and also where it is a special token (`</think>`).
    What was put in is never searched. Where the found text begins inside a token, the part before
    it is kept, and with it the other tokens of a character that ends there.

    Args:
        provider: for its `encode`, `decode` and special tokens.
        find: a text, or several.
        replace: what to put in its place; "" only takes it back, and bans its first token there.
        max_replacements: replace at most so often in a stream.
        max_new_tokens_for_replace: only where the text begins in the first so many tokens.
        skip_tokens: not where the text begins in the first so many tokens.
        max_prob: only where the probability of the found text's first token was at most this.

    Example:
        replace:find=happy,replace=sad
    """

    def __init__(
        self,
        provider: BaseProvider,
        find: str | Iterable[str],
        replace: str,
        max_replacements: float = math.inf,
        max_new_tokens_for_replace: float = math.inf,
        skip_tokens: int = 0,
        max_prob: float = 1,
    ) -> None:
        for name, value in (
            ("max_replacements", max_replacements),
            ("max_new_tokens_for_replace", max_new_tokens_for_replace),
            ("skip_tokens", skip_tokens),
            ("max_prob", max_prob),
        ):
            check_number(name, value, 0)
        texts = [find] if isinstance(find, str) else list(find)
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise InputError("find must be a text, or a list of texts, none of them empty")
        if not isinstance(replace, str):
            raise InputError(f"replace must be a text, not {replace!r}")
        self._provider = provider
        self._replace = replace
        self._max_replacements = max_replacements
        self._max_position = max_new_tokens_for_replace
        self._skip_tokens = skip_tokens
        self._max_prob = max_prob
        self._matcher = TokenMatcher(provider.decode, texts, exact=True, special=provider.special_tokens)
        self.reset()

    def reset(self) -> None:
        self._matcher.reset()
        self._probabilities: list[float] = []  # of each token, when it was drawn
        self._forced: dict[int, int] = {}  # position -> token
        self._bans = Bans()  # where nothing is put in, the found text must not come again
        self._replaced: list[tuple[int, int]] = []  # the positions that each replacement fills
        self._found: tuple[int, str] | None = None  # first token, and its text before the match
        self._asked: tuple[int, int, list[int]] | None = None  # position, its token, what to put in

    def on_start(self, stream: Stream) -> None:
        self._matcher.reset(stream.prompt)

    def logit_bias(self, tokens: list[int]) -> Mapping[int, float]:
        return self._bans.at(len(tokens))

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        forced = self._forced.get(len(tokens))
        return probs if forced is None else {forced: 1.0}

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        matches = self._matcher.push(tokens[-1])
        whole = total(probs)
        self._probabilities.append(probs[tokens[-1]] / whole if math.isfinite(whole) else 1.0)
        self._found = self._asked = None
        for match in matches:
            if self._found is None and self._wanted(match.token):
                self._found = self._matcher.cut(match)

    def backtrack(self, tokens: list[int]) -> int:
        if self._found is None:
            return 0
        position, before = self._found
        text = before + self._replace
        put_in = self._provider.encode_within(text) if text else []
        # Only a plan: the session may decide otherwise, and then nothing is put in.
        self._asked = (position, tokens[position], put_in)
        return TakeBack(len(tokens) - position, f"replaced by {self._replace!r}")

    def on_rollback(self, tokens: list[int]) -> None:
        length = len(tokens)
        self._matcher.truncate(length)
        self._bans.truncate(length)
        del self._probabilities[length:]
        # What was put in from here on, or was about to be, is void.
        self._forced = {at: token for at, token in self._forced.items() if at < length}
        self._replaced = [(at, min(end, length)) for at, end in self._replaced if at < length]
        if self._asked is not None and self._asked[0] == length:
            position, found, put_in = self._asked
            self._forced |= {position + offset: token for offset, token in enumerate(put_in)}
            self._replaced.append((position, position + len(put_in)))
            if not put_in:
                self._bans.add(position, found)
        self._found = self._asked = None

    def pending(self, tokens: list[int]) -> int:
        if len(self._replaced) >= self._max_replacements:
            return 0
        length = len(tokens)
        first = self._matcher.first_incomplete(min(self._first_position(), length))
        pending_from = max(length - self._matcher.pending(length), first)
        return length - pending_from if pending_from < self._max_position else 0

    def _wanted(self, position: int) -> bool:
        """Whether a match that begins in this token is to be replaced."""
        return (
            len(self._replaced) < self._max_replacements
            and self._first_position() <= position < self._max_position
            and self._probabilities[position] <= self._max_prob
        )

    def _first_position(self) -> int:
        """Matches that begin before this are left alone."""
        return max(self._skip_tokens, self._replaced[-1][1] if self._replaced else 0)
