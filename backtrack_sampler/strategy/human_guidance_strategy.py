"""Human guidance: a person chooses each token from the most probable ones, and may go back."""

from __future__ import annotations

from itertools import islice
from typing import Protocol

from ..errors import InputError
from ..provider.base_provider import BaseProvider
from ..terminal.guidance_screen import BACK, QUIT, CursesScreen, Menu
from .base_strategy import BaseStrategy, Candidates, TakeBack

__all__ = ["HumanGuidanceStrategy"]

_CONTEXT = 4  # tokens before an option that its text may depend on


class Screen(Protocol):
    """Where a person is asked: see `CursesScreen`."""

    def choose(self, menu: Menu) -> int: ...

    def close(self) -> None: ...


class HumanGuidanceStrategy(BaseStrategy):
    """Shows the most probable tokens on a screen and lets a person choose, or go back any number of steps.

    Nothing is streamed before the person ends the text, because all of it can be taken back.

    Args:
        provider: for its `decode` and end tokens.
        top_k: tokens to choose from.
        min_autopass: the menu is shown only where the most probable token is less probable than
            this; elsewhere that token is taken.
        screen: where to ask; None is the terminal, through curses.
        prompt: text to show before the continuation.
    """

    def __init__(
        self,
        provider: BaseProvider,
        top_k: int = 3,
        min_autopass: float = 1.0,
        *,
        screen: Screen | None = None,
        prompt: str = "",
    ) -> None:
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise InputError(f"top_k must be at least 1, not {top_k!r}")
        if not 0 <= min_autopass <= 1:
            raise InputError(f"min_autopass must be between 0 and 1, not {min_autopass}")
        if not provider.eos_token_ids:
            raise InputError("human guidance needs a model with an end token, to end the text")
        self._decode = provider.decode
        self._end = provider.get_eos_token_id()
        self._top_k = top_k
        self._min_autopass = min_autopass
        self._screen = CursesScreen() if screen is None else screen
        self._prompt = prompt
        self._clear()

    def _clear(self) -> None:
        self._asked: list[int] = []  # positions where a person chose
        self._go_back_to: int | None = None
        self._quit = False

    def reset(self) -> None:
        self._screen.close()
        self._clear()

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        best = list(islice(probs, self._top_k))
        if probs[best[0]] >= self._min_autopass:
            return {best[0]: 1.0}
        options = [(self._text_of(token, tokens), probs[token]) for token in best]
        choice = self._ask(tokens, options)
        if choice == QUIT:
            self._quit = True
            return {self._end: 1.0}
        if self._go_back_to is not None:
            return {best[0]: 1.0}  # any token: it is taken back with the rest
        self._asked.append(len(tokens))
        return {best[choice]: 1.0}

    def backtrack(self, tokens: list[int]) -> int:
        if self._go_back_to is None:
            return 0
        return TakeBack(len(tokens) - self._go_back_to, "a person went back")

    def at_end(self, tokens: list[int]) -> int:
        if self._quit:
            return 0
        ending = tokens[-1:] == [self._end]
        if self._ask(tokens[:-1] if ending else tokens, []) == BACK:
            return self.backtrack(tokens)
        return 0

    def on_rollback(self, tokens: list[int]) -> None:
        self._go_back_to = None
        self._asked = [position for position in self._asked if position < len(tokens)]

    def pending(self, tokens: list[int]) -> int:
        return len(tokens)

    def _ask(self, tokens: list[int], options: list[tuple[str, float]]) -> int:
        menu = Menu(self._prompt, self._decode(tokens), options)
        while True:
            choice = self._screen.choose(menu)
            if choice != BACK:
                return choice
            if self._asked:  # where nothing was chosen yet, there is nowhere to go back to
                self._go_back_to = self._asked[-1]
                return BACK

    def _text_of(self, token: int, tokens: list[int]) -> str:
        before = tokens[-_CONTEXT:]
        return self._decode([*before, token])[len(self._decode(before)) :]
