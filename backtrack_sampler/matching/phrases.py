"""Many phrases at once, one character at a time (Aho and Corasick, 1975).

The automaton walks the text once, whatever the number of phrases: a list of 8,000 costs per
character what a list of 8 does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

__all__ = ["PhraseAutomaton"]


class PhraseAutomaton:
    """Finds every phrase that ends at the current character.

    States are integers, 0 is the start; `step` is a pure function of state and character, so a
    rollback is only a return to an older state. The automaton can be shared between streams.

    Args:
        phrases: texts, already in normal form, none of them empty.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._fail = [0]
        self.depth = [0]  # characters of the longest phrase beginning that ends here
        self._ends: list[tuple[int, ...]] = [()]  # indices of phrases that end here, longest first
        self.lengths: list[int] = []
        for index, phrase in enumerate(phrases):
            self.lengths.append(len(phrase))
            state = 0
            for character in phrase:
                following = self._next[state].get(character)
                if following is None:
                    following = len(self._next)
                    self._next[state][character] = following
                    self._next.append({})
                    self._fail.append(0)
                    self.depth.append(self.depth[state] + 1)
                    self._ends.append(())
                state = following
            self._ends[state] += (index,)
        self.longest = max(self.lengths, default=0)
        self._link()

    def _link(self) -> None:
        """Breadth first: where to go on when a beginning turns out to lead nowhere."""
        queue = deque(self._next[0].values())
        while queue:
            state = queue.popleft()
            for character, following in self._next[state].items():
                queue.append(following)
                fail = self._fail[state]
                while fail and character not in self._next[fail]:
                    fail = self._fail[fail]
                target = self._next[fail].get(character, 0)
                self._fail[following] = target if target != following else 0
                self._ends[following] += self._ends[self._fail[following]]

    def step(self, state: int, character: str) -> int:
        """The state after one more character (in normal form)."""
        following = self._next[state].get(character)
        while following is None and state:
            state = self._fail[state]
            following = self._next[state].get(character)
        return following or 0

    def ends(self, state: int) -> Sequence[int]:
        """Indices of the phrases that end in this state, longest first."""
        return self._ends[state]
