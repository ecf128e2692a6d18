"""What a task is: items to be answered, and a checker that says what an answer is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

__all__ = ["DEVELOPMENT", "TEST", "Item", "Message", "Score", "Task", "checked"]

#: The split that settings are chosen on, and the one that is reported. No item is in both.
DEVELOPMENT, TEST = "development", "test"

Message: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: unique in its task, and the same in every run; part of what results are stored under.
        prompt: text to go on from, or the messages of a conversation whose answer is written.
        cluster: items with the same one are alike (they share a template, or are one problem in several
            words), and count as one sample in statistics. "": like no other.
        data: what the checker needs. JSON.
        options: how this item's texts are drawn, where it says so itself: those of
            `backtrack_sampler.prompts.OPTIONS` that limit it, "stop", "max_new_tokens" and "max_length". How
            tokens are chosen is the row's to say.
    """

    id: str
    prompt: str | Sequence[Message]
    cluster: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class Score(NamedTuple):
    """What an answer is worth.

    Attributes:
        value: from 0, wrong, to 1, right.
        answer: what was understood of the text, in a form in which equal answers are equal, for majority
            votes; None where it has no answer.
        error: what went wrong in the checker; "" for nothing. Such an answer counts as wrong.
    """

    value: float
    answer: str | None = None
    error: str = ""


def checked(score: Any) -> Score:
    """What a checker has said, or that it has said nothing that can be used."""
    if isinstance(score, Score) and isinstance(score.value, (int, float)) and 0 <= score.value <= 1:
        if score.answer is None or isinstance(score.answer, str):
            return score
        return Score(0.0, None, f"the checker gave {score.answer!r:.60} as the answer, which must be text or None")
    return Score(0.0, None, f"the checker gave {score!r:.60}, and not a Score with a value from 0 to 1")


class Task(ABC):
    """Base class of all tasks.

    Attributes:
        name: as in a configuration, with its parameters: "sums" or "sums:digits=2".
        version: another one wherever items, prompts or the checker have changed: results under the old one
            do not count any more.
        stop: strings that end an answer.
        max_new_tokens: most tokens of an answer.
        scored_together: so many answers are given to `scores` at once, where that is faster than one by one.
    """

    name: str
    version: str = "1"
    stop: tuple[str, ...] = ()
    max_new_tokens: int = 64
    scored_together: int = 1

    @abstractmethod
    def items(self, split: str = TEST, limit: int | None = None) -> list[Item]:
        """The first items of a split, always the same ones in the same order.

        Args:
            split: `DEVELOPMENT` or `TEST`.
            limit: most of them; None for all there are.

        Raises:
            InputError: there are none, or their data cannot be had here.
        """

    def prepare(self) -> None:
        """Called once before any text is drawn: the place to find out whether answers can be scored here.

        Raises:
            InputError: they cannot.
        """

    @abstractmethod
    def score(self, item: Item, text: str) -> Score:
        """What a text is worth as the answer to an item. It is never executed or evaluated as code, unless
        the user has agreed to that."""

    def scores(self, answers: Sequence[tuple[Item, str]]) -> Iterator[Score]:
        """The same for many answers, in their order; a checker that fails is that answer's error."""
        for item, text in answers:
            try:
                yield self.score(item, text)
            except (Exception, SystemExit) as error:  # anybody's checker, on a text that may be anything
                yield Score(0.0, None, f"the checker failed with {type(error).__name__}: {error}")
