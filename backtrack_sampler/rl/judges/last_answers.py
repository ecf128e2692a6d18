"""What went well at first may not go on so: of the last answers, too, more than half must be good."""

from __future__ import annotations

from collections import deque

__all__ = ["LastAnswers"]


class LastAnswers:
    """Remembers the last answers, and tells when more than half of so many are bad.

    Args:
        window: how many those are.

    Attributes:
        example: what was wrong with the last bad one; "" as long as there is none.
    """

    def __init__(self, window: int = 50) -> None:
        self.window = window
        self.example = ""
        self._bad: deque[bool] = deque(maxlen=window)

    @property
    def seen(self) -> int:
        """Answers that are remembered."""
        return len(self._bad)

    @property
    def bad(self) -> int:
        """Those of them that are bad."""
        return sum(self._bad)

    def add(self, problem: str) -> bool:
        """Count an answer; True where it is time to stop.

        Args:
            problem: what is wrong with it; "" for nothing.
        """
        self._bad.append(bool(problem))
        self.example = problem or self.example
        return 2 * self.bad > self.window
