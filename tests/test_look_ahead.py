"""Looking ahead: what it finds, what it costs, and that it changes nothing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import BacktrackSampler, BaseProvider, HumanGuidanceStrategy
from backtrack_sampler.guidance import BACK, QUIT, Answer, Insert, Menu, RunOn
from backtrack_sampler.look_ahead import AheadOf, LookAhead
from backtrack_sampler.testing import FakeProvider

STORY = ["", " The", " cat", " sat", ".", " Then", " it", " ran"]


def story_teller(**options: Any) -> FakeProvider:
    """Each word leads to the next one, the last one to the end."""
    return FakeProvider(
        STORY, lambda tokens: [6 if n == (tokens[-1] + 1) % 8 else -n for n in range(8)], eos=0, **options
    )


def grown(ahead: AheadOf, index: int, most: float = 30) -> str:
    while ahead.wants(index, most):
        ahead.grow(index)
    return ahead.text(index)


def after(provider: BaseProvider, base: list[int]) -> AheadOf:
    return LookAhead(provider).after(tuple(base), lambda index: index)


@pytest.mark.parametrize(
    ("index", "text"), [(1, " cat sat."), (4, " Then it ran (end)"), (6, " ran (end)"), (7, " (end)"), (0, "")]
)
def test_it_goes_on_to_the_end_of_the_sentence(index: int, text: str) -> None:
    """The most probable tokens after an option, up to the end of the sentence or of the text."""
    assert grown(after(story_teller(), [1]), index) == text


def test_it_is_found_out_a_token_at_a_time() -> None:
    """Each step costs one forward pass and is seen at once; an end that was asked for is enough."""
    provider = story_teller()
    provider.peek([1])
    ahead = after(provider, [1])
    texts = []
    for passes in range(1, 4):
        ahead.grow(1)
        assert provider.forward_passes == 1 + passes
        texts.append(ahead.text(1))
    assert texts == [" cat", " cat sat", " cat sat."]
    assert not ahead.wants(1, 3)
    assert ahead.wants(1, 4)


def test_the_context_is_an_end() -> None:
    """Where the model's context is full, nothing more is asked."""
    assert grown(after(story_teller(context_size=3), [1]), 1) == " cat sat"
    assert grown(after(story_teller(context_size=1), [1]), 1) == ""


def test_what_was_found_out_is_remembered() -> None:
    """Back at an option, or at the same menu again, everything is there at once, with no forward pass."""
    provider = FakeProvider(["a", "b", "c", "d"], eos=-1)
    memory = LookAhead(provider)
    first = memory.after((1, 2), lambda index: index)
    texts = [grown(first, index, 5) for index in range(4)]
    passes = provider.forward_passes
    assert [grown(memory.after((1, 2), lambda index: index), index, 5) for index in range(4)] == texts
    assert provider.forward_passes == passes
    memory.clear()
    assert memory.after((1, 2), lambda index: index).text(0) == ""


def test_it_forgets_what_is_long_past() -> None:
    """A text of a day does not fill the memory: the oldest prefixes go."""
    memory = LookAhead(FakeProvider(["a", "b"], eos=-1))
    for number in range(300):
        memory.after((number,), lambda index: index)
    assert len(memory._paths) == 100
    assert (299,) in memory._paths


def test_a_continuation_that_was_left_is_taken_up_again() -> None:
    """Moving on and back in the middle gives the same as staying, one forward pass a step."""
    rng = random.Random(1)
    provider = FakeProvider(["a", "b", "c", "d"], eos=-1)
    whole = [grown(after(provider, [1, 2]), index, 6) for index in range(4)]
    provider.peek([1, 2])  # as the stream has
    ahead = after(provider, [1, 2])
    for _ in range(400):
        index = rng.randrange(4)
        passes = provider.forward_passes
        if ahead.wants(index, 6):
            ahead.grow(index)
        assert provider.forward_passes <= passes + 1
        assert whole[index].startswith(ahead.text(index))
    assert [grown(ahead, index, 6) for index in range(4)] == whole


@pytest.mark.parametrize("piece", [1, 4])
def test_the_model_is_only_ever_asked_for_a_token_more(piece: int) -> None:
    """So what the engine rounds is the same as without: nothing is evaluated twice or in other pieces."""
    provider = FakeProvider(["a", "b", "c", "d"], eos=-1)
    provider.piece = piece
    base = [1, 2, 3, 0, 1]
    provider.peek(base)
    before = len(provider.asked)
    ahead = after(provider, base)
    for index in (0, 0, 1, 0, 0, 0, 2, 1, 1, 1):
        ahead.grow(index)
    ahead.leave()
    provider.peek([*base, 3])
    assert all(start >= len(base) and len(tokens) == 1 for start, tokens in provider.asked[before:])
    assert provider.asked[-1] == (5, [3])


class Walk:
    """Somebody who answers at random; with `looks`, the screen looks ahead meanwhile, at random as well."""

    def __init__(self, seed: int, looks: bool, steps: int = 25) -> None:
        self._rng = random.Random(seed)
        self._looks = random.Random(seed) if looks else None
        self._left = steps
        self.menus: list[tuple[Any, ...]] = []

    def choose(self, menu: Menu) -> Answer:
        self.menus.append((menu.text, list(menu.options), list(menu.rest)[:5], menu.notice))
        if self._looks is not None and menu.ahead is not None:
            for _ in range(self._looks.randrange(12)):
                index = self._looks.randrange(len(menu.options))
                if menu.ahead.wants(index, 30):
                    menu.ahead.grow(index)
        self._left -= 1
        if self._left < 0:
            return QUIT
        answers: list[Answer] = [0, 1, BACK, BACK, RunOn(0), Insert(" ab")]
        answer = self._rng.choice(answers)
        return 0 if isinstance(answer, int) and answer >= len(menu.options) > 0 else answer

    def watch(self, menu: Menu) -> bool:
        return self._rng.random() < 0.8

    def close(self) -> None:
        pass


def walk(provider: BaseProvider, prompt: Any, seed: int, looks: bool, steps: int = 25) -> tuple[Any, ...]:
    screen = Walk(seed, looks, steps)
    sampler = BacktrackSampler(provider, HumanGuidanceStrategy(provider, screen=screen))
    tokens = list(sampler.generate(prompt, max_new_tokens=60, seed=seed, max_retries=10**6, max_discarded=10**6))
    stats = sampler.stats
    return tokens, screen.menus, stats.emitted, stats.discarded, stats.rollbacks, stats.finish_reason


@given(st.integers(0, 1000), st.sampled_from([1, 5, 64]), st.booleans())
def test_looking_ahead_changes_nothing(seed: int, remember: int, droppable: bool) -> None:
    """Menus, tokens and statistics are the same with and without, also in models that cannot go back."""

    def provider() -> FakeProvider:
        return FakeProvider(seed=seed, remember=remember, droppable=droppable)

    assert walk(provider(), [1, 2], seed, looks=True) == walk(provider(), [1, 2], seed, looks=False)


@pytest.mark.slow
def test_looking_ahead_changes_nothing_in_a_real_model(smollm: BaseProvider) -> None:
    """Every probability on every menu is the same to the last bit, and so is the next stream."""
    walks: list[Any] = []
    for looks in (False, True):
        smollm.reset()
        prompt = "The old lighthouse keeper opened the door and"
        walked = [walk(smollm, prompt, seed, looks, 8) for seed in (7, 8)]
        after = BacktrackSampler(smollm).generate_text("The old lighthouse keeper", max_new_tokens=5, seed=1)
        walks.append((walked, after))
    assert walks[0] == walks[1]


def test_nothing_is_left_when_the_stream_is_over() -> None:
    """What was found out goes with the stream, however it ends."""
    provider = FakeProvider()
    strategy = HumanGuidanceStrategy(provider, screen=Walk(1, looks=True))
    BacktrackSampler(provider, strategy).generate_text([1], max_new_tokens=5)
    assert strategy._look_ahead._paths == {}
