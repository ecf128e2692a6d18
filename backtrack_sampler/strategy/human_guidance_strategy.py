"""Human guidance: a person chooses each token from the most probable ones, and may take them back."""

from __future__ import annotations

import importlib
from itertools import islice

from ..checks import check_count, check_number
from ..errors import InputError
from ..guidance import BACK, QUIT, Menu, Screen
from ..provider.base_provider import BaseProvider
from ..rollback import TakeBack
from .base_strategy import BaseStrategy, Candidates

__all__ = ["HumanGuidanceStrategy", "check_choices"]

_CONTEXT = 4  # tokens before an option that its text may depend on
_INCOMPLETE = "\ufffd"  # what a part of a character decodes to; an option may complete it


def _terminal() -> Screen:
    """The screen that is taken where none is given: looked up, so that a strategy needs no terminal."""
    screen: Screen = importlib.import_module("backtrack_sampler.terminal.guidance_screen").CursesScreen()
    return screen


def check_choices(top_k: int, min_autopass: float) -> None:
    """Raise InputError where these parameters of `HumanGuidanceStrategy` make no sense."""
    check_count("top_k, the number of choices,", top_k)
    check_number("min_autopass", min_autopass, 0, 1)


class HumanGuidanceStrategy(BaseStrategy):
    """Lets a person choose each token on a screen, and take any number of steps back.

    Nothing is streamed before the person ends the text, because all of it can be taken back. The
    session counts steps back as rollbacks: with `max_retries` and `max_discarded` as they are, about
    100 steps back to the same place, or 500 in all, end the stream.

    Args:
        provider: for its `decode` and end tokens.
        top_k: tokens to choose from.
        min_autopass: the menu is shown only where the most probable token is less probable than
            this; elsewhere that token is taken.
        screen: where to ask; None is the terminal, through curses.
        prompt: text to show before the continuation.

    Example:
        backtrack-sampler guide "Once upon a time"
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
        check_choices(top_k, min_autopass)
        if not provider.eos_token_ids:
            raise InputError("human guidance needs a model with an end token, to end the text")
        self._decode = provider.decode
        self._eos = provider.eos_token_ids
        self._top_k = top_k
        self._min_autopass = min_autopass
        self._screen = _terminal() if screen is None else screen
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
        self._go_back_to = None  # if it is still there, it was refused
        if self._quit:  # another strategy took the end back
            return self._the_end()
        best = list(islice(probs, self._top_k))
        if probs[best[0]] >= self._min_autopass:
            return {best[0]: 1.0}
        options = [(self._text_of(token, tokens), probs[token]) for token in best]
        choice = self._ask(tokens, options)
        if choice == QUIT:
            self._quit = True
            return self._the_end()
        if self._go_back_to is not None:
            return {best[0]: 1.0}  # any token: it is taken back with the rest
        self._asked.append(len(tokens))
        return {best[choice]: 1.0}

    def backtrack(self, tokens: list[int]) -> int:
        if self._go_back_to is None:
            return 0
        return TakeBack(len(tokens) - self._go_back_to, "taken back by a person")

    def at_end(self, tokens: list[int]) -> int:
        ending = tokens[-1:] and tokens[-1] in self._eos
        if not self._quit and self._ask(tokens[:-1] if ending else tokens, []) == BACK:
            return self.backtrack(tokens)
        self._screen.close()  # before the text is streamed to the same terminal
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

    def _the_end(self) -> Candidates:
        return {min(self._eos): 1.0}

    def _text_of(self, token: int, tokens: list[int]) -> str:
        if token in self._eos:
            return ""
        before = tokens[-_CONTEXT:]
        known = self._decode(before).rstrip(_INCOMPLETE)
        return self._decode([*before, token])[len(known) :] or f"(token {token})"
