"""Texts that wait for decisions: what an action does, what is seen and earned, and what is the same for the same seed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from policies import CountingJudge

from backtrack_sampler import BaseStrategy, InputError, SessionOptions, StrategyError
from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.rl.environment.episode import EpisodeSettings
from backtrack_sampler.rl.environment.episodes import Episodes, Outcome
from backtrack_sampler.rl.environment.rewards import Shaping
from backtrack_sampler.rl.features import FEATURES, Features
from backtrack_sampler.testing import FakeProvider

PROMPTS = [Item("0", "a b"), Item("1", "b"), Item("2", "c c")]


def model() -> FakeProvider:
    return FakeProvider(["a", "b", "c", " ", "."])


def settings(**more: Any) -> EpisodeSettings:
    return EpisodeSettings(
        **{"features": Features(tuple(FEATURES), 20), "max_backtrack": 3, "max_seq_length": 20, **more}
    )


def episodes(
    n: int = 1, judge: Any = None, provider: Any = None, seed: int = 0, items: Any = PROMPTS, restart: bool = True,
    **more: Any,
) -> Episodes:  # fmt: skip
    return Episodes(provider or model(), items, judge or CountingJudge(), settings(**more), n, seed, restart=restart)


def walk(some: Episodes, steps: int, seed: int = 0, place: int = 0) -> list[Outcome]:
    """Random actions in one place, none taken back in the others."""
    rng, found = random.Random(seed), []
    for _ in range(steps):
        actions = [0] * len(some)
        actions[place] = rng.choice([0, 0, 0, 1, 2, 3])
        found.append(some.step(actions)[place])
    return found


def told(outcomes: list[Outcome]) -> list[Any]:
    return [
        (each.observation, each.reward, each.terminated, each.truncated, each.taken_back, each.first, each.summary)
        for each in outcomes
    ]


def test_the_same_seed_is_the_same_text_alone_or_among_others() -> None:
    """To the bit: what is seen, earned and written, over several texts."""
    alone = episodes(seed=7)
    among = episodes(n=5, seed=4)
    assert alone.reset()[0] == among.reset()[3]
    assert told(walk(alone, 120)) == told(walk(among, 120, place=3))


def test_one_forward_pass_a_step() -> None:
    """For all texts together, whatever they do, those that went back too. Where texts begin, what their prompts have in
    common is evaluated first."""
    provider = model()
    some = episodes(n=8, provider=provider)
    some.reset()
    rng = random.Random(1)
    over = back = 0
    for _ in range(80):
        before = provider.forward_passes
        outcomes = some.step([rng.choice([0, 0, 0, 1, 2]) for _ in range(8)])
        over += sum(each.is_over for each in outcomes)
        back += sum(each.taken_back > 0 for each in outcomes)
        begun = any(each.is_over for each in outcomes)
        assert provider.forward_passes - before <= (3 if begun else 1)
    assert over > 5
    assert back > 50


def test_an_action_takes_back_and_bans_what_began_there() -> None:
    """Greedy: 1 takes the newest token back and another one is drawn; 0 keeps it."""
    some = episodes(options=SessionOptions(temperature=0), max_seq_length=8)
    some.reset()
    kept = some.texts[0]
    assert some.step([1])[0].taken_back == 1
    assert len(some.texts[0]) == len(kept)
    assert some.texts[0] != kept
    again = some.texts[0]
    some.step([0])
    assert some.texts[0].startswith(again)
    assert len(some.texts[0]) == len(again) + 1


def test_what_cannot_be_undone_is_clipped_and_said() -> None:
    """At the beginning of a text only one token is there."""
    some = episodes()
    some.reset()
    outcome = some.step([3])[0]
    assert (outcome.taken_back, outcome.clipped) == (1, 2)
    some.step([0])
    some.step([0])
    outcome = some.step([3])[0]
    assert (outcome.taken_back, outcome.clipped) == (3, 0)


def test_a_budget_cuts_going_back_and_forth() -> None:
    """Truncated, not terminated: nobody judges such a text. What would go beyond the budget is refused, as in use; what
    is seen last is what would come next, and it costs as much as the best text is worth."""
    judge = CountingJudge()
    some, other = episodes(judge=judge, budget=4, restart=False), episodes(restart=False)
    some.reset()
    other.reset()
    outcomes = [some.step([action])[0] for action in (1, 1, 0, 0, 3)]
    assert [each.truncated for each in outcomes] == [False] * 4 + [True]
    last, uncut = outcomes[-1], [other.step([action])[0] for action in (1, 1, 0, 0, 0)][-1]
    assert not last.terminated
    assert (last.taken_back, last.clipped, last.reward) == (0, 3, -1.0)
    assert last.observation == uncut.observation
    assert last.summary is not None
    assert (last.summary["score"], last.summary["kept"], last.summary["text"]) == (None, 4, other.texts[0])
    assert judge.asked == []


def test_to_be_cut_off_never_pays() -> None:
    """Not even where a partial text was paid well: all of it goes."""
    some = episodes(dense_every=2, budget=6, seed=3)
    some.reset()
    outcomes = [some.step([0])[0] for _ in range(8)]
    while not outcomes[-1].is_over:
        outcomes.append(some.step([3])[0])
    assert outcomes[-1].truncated
    assert max(each.reward for each in outcomes[:-1]) > 0
    assert sum(each.reward for each in outcomes) == pytest.approx(-1.0)


def test_what_was_earned_for_a_token_goes_with_it() -> None:
    """Keeping what is sure earns once, however often it is written; wanting to go back, where that is refused, earns
    nothing."""
    shaping = Shaping(high_confidence_reward=0.01, high_confidence_threshold=0.0)
    some = episodes(judge=CountingJudge("z"), shaping=shaping, budget=60)
    some.reset()
    earned = [some.step([action])[0].reward for action in (0, 0, 0, 3, 0, 2, 0, 0)]
    assert earned == pytest.approx([0.01, 0.01, 0.01, -0.02, 0.01, -0.01, 0.01, 0.01])
    refused = episodes(shaping=shaping, max_retries=1, judge=CountingJudge("z"))
    refused.reset()
    outcomes = [refused.step([1])[0] for _ in range(3)]
    assert [each.taken_back for each in outcomes] == [1, 1, 0]
    assert [each.reward for each in outcomes] == [0, 0, 0]


def test_what_others_take_back_is_not_the_agents() -> None:
    """It costs nothing, and nothing was clipped; what was earned for those tokens goes all the same."""

    class Impatient(BaseStrategy):
        def __init__(self) -> None:
            self.left = 1

        def pending(self, tokens: list[int]) -> int:
            return 3

        def backtrack(self, tokens: list[int]) -> int:
            if len(tokens) < 4 or not self.left:
                return 0
            self.left -= 1
            return 2

    some = episodes(
        others=lambda: [Impatient()], judge=CountingJudge("z"),
        shaping=Shaping(0.1, 0.01, high_confidence_reward=0.001, high_confidence_threshold=0.0),
    )  # fmt: skip
    some.reset()
    outcomes = [some.step([0])[0] for _ in range(5)]
    assert [(each.taken_back, each.clipped) for each in outcomes] == [(0, 0)] * 5
    assert [each.reward for each in outcomes] == pytest.approx([0.001] * 3 + [-0.001, 0.001])


def test_a_text_earns_what_it_is_worth() -> None:
    """At its end; with dense rewards the same in all, bit by bit."""
    judge = CountingJudge()
    ends = episodes(judge=judge, seed=3)
    ends.reset()
    outcomes = walk(ends, 60)
    first = next(i for i, each in enumerate(outcomes) if each.is_over)
    assert [each.reward for each in outcomes[:first]] == [0.0] * first
    summary = outcomes[first].summary
    assert summary is not None
    assert outcomes[first].reward == summary["score"] == summary["text"].count("a") / len(summary["text"])
    dense = episodes(seed=3, dense_every=4)
    dense.reset()
    parts = walk(dense, first + 1)
    assert sum(each.reward for each in parts) == pytest.approx(summary["score"])
    assert sum(each.reward != 0 for each in parts) > 2


def test_all_that_are_over_are_judged_at_once() -> None:
    """The judge is asked once a step at the most."""
    judge = CountingJudge()
    some = episodes(n=6, judge=judge, max_seq_length=5)
    some.reset()
    for _ in range(5):
        some.step([0] * 6)
    assert len(judge.asked) <= 5
    assert sum(judge.asked) >= 6
    assert max(judge.asked) > 1


def test_shaping_is_in_units_of_the_judges_full_score() -> None:
    """Going back costs by time and by token; repeating costs; keeping what is sure earns."""
    plain, shaped = (
        episodes(seed=5),
        episodes(seed=5, shaping=Shaping(0.1, 0.01, 0.001, high_confidence_reward=0.5, high_confidence_threshold=0.3)),
    )
    plain.reset()
    (seen,) = shaped.reset()
    names = list(FEATURES)
    sure: list[float] = []
    rng = random.Random(0)  # as `walk`
    for before, after in zip(walk(plain, 15), walk(shaped, 15), strict=True):
        action = rng.choice([0, 0, 0, 1, 2, 3])
        if after.taken_back:
            stand = len(sure) + 1 - after.taken_back
            earned, sure = -0.1 - 0.01 * after.taken_back - sum(sure[stand:]), sure[:stand]
        else:
            sure.append(0.5 * (seen[names.index("probability")] >= 0.3 and not action))
            earned = sure[-1]
        if not after.is_over:
            earned -= 0.001 * after.observation[names.index("repetition")]
        assert after.reward - before.reward == pytest.approx(earned)
        seen = after.first or after.observation


def test_a_stop_string_ends_a_text_and_is_no_rollback() -> None:
    """An item may say what ends its text, and how long it may be."""
    some = episodes(items=[Item("0", "a b", options={"stop": ["."], "max_new_tokens": 9})])
    some.reset()
    ended = [each for each in (some.step([0])[0] for _ in range(60)) if each.is_over]
    assert len(ended) > 4
    for each in ended:
        assert each.summary is not None
        assert "." not in each.summary["text"]
        assert each.summary["kept"] <= 9
        assert (each.taken_back, each.clipped) == (0, 0)


def test_what_is_going_on_can_be_gone_on_with() -> None:
    """From the state of one, another process writes the same texts to their ends."""
    one = episodes(n=3, seed=2, dense_every=5)
    one.reset()
    walk(one, 33)
    judge = CountingJudge()
    other = episodes(n=3, judge=judge, seed=99, dense_every=5)
    seen = other.restore(one.state())
    assert seen == [place.episode.agent.observation for place in one._places if place.episode is not None]
    assert other.texts == one.texts
    assert judge.asked == []  # that was paid for
    assert told(walk(one, 50, seed=9)) == told(walk(other, 50, seed=9))


def test_items_take_turns() -> None:
    """Shuffled, each comes once before any comes twice; otherwise as they stand."""
    for shuffle in (True, False):
        some = Episodes(model(), PROMPTS, CountingJudge(), settings(max_seq_length=2), 1, 5, shuffle)
        some.reset()
        seen = [each.summary["item"] for each in (some.step([0])[0] for _ in range(12)) if each.summary is not None]
        assert len(seen) == 6
        assert {*seen[:3]} == {*seen[3:]} == {"0", "1", "2"}
        assert shuffle or seen == ["0", "1", "2"] * 2


def test_what_goes_wrong_is_raised() -> None:
    """A strategy's error, an action that there is not, a step before the first reset, nothing to write."""

    class Broken(BaseStrategy):
        def on_next_token(self, tokens: list[int], probs: Any) -> None:
            if len(tokens) == 3:
                raise KeyError("lost")

    some = episodes(others=lambda: [Broken()])
    some.reset()
    some.step([0])
    with pytest.raises(StrategyError, match="lost"):
        some.step([0])
        some.step([0])
    fresh = episodes()
    with pytest.raises(InputError, match="reset the environment first"):
        fresh.step([0])
    fresh.reset()
    with pytest.raises(InputError, match="an action is from 0 to 3, not 4"):
        fresh.step([4])
    with pytest.raises(InputError, match="2 actions are wanted"):
        episodes(n=2).step([0])
    with pytest.raises(InputError, match="at least one prompt"):
        episodes(items=[])
