"""What an operator is: a judgement on one drawn token, and a memory that can forget.

The idea and the names of the eight heuristics are those of backtracking-llm (Molnár and Tajti).
`OperatorStrategy` makes an operator a strategy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import StrategyError
from ..rollback import TakeBack

if TYPE_CHECKING:
    from ..strategy.base_strategy import Stream

__all__ = ["BaseOperator", "FunctionOperator", "HistoryOperator", "Never", "Step"]


class Step(NamedTuple):
    """One drawn token, as an operator sees it.

    Attributes:
        token: its id.
        text: the characters that it completes; "" for special tokens and inside a character.
        probability: among `candidates`.
        logit: the model's own, before the temperature.
        candidates: what the model offered here, after temperature, top-k and the other filters;
            highest first, summing to one. What was banned here after a rollback is among them, so
            a second attempt is judged on the same grounds as the first. Read only.
    """

    token: int
    text: str
    probability: float
    logit: float
    candidates: Mapping[int, float]


class BaseOperator(ABC):
    """Subclass this for an operator of your own; a plain function of a step is one too.

    An operator that remembers anything must forget it in `backtrack`, so that afterwards it is
    exactly what it was at that length. `HistoryOperator` does that for you, and
    `backtrack_sampler.testing.check_operator` tests it.
    """

    @property
    def lookback(self) -> int | None:
        """How many of the tokens kept so far the next call may still take back, besides the new one.

        So many are pending. None: it may be any number, and all are pending until
        the end.
        """
        return None

    @abstractmethod
    def __call__(self, step: Step) -> int:
        """How many tokens to take back, this one included; 0 keeps it.

        Return `TakeBack(count, "why")` to tell those who watch.
        """

    def backtrack(self, n_tokens: int) -> None:
        """The last so many tokens are gone, whoever asked for it."""

    def reset(self) -> None:
        """A new text begins."""

    def on_start(self, stream: Stream) -> None:
        """A new text begins; called after `reset`, for operators that need to know more of it."""

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({arguments})"


class FunctionOperator(BaseOperator):
    """A function of a step, without a memory.

    One that answers True or False takes back the token just drawn, and nothing waits for it. One that
    answers numbers may want any number back, so all is pending until the end, unless it has an attribute
    that says how many may be wanted besides the newest: `my_function.lookback = 2`. A function gets what
    there is where it asks for more.

    Args:
        function: a step to how many tokens to take back, or to whether to take back the newest. It may
            be a `functools.partial` of one.
    """

    def __init__(self, function: Callable[[Step], int]) -> None:
        self.function = function
        self._lookback: int | None = getattr(_inner(function), "lookback", None)
        self._answers_bool: bool | None = None  # until it is first asked
        self._length = 0

    @property
    def lookback(self) -> int | None:
        return 0 if self._lookback is None and self._answers_bool else self._lookback

    def __call__(self, step: Step) -> int:
        self._length += 1
        asked = self.function(step)
        is_bool = isinstance(asked, bool)
        if self._answers_bool is None:
            self._answers_bool = is_bool
        if is_bool or not isinstance(asked, int) or asked <= 1:
            return asked
        if self._lookback is None and self._answers_bool:
            raise StrategyError(
                f"operator {self!r} asked for {asked} tokens after it had answered True or False, which lets all but "
                "the newest go: answer with numbers only, or set its attribute lookback: how many others are to wait"
            )
        most = self._length if self._lookback is None else min(self._lookback + 1, self._length)
        return TakeBack(min(asked, most), getattr(asked, "why", ""))

    def backtrack(self, n_tokens: int) -> None:
        self._length = max(0, self._length - n_tokens)

    def reset(self) -> None:
        self._length = 0

    def __repr__(self) -> str:
        inner = _inner(self.function)
        name = str(getattr(inner, "__name__", inner))
        if not isinstance(self.function, partial):
            return name
        given = [*map(repr, self.function.args), *(f"{k}={v!r}" for k, v in self.function.keywords.items())]
        return f"{name}({', '.join(given)})"


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a `functools.partial` calls; any other function itself."""
    return function.func if isinstance(function, partial) else function


class HistoryOperator(BaseOperator):
    """Remembers one value a step, and nothing else.

    Forgetting the last values therefore leaves it exactly as it was at that length. Subclasses say
    what to remember (`measure`) and what to make of it (`judge`).
    """

    def __init__(self) -> None:
        self._history: list[Any] = []

    def __call__(self, step: Step) -> int:
        self._history.append(self.measure(step))
        return self.judge(self._history)

    def backtrack(self, n_tokens: int) -> None:
        del self._history[max(0, len(self._history) - n_tokens) :]

    def reset(self) -> None:
        self.backtrack(len(self._history))

    @abstractmethod
    def measure(self, step: Step) -> Any:
        """The value to remember of a step; what came before it is in `_history`."""

    @abstractmethod
    def judge(self, history: list[Any]) -> int:
        """How many tokens to take back, given the values of all steps, the newest last."""


class Never(BaseOperator):
    """Keeps everything: the baseline to compare with."""

    @property
    def lookback(self) -> int:
        return 0

    def __call__(self, step: Step) -> int:
        return 0
