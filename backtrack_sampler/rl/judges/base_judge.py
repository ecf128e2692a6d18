"""What a judge is: it says what texts are worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...benchmark.tasks import Item
from ...errors import BacktrackError

__all__ = ["Answer", "Judge", "JudgeError"]


class JudgeError(BacktrackError):
    """A judge cannot be asked now: it is down, or its budget is used up. What was trained until then is not lost."""


class Answer(NamedTuple):
    """A text to be judged.

    Attributes:
        prompt: what it goes on from, as the model was given it.
        text: the continuation; a partial one where partial texts are judged.
        item: what the prompt was made from, for the checkers of tasks.
    """

    prompt: str
    text: str
    item: Item


class Judge(ABC):
    """Base class of all judges.

    Attributes:
        name: for reports.
    """

    name: str

    @abstractmethod
    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """What texts are worth, each from 0, the worst, to 1, the best; in their order.

        Raises:
            JudgeError: it cannot be asked now; asked again later, it may go on.
            InputError: it cannot be asked like this at all.
            StrategyError: somebody's checker has raised, or given what is no score.
        """

    def check(self) -> None:
        """Called once before long work: the place to find out whether it can be asked.

        Raises:
            JudgeError, InputError: it cannot.
        """

    def report(self) -> dict[str, Any]:
        """What it has done so far, such as calls made; JSON."""
        return {}

    def close(self) -> None:
        """Let go of connections and files. It is not asked again."""
