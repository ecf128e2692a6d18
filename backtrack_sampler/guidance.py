"""What a person is asked who guides a text, and where: between the strategy and whatever shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

__all__ = ["BACK", "QUIT", "Ahead", "Answer", "Insert", "Menu", "RunOn", "Screen"]

#: What `Screen.choose` returns besides the index of an option.
BACK = -1
QUIT = -2


class RunOn(NamedTuple):
    """An answer: take an option, and the most probable tokens after it, to the end of the sentence.

    Attributes:
        first: index of the option.
    """

    first: int


class Insert(NamedTuple):
    """An answer: words of the person's own, put in as they are, leading space included."""

    text: str


Answer: TypeAlias = int | RunOn | Insert


class Ahead(Protocol):
    """What the options of a menu would lead to, found out a token at a time; see `look_ahead`."""

    def text(self, index: int) -> str:
        """What is known by now of what follows an option."""

    def wants(self, index: int, most: float) -> bool:
        """Whether `grow` would find more; `most` tokens are enough."""

    def grow(self, index: int) -> None:
        """Find out more, with one forward pass at the most."""


class Menu(NamedTuple):
    """What a person is asked. A screen needs the first three; the rest makes it worth looking at.

    Attributes:
        prompt: text before the continuation.
        text: the continuation so far.
        options: (text, probability) of each token to choose from, "" for the end of the text; none
            at the end of the stream.
        rest: further ones, on demand: the index of the first is `len(options)`.
        tokens: how many the continuation has.
        choices: how many of its places a person has decided.
        steps_back: how often they have gone back.
        notice: what they should know here, in a few words.
        ahead: what the options would lead to.
    """

    prompt: str
    text: str
    options: Sequence[tuple[str, float]]
    rest: Sequence[tuple[str, float]] = ()
    tokens: int = 0
    choices: int = 0
    steps_back: int = 0
    notice: str = ""
    ahead: Ahead | None = None


class Screen(Protocol):
    """Where a person is asked: see `terminal.guidance_screen.CursesScreen`.

    One that answers `RunOn` may also have `watch(menu) -> bool`, called before each token of the run:
    False stops it.
    """

    def choose(self, menu: Menu) -> Answer: ...

    def close(self) -> None: ...
