"""What a choice would lead to: a greedy continuation, made a token at a time while a person thinks.

The model is a function of tokens, so looking ahead changes nothing: other tokens are asked for, and
afterwards those of the stream again, whose logits are still remembered. What engines round differently
for several tokens at once stays the same, too, because each step adds a single token to something that
was asked for before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .matching import Detokenizer
from .provider.base_provider import BaseProvider
from .sampling import candidates
from .sentences import sentence_is_over

__all__ = ["AheadOf", "LookAhead"]

_MOST_KEPT = 500  # continuations; the oldest are found out again where somebody wants them
_CONTEXT = 8  # tokens before, which the text of a token may depend on
_THE_END = " (end)"


@dataclass
class _Path:
    """A continuation: after the base and one token more.

    Attributes:
        start: that token, after as many of the base as decoding needs.
        tokens: the continuation, as far as it is known.
        text: of `tokens`.
        fed: so many of the token before and of `tokens` have been asked for since the model was last elsewhere.
        over: whether it ends there.
    """

    start: list[int]
    decode: Detokenizer
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    fed: int = 0
    over: bool = False


class LookAhead:
    """Greedy continuations of one model, remembered for each prefix. Strategies have no say in them.

    Args:
        provider: the model.
    """

    def __init__(self, provider: BaseProvider) -> None:
        self._provider = provider
        self._paths: dict[tuple[int, ...], _Path] = {}
        self._last: _Path | None = None  # where the model is

    def clear(self) -> None:
        """Forget all of them."""
        self._paths.clear()
        self._last = None

    def path(self, base: tuple[int, ...], token: int) -> _Path:
        """The continuation after some tokens and one more, as far as it is known."""
        key = (*base, token)
        found = self._paths.get(key)
        if found is None:
            start = [*base[-_CONTEXT:], token]
            found = _Path(start, Detokenizer(self._provider.decode, start), over=token in self._provider.eos_token_ids)
            if len(self._paths) >= _MOST_KEPT:
                del self._paths[next(iter(self._paths))]
            self._paths[key] = found
        return found

    def grow(self, base: tuple[int, ...], token: int) -> None:
        """Make a continuation longer by a token; or take a step to where it was left."""
        provider, path = self._provider, self.path(base, token)
        if path.over:
            return
        sequence = [*base, token, *path.tokens]
        if provider.context_size is not None and len(sequence) > provider.context_size:
            path.over = True
            return
        with provider.lock:
            if path is not self._last:
                self.return_to(base)
                self._last, path.fed = path, 0
            path.fed += 1
            row = provider.peek(sequence[: len(base) + path.fed])
            if path.fed > len(path.tokens):
                self._add(path, next(iter(candidates(row, 1)), None))

    def return_to(self, base: tuple[int, ...]) -> None:
        """Let the model be where the stream is: it goes on from there as if nothing else had been asked."""
        if self._last is not None:
            self._last = None
            self._provider.peek(base)

    def _add(self, path: _Path, best: int | None) -> None:
        if best is None or best in self._provider.eos_token_ids:
            path.text += _THE_END
            path.over = True
            return
        piece = path.decode.push(best)
        if sentence_is_over(path.text, piece):
            path.over = True
            return
        path.tokens.append(best)
        path.text += piece


class AheadOf:
    """What the options of one menu would lead to.

    Args:
        memory: keeps it.
        base: prompt and continuation.
        token: the token of an option.
    """

    def __init__(self, memory: LookAhead, base: tuple[int, ...], token: Callable[[int], int]) -> None:
        self._memory = memory
        self._base = base
        self._token = token

    def _path(self, index: int) -> _Path:
        return self._memory.path(self._base, self._token(index))

    def text(self, index: int) -> str:
        return self._path(index).text

    def wants(self, index: int, most: int) -> bool:
        path = self._path(index)
        return not path.over and len(path.tokens) < most

    def grow(self, index: int) -> None:
        self._memory.grow(self._base, self._token(index))

    def leave(self) -> None:
        """The person has chosen."""
        self._memory.return_to(self._base)
