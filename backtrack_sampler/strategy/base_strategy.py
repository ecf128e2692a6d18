"""What a strategy is: hooks, each with a neutral default.

A strategy sees each token as it is drawn and may take some back. The session calls, for each token:
`on_logits`, `logit_bias`, `on_probs`, (draws), `on_next_token`, `backtrack`, and where anything is taken
back, by whoever, `on_rollback`. `pending` says what must not be streamed yet. Hooks may ask the model.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeAlias

from ..rollback import TakeBack

if TYPE_CHECKING:
    from ..matching import Decode
    from ..options import SessionOptions

__all__ = ["BaseStrategy", "Candidates", "Stream", "TakeBack"]

#: What remains to draw from, highest first: `{token: probability}`.
Candidates: TypeAlias = MutableMapping[int, float]

_NO_BIAS: Mapping[int, float] = {}


class Stream(NamedTuple):
    """What is known of a stream when it begins.

    Attributes:
        prompt: its token ids.
        decode: token ids to text.
        options: how it draws and when it ends.
        logit: the model's own logit of a token, before the temperature, at the place where the stream
            is now. To be asked in a hook.
        log_probability: the same as a log-probability, in nats, of the whole vocabulary: at temperature 1
            and before anybody has changed or filtered anything. It costs a pass over the vocabulary.
        stops_at: where a stop string that was just found begins, in characters of the continuation; None
            where there is none. To be asked in `at_end`: the text will end there, maybe inside a token.
    """

    prompt: tuple[int, ...]
    decode: Decode
    options: SessionOptions
    logit: Callable[[int], float]
    log_probability: Callable[[int], float] = lambda token: math.nan
    stops_at: Callable[[], int | None] = lambda: None


class BaseStrategy:
    """Subclass this and override what you need. A useful strategy fits on a screen.

    `tokens` is always the continuation so far, without the prompt. It is the session's own list:
    read it, never change it. The constructor's first parameter is `provider` by convention, for
    strategies that need `encode` and `decode`; leave it out otherwise.
    """

    #: Modules, by name, whose code decides what it does, besides those of its classes.
    sources: ClassVar[Sequence[str]] = ()

    _arguments: Mapping[str, Any]  # what it was made with

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        try:
            bound = inspect.signature(cls).bind(*args, **kwargs).arguments
        except (TypeError, ValueError):  # __init__ says it better
            bound = {}
        self._arguments = {name: value for name, value in bound.items() if name not in ("provider", "screen")}
        return self

    @classmethod
    def files_of(cls, arguments: Mapping[str, Any]) -> Sequence[str | os.PathLike[str]]:
        """Files that it will read when it is made with these arguments.

        Where one has changed, texts of before are not taken for its own. Called before a model is loaded: the
        moment to say that one is not there.
        """
        return ()

    def __str__(self) -> str:
        """Its name in messages and events."""
        return type(self).__name__

    def describe(self) -> str:
        """What people should know before it begins, such as how many phrases it looks for; "" for nothing."""
        return ""

    def reset(self) -> None:
        """A stream begins, or has ended. Forget everything that belongs to one stream."""

    def on_start(self, stream: Stream) -> None:
        """A stream begins; called after `reset`, for strategies that need to know more of it."""

    def logit_bias(self, tokens: list[int]) -> Mapping[int, float]:
        """Ban or boost a few tokens: `{token: what to add to its logit}`, after the temperature; -inf bans.

        Much cheaper than `on_logits`, which needs a copy of the row, and works where an engine gives
        only its best candidates. What is said here is added after all `on_logits`.
        """
        return _NO_BIAS

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        """Ban, boost or scale, before min-p, top-k and top-p.

        Args:
            logits: shape (vocab,), float32, already divided by the temperature; a NumPy array or
                a torch tensor, so use what both share: `logits[token] = -math.inf`,
                `logits[[1, 2]] = 0`, `logits *= 2`. Yours to change in place.

        Returns:
            The logits to go on with; normally the same object.
        """
        return logits

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        """Reweigh, force or remove candidates.

        Args:
            probs: `{token: probability}`, highest first, after all filters. Yours to change.

        Returns:
            The candidates to draw from; they need not sum to one. Nothing left is allowed: the
            session then relaxes the filters and asks again, takes more back, or ends the stream.
        """
        return probs

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        """Look at what was drawn: `tokens[-1]`, from `probs`."""

    def backtrack(self, tokens: list[int]) -> int:
        """How many tokens to take back, counting the one just drawn; 0 for none.

        Return `TakeBack(count, "why")` to tell those who watch. Only what is pending, and the token
        just drawn, can be taken back.
        """
        return 0

    def at_end(self, tokens: list[int]) -> int:
        """The stream is about to end here: how many tokens to take back first; 0 lets it end.

        The place to decide what was pending for want of more text, such as a whole word at the live
        edge. Where the stream ends at an end token, that token is the last of `tokens`.
        """
        return 0

    def on_rollback(self, tokens: list[int]) -> None:
        """Tokens were taken back, by this or another strategy; these are left.

        Afterwards the state should be what it was when the stream was this long.
        """

    def pending(self, tokens: list[int]) -> int:
        """How many tokens at the end of `tokens` might still be taken back.

        Asked of the whole continuation and, where some are pending, of shorter beginnings of it,
        because after a rollback an older end may be pending again. So a constant makes everything
        pending: where the last 8 can always be taken back, so can the 8 before them. Count from
        somewhere that rollbacks do not move, such as the longest that `tokens` has been:
        `len(tokens) - (longest - 8)`.
        """
        return 0
