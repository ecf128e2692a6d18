"""A few bad answers are borne; where most of the first ones are bad, something is set up wrongly."""

from __future__ import annotations

__all__ = ["FirstAnswers"]


class FirstAnswers:
    """Counts bad answers, and tells when more than half of the first ones are.

    Args:
        first: how many those are.

    Attributes:
        seen: answers so far.
        bad: those of them that were bad.
        example: what was wrong with the first of these; "" as long as there is none.
    """

    def __init__(self, first: int = 20) -> None:
        self.first = first
        self.seen = 0
        self.bad = 0
        self.example = ""

    def add(self, problem: str) -> bool:
        """Count an answer; True where it is time to stop.

        Args:
            problem: what is wrong with it; "" for nothing.
        """
        self.seen += 1
        if problem:
            self.bad += 1
            self.example = self.example or problem
        return self.seen <= self.first and 2 * self.bad > self.first
