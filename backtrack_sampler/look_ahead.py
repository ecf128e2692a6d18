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

_MOST_KEPT = 100  # prefixes; what follows the oldest is found out again where somebody wants it
_CONTEXT = 8  # tokens before, which the text of a token may depend on
_THE_END = " (end)"


@dataclass
class _Path:
    """A greedy continuation.

    Attributes:
        decode: knows what stands before it.
        tokens: as far as they are known.
        text: of these.
        fed: so many of the option and of `tokens` have been asked for since the model was last elsewhere.
        over: whether it ends there.
    """

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
        self._paths: dict[tuple[int, ...], dict[int, _Path]] = {}

    def clear(self) -> None:
        """Forget all of them."""
        self._paths.clear()

    def after(self, base: tuple[int, ...], token: Callable[[int], int]) -> AheadOf:
        """What the options of a menu would lead to.

        Args:
            base: prompt and continuation.
            token: the token of an option.
        """
        if base not in self._paths and len(self._paths) >= _MOST_KEPT:
            del self._paths[next(iter(self._paths))]
        return AheadOf(self._provider, base, token, self._paths.setdefault(base, {}))


class AheadOf:
    """What the options of one menu would lead to; see `LookAhead.after`. An `Ahead`."""

    def __init__(
        self, provider: BaseProvider, base: tuple[int, ...], token: Callable[[int], int], paths: dict[int, _Path]
    ) -> None:
        self._provider = provider
        self._base = base
        self._token = token
        self._paths = paths
        self._last: _Path | None = None  # where the model is; None: where the stream is

    def text(self, index: int) -> str:
        path = self._paths.get(self._token(index))
        return path.text if path is not None else ""

    def wants(self, index: int, most: float) -> bool:
        token = self._token(index)
        path = self._paths.get(token)
        if path is None:
            return token not in self._provider.eos_token_ids
        return not path.over and len(path.tokens) < most

    def grow(self, index: int) -> None:
        provider, token = self._provider, self._token(index)
        path = self._paths.get(token)
        if path is None:
            path = self._paths[token] = _Path(Detokenizer(provider.decode, [*self._base[-_CONTEXT:], token]))
        sequence = [*self._base, token, *path.tokens]
        if path.over or (provider.context_size is not None and len(sequence) > provider.context_size):
            path.over = True
            return
        with provider.lock:
            if path is not self._last:
                self.leave()
                self._last, path.fed = path, 0
            path.fed += 1
            row = provider.peek(sequence[: len(self._base) + path.fed])
            if path.fed > len(path.tokens):
                self._add(path, next(iter(candidates(row, 1)), None))

    def leave(self) -> None:
        """Let the model be where the stream is: it goes on from there as if nothing else had been asked."""
        if self._last is not None:
            self._last = None
            self._provider.peek(self._base)

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
