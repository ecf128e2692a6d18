"""The check of strategies bites where the contract is broken, names class and hook, and leaves the others alone."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import pytest

from backtrack_sampler import AntiSlopStrategy, BaseStrategy, OperatorStrategy, TakeBack
from backtrack_sampler.operators import Repetition
from backtrack_sampler.rollback import Bans
from backtrack_sampler.testing import check_strategy

A, B = 0, 1  # tokens of the fakes


class NoTwins(BaseStrategy):
    """Never the same token twice in a row: bans what it takes back, by prefix."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.bans = Bans()

    def logit_bias(self, tokens: list[int]) -> Any:
        return self.bans.at(len(tokens))

    def backtrack(self, tokens: list[int]) -> int:
        if tokens[-2:-1] != tokens[-1:]:
            return 0
        self.bans.add(len(tokens) - 1, tokens[-1])
        return TakeBack(1, "a twin")

    def on_rollback(self, tokens: list[int]) -> None:
        self.bans.truncate(len(tokens))


class OnLogits(NoTwins):
    """The same through `on_logits`."""

    def logit_bias(self, tokens: list[int]) -> Any:
        return {}

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        logits[list(self.bans.at(len(tokens)))] = -math.inf
        return logits


class OnProbs(NoTwins):
    """The same through `on_probs`."""

    def logit_bias(self, tokens: list[int]) -> Any:
        return {}

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        self.bans.apply(probs, len(tokens))
        return probs


class Afterwards(BaseStrategy):
    """Counts the a's that stand; after three it waits with everything, and takes a b back, once at a place."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.seen: list[int] = []
        self.places: dict[int, bool] = {}

    @property
    def excited(self) -> bool:
        return self.seen.count(A) > 2

    def on_next_token(self, tokens: list[int], probs: Any) -> None:
        self.seen.append(tokens[-1])

    def backtrack(self, tokens: list[int]) -> int:
        place = len(tokens) - 1
        if not self.excited or tokens[-1] != B or place in self.places:
            return 0
        self.places[place] = True
        return 1

    def on_rollback(self, tokens: list[int]) -> None:
        del self.seen[len(tokens) :]
        self.places = {place: True for place in self.places if place <= len(tokens)}

    def pending(self, tokens: list[int]) -> int:
        return len(tokens) if self.excited else 0


class Chance(BaseStrategy):
    """Boosts a token by its own dice, which begin anew with each stream."""

    def reset(self) -> None:
        self.dice = random.Random(4)

    def on_start(self, stream: Any) -> None:
        self.size = 7

    def logit_bias(self, tokens: list[int]) -> Any:
        return {self.dice.randrange(self.size): 1.0}


class LastEight(BaseStrategy):
    """Takes two tokens back at times, of the last eight that it keeps pending, as `pending` describes it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.longest = 0

    def backtrack(self, tokens: list[int]) -> int:
        self.longest = max(self.longest, len(tokens))
        return 2 if tokens[-2:] == [A, B] and self.pending(tokens) > 1 else 0

    def pending(self, tokens: list[int]) -> int:
        return max(0, len(tokens) - max(0, self.longest - 8))


@pytest.mark.parametrize("strategy", [NoTwins, OnLogits, OnProbs, Afterwards, Chance, LastEight])
def test_what_keeps_to_the_contract_passes(strategy: type[BaseStrategy]) -> None:
    """Bans of prefixes that stand, own chance and tokens let go are no stale state."""
    check_strategy(lambda provider: strategy())


def by_position(base: type[NoTwins]) -> type[BaseStrategy]:
    """Keeps its bans where the text before them has changed."""
    return type("ByPosition", (base,), {"on_rollback": BaseStrategy.on_rollback})


class CountsOn(Afterwards):
    """Does not notice that tokens are gone."""

    on_rollback = BaseStrategy.on_rollback


class KeepsPlaces(Afterwards):
    """Forgets the tokens, but not where it went back."""

    def on_rollback(self, tokens: list[int]) -> None:
        del self.seen[len(tokens) :]


class ForgetsTooMuch(Afterwards):
    """Forgets all, also what stands."""

    def on_rollback(self, tokens: list[int]) -> None:
        self.reset()


class Remembers(NoTwins):
    """Bans for the rest of the stream what it has ever taken back."""

    def reset(self) -> None:
        self.words: set[int] = set()

    def logit_bias(self, tokens: list[int]) -> Any:
        return dict.fromkeys(self.words, -1.0)

    def backtrack(self, tokens: list[int]) -> int:
        if tokens[-2:-1] != tokens[-1:]:
            return 0
        self.words.add(tokens[-1])
        return 1

    def on_rollback(self, tokens: list[int]) -> None:
        pass


@pytest.mark.parametrize(
    ("strategy", "hook"),
    [
        (by_position(NoTwins), "ByPosition.logit_bias"),
        (by_position(OnLogits), "ByPosition.on_logits"),
        (by_position(OnProbs), "ByPosition.on_probs"),
        (CountsOn, "CountsOn.pending"),
        (KeepsPlaces, "KeepsPlaces.backtrack"),
        (ForgetsTooMuch, "ForgetsTooMuch.backtrack"),
        (Remembers, "Remembers.logit_bias"),
    ],
)
def test_what_outlives_its_tokens_is_found(strategy: type[BaseStrategy], hook: str) -> None:
    """Bans, requests and pending tokens that a rollback by somebody else should have ended, and what it should not."""
    name = strategy.__name__
    with pytest.raises(AssertionError, match=rf"{re.escape(hook)} answers .*: {name}\.on_rollback must forget"):
        check_strategy(lambda provider: strategy())


def test_what_is_kept_on_purpose() -> None:
    """A budget for the whole stream, and words that it has learned, are allowed to those who say so."""
    check_strategy(lambda provider: Remembers(), remembers=True)
    make = lambda provider: OperatorStrategy(Repetition(1), max_discarded=4)  # noqa: E731
    check_strategy(make, remembers=True)
    with pytest.raises(AssertionError, match=r"Repetition\.backtrack answers"):
        check_strategy(make)


def test_in_a_list_the_broken_one_is_named() -> None:
    """Each strategy of a list is watched by itself."""
    broken = by_position(OnProbs)
    with pytest.raises(AssertionError, match=r"ByPosition\.on_probs answers"):
        check_strategy(lambda provider: [AntiSlopStrategy(provider, ["c b"]), broken()])


@pytest.mark.parametrize(
    ("name", "meant"),
    [("on_logit", "on_logits"), ("on_token", "on_next_token"), ("backtrak", "backtrack"), ("rollback", "on_rollback"),
     ("on_prob", "on_probs"), ("logits_bias", "logit_bias"), ("atend", "at_end"), ("on_begin", "")],
)  # fmt: skip
def test_a_misspelt_hook(name: str, meant: str) -> None:
    """A public method that is nearly a hook is found, also where a class between defines it; another is not."""
    base = type("Base", (BaseStrategy,), {name: lambda self, *args: 0})
    strategy = type("Typo", (base,), {f"_{name}": lambda self, *args: 0})
    if not meant:
        check_strategy(lambda provider: strategy())
        return
    with pytest.raises(AssertionError, match=rf"Base\.{name} is no hook, .*did you mean {meant}\?"):
        check_strategy(lambda provider: strategy())


@pytest.mark.parametrize("hook", ["on_next_token", "backtrack", "on_rollback", "pending", "on_probs"])
def test_the_token_list_is_the_sessions_own(hook: str) -> None:
    """A strategy that changes it is named, with the hook that did."""

    class Meddler(BaseStrategy):
        def __init__(self) -> None:
            self.calls = 0

    def meddle(self, *args):
        tokens = next(argument for argument in args if type(argument) is list)
        if len(tokens) > 2:
            tokens[0] = 5
        return next((argument for argument in args if isinstance(argument, dict)), 0)

    setattr(Meddler, hook, meddle)
    with pytest.raises(AssertionError, match=rf"^Meddler\.{hook} changed the token list"):
        check_strategy(lambda provider: Meddler())


class OtherOnTorch(BaseStrategy):
    """Reads a method that only tensors have."""

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        if hasattr(logits, "log_softmax"):
            logits[0] -= 2
        return logits


class OnlyLists(BaseStrategy):
    """Builds a list, and adds to it."""

    def on_logits(self, logits: Any, tokens: list[int]) -> Any:
        logits.extend([])
        return logits


class OnlyDicts(BaseStrategy):
    """Takes the candidates for a dict."""

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        return probs | {A: 0.5}


class CountsOnOrder(BaseStrategy):
    """Boosts one candidate, and then takes the first one for the best."""

    def on_probs(self, probs: Any, tokens: list[int]) -> Any:
        if B in probs:
            probs[B] += 1.0
        return {next(iter(probs)): 1.0}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (OtherOnTorch, r"OtherOnTorch\.on_logits answers .* for token 0, and .* with torch: use what"),
        (OnlyLists, r"OnlyLists\.on_logits raises AttributeError: .* with numpy: use what"),
        (OnlyDicts, r"OnlyDicts\.on_probs raises TypeError: .* with numpy: use what"),
        (CountsOnOrder, r"CountsOnOrder\.on_probs answers .* with numpy: .*count on no order"),
    ],
)
def test_what_works_on_one_library_only(strategy: type[BaseStrategy], message: str) -> None:
    """What a strategy does to lists it does to arrays, tensors and candidates that are no dict."""
    with pytest.raises(AssertionError, match=message):
        check_strategy(lambda provider: strategy())


def test_one_strategy_for_all_streams() -> None:
    """`make` must make: the same object twice cannot be compared with itself."""
    strategy = NoTwins()
    with pytest.raises(AssertionError, match="make must return a new NoTwins each time"):
        check_strategy(lambda provider: strategy)


def test_state_that_outlives_the_stream() -> None:
    """What `reset` leaves behind is found, and the strategy named."""
    forgetful = type("Forgetful", (NoTwins,), {"reset": lambda self: setattr(self, "bans", getattr(self, "bans", Bans()))})  # fmt: skip
    with pytest.raises(AssertionError, match=r"Forgetful\.reset must forget everything of a stream"):
        check_strategy(lambda provider: forgetful())
