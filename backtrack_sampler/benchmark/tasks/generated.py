"""Tasks whose items are drawn from a seed: the problems, how they are split, and in how many ways each is asked."""

from __future__ import annotations

import hashlib
import inspect
import random
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, product
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from ...checks import check_count
from ...errors import InputError
from ...specs import with_arguments
from .base_task import DEVELOPMENT, TEST, Item, Task
from .few_shot import Solved, Wording, conversation, plain_text

__all__ = ["EXAMPLES", "GeneratedTask", "split_of"]

P = TypeVar("P")

#: Problems that are shown solved, and never asked.
EXAMPLES = 8

_USUAL = {TEST: 400, DEVELOPMENT: 200}  # items, where nobody says how many
_DEVELOPMENT_SHARE = 3  # every third problem
_IN_VAIN = 20  # draws for each known problem, in a row, that bring no new one: then there are hardly any left


def split_of(family: str, canonical: str) -> str:
    """The split of a problem. It depends on nothing but the problem: not on difficulty, wording or version.

    Args:
        family: of the task, such as "sums".
        canonical: the problem in a form that is the same for all that are one.
    """
    number = int.from_bytes(hashlib.sha256(f"split {family} {canonical}".encode()).digest()[:8])
    return DEVELOPMENT if number % _DEVELOPMENT_SHARE == 0 else TEST


class _Way(NamedTuple, Generic[P]):
    """How a problem is asked: each with its number, but for the examples, which come forwards or backwards."""

    wording: tuple[int, Wording]
    arrangement: tuple[int, P]
    backwards: bool


class GeneratedTask(Task, Generic[P]):
    """Base class of tasks that are drawn from a seed; the seed is part of the version.

    A problem is asked in several ways (wordings, arrangements, examples), which share a cluster. First
    every problem is asked once, then every one again in another way, until there are no more ways. So the
    first items are the most different, and a longer list begins with the shorter one.

    Without a limit there are at most 400 items to test and 200 to develop on; a larger limit gives more
    where problems and ways are enough for them.

    Args:
        shots: solved examples before each question, 0 to 8. They are never asked.
        chat: prompts are conversations, not plain text.

    Attributes:
        family: its name without parameters.
        instruction: the first line of a prompt.
        wordings: ways to say a question.
    """

    family: ClassVar[str]
    instruction: str
    wordings: ClassVar[tuple[Wording, ...]]
    stop = ("\n",)

    def __init__(self, shots: int, chat: bool) -> None:
        self.shots = check_count("shots", shots, 0)
        if self.shots > EXAMPLES:
            raise InputError(f"shots must be at most {EXAMPLES}, not {shots}")
        self.chat = bool(chat)
        self.name = _name(self)

    # -- what a task defines ---------------------------------------------------------------

    @abstractmethod
    def draw(self, rng: random.Random) -> P:
        """A problem."""

    def draw_example(self, rng: random.Random) -> P:
        """A problem that is shown solved; by default one like the others."""
        return self.draw(rng)

    @abstractmethod
    def canonical(self, problem: P) -> str:
        """The same text for all problems that are one, whatever is said of them in which order."""

    @abstractmethod
    def words(self, problem: P, wording: Wording) -> Solved:
        """A problem as a question, and its answer."""

    @abstractmethod
    def facts(self, problem: P) -> Mapping[str, Any]:
        """What the checker needs to know of a problem, besides "answer"; JSON."""

    def arrangements(self, problem: P) -> Sequence[P]:
        """The problem in the orders in which it is asked."""
        return [problem]

    # -- items -----------------------------------------------------------------------------

    def items(self, split: str = TEST, limit: int | None = None) -> list[Item]:
        if split not in _USUAL:
            raise InputError(f"split must be {TEST} or {DEVELOPMENT}, not {split!r}")
        wanted = _USUAL[split] if limit is None else check_count("limit", limit)
        found = list(islice(self._asked(split), min(wanted, sys.maxsize)))  # more than that it does not take
        if not found:
            raise InputError(f"{self.name} has too few problems to ask any ({split}): make it harder")
        return found

    def examples(self) -> list[P]:
        """The problems that are shown solved, as many as there may be shots, and never asked."""
        return list(self._examples().values())

    def _examples(self) -> dict[str, P]:
        rng = random.Random(f"{self.family} {self.version} examples")
        return dict(islice(self._new(partial(self.draw_example, rng), set()), EXAMPLES))

    def _asked(self, split: str) -> Iterator[Item]:
        examples = self._examples()
        shown = list(examples.values())
        rng = random.Random(f"{self.family} {self.version}")
        asked = []
        for key, problem in self._new(partial(self.draw, rng), set(examples)):
            if split_of(self.family, key) == split:
                ways = self._ways(key, problem)
                asked.append((key, ways))
                yield self._item(key, ways[0], shown)
        for number in range(1, max((len(ways) for _, ways in asked), default=0)):
            for key, ways in asked:
                if number < len(ways):
                    yield self._item(key, ways[number], shown)

    def _new(self, draw: Callable[[], P], known: set[str]) -> Iterator[tuple[str, P]]:
        """What is drawn and not known yet, with its canonical form, until hardly anything is."""
        in_vain = 0
        while in_vain <= _IN_VAIN * len(known):
            problem = draw()
            key = self.canonical(problem)
            in_vain = in_vain + 1 if key in known else 0
            if not in_vain:
                known.add(key)
                yield key, problem

    def _ways(self, key: str, problem: P) -> list[_Way[P]]:
        """All ways to ask a problem, in an order in which those alike are far apart."""
        orders = (False, True) if self.shots else (False,)
        arranged = enumerate(self.arrangements(problem))
        ways = [_Way(*each) for each in product(enumerate(self.wordings), arranged, orders)]
        random.Random(f"{self.family} {self.version} {key}").shuffle(ways)
        return ways

    def _item(self, key: str, way: _Way[P], examples: Sequence[P]) -> Item:
        (wording_number, wording), (arrangement, problem), backwards = way
        shown = (examples[::-1] if backwards else examples)[: self.shots]
        solved = [self.words(each, wording) for each in shown]
        question, answer = self.words(problem, wording)
        return Item(
            id=f"{key} #{wording_number}{arrangement}{int(backwards)}",
            prompt=conversation(self.instruction, solved, question)
            if self.chat
            else plain_text(self.instruction, wording, solved, question),
            cluster=key,
            data={"answer": answer, **self.facts(problem)},
        )


def _name(task: GeneratedTask[Any]) -> str:
    """The family, and all parameters that are not as usual: each of them changes the prompts."""
    parameters = inspect.signature(type(task)).parameters.values()
    values = {each.name: (getattr(task, each.name), each.default) for each in parameters}
    return with_arguments(task.family, {name: value for name, (value, usual) in values.items() if value != usual})
