"""Streams in one memory, on FakeProvider: its rows are real lists, so a wrong row gives a wrong answer."""

from __future__ import annotations

import random
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler import InputError
from backtrack_sampler.provider import memory as memories
from backtrack_sampler.provider.base_provider import BaseProvider
from backtrack_sampler.provider.memory import Memory
from backtrack_sampler.provider.row import Row, Work, common_prefix
from backtrack_sampler.testing import FakeProvider, ListLogits

SIZE = 7  # of the fake vocabulary


def words(seed: int, count: int) -> list[int]:
    """Random tokens; the first tells the seeds below 7 apart."""
    rng = random.Random(seed)
    return [seed % SIZE, *(rng.randrange(SIZE) for _ in range(count - 1))]


class ThirdParty(BaseProvider):
    """As little as somebody else's backend has: one memory, and no idea of batches."""

    def __init__(self, remember: int = 64, droppable: bool = True) -> None:
        self.held: list[int] = []
        self.droppable = droppable
        super().__init__(remember)

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [ord(character) % SIZE for character in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(str, tokens))

    def _evaluate(self, tokens: list[int], start: int) -> ListLogits:
        assert tokens
        self.held[start:] = tokens
        return answer(self.held)

    def _keep(self, length: int, tokens: list[int]) -> int:
        del self.held[length if self.droppable else 0 :]
        return len(self.held)


class Saves(ThirdParty):
    """A memory that drops nothing, and saves what it held after every fifth evaluation."""

    def __init__(self, remember: int = 64) -> None:
        self.saved: list[list[int]] = []
        self.evaluations = 0
        self.restored: list[int] = []
        super().__init__(remember, droppable=False)

    def _evaluate(self, tokens: list[int], start: int) -> ListLogits:
        assert start == len(self.held)
        found = super()._evaluate(tokens, start)
        self.evaluations += 1
        if self.evaluations % 5 == 1:
            self.saved.append(self.held[:])
        return found

    def _keep(self, length: int, tokens: list[int]) -> int:
        fitting = [state for state in self.saved if state == tokens[: len(state)]]
        self.held = max(fitting, key=len, default=[])[:]
        return len(self.held)

    def _saved(self) -> tuple[ListLogits, int, int]:
        return answer(self.held), 0, 0


PIECE = 8


def rounded(ways: list[tuple[int, int, int]]) -> ListLogits:
    """What an engine answers that rounds differently for several tokens at once: by how each token was evaluated."""
    rng = random.Random(str(ways))
    return ListLogits(rng.random() for _ in range(SIZE))


def ways_of(tokens: list[int], start: int) -> list[tuple[int, int, int]]:
    """Each token, how many are evaluated together with it, and which of them it is."""
    ways = []
    for at, token in enumerate(tokens, start):
        first = at - at % PIECE
        low, high = max(first, start), min(first + PIECE, start + len(tokens))
        ways.append((token, high - low, at - low))
    return ways


class Rounds(ThirdParty):
    """An engine whose answers depend on how each token was evaluated; in a batch, too."""

    piece = PIECE

    def __init__(self, remember: int = 64, droppable: bool = True) -> None:
        self.ways: list[tuple[int, int, int]] = []
        super().__init__(remember, droppable)

    def _evaluate(self, tokens: list[int], start: int) -> ListLogits:
        self.ways[start:] = ways_of(tokens, start)
        return rounded(self.ways)

    def _keep(self, length: int, tokens: list[int]) -> int:
        del self.ways[length if self.droppable else 0 :]
        return len(self.ways)

    def _new_batch(self) -> Memory:
        return RoundingRows(self, self._remember)


class RoundingRows(Memory):
    """Rows of the same engine."""

    def __init__(self, owner: Rounds, remember: int) -> None:
        super().__init__(owner, remember)
        self.ways: dict[int, list[tuple[int, int, int]]] = {}
        self.asked: list[int] = []

    def _evaluate(self, work: list[Work]) -> list[ListLogits]:
        for row, tokens, start in work:
            self.ways.setdefault(row.place, [])[start:] = ways_of(tokens, start)
            self.asked.append(len(tokens))
        return [rounded(self.ways[row.place]) for row, _, _ in work]

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        return length

    def _share(self, source: Row, target: Row, length: int) -> int:
        self.ways[target.place] = self.ways[source.place][:length]
        return length


class NoCopies(FakeProvider):
    """Rows that cannot be copied."""

    def _new_batch(self) -> Memory:
        memory: Any = super()._new_batch()
        memory._share = lambda source, target, length: 0
        return memory


MAKERS: dict[str, Callable[[int], Any]] = {
    "drops a suffix": lambda remember: FakeProvider(remember=remember),
    "drops nothing": lambda remember: FakeProvider(remember=remember, droppable=False),
    "copies nothing": lambda remember: NoCopies(remember=remember),
    "third party": lambda remember: ThirdParty(remember),
    "third party that drops nothing": lambda remember: ThirdParty(remember, droppable=False),
    "third party that saves states": lambda remember: Saves(remember),
}


def answer(tokens: Sequence[int]) -> ListLogits:
    """The logits after these tokens, by a provider that has never seen anything else."""
    return FakeProvider().logits(list(tokens))


def check(provider: BaseProvider, sequences: list[list[int]]) -> None:
    assert provider.logits_batch(sequences) == [answer(tokens) for tokens in sequences]
    assert all(new for _, new in getattr(provider, "asked", ()))  # engines do not like nothing at all


def grown(provider: BaseProvider, tokens: list[int], steps: int) -> list[int]:
    """A single stream, after so many more tokens, one at a time."""
    for _ in range(steps):
        tokens = [*tokens, 1]
        check(provider, [tokens])
    return tokens


def cost(provider: Any, sequences: list[list[int]]) -> list[tuple[int, list[int]]]:
    """Ask, check the answers, and return what had to be evaluated: (start, tokens) of each row."""
    before = len(provider.asked)
    check(provider, sequences)
    return sorted(provider.asked[before:])


# -- the answers ---------------------------------------------------------------------------

CHANGES = st.tuples(
    st.sampled_from(["grow", "grow", "grow", "all", "back", "end", "new", "copy", "shuffle", "single", "recall"]),
    st.integers(0, 5),
    st.sampled_from([1, 1, 1, 2, 5, 16, 17, 18, 40]),
)


def changed(streams: list[list[int]], kind: str, index: int, amount: int, seed: int) -> list[list[int]]:
    """Streams after one of the things that happen to streams."""
    streams = streams[:]
    index %= max(1, len(streams))
    if kind == "new" or not streams:
        streams.append(words(seed, amount))
    elif kind == "grow":
        streams[index] = streams[index] + words(seed, amount)
    elif kind == "all":
        streams = [tokens + words(seed + n, 1) for n, tokens in enumerate(streams)]
    elif kind == "back":
        streams[index] = streams[index][: max(1, len(streams[index]) - amount)]
    elif kind == "end":
        del streams[index]
    elif kind == "copy":  # whole or its beginning: duplicates, and prefixes of each other
        streams.insert(0, streams[index][: amount if amount > 16 else None])
    elif kind == "shuffle":
        random.Random(seed).shuffle(streams)
    return streams


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=200)
@given(steps=st.lists(st.lists(CHANGES, min_size=1, max_size=4), max_size=20), remember=st.sampled_from([1, 3, 64]))
def test_whatever_is_asked_each_row_is_as_alone(kind: str, steps: list[Any], remember: int) -> None:
    """Streams that grow, go back, end, begin, change places, double and share: each is answered as on a fresh model."""
    provider = MAKERS[kind](remember)
    streams: list[list[int]] = []
    for number, changes in enumerate(steps):
        for change, index, amount in changes:
            streams = changed(streams, change, index, amount, number)
            some = streams[index % len(streams)] if streams else [1]
            if change == "single":
                assert provider.logits(some) == answer(some)
            elif change == "recall":
                assert provider.recall(some) in (None, answer(some))
        check(provider, streams)


@pytest.mark.parametrize("kind", ["drops a suffix", "drops nothing"])
def test_long_walks_with_few_tokens(kind: str) -> None:
    """Two hundred requests over a vocabulary of two, where everything begins like something else."""
    for seed in range(10):
        rng = random.Random(seed)
        provider = MAKERS[kind](rng.choice([1, 4, 64]))
        streams = [[1]]
        for _ in range(200):
            for _ in range(rng.randrange(4)):
                index = rng.randrange(len(streams))
                old = streams[index]
                streams[index] = old[: rng.randint(1, len(old))] + [
                    rng.randrange(2) for _ in range(rng.choice([0, 1, 18]))
                ]
            if rng.random() < 0.1 and len(streams) < 9:
                streams.append(rng.choice(streams)[:])
            check(provider, rng.sample(streams, rng.randint(1, len(streams))))


@pytest.mark.parametrize("droppable", [True, False])
def test_rows_in_use_have_the_lowest_places(droppable: bool) -> None:
    """Whoever is asked for, backends may work on the first rows: what they hold moves along and is not evaluated again."""
    provider = FakeProvider(droppable=droppable)
    streams = [words(seed, 30) for seed in range(8)]
    check(provider, streams)
    for asked in ([7, 6], [3, 7, 5], [5], [0, 1, 2, 3, 4, 5, 6, 7]):
        before = provider.evaluated_tokens
        for index in asked:
            streams[index] = streams[index] + [index % SIZE]
        check(provider, [streams[index] for index in asked])
        memory: Any = provider._batch
        assert sorted(row.place for row in memory._last) == list(range(len(asked)))
        assert sorted(row.place for row in memory._rows) == list(range(8))
        if len(asked) < 8:
            known = [index for index in asked if len(streams[index]) > 31]
            assert provider.evaluated_tokens - before >= len(known)
    before = provider.evaluated_tokens
    check(provider, [streams[5] + [1]])
    check(provider, [streams[5] + [1, 2]])
    assert provider.evaluated_tokens - before == 2


def test_any_sequence_type_will_do() -> None:
    """Tuples and arrays of token ids are as good as lists; a list is not changed."""
    provider = FakeProvider()
    tokens = words(1, 20)
    kept = tokens[:]
    assert provider.logits_batch((tuple(tokens), np.array(tokens), tokens)) == [answer(tokens)] * 3
    tokens.append(1)
    check(provider, [tokens, kept])
    assert tokens == [*kept, 1]


def test_no_streams() -> None:
    """Nothing asked, nothing answered, and what is held stays."""
    provider = FakeProvider()
    assert provider.logits_batch([]) == []
    assert not provider.batched
    assert cost(provider, [[1, 2]]) == [(0, [1, 2])]
    assert provider.logits_batch([]) == []
    assert cost(provider, [[1, 2, 3]]) == [(2, [3])]


# -- what it costs -------------------------------------------------------------------------


def test_a_step_costs_one_forward_for_all() -> None:
    """Streams of different lengths, a token each: one forward pass, and nothing but the new tokens."""
    provider = FakeProvider()
    streams = [words(seed, 5 + 30 * seed) for seed in range(6)]
    check(provider, streams)
    for step in range(20):
        before = provider.forward_passes
        streams = [tokens + [(step + len(tokens)) % SIZE] for tokens in streams]
        expected = sorted((len(tokens) - 1, tokens[-1:]) for tokens in streams)
        assert cost(provider, streams) == expected
        assert provider.forward_passes == before + 1


def test_prompts_that_differ_are_evaluated_together() -> None:
    """Streams with nothing in common need not wait for each other: one forward pass for all prompts."""
    provider = FakeProvider()
    check(provider, [words(seed, 40) for seed in range(SIZE)])
    assert provider.forward_passes == 1


@pytest.mark.parametrize("droppable", [True, False])
@pytest.mark.parametrize("length", [17, 20, 100])
def test_equal_prompts_are_evaluated_once(length: int, droppable: bool) -> None:
    """However many streams have the same prompt, it is evaluated once, and each goes on from it by itself."""
    provider = FakeProvider(droppable=droppable)
    prompt = words(1, length)
    assert cost(provider, [prompt] * 12) == [(0, prompt)]
    assert provider.forward_passes == 1
    assert cost(provider, [[*prompt, n % SIZE] for n in range(12)]) == sorted((length, [n % SIZE]) for n in range(12))


@pytest.mark.parametrize("length", [20, 21, 100])
def test_what_prompts_share_is_evaluated_once(length: int) -> None:
    """Prompts that begin alike and end differently: the beginning once, each ending once, in two forward passes."""
    provider = FakeProvider()
    shared = words(1, length)
    endings = [words(seed, 25) for seed in range(5)]
    found = cost(provider, [shared + ending for ending in endings])
    assert found == sorted([(0, shared + endings[0]), *((length, ending) for ending in endings[1:])])
    assert provider.forward_passes == 2


def test_prompts_that_are_prefixes_of_each_other() -> None:
    """A prompt that begins another is evaluated once for both, whichever comes first."""
    prompt = words(1, 90)
    for lengths in ([30, 60, 90], [90, 60, 30], [60, 90, 30]):
        provider = FakeProvider()
        check(provider, [prompt[:length] for length in lengths])
        assert provider.evaluated_tokens <= 90 + 2  # the last of a beginning again: its logits were not asked for


def test_families_of_prompts() -> None:
    """Two families, each with a beginning of its own: each beginning is evaluated once, and both at the same time."""
    provider = FakeProvider()
    one, two = words(1, 51), words(2, 51)
    check(provider, [one + [2], two + [2], one + [3], two + [3]])
    assert provider.evaluated_tokens == 2 * 52 + 2
    assert provider.forward_passes == 2


@pytest.mark.parametrize("ended", [True, False])
def test_a_new_stream_takes_over_what_another_has_evaluated(ended: bool) -> None:
    """A prompt that comes again is not evaluated again, whether the stream that had it goes on or has ended."""
    provider = FakeProvider()
    prompt = words(1, 40)
    first, other = prompt + words(2, 30), words(3, 50)
    check(provider, [first, other])
    going_on = [other + [1]] if ended else [first + [1], other + [1]]
    found = cost(provider, [*going_on, prompt + [5, 5]])
    assert found == sorted([(len(tokens) - 1, [1]) for tokens in going_on] + [(40, [5, 5])])


def test_a_stream_not_asked_for_keeps_its_row_until_it_is_needed() -> None:
    """A stream that pauses while nobody needs its place goes on where it was, and costs only its new token."""
    provider = FakeProvider()
    a, b, c = (words(seed, 40) for seed in range(3))
    check(provider, [a, b, c])
    check(provider, [a + [1], b + [1]])
    assert cost(provider, [a + [1, 2], b + [1, 2], c + [2]]) == [(40, [2]), (41, [2]), (41, [2])]


def test_a_stream_not_asked_for_gives_up_its_row() -> None:
    """A new stream takes the row of one that is no longer asked for; that one comes back whole, and right."""
    provider = FakeProvider()
    a, b, c, d = (words(seed, 40) for seed in range(4))
    check(provider, [a, b, c])
    assert cost(provider, [a + [1], c + [1], d]) == [(0, d), (40, [1]), (40, [1])]
    assert len(provider._batch._rows) == 3  # type: ignore[union-attr]
    assert cost(provider, [c + [1, 2], d + [2], b]) == [(0, b), (40, [2]), (41, [2])]


def test_going_back_inside_the_window_costs_no_forward() -> None:
    """Each stream can go back to any remembered length at once, and the others are not evaluated with it."""
    provider = FakeProvider()
    streams = [words(seed, 20 + seed) for seed in range(3)]
    check(provider, streams)
    for _ in range(10):
        streams = [tokens + [1] for tokens in streams]
        check(provider, streams)
    for back in range(1, 11):
        before = provider.forward_passes
        assert cost(provider, [streams[0], streams[1][:-back], streams[2]]) == []
        assert provider.forward_passes == before
    back_and_on = [streams[0] + [2], streams[1][:-10], streams[2] + [2]]
    assert cost(provider, back_and_on) == [(30, [2]), (32, [2])]
    assert cost(provider, [streams[0] + [2], streams[1][:-10] + [3], streams[2] + [2]]) == [(21, [3])]


def test_going_back_beyond_the_window_costs_one_token() -> None:
    """The last token that is left is evaluated again, for its logits; the others are not."""
    provider = FakeProvider(remember=5)  # the prompt's and four more
    streams = [words(seed, 20) for seed in range(3)]
    for _ in range(10):
        streams = [tokens + [1] for tokens in streams]
        check(provider, streams)
    assert cost(provider, [streams[0], streams[1][:-3], streams[2]]) == []
    assert cost(provider, [streams[0], streams[1][:-4], streams[2]]) == [(25, streams[1][25:26])]


def test_a_memory_that_drops_nothing_goes_back_from_its_window() -> None:
    """What is remembered needs no memory; only going on from there is evaluated from the beginning."""
    provider = FakeProvider(droppable=False)
    streams = [words(1, 20), words(2, 20)]
    check(provider, streams)
    streams = [tokens + [1] for tokens in streams]
    check(provider, streams)
    assert cost(provider, [streams[0], streams[1][:-1]]) == []
    on = streams[1][:-1] + [2]
    assert cost(provider, [streams[0], on]) == [(0, on)]


# -- what is remembered --------------------------------------------------------------------


def test_recall_is_the_same_or_none() -> None:
    """What is remembered is what `logits` says, at no cost; what is not is None."""
    provider = FakeProvider(remember=5)
    assert provider.recall([1, 2]) is None
    streams = [words(1, 20), words(2, 20)]
    for _ in range(6):
        streams = [tokens + [1] for tokens in streams]
        check(provider, streams)
    before = provider.forward_passes
    for tokens in streams:
        for length in range(1, 27):
            expected = answer(tokens[:length]) if length == 21 or length > 22 else None
            assert provider.recall(tokens[:length]) == expected
            assert provider.recall(tuple(tokens[:length])) == expected
        assert provider.recall([*tokens[:-1], 2]) is None
        assert provider.recall([*tokens, 1]) is None
    assert provider.recall([]) is None
    assert provider.forward_passes == before
    provider.reset()
    assert provider.recall(streams[0]) is None


def test_recall_knows_nothing_that_was_taken_back() -> None:
    """After another ending, the old one is not remembered, though it was as long."""
    provider = FakeProvider()
    prompt = words(1, 20)
    check(provider, [[*prompt, 1, 2], words(2, 9)])
    check(provider, [[*prompt, 3], words(2, 9)])
    check(provider, [[*prompt, 3, 4], words(2, 9)])
    assert provider.recall([*prompt, 1, 2]) is None
    assert provider.recall([*prompt, 3, 4]) == answer([*prompt, 3, 4])


def test_logits_are_the_callers_to_change() -> None:
    """Writing to what was returned changes no later answer."""
    provider = FakeProvider()
    streams = [words(1, 20), words(1, 20), words(2, 20)]
    for found in (*provider.logits_batch(streams), provider.logits(streams[0])):
        found[:] = [0.0] * SIZE
    check(provider, streams)
    assert provider.logits(streams[0]) == answer(streams[0])
    assert provider.recall(streams[0]) == answer(streams[0])
    check(provider, [tokens + [1] for tokens in streams])


def test_answers_are_not_overwritten_later() -> None:
    """What was returned stays as it is, whatever is asked for afterwards."""
    provider = FakeProvider(remember=1)
    streams = [words(1, 20), words(2, 20)]
    found = provider.logits_batch(streams)
    for step in range(5):
        check(provider, [tokens + words(step, step + 1) for tokens in streams])
    assert found == [answer(tokens) for tokens in streams]


def kept_arrays(provider: BaseProvider) -> int:
    """Arrays that the memory of several streams keeps, those to write to again included."""
    memory: Any = provider._batch
    return sum(len(row.recent) for row in memory._rows) + len(memory._spare)


@pytest.mark.parametrize("droppable", [True, False])
def test_the_next_stream_of_a_prompt(droppable: bool) -> None:
    """What a prompt leads to is remembered while its stream goes on: the next one begins without the model."""
    provider = FakeProvider(remember=4, droppable=droppable)
    prompt = words(1, 30)
    for step in range(20):
        check(provider, [prompt + [2] * step, [3] * (5 + step)])
    assert cost(provider, [prompt, [3] * 25]) == [(24, [3])]
    assert cost(provider, [prompt + [1], [3] * 26]) == sorted(
        [(30, [1]) if droppable else (0, prompt + [1]), (25, [3])]
    )


def test_the_last_is_remembered_before_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is room for one, from the beginning or since more streams came."""
    monkeypatch.setattr(memories, "REMEMBERED_BYTES", 8 * 4 * SIZE)
    provider = FakeProvider()
    first = grown(provider, words(1, 30), 5)
    others = [words(n, 5) for n in range(2, 9)]
    assert (30 + 4, [1]) not in cost(provider, [first, *others])
    provider = FakeProvider(remember=1)
    prompt = words(1, 30)
    check(provider, [prompt])
    assert cost(provider, [prompt + [1]]) == [(30, [1])]
    assert cost(provider, [prompt + [1]]) == []
    assert provider.recall(prompt) is None


@pytest.mark.parametrize("limit", [3, 12, 1000])
@pytest.mark.parametrize("remember", [1, 8])
def test_remembered_logits_are_bounded(remember: int, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most `remember` for each stream, and so many bytes for all together."""
    monkeypatch.setattr(memories, "REMEMBERED_BYTES", limit * 4 * SIZE)
    provider = FakeProvider(remember=remember)
    streams = [words(seed, 20) for seed in range(3)]
    rng = random.Random(1)
    for _ in range(60):
        streams = [tokens[: len(tokens) - rng.choice([0, 0, 0, 1, 5])] + [rng.randrange(SIZE)] for tokens in streams]
        check(provider, streams)
        assert kept_arrays(provider) <= min(3 * remember, limit)
        assert all(provider.recall(tokens) is not None for tokens in streams)


@pytest.mark.parametrize("limit", [1, 12])
def test_remembered_logits_are_bounded_when_streams_are_added(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stream had all the bytes; with more of them there are no more bytes, though each has its last logits."""
    monkeypatch.setattr(memories, "REMEMBERED_BYTES", limit * 4 * SIZE)
    provider = FakeProvider()
    first = grown(provider, words(1, 20), 30)
    others = [words(seed, 20) for seed in range(2, 5)]
    for _ in range(30):
        others = [tokens + [2] for tokens in others]
        check(provider, [first, *others])
        assert kept_arrays(provider) <= max(4, limit)


# -- one stream ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=100)
@given(
    steps=st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0, 1, 1, 1, 2, 5, 30]), st.booleans()), max_size=40),
    remember=st.sampled_from([1, 3, 64]),
)
def test_a_single_stream(kind: str, steps: list[tuple[int, int, bool]], remember: int) -> None:
    """However far it goes back and on, token by token or many at once: as on a fresh model, and remembered within bounds."""
    provider = MAKERS[kind](remember)
    tokens = [1]
    for number, (back, new, rarely) in enumerate(steps):
        if rarely:
            tokens = tokens[: max(1, len(tokens) - back)]
            assert provider.logits(tokens) == answer(tokens)
        tokens = tokens + words(number, new + 1)[1:]
        assert provider.peek(tokens) == answer(tokens)
        assert provider.recall(tokens) == answer(tokens)
        memory: Any = provider._one
        assert sum(len(row.recent) for row in memory._rows) + len(memory._spare) <= remember


def test_one_stream_is_a_memory_of_one_row() -> None:
    """Going on costs a token, going back nothing; the prompt is remembered however far the stream has gone."""
    provider = FakeProvider(remember=5)
    prompt = words(1, 8)
    tokens = prompt
    provider.logits(tokens)
    for _ in range(30):
        tokens = [*tokens, 1]
        assert provider.logits(tokens) == answer(tokens)
    assert provider.asked == [(0, prompt), *((length, [1]) for length in range(8, 38))]
    for length in (8, 38, 37, 36, 35):
        assert provider.logits(tokens[:length]) == answer(tokens[:length])
    assert len(provider.asked) == 31
    assert provider.logits([*prompt, 2]) == answer([*prompt, 2])
    assert provider.asked[31:] == [(8, [2])]


def test_a_few_tokens_at_once_in_the_middle_are_no_prompt() -> None:
    """What the prompt leads to stays remembered where a stream is given several tokens later on."""
    provider = FakeProvider(remember=4)
    prompt = words(1, 8)
    provider.logits(prompt)
    tokens = [*prompt, 1]
    for _ in range(10):
        provider.logits(tokens)
        tokens = [*tokens, 1, 2, 3]
    before = provider.forward_passes
    assert provider.logits(prompt) == answer(prompt)
    assert provider.forward_passes == before


def test_a_longer_state_is_restored() -> None:
    """A backend that has saved what is asked for answers without the model, and so does going back to that place."""
    provider = Saves()
    prompt = words(1, 20)
    provider.logits(prompt)
    assert provider.logits(words(2, 9)) == answer(words(2, 9))
    before = provider.forward_passes
    assert provider.logits(prompt) == answer(prompt)
    assert provider.forward_passes == before
    provider.logits(words(2, 9))
    before = provider.evaluated_tokens
    assert provider.logits([*prompt, 3]) == answer([*prompt, 3])
    assert provider.logits(prompt) == answer(prompt)
    assert provider.evaluated_tokens == before + 1


class Story:
    """A stream that now and then goes back, far or not, as its seed says."""

    def __init__(self, prompt: list[int], seed: int) -> None:
        self.prompt, self.tokens, self.answers = prompt, list(prompt), list[ListLogits]()
        self.rng = random.Random(seed)

    def step(self, logits: ListLogits) -> bool:
        """Take an answer; returns whether it has gone back."""
        self.answers.append(logits.copy())
        if self.rng.random() < 0.2:
            self.tokens = self.tokens[: max(len(self.prompt), len(self.tokens) - self.rng.choice([1, 2, 9]))]
            return True
        self.tokens = [*self.tokens, 3 + (logits.index(max(logits)) + self.rng.randrange(2)) % 3]
        return False


def told(provider: BaseProvider, prompt: list[int], seed: int, steps: int) -> list[ListLogits]:
    """The answers that a stream gets."""
    story = Story(prompt, seed)
    for _ in range(steps):
        story.step(provider.logits(story.tokens))
    return story.answers


PROMPTS = st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(0, 3), st.sampled_from([0, 1, 3, 8]))


@pytest.mark.parametrize("droppable", [True, False])
@settings(max_examples=300)
@given(streams=st.lists(PROMPTS, max_size=6), remember=st.sampled_from([1, 3, 64]))
def test_equal_streams_are_rounded_equally(
    droppable: bool, streams: list[tuple[int, int, int, int]], remember: int
) -> None:
    """Cold, again, or after others that begin alike, also as another went on: bit by bit the same answers.

    But for a prompt that the stream before it has led to, or all but its last token.
    """
    provider = Rounds(remember, droppable)
    asked: list[int] = []
    for length, alike, seed, steps in streams:
        prompt = (words(1, 40)[:alike] + words(seed, 40))[:length]
        for tokens in (prompt, [*provider._evaluated[: length + 1], SIZE - 1, seed], prompt):
            shared = common_prefix(tokens, provider._evaluated)
            led_to = shared > provider._one.prompt[0] and shared >= len(tokens) - 1
            if not led_to and tokens[:-1] != asked:
                assert told(provider, tokens, seed, steps) == told(Rounds(), tokens, seed, steps)
                asked = provider._evaluated[: max(provider._one._rows[0].asked)] if steps else asked


@settings(max_examples=200)
@given(
    batches=st.lists(st.lists(PROMPTS, min_size=1, max_size=4), max_size=3),
    remember=st.sampled_from([1, 3, 64]),
)
def test_streams_in_a_batch_are_rounded_as_alone(batches: list[list[tuple[int, int, int, int]]], remember: int) -> None:
    """Prompts that begin alike, streams that go back and that end early, one batch after the other."""
    provider = Rounds(remember)
    for batch in batches:
        prompts = [(words(1, 40)[:shared] + words(seed, 40))[:length] for length, shared, seed, _ in batch]
        stories = [Story([t % 3 for t in prompt], each[2]) for prompt, each in zip(prompts, batch, strict=True)]
        steps = [each[3] for each in batch]
        while any(steps):
            active = [index for index, left in enumerate(steps) if left]
            for index, logits in zip(active, provider.logits_batch([stories[i].tokens for i in active]), strict=True):
                story = stories[index]
                while logits is not None and steps[index]:
                    steps[index] -= 1
                    logits = provider.recall(story.tokens) if story.step(logits) else None
        for story, (_, _, seed, count) in zip(stories, batch, strict=True):
            assert story.answers == told(Rounds(), story.prompt, seed, count)


def test_what_prompts_in_pieces_cost() -> None:
    """A prompt goes on from its last whole piece, a stream from where it is, and a long answer is not evaluated again."""
    provider = Rounds(remember=1)
    prompt = words(1, 20)

    def cost(tokens: list[int]) -> int:
        before = provider.evaluated_tokens
        provider.logits(tokens)
        return provider.evaluated_tokens - before

    assert [cost(tokens) for tokens in (prompt, [*prompt, 1], [*prompt, 1, 2])] == [20, 1, 1]
    assert cost([*prompt, 1]) == 1  # a stream that goes back
    assert cost([*prompt, 3, 4]) == 22 - 16
    assert cost(prompt[:17]) == 1
    assert cost(prompt[:16]) == 8
    provider.logits(prompt)
    answer = words(2, 20)
    assert sum(cost(prompt + answer[: n + 1]) for n in range(20)) == 20
    turn = [4, 5, 6] * 7
    assert cost([*prompt, *answer, *turn]) == len(turn)  # the next turn of a chat
    assert cost([*prompt, *answer[:4], 3, 3]) == 26 - 16  # a prompt that happens to begin with some of the answer
    provider.logits(words(3, 40))
    assert [cost(words(2, n)) for n in range(1, 9)] == [1] * 8
    assert cost([*words(2, 8), 6, 6]) == 10


def test_what_prompts_in_pieces_cost_in_a_batch() -> None:
    """Whole pieces are evaluated once for all; streams that go on or back evaluate a token, wherever they begin alike."""
    provider = Rounds()

    def cost(sequences: list[list[int]]) -> list[int]:
        before = len(provider._batch.asked) if provider._batch else 0
        provider.logits_batch(sequences)
        return provider._batch.asked[before:]

    prompt = words(1, 20)
    assert cost([prompt] * 3) == [20]
    streams = [[*prompt, n] for n in range(3)]
    assert cost(streams) == [1, 1, 1]
    assert cost([[*tokens, 5] for tokens in streams]) == [1, 1, 1]
    assert provider.recall(streams[0]) is not None
    assert provider.recall(prompt) is not None
    assert cost([[*streams[0], 6], [*prompt, 6], [*streams[2], 5, 4]]) == [1, 1, 1]
    assert sorted(cost([prompt[:17] + [n] * 3 for n in range(3)])) == [4, 4, 4]
    assert sorted(cost([words(2, 12) + [n] * 8 for n in range(3)])) == [20, 20, 20]
    provider.reset()
    assert sorted(cost([prompt[:17] + [n] * 3 for n in range(3)])) == [4, 4, 20]


def test_a_provider_goes_with_its_last_user() -> None:
    """A model is large: nothing keeps it until the garbage collector comes, whatever was asked of it."""
    for kind, make in MAKERS.items():
        provider = make(64)
        provider.logits([1, 2])
        for _ in range(2):
            provider.logits_batch([[1, 2], [3, 4]])
        gone = weakref.ref(provider)
        del provider
        assert gone() is None, kind


# -- not copied ----------------------------------------------------------------------------


def test_peeking_copies_nothing() -> None:
    """The rows are the very arrays that are remembered; `logits` has one of its own."""
    provider = FakeProvider()
    tokens, streams = words(1, 20), [words(2, 20), words(3, 20)]
    assert provider.peek(tokens) is provider.peek(tokens) is provider.recall(tokens)
    assert provider.logits(tokens) is not provider.peek(tokens)
    rows = list(provider.peek_batch(streams))
    assert rows == [answer(each) for each in streams]
    assert all(row is provider.recall(each) for row, each in zip(rows, streams, strict=True))


INTERRUPTIONS: dict[str, Callable[[FakeProvider, list[list[int]]], object]] = {
    "all go on": lambda provider, streams: provider.logits_batch([tokens + [1] for tokens in streams]),
    "others": lambda provider, streams: provider.logits_batch([words(seed, 30) for seed in range(50, 54)]),
    "fewer": lambda provider, streams: provider.logits_batch([streams[3] + [1]]),
    "more": lambda provider, streams: provider.logits_batch([words(seed, 30) for seed in range(50, 59)]),
    "none": lambda provider, streams: provider.logits_batch([]),
    "one alone": lambda provider, streams: provider.logits(words(50, 30)),
    "recall": lambda provider, streams: provider.recall(streams[2]),
    "reset": lambda provider, streams: provider.reset(),
    "reset and others": lambda provider, streams: (provider.reset(), provider.logits_batch([[1], [2], [3], [4]])),
    "the same": lambda provider, streams: provider.peek_batch(streams),
}


@pytest.mark.parametrize("remember", [1, 64])
@pytest.mark.parametrize("what", INTERRUPTIONS)
def test_another_request_between_two_rows_changes_nothing(what: str, remember: int) -> None:
    """Whatever is asked for while the answers are read one by one, the rest of them stay right."""
    streams = [words(seed, 30) for seed in range(4)]
    for at in range(4):
        provider = FakeProvider(remember=remember)
        check(provider, [tokens[:-1] for tokens in streams])
        found = []
        for index, row in enumerate(provider.peek_batch(streams)):
            found.append(row.copy())
            if index == at:
                INTERRUPTIONS[what](provider, streams)
        assert found == [answer(tokens) for tokens in streams]


def test_what_is_held_is_not_written_to() -> None:
    """Answers stay what they are while anybody holds them, however much is asked for meanwhile."""
    for remember in (1, 3):
        provider = FakeProvider(remember=remember)
        streams = [words(seed, 30) for seed in range(4)]
        one, several = provider.peek(streams[0]), provider.peek_batch(streams)
        for seed in range(50, 60):
            provider.peek(words(seed, 30))
            provider.logits_batch([words(seed + n, 30) for n in range(4)])
        assert one == answer(streams[0])
        assert several == [answer(tokens) for tokens in streams]


def test_what_nobody_holds_is_written_to_again() -> None:
    """A long stream needs no more arrays than are remembered: fresh memory costs more than copying."""
    provider = FakeProvider(remember=4)
    tokens, seen = [1], []
    for token in words(3, 50)[1:]:
        tokens = [*tokens, token]
        seen.append(id(provider.peek(tokens)))
    assert len(set(seen)) <= 6


def test_a_request_that_fails_changes_nothing_of_what_is_held() -> None:
    """Answers are right after another request has failed."""
    provider = FakeProvider()
    streams = [words(seed, 30) for seed in range(4)]
    answers = provider.peek_batch(streams)
    with pytest.raises(ZeroDivisionError):
        failing(provider, 1, ZeroDivisionError, lambda: provider.logits_batch([words(50, 30), words(51, 30)]))
    assert answers == [answer(tokens) for tokens in streams]


# -- errors --------------------------------------------------------------------------------


def failing(provider: Any, number: int, error: type[BaseException], run: Callable[[], object]) -> None:
    """Run with a model that raises at its `number`th row, once."""
    calls = 0

    def once(tokens: list[int]) -> ListLogits:
        nonlocal calls
        calls += 1
        if calls == number:
            raise error
        return answer(tokens)

    provider.answer = once
    try:
        run()
    finally:
        del provider.answer


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_a_request_that_fails_in_the_middle(number: int, error: type[BaseException]) -> None:
    """An error or Ctrl-C at any row, in the first pass or a later one: nothing that is held may be wrong afterwards."""
    provider = FakeProvider()
    shared = words(9, 30)
    old = [words(seed, 30) for seed in range(3)]
    check(provider, old)
    wanted = [old[0] + [1], old[1][:10] + [2] * 20, shared, shared + [1] * 20, shared + [2] * 20, words(8, 30)]
    with pytest.raises(error):
        failing(provider, number, error, lambda: provider.logits_batch(wanted))
    for tokens in [*old, *wanted]:
        assert provider.recall(tokens) in (None, answer(tokens))
    check(provider, wanted)
    check(provider, [tokens[:-1] for tokens in old] + [shared + [1] * 21])


BAD: dict[str, list[int]] = {
    "empty": [],
    "too long": words(1, 101),
    "negative": [1, 2, -1],
    "too high": [*words(1, 40), SIZE],
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_evaluates_nothing(what: str) -> None:
    """One bad stream: InputError, as `logits` says it; nothing is evaluated, and what is held is still held and right."""
    provider = FakeProvider(context_size=100)
    provider.vocabulary_size = SIZE
    streams = [words(1, 40), words(2, 40)]
    check(provider, streams)
    with pytest.raises(InputError) as alone:
        provider.logits(BAD[what])
    asked = len(provider.asked)
    for request in ([[*streams[0], 1], BAD[what]], [BAD[what]], [words(3, 40), words(4, 40), BAD[what]]):
        with pytest.raises(InputError) as together:
            provider.logits_batch(request)
        assert str(together.value) == str(alone.value)
        assert len(provider.asked) == asked
        check(provider, streams)
        asked = len(provider.asked)


def test_a_bad_token_behind_a_shared_beginning_evaluates_nothing() -> None:
    """It is found before the first pass, also in a stream that waits for what another evaluates."""
    provider = FakeProvider()
    provider.vocabulary_size = SIZE
    prompt = words(1, 40)
    with pytest.raises(InputError, match="outside the vocabulary"):
        provider.logits_batch([prompt, [*prompt, 1, 2], [*prompt, 1, SIZE]])
    assert provider.asked == []


def test_bad_input_costs_the_others_nothing() -> None:
    """What the memory holds is not evaluated again because somebody has asked for something impossible."""
    provider = FakeProvider(context_size=100)
    provider.vocabulary_size = SIZE
    streams = [words(1, 40), words(2, 40)]
    check(provider, streams)
    for bad in BAD.values():
        with pytest.raises(InputError):
            provider.logits_batch([*streams, bad])
    assert cost(provider, [tokens + [1] for tokens in streams]) == [(40, [1]), (40, [1])]


# -- whose memory it is --------------------------------------------------------------------


def test_reset_frees_the_memory() -> None:
    """Nothing is held any more; the next request begins anew, and is right."""
    provider = FakeProvider()
    streams = [words(1, 40), words(2, 40)]
    check(provider, streams)
    assert provider.batched
    memory = weakref.ref(provider._batch)
    provider.reset()
    assert memory() is None
    assert not provider.batched
    assert cost(provider, streams) == sorted((0, tokens) for tokens in streams)


def test_one_stream_and_several_do_not_disturb_each_other() -> None:
    """`logits` keeps its own stream, at a token a step, whatever is asked for with `logits_batch`, and the reverse."""
    provider = FakeProvider()
    single, streams = words(1, 30), [words(2, 30), words(3, 30)]
    provider.logits(single)
    check(provider, streams)
    rng = random.Random(1)
    for _ in range(30):
        single = [*single, rng.randrange(SIZE)]
        before = len(provider.asked)
        assert provider.logits(single) == answer(single)
        assert provider.asked[before:] == [(len(single) - 1, single[-1:])]
        streams = [tokens + [rng.randrange(SIZE)] for tokens in streams]
        assert cost(provider, streams) == sorted((len(tokens) - 1, tokens[-1:]) for tokens in streams)


def test_a_backend_without_a_batch_of_its_own() -> None:
    """A provider that implements only `_evaluate` and `_keep` serves its streams in turn, and says so."""
    provider = ThirdParty()
    streams = [words(seed, 30) for seed in range(3)]
    for step in range(10):
        streams = [tokens + words(step + index, 1) for index, tokens in enumerate(streams)]
        check(provider, streams)
        assert provider.logits(streams[1]) == answer(streams[1])
    assert not provider.batched
    before = provider.forward_passes
    check(provider, [tokens[:-5] for tokens in streams])  # remembered, though there is only one memory
    assert provider.forward_passes == before
    provider.reset()
    check(provider, streams)


def test_a_backend_without_a_batch_of_its_own_counts_what_it_does() -> None:
    """Forward passes and evaluated tokens are those of its one memory, each once."""
    provider = ThirdParty()
    check(provider, [[1] * 30, [2] * 30])
    assert (provider.forward_passes, provider.evaluated_tokens) == (2, 60)


def test_a_backend_without_a_batch_of_its_own_that_fails() -> None:
    """After an error in the middle it is right again."""
    provider = ThirdParty()
    streams = [words(seed, 30) for seed in range(3)]
    check(provider, streams)
    evaluate = provider._evaluate
    provider._evaluate = lambda tokens, start: [][start] if start == 0 else evaluate(tokens, start)  # type: ignore[method-assign]
    with pytest.raises(IndexError):
        provider.logits_batch([tokens + [1] for tokens in streams])
    del provider._evaluate
    check(provider, [tokens + [1] for tokens in streams])


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common_prefix(shared: list[int], a: list[int], b: list[int]) -> None:
    """The length of the common beginning, as counting from the first token finds it."""
    a, b = shared + a, shared + b
    expected = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    assert common_prefix(a, b) == expected
