"""A task for tests: which letter comes first; and a model of few letters that answers it at random."""

from __future__ import annotations

from backtrack_sampler.benchmark.tasks import Item, Score, Task
from backtrack_sampler.testing import FakeProvider


class Letters(Task):
    """Right is an answer that begins with the letter that was asked for."""

    name = "letters"
    max_new_tokens = 4
    stop = (".",)

    def items(self, split: str = "test", limit: int | None = None) -> list[Item]:
        start = 0 if split == "test" else 1000
        return [
            Item(f"{start + n}", "abc"[n % 3] * (1 + n % 4) + " ", "abc"[n % 3], {"letter": "abc"[n % 3]})
            for n in range(60 if limit is None else limit)
        ]  # fmt: skip

    def score(self, item: Item, text: str) -> Score:
        first = text.strip()[:1]
        return Score(float(first == item.data["letter"]), first or None)


class LettersModel(FakeProvider):
    """Letters at random; a command names it by this file."""

    def __init__(self) -> None:
        super().__init__(["a", "b", "c", " ", ".", ""])
        self.model_name = "letters"


def letters_model() -> LettersModel:
    return LettersModel()
