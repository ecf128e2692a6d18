"""Several threads on one provider."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tiny_models import TinyTokenizer, tiny

from backtrack_sampler import BacktrackSampler, BaseStrategy
from backtrack_sampler.provider.base_provider import BaseProvider
from backtrack_sampler.provider.transformers_provider import TransformersProvider
from backtrack_sampler.testing import FakeProvider

THREADS, STREAMS = 8, 20


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class EveryFifth(BaseStrategy):
    """Goes back three tokens at every fifth draw."""

    def reset(self) -> None:
        self.draws = 0

    def backtrack(self, tokens: list[int]) -> int:
        self.draws += 1
        return 3 if self.draws % 5 == 0 and len(tokens) > 3 else 0

    def pending(self, tokens: list[int]) -> int:
        return len(tokens)


def in_threads(run: Callable[[int], Any]) -> list[Any]:
    """What each thread gives; whatever one raises is raised."""
    found: dict[int, Any] = {}
    errors: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def thread(number: int) -> None:
        start.wait()
        try:
            found[number] = run(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if errors:
        raise errors[0]
    return [found[number] for number in range(THREADS)]


PROVIDERS: dict[str, Callable[[], BaseProvider]] = {
    "fake": lambda: FakeProvider(eos=-1, remember=4),
    "transformers": lambda: TransformersProvider(tiny("llama"), TinyTokenizer()),
}


@pytest.mark.parametrize("kind", PROVIDERS)
def test_streams_in_threads_are_as_alone(kind: str) -> None:
    """Eight threads with twenty streams each on one provider: every stream is what it is when nothing else runs."""

    def streams(provider: BaseProvider, thread: int) -> list[list[int]]:
        sampler = BacktrackSampler(provider, EveryFifth())
        return [
            list(sampler.generate([3 + thread % 3, 4, 5], max_new_tokens=8, max_discarded=1000, seed=100 * thread + n))
            for n in range(STREAMS)
        ]

    alone = [streams(PROVIDERS[kind](), thread) for thread in range(THREADS)]
    provider = PROVIDERS[kind]()
    assert in_threads(lambda thread: streams(provider, thread)) == alone


def test_batches_in_threads_are_as_alone() -> None:
    """The same of several streams at once, each thread with requests of its own for the rows of one memory."""
    provider = FakeProvider(eos=-1, remember=4)

    def rows(provider: BaseProvider, thread: int) -> list[list[int]]:
        batch = BacktrackSampler(provider).generate_batch(
            [[thread % 5, 1 + n % 3] for n in range(6)], EveryFifth, seeds=thread, max_new_tokens=8, max_discarded=1000
        )
        list(batch)
        return [row.tokens for row in batch.rows]  # the order in which they end is another matter

    alone = [rows(FakeProvider(eos=-1), thread) for thread in range(THREADS)]
    assert in_threads(lambda thread: rows(provider, thread)) == alone


class Borrowed(TinyTokenizer):
    """A tokenizer that refuses two threads at once, as the fast ones do."""

    chat_template = "there is one"

    def __init__(self) -> None:
        self._busy = False

    def _exclusively(self, run: Callable[..., Any], *args: Any) -> Any:
        if self._busy:
            raise RuntimeError("Already borrowed")
        self._busy = True
        time.sleep(0)
        found = run(*args)
        self._busy = False
        return found

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return self._exclusively(super().encode, text)

    def decode(self, tokens: list[int], **_: Any) -> str:
        return self._exclusively(super().decode, tokens)

    def apply_chat_template(self, conversation: Any, **_: Any) -> str:
        return self._exclusively(str, conversation)


def test_a_tokenizer_in_threads() -> None:
    """Whoever encodes, decodes or makes a chat prompt waits for the others."""
    provider = TransformersProvider(tiny("llama"), Borrowed())

    def run(thread: int) -> list[Any]:
        for _ in range(100):
            found = [
                provider.encode("some text"),
                provider.decode([5, 6]),
                provider.chat_prompt([{"role": "user", "content": "Hi"}]),
            ]
        return found

    assert in_threads(run) == [run(0)] * THREADS


def test_a_row_that_is_held_is_not_overwritten() -> None:
    """Whoever was given a row may read it, without any lock, however many others ask for something else."""
    provider = FakeProvider(remember=1)
    expected = {thread: FakeProvider().logits([thread % 7, 1]) for thread in range(THREADS)}

    def run(thread: int) -> bool:
        for _ in range(200):
            row = provider.peek([thread % 7, 1])
            if [row[n] for n in range(7)] != expected[thread]:
                return False
        return True

    assert all(in_threads(run))
