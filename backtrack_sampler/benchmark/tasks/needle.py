"""Needle: one of several short statements answers the question."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...checks import check_count
from ...errors import InputError
from .base_task import Item, Score
from .few_shot import Solved, Wording
from .generated import GeneratedTask

__all__ = ["Holdings", "Needle", "one_thing"]

# Who and what is in examples is in no question: what was said of a name there would be said of it here, too.
_PEOPLE = (
    "Anna Ben Carla David Emma Frank Grace Henry Iris Jack Kate Leo Maria Nick Olga Paul Rosa Sam Tina Victor",
    "Alice Bob Clara Daniel Eva Fred Hanna Ian Julia Karl Lucy Mark Nora Oscar Peter Ruth Simon Tom Vera Will",
)
_OBJECTS = (
    "ball bell book box coin cup doll drum flag fork hat key kite lamp map mirror pen plate ring rope",
    "basket brush button candle chair clock comb cord desk glass glove hammer jar knife ladder nail needle pillow "
    "shirt towel",
)
NAMES, EXAMPLE_NAMES = (names.split() for names in _PEOPLE)
THINGS, EXAMPLE_THINGS = (things.split() for things in _OBJECTS)

_THING = re.compile(r"\s*(?:an?\s+|the\s+)?([a-z]{1,40})\s*\.?\s*", re.IGNORECASE | re.ASCII)


class Holdings(NamedTuple):
    """Who has what, in the order in which it is said, and who is asked about."""

    pairs: tuple[tuple[str, str], ...]
    asked: int


def one_thing(text: str) -> str | None:
    """The thing that a text names, in small letters; None where it is anything else.

    Allowed around it: white space, an article before it, one full stop after it, and capital letters.
    """
    match = _THING.fullmatch(text)
    return match[1].lower() if match else None


class Needle(GeneratedTask[Holdings]):
    """Who has what is said of several people, one a line; what one of them has is asked.

    There are millions of problems, so each is asked once. Whoever names any of the things is right once in
    as many times as there are statements.

    Args:
        statements: how many, 2 to 20.
        shots, chat: see `GeneratedTask`.
    """

    family = "needle"
    instruction = "Read who has what, and say what the last one has."
    wordings = (
        Wording("{colons}\n{who}", "", ":"),
        Wording("{dashes}\n{who}", "", " -"),
        Wording("{equals}\n{who}", "", " ="),
    )
    max_new_tokens = 8

    def __init__(self, statements: int = 4, shots: int = 3, chat: bool = False) -> None:
        self.statements = check_count("statements", statements, 2)
        if self.statements > len(NAMES):
            raise InputError(f"statements must be at most {len(NAMES)}, not {statements}")
        super().__init__(shots, chat)

    def draw(self, rng: random.Random) -> Holdings:
        return self._holdings(rng, NAMES, THINGS)

    def draw_example(self, rng: random.Random) -> Holdings:
        return self._holdings(rng, EXAMPLE_NAMES, EXAMPLE_THINGS)

    def _holdings(self, rng: random.Random, names: Sequence[str], things: Sequence[str]) -> Holdings:
        who, what = rng.sample(names, self.statements), rng.sample(things, self.statements)
        return Holdings(tuple(zip(who, what, strict=True)), rng.randrange(self.statements))

    def canonical(self, problem: Holdings) -> str:
        return ", ".join(f"{who} {what}" for who, what in sorted(problem.pairs))

    def words(self, problem: Holdings, wording: Wording) -> Solved:
        who, what = problem.pairs[problem.asked]
        between = {"colons": ": ", "dashes": " - ", "equals": " = "}
        lines = {name: "\n".join(f"{a}{sign}{b}" for a, b in problem.pairs) for name, sign in between.items()}
        return Solved(wording.question.format(who=who, **lines), what)

    def facts(self, problem: Holdings) -> Mapping[str, Any]:
        return {"asked": problem.pairs[problem.asked][0], "place": problem.asked}

    def score(self, item: Item, text: str) -> Score:
        answer = one_thing(text)
        return Score(float(answer == item.data["answer"]), answer)
