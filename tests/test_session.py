"""The session: draws, rollbacks, held tokens, ends, budgets and the way out."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from backtrack_sampler import (
    BaseStrategy,
    InputError,
    ModelError,
    RollbackError,
    Session,
    SessionOptions,
    StrategyError,
    TakeBack,
)
from backtrack_sampler.events import Drawn, Finished, Participant, Released, Rollback, Started
from backtrack_sampler.strategy.chain_strategy import as_strategies
from backtrack_sampler.testing import ListLogits

WORDS = ["a", "b", "c", " ", "stop", ""]
END = 5


def decode(tokens) -> str:
    return "".join(WORDS[t] for t in tokens)


def session(strategy=None, listeners=(), **options) -> Session:
    settings = SessionOptions(**{"temperature": 0, "max_new_tokens": 20, **options})
    return Session(as_strategies(strategy), settings, decode=decode, prompt=[0], eos_token_ids=[END], listeners=listeners)  # fmt: skip


def prefer(*order: int) -> ListLogits:
    """Logits that make greedy decoding take these, first choice first."""
    row = ListLogits([-10.0] * len(WORDS))
    for rank, token in enumerate(order):
        row[token] = 10.0 - rank
    return row


class Scripted(BaseStrategy):
    """Takes back so many tokens at some draws, and holds everything."""

    def __init__(self, asks: dict[int, int], hold: int = 99) -> None:
        self.asks, self.hold, self.draws, self.heard = asks, hold, 0, []

    def backtrack(self, tokens) -> int:
        self.draws += 1
        return self.asks.get(self.draws, 0)

    def on_rollback(self, tokens) -> None:
        self.heard.append(list(tokens))

    def pending(self, tokens) -> int:
        return min(self.hold, len(tokens))


def test_tokens_are_released_as_they_are_drawn() -> None:
    """Without a strategy every token is safe at once, and sequence is prompt plus continuation."""
    s = session()
    assert s.step(prefer(1)) == [1]
    assert s.step(prefer(2)) == [2]
    assert s.sequence == [0, 1, 2]


def test_a_rollback_shortens_everything_and_is_told() -> None:
    """Tokens, sequence and counts agree after a rollback; strategy and listeners hear of it."""
    events = []
    strategy = Scripted({3: 2})
    s = session(strategy, [events.append])
    for token in (1, 2, 3):
        s.step(prefer(token))
    assert s.tokens == [1]
    assert s.sequence == [0, 1]
    assert strategy.heard == [[1]]
    assert [e for e in events if isinstance(e, Rollback)] == [Rollback(1, (2, 3), "c ", "Scripted", "")]
    assert s.stats.discarded == 2
    assert s.stats.rollbacks == 1


def test_held_tail_that_becomes_pending_again() -> None:
    """Ban "a b" and "b c" as 1 2 and 3 4 of the pitfall: what an older tail could become is held too."""

    class Pairs(BaseStrategy):
        """Rejects 0 1 and 2 3; holds a first half of either."""

        def backtrack(self, tokens):
            return 2 if tokens[-2:] in ([0, 1], [2, 3]) else 0

        def pending(self, tokens):
            return 1 if tokens[-1:] in ([0], [2]) else 0

    s = session(Pairs())
    assert s.step(prefer(0)) == []
    assert s.step(prefer(2)) == []  # 0 must wait: if 2 is taken back, 1 may follow it
    assert s.step(prefer(3)) == []  # 2 3 is taken back
    assert s.tokens == [0]
    assert s.step(prefer(1)) == []  # 0 1 is taken back as well, and nothing of it was released
    assert s.tokens == []


def test_a_rollback_behind_what_was_released_is_an_error() -> None:
    """Nothing already streamed is ever taken back; the message says what to do; the session is over."""
    s = session(Scripted({2: 2}, hold=0))
    s.step(prefer(1))
    with pytest.raises(RollbackError, match="pending"):
        s.step(prefer(2))
    assert s.finished
    with pytest.raises(RollbackError, match="has only 1"):
        session(Scripted({1: 3})).step(prefer(1))


@pytest.mark.parametrize("answer", [-1, 1.5, None, "one", [1]])
def test_nonsense_from_backtrack(answer) -> None:
    """A strategy that returns no whole number of tokens is named."""

    class Nonsense(BaseStrategy):
        def backtrack(self, tokens):
            return answer

    with pytest.raises(StrategyError, match=r"Nonsense\.backtrack returned"):
        session(Nonsense()).step(prefer(1))


@pytest.mark.parametrize("hook", ["on_logits", "on_probs", "on_next_token", "backtrack", "pending"])
def test_an_error_in_a_hook_names_it(hook: str) -> None:
    """The strategy and the hook are in the message, the original error is the cause."""
    broken = type("Broken", (BaseStrategy,), {hook: lambda self, *_: 1 / 0})()
    with pytest.raises(StrategyError, match="Broken") as caught:
        session(broken).step(prefer(1))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


class Careless(BaseStrategy):
    """Fails inside somebody else's code."""

    def backtrack(self, tokens) -> int:
        return json.loads("{")


def test_an_error_names_the_line_of_the_strategy() -> None:
    """Not that of the library in which it was raised."""
    with pytest.raises(
        StrategyError, match=r"Careless.backtrack raised JSONDecodeError: .* \(test_session.py, line \d+\)$"
    ):
        session(Careless()).step(prefer(1))


def test_an_end_token_that_was_taken_back_does_not_end_the_stream() -> None:
    """Ends are decided after the rollback of a step."""
    s = session(Scripted({1: 1}))
    assert s.step(prefer(END)) == []
    assert not s.finished
    s.step(prefer(1))
    assert s.step(prefer(END)) == [1, END]
    assert s.finished
    assert s.stats.finish_reason == "end"


def test_length_limit_counts_what_stands() -> None:
    """Discarded tokens do not count against max_new_tokens."""
    s = session(Scripted({2: 1, 4: 2}, hold=1), max_new_tokens=3)
    out = []
    for _ in range(6):
        out += s.step(prefer(1))
    assert len(out) == 3
    assert s.finished
    assert s.stats.finish_reason == "length"


def test_at_end_can_go_on() -> None:
    """What a strategy takes back at the end is taken back, and the stream goes on."""

    class NotYet(BaseStrategy):
        asked = 0

        def at_end(self, tokens):
            self.asked += 1
            return TakeBack(1, "too early") if self.asked == 1 else 0

    s = session(NotYet(), max_new_tokens=2)
    s.step(prefer(1))
    s.step(prefer(2))
    assert not s.finished
    assert s.tokens == [1]
    s.step(prefer(3))
    assert s.finished
    assert s.tokens == [1, 3]


def test_stop_strings() -> None:
    """A stop string ends the stream before itself; its beginning is held; the text before it in its token is kept."""
    s = session(stop=["bc"])
    assert s.step(prefer(0)) == [0]
    assert s.step(prefer(1)) == []
    assert s.step(prefer(0)) == [1, 0]
    s.step(prefer(1))
    assert s.step(prefer(2)) == []
    assert s.finished
    assert decode(s.tokens) == "aba"
    s = session(stop=["op"])
    s.step(prefer(4))
    assert s.tokens == []
    assert s.last_text == "st"
    assert s.stats.finish_reason == "stop"


def test_a_stop_string_that_begins_a_rejected_text() -> None:
    """A stop string inside what is taken back does not stop the stream."""
    s = session(Scripted({2: 2}), stop=["b"])
    s.step(prefer(0))
    s.step(prefer(1))
    assert not s.finished
    assert s.tokens == []


def test_stop_is_held_for_shorter_beginnings_too() -> None:
    """Stop "ab": an a before a held token waits, because the held one may be taken back and a b follow."""

    class HoldLast(Scripted):
        def pending(self, tokens):
            return 1 if tokens[-1:] == [2] else 0

    s = session(HoldLast({3: 2}), stop=["ab"])
    s.step(prefer(0))
    assert s.step(prefer(2)) == []
    s.step(prefer(0))
    assert s.tokens == [0]
    s.step(prefer(1))
    assert s.finished
    assert s.tokens == []


def test_filters_are_relaxed_when_nothing_is_left() -> None:
    """A strategy that removes all candidates of a filter gets those behind it: first top-p, then top-k, then min-p."""

    class Only(BaseStrategy):
        def on_probs(self, probs, tokens):
            return {t: p for t, p in probs.items() if t == 3}

    s = session(Only(), temperature=1.0, top_k=1, top_p=0.1, min_p=0.99, seed=1)
    assert s.step(prefer(0, 1, 2, 3)) == [3]


def test_bans_apply_before_the_filters() -> None:
    """With top_k=1 and the best token banned on logits, the next best is drawn."""

    class Ban(BaseStrategy):
        def on_logits(self, logits, tokens):
            logits[0] = -math.inf
            return logits

    assert session(Ban(), top_k=1).step(prefer(0, 1)) == [1]


class BanAll(BaseStrategy):
    """Bans every token after the first `free`, and holds what came before."""

    def __init__(self, free: int = 0, hold: int = 0) -> None:
        self.free, self.hold = free, hold

    def on_probs(self, probs, tokens):
        return {t: p for t, p in probs.items() if t != END} if len(tokens) < self.free else {}

    def pending(self, tokens):
        return min(len(tokens), self.hold)


def test_all_banned_goes_back_and_then_stops() -> None:
    """Nothing to draw: go further back, ban there, and where nothing is left to go back over, end."""
    s = session(BanAll(1, hold=1))
    for _ in range(20):
        if s.finished:
            break
        s.step(prefer(0, 1, 2, 3))
    assert s.finished
    assert s.stats.finish_reason == "exhausted"
    assert s.tokens == []
    assert s.stats.rollbacks == len(WORDS) - 1


def test_all_banned_and_accept() -> None:
    """With "accept" the model's own choice stands, in spite of the strategy."""
    s = session(BanAll(), on_exhausted="accept")
    assert s.step(prefer(2)) == [2]


def test_all_banned_and_raise() -> None:
    """With "raise" the session ends and says what its driver should raise."""
    s = session(BanAll(), on_exhausted="raise")
    s.step(prefer(2))
    assert s.finished
    assert "nothing is left to draw" in str(s.error)


class Stubborn(BaseStrategy):
    """Rejects token 0 wherever it is drawn, and never bans it."""

    def backtrack(self, tokens):
        return 1 if tokens[-1] == 0 else 0


@pytest.mark.parametrize(("policy", "tokens"), [("stop", []), ("accept", [0])])
def test_greedy_decoding_does_not_loop_for_ever(policy: str, tokens: list[int]) -> None:
    """The same token drawn and rejected again and again: the budget of the prefix ends it."""
    s = session(Stubborn(), on_exhausted=policy, max_retries=5)
    for _ in range(6):
        s.step(prefer(0))
    assert s.tokens == tokens
    assert s.stats.discarded <= 6
    assert s.finished == (policy == "stop")


def test_a_held_dead_end_goes_further_back() -> None:
    """Where tokens are held, a dead end bans the token before it and goes on from there."""

    class NoZeroAfterOne(BaseStrategy):
        def backtrack(self, tokens):
            return 1 if tokens[-2:] == [1, 0] else 0

        def pending(self, tokens):
            return 1 if tokens[-1:] == [1] else 0

    s = session(NoZeroAfterOne(), max_retries=3)
    s.step(prefer(1, 2))
    for _ in range(4):
        s.step(prefer(0))
    assert s.tokens == []
    assert s.step(prefer(1, 2)) == [2]  # 1 is banned here now


def test_the_budget_of_a_stream() -> None:
    """max_discarded bounds the work of a whole stream."""
    s = session(Scripted(dict.fromkeys(range(1, 1000), 1)), max_discarded=7, max_retries=1000)
    while not s.finished:
        s.step(prefer(0))
    assert s.stats.discarded <= 8


def test_events_in_order() -> None:
    """Started, Drawn, Released and Finished, with the probability among the candidates."""
    events = []
    s = session(Scripted({}, hold=1), [events.append], max_new_tokens=1, temperature=1.0, seed=7)
    s.step(prefer(2))
    started, drawn, released, finished = events
    assert started == Started((0,), s.options, (Participant("Scripted", {"asks": {}, "hold": 1}),))
    assert started.options.seed == 7
    assert isinstance(drawn, Drawn)
    assert drawn.token == 2
    assert drawn.probability == pytest.approx(drawn.candidates[2])
    assert released == Released(0, (2,))
    assert finished == Finished("length")


def test_a_session_that_has_ended() -> None:
    """Stepping on is refused; ending again and closing twice are harmless."""
    s = session(max_new_tokens=1)
    s.step(prefer(1))
    assert s.end("context") == []
    s.close()
    s.close()
    with pytest.raises(Exception, match="has ended"):
        s.step(prefer(1))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"), ({"max_new_tokens": 1.5}, "max_new_tokens"), ({"stop": [""]}, "stop"),
        ({"stop": [3]}, "stop"), ({"on_exhausted": "panic"}, "on_exhausted"), ({"max_retries": 0}, "max_retries"),
        ({"max_discarded": -1}, "max_discarded"), ({"max_retries": None}, "max_retries"), ({"temperature": None}, "temperature"),
        ({"stop": 5}, "stop"), ({"seed": -2}, "seed"), ({"on_context_full": "accept"}, "on_context_full"), ({"temperature": math.inf}, "temperature"), ({"seed": [1]}, "seed"), ({"seed": 1.5}, "seed"), ({"top_p": 0}, "top_p"), ({"temperature": -0.1}, "temperature"),
    ],
)  # fmt: skip
def test_bad_options(bad: dict, says: str) -> None:
    """Each is one clear line that names the parameter."""
    with pytest.raises(InputError, match=says):
        SessionOptions(**bad)


class NeverLong(BaseStrategy):
    """Bans everything from some length on, and holds all: a dead end behind which everything is tried."""

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def on_probs(self, probs, tokens):
        return {t: p for t, p in probs.items() if t != END} if len(tokens) < self.longest else {}

    def pending(self, tokens):
        return len(tokens)


@pytest.mark.parametrize("policy", ["stop", "raise"])
def test_a_deep_dead_end_is_bounded(policy: str) -> None:
    """Going further back from dead ends counts against the budget of the stream: no search of the whole tree."""
    s = session(NeverLong(9), max_discarded=100, temperature=1.0, seed=1, on_exhausted=policy)
    steps = 0
    while not s.finished:
        s.step(prefer(0, 1, 2, 3))
        steps += 1
    assert s.stats.discarded <= 110
    assert steps < 400


@pytest.mark.parametrize("hold", [0, 1, 3])
def test_accept_keeps_the_text_also_where_tokens_are_held(hold: int) -> None:
    """With "accept" the stream reaches its length, however much the strategy holds and rejects."""

    class RejectsThird(BaseStrategy):
        def on_probs(self, probs, tokens):
            return {t: p for t, p in probs.items() if t != END}

        def backtrack(self, tokens):
            return 1 if len(tokens) == 3 else 0

        def pending(self, tokens):
            return min(hold, len(tokens))

    for strategy in (RejectsThird(), NeverLong(3)):
        s = session(strategy, on_exhausted="accept", max_new_tokens=6, max_retries=4, max_discarded=30)
        for _ in range(200):
            if s.finished:
                break
            s.step(prefer(0, 1, 2, 3))
        assert s.stats.finish_reason == "length"
        assert len(s.tokens) == 6


def test_a_whole_word_before_a_stop_string() -> None:
    """What a stop string leaves at the end is asked about once more: there the word is whole."""

    class NoWholeB(BaseStrategy):
        def at_end(self, tokens):
            return 1 if tokens[-1:] == [1] else 0

        def pending(self, tokens):
            return 1 if tokens[-1:] == [1] else 0

    s = session(NoWholeB(), stop=["c"])
    s.step(prefer(0))
    s.step(prefer(1))
    s.step(prefer(2))
    assert s.finished
    assert s.tokens == [0]


@pytest.mark.parametrize(
    ("hook", "returns"),
    [
        ("on_logits", None), ("on_logits", [1.0]), ("on_probs", None), ("on_probs", {0: None}), ("on_probs", {"a": 1.0}),
        ("on_probs", {1.0: 1.0}), ("on_probs", {0: -1.0}), ("on_probs", {0: math.nan}), ("on_probs", {99: 1.0}),
        ("logit_bias", {99: 1.0}), ("pending", None), ("pending", 1.5),
    ],
)  # fmt: skip
def test_nonsense_from_other_hooks(hook: str, returns) -> None:
    """A forgotten `return`, or another shape, names the strategy and the hook."""
    broken = type("Broken", (BaseStrategy,), {hook: lambda self, *_: returns})()
    with pytest.raises(StrategyError, match=rf"Broken\.{hook} (must|returned)"):
        session(broken).step(prefer(1))


def test_an_error_in_a_chain_names_the_one_that_raised() -> None:
    """Not the chain, but the strategy in it."""
    from backtrack_sampler import ChainStrategy

    broken = type("Broken", (BaseStrategy,), {"on_probs": lambda self, *_: 1 / 0})()
    with pytest.raises(StrategyError, match="Broken"):
        session(ChainStrategy([BaseStrategy(), broken])).step(prefer(1))


def test_anything_with_an_index_is_a_count_and_a_token() -> None:
    """NumPy's integers and bools, from every hook; what is streamed are plain ints."""
    import numpy as np

    class Counts(BaseStrategy):
        draws = 0

        def on_probs(self, probs, tokens):
            return {np.int64(2): np.float32(1.0)}

        def backtrack(self, tokens):
            self.draws += 1
            return np.int64(1) if self.draws == 1 else self.draws == 2

        def pending(self, tokens):
            return np.int32(0)

    s = session(Counts())
    assert [s.step(prefer(1)) for _ in range(3)] == [[], [], [2]]
    assert type(s.tokens[0]) is int
    assert s.stats.discarded == 2


def test_accept_with_nothing_at_all_ends() -> None:
    """All logits at -inf: there is nothing to accept either."""
    s = session(on_exhausted="accept")
    assert s.step(ListLogits([-math.inf] * len(WORDS))) == []
    assert s.finished
    assert s.stats.finish_reason == "exhausted"


def test_a_refused_request_does_not_hide_the_next_one() -> None:
    """With "accept" and its attempts used up, the first strategy's token stands; the second's phrase goes all the same."""

    class Last(BaseStrategy):
        """Takes a b back wherever it is."""

        def backtrack(self, tokens):
            return 1 if tokens[-1] == 1 else 0

    class Phrase(BaseStrategy):
        """Takes "ab" back."""

        def backtrack(self, tokens):
            return 2 if tokens[-2:] == [0, 1] else 0

        def pending(self, tokens):
            return len(tokens)

    s = session([Last(), Phrase()], on_exhausted="accept", max_retries=1)
    s.step(prefer(0))
    s.step(prefer(1))
    assert s.tokens == [0]
    s.step(prefer(1))  # the first may ask no more for this place; the second may, for another
    assert s.tokens == []


@pytest.mark.parametrize("temperature", [1e-39, 1e-6])
def test_very_small_temperatures_are_greedy(temperature: float) -> None:
    """Instead of overflowing."""
    s = session(temperature=temperature, seed=1)
    assert s.step(prefer(3, 2)) == [3]


@pytest.mark.parametrize("seed", [None, -1])
def test_a_random_seed(seed: int | None) -> None:
    """None and -1 both mean one; other negative numbers mean nothing."""
    assert SessionOptions(seed=seed).seed is None


def test_every_error_ends_the_session() -> None:
    """Logits that are NaN, and a listener that raises."""
    s = session(temperature=1.0)
    with pytest.raises(ModelError, match="NaN"):
        s.step(ListLogits([math.nan] * len(WORDS)))
    assert s.finished

    def listener(event) -> None:
        if isinstance(event, Drawn):
            raise OSError("full")

    s = session(listeners=[listener])
    with pytest.raises(StrategyError, match="on_event raised OSError: full"):
        s.step(prefer(1))
    assert s.finished


def test_logit_bias() -> None:
    """Bans and boosts of several strategies add up, after the temperature, before the filters; the row is not changed."""

    class Bias(BaseStrategy):
        def __init__(self, bias):
            self.bias = bias

        def logit_bias(self, tokens):
            return self.bias

    row = prefer(0, 1, 2)
    s = session([Bias({0: -math.inf, 2: 0.75}), Bias({2: 0.75, 0: 100.0})], top_k=1)
    assert s.step(row) == [2]
    assert row == prefer(0, 1, 2)


def test_the_models_own_logit() -> None:
    """Whatever strategies do to the row, on_start's stream tells what the model said."""

    class Looks(BaseStrategy):
        def on_start(self, stream):
            self.logit, self.seen = stream.logit, []

        def on_logits(self, logits, tokens):
            logits *= 0
            return logits

        def on_next_token(self, tokens, probs):
            self.seen.append(self.logit(2))

    strategy = Looks()
    s = session(strategy, temperature=2.0)
    s.step(prefer(2))
    assert strategy.seen == [10.0]


@pytest.mark.parametrize(
    "biases",
    [{"a": 1.0}, [3], {3: None}, {1.5: 0.0}, {3: math.nan}, 5, np.array([1.0, 2.0])],
    ids=str,
)
def test_nonsense_from_logit_bias(biases: object) -> None:
    """It names the strategy and the hook."""

    class Odd(BaseStrategy):
        def logit_bias(self, tokens: list[int]) -> object:
            return biases

    with pytest.raises(StrategyError, match=r"Odd\.logit_bias must return"):
        session(Odd()).step(prefer(1))


def test_nonsense_from_on_logits() -> None:
    """So does what is no row of logits."""

    class Odd(BaseStrategy):
        def on_logits(self, logits: object, tokens: list[int]) -> object:
            return 5

    with pytest.raises(StrategyError, match=r"Odd\.on_logits must return"):
        session(Odd()).step(prefer(1))


def test_a_ban_is_stronger_than_a_force() -> None:
    """One strategy forces a token and another bans it: it is banned."""

    class Says(BaseStrategy):
        def __init__(self, bias: float) -> None:
            self.bias = bias

        def logit_bias(self, tokens: list[int]) -> dict[int, float]:
            return {3: self.bias}

    for order in ([math.inf, -math.inf], [-math.inf, math.inf]):
        s = session([Says(bias) for bias in order], temperature=0)
        assert s.step(prefer(3, 1)) == [1]


def test_all_are_reset_where_one_fails() -> None:
    """At the beginning and at the end: whoever was begun is left clean."""
    calls: list[str] = []

    class Notes(BaseStrategy):
        def reset(self) -> None:
            calls.append("reset")

    class Fails(BaseStrategy):
        def __init__(self, hook: str) -> None:
            self.hook = hook

        def reset(self) -> None:
            if self.hook == "reset":
                raise OSError("no")

        def on_start(self, stream: object) -> None:
            if self.hook == "on_start":
                raise OSError("no")

    for hook in ("on_start", "reset"):
        calls.clear()
        with pytest.raises(StrategyError, match=rf"Fails\.{hook} raised OSError: no"):
            session([Fails(hook), Notes()])
        assert calls == ["reset", "reset"]


@pytest.mark.parametrize("kind", [Released, Finished])
def test_what_is_safe_is_streamed_though_a_listener_fails(kind: type) -> None:
    """A listener that fails at the very end takes no token away; the error is kept for the driver."""

    def listener(event: object) -> None:
        if isinstance(event, kind):
            raise OSError("full")

    s = session(listeners=[listener], max_new_tokens=1)
    assert s.step(prefer(1)) == [1]
    assert s.finished
    assert isinstance(s.error, StrategyError)


def test_every_event_says_its_row_and_place() -> None:
    """Positions count from the beginning of the continuation."""
    events: list[Any] = []
    s = Session(
        as_strategies(Scripted({2: 1})), SessionOptions(temperature=0, max_new_tokens=3), decode=decode, prompt=[0],
        eos_token_ids=[END], listeners=[events.append], row=7, model="m",
    )  # fmt: skip
    while not s.finished:
        s.step(prefer(1))
    assert {type(event) for event in events} == {Started, Drawn, Rollback, Released, Finished}
    assert {event.row for event in events} == {7}
    assert [event.position for event in events if isinstance(event, Drawn)] == [0, 1, 1, 2]


def test_why_a_dead_end_is_left() -> None:
    """Whoever watches is told that nothing was left to draw."""
    events: list[Any] = []
    s = session(BanAll(3, hold=99), listeners=[events.append])
    for _ in range(50):
        if s.finished:
            break
        s.step(prefer(1))
    assert {event.why for event in events if isinstance(event, Rollback)} == {"nothing is left to draw"}


def test_min_p_is_passed_on() -> None:
    """What is less than half as probable as the best is never drawn."""
    for seed in range(20):
        s = session(temperature=1, top_k=0, min_p=0.5, seed=seed)
        assert s.step(ListLogits([2.0, 1.9, 1.0, 0.9, 1.2, -9.0]))[0] in (0, 1)


def test_the_best_that_are_known_already() -> None:
    """A driver that has selected on its device spares the session that."""
    s = session(top_k=2)
    assert s.step(np.zeros(6), (np.array([3, 2]), np.array([9.0, 8.0]))) == [3]


def test_a_forced_token_is_certain() -> None:
    """Its probability is one, for those who watch."""

    class Forces(BaseStrategy):
        def on_probs(self, probs: Any, tokens: list[int]) -> Any:
            return {2: math.inf, 3: 1.0}

    events: list[Any] = []
    session(Forces(), listeners=[events.append]).step(prefer(1))
    assert [(event.token, event.probability) for event in events if isinstance(event, Drawn)] == [(2, 1.0)]


def test_an_error_says_how_much_may_be_taken_back() -> None:
    """And that `pending` is how to have more."""

    class Asks(BaseStrategy):
        def backtrack(self, tokens: list[int]) -> int:
            return 3 if len(tokens) == 4 else 0

        def pending(self, tokens: list[int]) -> int:
            return len(tokens) % 2

    s = session(Asks())
    with pytest.raises(RollbackError, match="asked for 3 tokens back, but only 2 are not streamed yet"):
        for _ in range(5):
            s.step(prefer(1))
