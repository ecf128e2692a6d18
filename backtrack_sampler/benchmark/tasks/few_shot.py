"""Questions with solved examples before them: as plain text, or as the turns of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .base_task import Message

__all__ = ["Solved", "Wording", "conversation", "plain_text"]


class Solved(NamedTuple):
    """A question in words, and its answer."""

    question: str
    answer: str


class Wording(NamedTuple):
    """A way to say a question.

    Attributes:
        question: its words, with a place for each part of a problem, as `str.format` fills them.
        ask: what stands before a question in plain text.
        reply: what stands between a question and its answer there, besides a space.
    """

    question: str
    ask: str = "Q: "
    reply: str = "\nA:"


def plain_text(instruction: str, wording: Wording, examples: Sequence[Solved], question: str) -> str:
    """Text that goes on with the answer, on the same line.

    All but the question is the same for all questions of one wording: a model evaluates it once.
    """
    solved = [f"{wording.ask}{each.question}{wording.reply} {each.answer}\n" for each in examples]
    return "".join([f"{instruction}\n", *solved, wording.ask, question, wording.reply])


def conversation(instruction: str, examples: Sequence[Solved], question: str) -> list[Message]:
    """Messages of which the next is the answer; the instruction stands in the first, as not every chat
    template takes a system message."""
    turns = [(each.question, each.answer) for each in examples]
    messages: list[Message] = []
    for asked, answer in [*turns, (question, None)]:
        first = "" if messages else f"{instruction}\n\n"
        messages.append({"role": "user", "content": first + asked})
        if answer is not None:
            messages.append({"role": "assistant", "content": answer})
    return messages
