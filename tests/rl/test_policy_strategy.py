"""A policy in use is what it was in training: the same tokens, the same observations, actions and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from policies import policy
from test_episodes import PROMPTS, episodes, model

from backtrack_sampler import BacktrackSampler, BaseStrategy, ChainStrategy, InputError
from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.rl.features import FEATURES
from backtrack_sampler.rl.policy.operator import RlPolicyOperator
from backtrack_sampler.rl.policy.policy import Policy
from backtrack_sampler.rl.policy.random_strategy import RandomPolicyStrategy
from backtrack_sampler.rl.policy.strategy import RlPolicyStrategy
from backtrack_sampler.testing import check_operator, check_strategy


class Watched(RlPolicyOperator):
    """Notes all that it sees and decides."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.seen: list[tuple[list[float], int, Any]] = []
        super().__init__(*args, **more)

    def decide(self) -> int:
        action = super().decide()
        self.seen.append((self.observation, int(action), self.state))
        return action


def in_use(net: Policy, item: Item, seed: int, deterministic: bool = True) -> tuple[Watched, Any]:
    strategy = RlPolicyStrategy(None, net)
    strategy.operator = watched = Watched(net, deterministic)
    sampler = BacktrackSampler(model(), strategy)
    stream = sampler.stream(item.prompt, max_new_tokens=20, temperature=1.0, top_k=None, seed=seed)
    return watched, (list(stream), stream)


@pytest.mark.parametrize("lstm", [0, 6])
@pytest.mark.parametrize("seed", range(6))
def test_training_and_use_are_the_same_to_the_bit(lstm: int, seed: int) -> None:
    """An agent with this policy acts in the environment; the strategy writes the same text with the same seed: all that
    was seen, done and remembered is the same, to the bit."""
    net = policy(lstm, seed, names=tuple(FEATURES), max_discarded=80)
    some = episodes(seed=seed, items=PROMPTS[:1])
    observation = some.reset()[0]
    episode = some._places[0].episode
    assert episode is not None
    text_seed = episode.stream.options.seed
    assert text_seed is not None
    state, acted = net.start(), []
    while True:
        logits, state = net.ask(observation, state)()
        action = int(logits.argmax())
        acted.append((observation, action, state))
        outcome = some.step([action])[0]
        if outcome.is_over:
            break
        observation = outcome.observation
    watched, (_, stream) = in_use(net, PROMPTS[0], text_seed)
    # What the environment cuts off goes on in use, without going back any more; the decision that was refused is there.
    seen = watched.seen[: len(acted)] if outcome.truncated else watched.seen
    assert [(each[0], each[1]) for each in seen] == [(each[0], each[1]) for each in acted]
    for (_, _, ours), (_, _, theirs) in zip(seen, acted, strict=True):
        assert lstm == 0 or (ours[0].tobytes(), ours[1].tobytes()) == (theirs[0].tobytes(), theirs[1].tobytes())  # type: ignore[index]
    assert outcome.summary is not None
    if not outcome.truncated:
        assert stream.text == outcome.summary["text"]
        assert stream.stats.drawn == outcome.summary["drawn"]


@pytest.mark.parametrize("lstm", [0, 6])
def test_in_a_batch_it_is_asked_once_a_step_for_all_rows(lstm: int) -> None:
    """And each row is what it is alone."""
    net = policy(lstm, 3)
    made: Any = {"make_strategy": lambda: RlPolicyStrategy(None, net)}
    prompts = [str(item.prompt) for item in PROMPTS] * 4
    options: Any = {"max_new_tokens": 15, "temperature": 1.0}
    sampler = BacktrackSampler(model())
    before = net.calls
    together = sampler.generate_batch(prompts, **made, **options, seeds=[4 + n for n in range(12)]).texts()
    calls = net.calls - before
    before = net.calls
    alone = [
        BacktrackSampler(model(), RlPolicyStrategy(None, net)).generate_text(prompt, **options, seed=4 + n)
        for n, prompt in enumerate(prompts)
    ]
    assert together == alone
    assert calls < (net.calls - before) / 4


def test_the_memory_counts_decisions_and_does_not_go_back_with_the_text() -> None:
    """It was asked as often as tokens were drawn, also for those that were taken back."""
    net = policy(6, 4)
    watched, (_, stream) = in_use(net, PROMPTS[0], 3)
    assert stream.stats.rollbacks > 0
    assert len(watched.seen) == stream.stats.drawn


def test_what_another_strategy_takes_back_is_no_decision() -> None:
    """In a chain behind it: a token that is gone already is not asked about, and the memory stays as it was."""

    class Third(BaseStrategy):
        """Takes every third token back, once."""

        done = 0

        def reset(self) -> None:
            self.done = 0

        def backtrack(self, tokens: Sequence[int]) -> int:  # type: ignore[override]
            if len(tokens) % 3 == 0 and len(tokens) > self.done:
                self.done = len(tokens)
                return 1
            return 0

        def pending(self, tokens: list[int]) -> int:
            return 0

    net = policy(6, 1)
    strategy = RlPolicyStrategy(None, net)
    strategy.operator = watched = Watched(net)
    stream = BacktrackSampler(model(), ChainStrategy([Third(), strategy])).stream("a b", max_new_tokens=12, seed=1)
    list(stream)
    others = stream.stats.rollbacks - sum(action > 0 for _, action, _ in watched.seen)
    assert others >= 3
    assert len(watched.seen) == stream.stats.drawn - others


def test_actions_can_be_drawn_as_in_training() -> None:
    """With the stream's seed: the same seed, the same text; and not always the most probable action."""
    net = policy(0, 2)
    texts = {}
    for deterministic in (True, False):
        for seed in (1, 1, 2, 3):
            strategy = RlPolicyStrategy(None, net, deterministic)
            text = BacktrackSampler(model(), strategy).generate_text("a b", max_new_tokens=15, seed=seed)
            assert texts.setdefault((deterministic, seed), text) == text
    assert any(texts[True, seed] != texts[False, seed] for seed in (1, 2, 3))


def test_it_keeps_to_what_all_strategies_keep_to() -> None:
    """The package's own checks, without a memory of decisions."""
    net = policy(0, 2)
    check_strategy(lambda provider: RlPolicyStrategy(None, net))
    check_operator(lambda: RlPolicyOperator(net))
    check_strategy(lambda provider: RandomPolicyStrategy([0.7, 0.2, 0.1]), remembers=True)  # by chance


def test_another_model_is_refused() -> None:
    """Both are named, and how to use it all the same."""
    net = policy(model={"name": "another"})
    with pytest.raises(InputError, match="trained on another, and this model is fake: .* any_model=true"):
        RlPolicyStrategy(_named("fake"), net)
    assert RlPolicyStrategy(_named("fake"), net, any_model=True)
    assert RlPolicyStrategy(_named("another"), net)


def _named(name: str) -> Any:
    provider = model()
    provider.model_name = name
    return provider


def test_a_random_policy_goes_back_as_often_as_it_is_told() -> None:
    """Its rates are those of what it does."""
    stats = np.zeros(3)
    for seed in range(30):
        events: list[Any] = []
        sampler = BacktrackSampler(model(), RandomPolicyStrategy([0.8, 0.15, 0.05]))
        list(sampler.generate("a b", max_new_tokens=30, seed=seed, on_event=events.append))
        stats[0] += sum(type(event).__name__ == "Drawn" for event in events)
        for event in events:
            if type(event).__name__ == "Rollback":
                stats[len(event.tokens)] += 1
    assert stats[1] / stats[0] == pytest.approx(0.15, abs=0.03)
    assert stats[2] / stats[0] == pytest.approx(0.05, abs=0.02)
    with pytest.raises(InputError, match="at least two numbers"):
        RandomPolicyStrategy([1.0])
