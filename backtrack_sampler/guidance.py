"""What a person is asked who guides a text, and where: between the strategy and whatever shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["BACK", "QUIT", "Menu", "Screen"]

#: What `Screen.choose` returns besides an index.
BACK = -1
QUIT = -2


class Menu(NamedTuple):
    """What a person is asked.

    Attributes:
        prompt: text before the continuation.
        text: the continuation so far.
        options: (text, probability) of each token to choose from, "" for the end of the text; none
            at the end of the stream.
    """

    prompt: str
    text: str
    options: Sequence[tuple[str, float]]


class Screen(Protocol):
    """Where a person is asked: see `terminal.guidance_screen.CursesScreen`."""

    def choose(self, menu: Menu) -> int: ...

    def close(self) -> None: ...
