"""What a strategy is: seven hooks, each with a neutral default, and one each for beginning and end.

A strategy sees each token as it is drawn and may ask for some back. The session calls, for each
token: `on_logits`, `on_probs`, (draws), `on_next_token`, `backtrack`, and where anything is taken
back, by whoever, `on_rollback`. `pending` says what must not be streamed yet.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

if TYPE_CHECKING:
    from ..matching import Decode
    from ..options import SessionOptions

__all__ = ["BaseStrategy", "Candidates", "Stream", "TakeBack"]

#: What remains to draw from, highest first: `{token: probability}`.
Candidates: TypeAlias = MutableMapping[int, float]


class Stream(NamedTuple):
    """What is known of a stream when it begins.

    Attributes:
        prompt: its token ids.
        decode: token ids to text.
        options: how it draws and when it ends. Read only.
    """

    prompt: tuple[int, ...]
    decode: Decode
    options: SessionOptions


class TakeBack(int):
    """A number of tokens to take back, with a reason for those who watch. Just an int otherwise.

    Attributes:
        why: the reason in a few words.
        who: the name of the strategy; the session fills it in where it is empty.
    """

    why: str
    who: str

    def __new__(cls, count: int, why: str = "", who: str = "") -> Self:
        self = super().__new__(cls, count)
        self.why = why
        self.who = who
        return self


class BaseStrategy:
    """Subclass this and override what you need. A useful strategy fits on a screen.

    `tokens` is always the continuation so far, without the prompt. It is the session's own list:
    read it, never change it. The constructor's first parameter is `provider` by convention, for
    strategies that need `encode` and `decode`; leave it out otherwise.
    """

    def reset(self) -> None:
        """A stream begins, or has ended. Forget everything that belongs to one stream."""

    def on_start(self, stream: Stream) -> None:
        """A stream begins; called after `reset`, for strategies that need to know more of it."""

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
            session then relaxes the filters, goes back, or ends the stream.
        """
        return probs

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        """Look at what was drawn: `tokens[-1]`, from `probs`."""

    def backtrack(self, tokens: list[int]) -> int:
        """How many tokens to take back, counting the one just drawn; 0 for none.

        Return `TakeBack(count, "why")` to tell those who watch. Only what `pending` has held, and
        the token just drawn, can be taken back.
        """
        return 0

    def at_end(self, tokens: list[int]) -> int:
        """The stream is about to end here: how many tokens to take back first; 0 lets it end.

        The place to decide what was waiting for more text, such as a whole word at the live edge.
        Where the stream ends at an end token, that token is the last of `tokens`.
        """
        return 0

    def on_rollback(self, tokens: list[int]) -> None:
        """Tokens were taken back, by this or another strategy; these are left.

        Afterwards the state should be what it was when the stream was this long.
        """

    def pending(self, tokens: list[int]) -> int:
        """How many tokens at the end of `tokens` might still be taken back.

        Asked of the whole continuation and, where some are held, of shorter beginnings of it,
        because after a rollback an older end may have to wait again. So a constant holds everything:
        where the last 8 can always be taken back, so can the 8 before them. Count from somewhere that
        rollbacks do not move, such as the longest that `tokens` has been: `len(tokens) - (longest - 8)`.
        """
        return 0
