"""The contract of strategies, as a check that their authors run.

Between session and strategy stands a `_Watched`. It passes every call on, and also to twins of the
strategy: new ones that must answer the same. One twin works on NumPy arrays and one on torch
tensors. Another is made when tokens are taken back behind the strategy's back, and has only ever
seen what is left.
"""

from __future__ import annotations

import copy
import importlib.util
import math
import operator
import random
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial, partialmethod
from typing import Any

from ..arrays import copy_of
from ..candidates import ArrayCandidates
from ..errors import StrategyError
from ..events import Event, Released, Rollback
from ..provider.base_provider import BaseProvider
from ..rollback import TakeBack
from ..sampler import BacktrackSampler
from ..strategy.base_strategy import BaseStrategy, Candidates, Stream
from ..strategy.chain_strategy import as_strategies, memory_of
from ..strategy.v3_adapter import V3Adapter
from .fakes import FakeProvider
from .names import check_names, hooks_of

__all__ = ["check_strategy"]

_AFTER_DRAW = ("on_next_token", "backtrack", "at_end", "pending")


def check_strategy(
    make: Callable[[BaseProvider], Any],
    providers: Iterable[BaseProvider] | None = None,
    *,
    prompt: str = "a",
    max_new_tokens: int = 40,
    remembers: bool = False,
) -> None:
    """Run a strategy through many short streams and check what every strategy must keep to.

    The stream ends; what was streamed never changes; the token list is left alone; the same seed
    gives the same stream, also after one that was abandoned half-way; arrays, tensors and lists give
    the same answers; no method is a misspelt hook. And what belongs to tokens that are gone is
    forgotten: where others take tokens back, and none of the strategy's own requests went back to
    anything that is left, it goes on as a new one that has only seen what is left. (A ban that its own
    request left behind belongs to the tokens before it, and may stay as long as they do.)

    Args:
        make: a provider to a new strategy, an operator, or a list of them.
        providers: models to run on; None takes a few fakes.
        prompt: what they go on from.
        max_new_tokens: length of the streams.
        remembers: it keeps something through rollbacks on purpose until the stream ends, such as a
            budget or words it has learned, so it is not compared with a new one.

    Raises:
        AssertionError: with what was broken.
    """
    for provider in providers or [FakeProvider(seed=seed) for seed in range(5)]:
        parts = as_strategies(make(provider))
        for part in parts:
            check_names(part, BaseStrategy)
        name = ", ".join(map(str, parts))
        alone = [memory_of(part) for made in (parts, as_strategies(make(provider))) for part in made]
        assert len(set(map(id, alone))) == len(alone), f"make must return a new {name} each time"
        sampler = BacktrackSampler(provider, _watched(make, provider))
        options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "max_discarded": 2000}
        for seed in range(5):
            first = _run(sampler, prompt, seed=seed, **options)
            abandoned = sampler.generate(prompt, seed=seed + 100, **options)
            next(abandoned, None)
            abandoned.close()  # type: ignore[attr-defined]
            again = _run(sampler, prompt, seed=seed, **options)
            assert first == again, (
                f"seed {seed} gave {first} and then {again}: {name}.reset must forget everything of a stream"
            )
            fresh = _run(BacktrackSampler(provider, make(provider)), prompt, seed=seed, **options)
            assert first == fresh, (
                f"seed {seed} gave {first}, a new {name} {fresh}: {name}.reset must forget everything of a stream"
            )
        for temperature in (0.0, 2.0):
            _run(sampler, prompt, temperature=temperature, seed=1, **options)
        libraries = [library for library in ("numpy", "torch") if importlib.util.find_spec(library)]
        sampler = BacktrackSampler(provider, _watched(make, provider, 15, not remembers, libraries))
        for seed in range(2):
            _run(sampler, prompt, seed=seed, **options)


def _run(sampler: BacktrackSampler, prompt: str, **options: Any) -> list[int]:
    """One stream, with its events checked against what it yields."""
    streamed: list[int] = []
    told: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, Released):
            assert event.position == len(told), "tokens were released twice"
            told.extend(event.tokens)
        elif isinstance(event, Rollback):
            assert event.position >= len(told), "a rollback reached a token that was streamed"

    try:
        streamed.extend(sampler.generate(prompt, on_event=listen, **options))
    except StrategyError as error:
        raise error.__cause__ if isinstance(error.__cause__, ContractBroken) else error from None
    stats = sampler.stats
    assert streamed == told, "the events tell of other tokens than were streamed"
    assert stats.emitted == len(streamed), "the statistics count other tokens than were streamed"
    assert len(streamed) <= options["max_new_tokens"], "the stream is longer than max_new_tokens"
    return streamed


def _watched(make: Callable[[BaseProvider], Any], provider: BaseProvider, *how: Any) -> list[BaseStrategy]:
    """What `make` makes, each in a `_Watched` that can make more of it."""
    parts = as_strategies(make(provider))
    return [
        _Watched(part, partial(lambda at: as_strategies(make(provider))[at], at), *how) for at, part in enumerate(parts)
    ]


class ContractBroken(AssertionError):
    """What is found inside a hook, where the session takes every error for the strategy's own."""


@dataclass
class _Twin:
    """Another strategy of the same kind, that is given the same calls.

    Attributes:
        strategy: a new one.
        where: ends the sentence "it answers this, and that ...".
        advice: what its author should do where they differ.
        library: logits and candidates are given as "numpy" or "torch" would give them; "" as they are.
        size: of the vocabulary.
    """

    strategy: BaseStrategy
    where: str
    advice: str
    library: str = ""
    size: int = 0

    def call(self, hook: str, args: Sequence[Any]) -> Any:
        return getattr(self.strategy, hook)(*map(self._given, args))

    def _given(self, argument: Any) -> Any:
        logits = hasattr(argument, "shape")
        if self.library == "torch" and logits:
            import torch

            return torch.tensor(argument.tolist())
        if self.library != "numpy" or not (logits or isinstance(argument, MutableMapping)):
            return _copied(argument)
        import numpy as np

        if logits:
            self.size = len(argument)
            return np.array(argument.tolist(), np.float32)
        weights = np.zeros(self.size, np.float32)
        weights[list(argument)] = list(argument.values())
        given = ArrayCandidates(weights)
        for token, weight in argument.items():  # not summing to one, where a strategy before has taken some away
            given[token] = weight
        return given


class _Watched(BaseStrategy):
    """Passes every call on to a strategy and its twins, and compares their answers.

    Args:
        strategy: what to watch.
        make: a new one like it.
        disturbances: take tokens back so often in a stream, at random, as others in the same stream
            do: unasked, and where it wants something else.
        compared: whether it is compared with one that has only seen what is left then.
        libraries: compare it with twins that work on these.
    """

    def __init__(
        self,
        strategy: BaseStrategy,
        make: Callable[[], BaseStrategy],
        disturbances: int = 0,
        compared: bool = False,
        libraries: Sequence[str] = (),
    ) -> None:
        self._strategy = strategy
        self._arguments = strategy._arguments
        self._make = make
        old = isinstance(strategy, V3Adapter)  # 3.x has no hook to tell it of others' rollbacks
        self._most_disturbances = 0 if old else disturbances
        self._compared = compared and not old
        self._streams = 0
        advice = "use what both libraries share, and count on no order of candidates that you have changed"
        self._arrays = [_Twin(make(), f"with {library}", advice, library) for library in libraries]
        self._clear()

    def __str__(self) -> str:
        return str(self._strategy)

    def _clear(self) -> None:
        self._rng = random.Random(self._streams)
        self._disturbances = self._most_disturbances
        self._calls: list[tuple[int, str, list[Any]]] = []  # of what is left: length, hook, arguments
        self._length = 0
        self._drawn_at = 0  # where the present step draws, or the one that is replayed
        self._logits: dict[tuple[int, int], float] = {}  # what it has asked of the stream: length, token
        self._own: set[int] = set()  # of what is left: where its own requests went back to
        self._let_go = 0  # so many tokens it has not kept pending
        self._replayed: _Twin | None = None

    # -- hooks -----------------------------------------------------------------------------

    def reset(self) -> None:
        self._clear()
        self._streams += 1
        self._pass_on("reset")

    def on_start(self, stream: Stream) -> None:
        def logit(token: int) -> float:
            return self._logits.setdefault((self._drawn_at, token), stream.logit(token))

        self._stream = stream._replace(logit=logit)
        self._pass_on("on_start", self._stream)

    def on_next_token(self, tokens: list[int], probs: Candidates) -> None:
        self._length = len(tokens)
        self._noted("on_next_token", tokens, probs)

    def backtrack(self, tokens: list[int]) -> Any:
        return self._asked(self._noted("backtrack", tokens), tokens, 0.1)

    def at_end(self, tokens: list[int]) -> Any:
        return self._asked(self._noted("at_end", tokens), tokens, 1.0)

    def on_rollback(self, tokens: list[int]) -> None:
        length = self._length = len(tokens)
        self._own = {landing for landing in self._own if landing <= length}
        self._let_go = min(self._let_go, length)
        self._calls = [call for call in self._calls if call[0] + (call[1] not in _AFTER_DRAW) <= length]
        self._logits = {key: logit for key, logit in self._logits.items() if key[0] < length}
        self._pass_on("on_rollback", tokens)
        if self._compared and not self._own:
            self._replayed = self._replay()

    def pending(self, tokens: list[int]) -> int:
        held = self._noted("pending", tokens)
        if len(tokens) == self._length:
            self._let_go = max(self._let_go, self._length - _count(held))
        return len(tokens) if self._disturbances else held

    # -- the same for all ------------------------------------------------------------------

    def _noted(self, hook: str, *args: Any) -> Any:
        """Pass a call on that a replay will repeat."""
        self._drawn_at = self._length - (hook in _AFTER_DRAW)
        result, before = self._pass_on(hook, *args)
        self._calls.append((self._length, hook, before))
        return result

    def _pass_on(self, hook: str, *args: Any) -> tuple[Any, list[Any]]:
        """The strategy's answer, and the arguments as they were."""
        before = [_copied(argument) for argument in args]
        result = getattr(self._strategy, hook)(*args)
        for argument, was in zip(args, before, strict=True):
            if type(argument) is list and argument != was:
                raise ContractBroken(f"{self}.{hook} changed the token list: it is the session's own")
        for twin in self._arrays:
            self._compare(hook, before, result, twin)
        if self._replayed is not None and not self._compare(hook, before, result, self._replayed):
            self._replayed = None
        return result, before

    def _compare(self, hook: str, args: list[Any], result: Any, twin: _Twin) -> bool:
        """Whether the two go on as one; AssertionError where they differ and must not."""
        try:
            other = twin.call(hook, args)
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
            raise ContractBroken(f"{self}.{hook} raises {raised} {twin.where}: {twin.advice}") from error
        difference = _difference(_plain(result), _plain(other), 1e-4 if twin.library else 0.0)
        if not difference:
            return True
        tokens = next((argument for argument in args if type(argument) is list), [])
        if twin is self._replayed:  # what is pending for a new one may be streamed already, and out of reach
            if hook == "pending" and _count(result) < _count(other):
                return True
            if hook in ("backtrack", "at_end") and _count(other) > len(tokens) - self._let_go:
                return False
        raise ContractBroken(f"after {tokens} {self}.{hook} answers {difference} {twin.where}: {twin.advice}")

    def _asked(self, asked: Any, tokens: list[int], chance: float) -> Any:
        """Its own request, or another's instead, which may be none."""
        if _count(asked) > 0:
            self._own.add(len(tokens) - _count(asked))
        if self._disturbances and tokens and self._rng.random() < chance:
            self._disturbances -= 1
            length = len(tokens)
            before = max(0, min(self._own, default=length) - 1)  # where its own requests have left nothing behind
            left = self._rng.choice([length - 1, self._rng.randrange(length), self._rng.randint(0, before)])
            return TakeBack(length - left, "taken back by the check")
        if self._disturbances and asked and self._rng.random() < chance:
            return 0  # its request is refused
        return asked

    def _replay(self) -> _Twin | None:
        """A new strategy that has seen what is left; None where it wants tokens back on the way."""
        where = "where it has never seen the tokens that a rollback took back"
        advice = (
            f"{self}.on_rollback must forget what belongs to them, and nothing else "
            "(pass remembers=True if it keeps something on purpose)"
        )
        twin = _Twin(self._make(), where, advice)
        twin.strategy.reset()
        twin.strategy.on_start(self._stream)
        for length, hook, args in self._calls:
            self._drawn_at = length - (hook in _AFTER_DRAW)
            answer = twin.call(hook, args)
            if hook in ("backtrack", "at_end") and answer:
                return None
        for name, value in vars(self._strategy).items():
            if isinstance(value, random.Random):  # chance is not taken back
                getattr(twin.strategy, name).setstate(value.getstate())
        return twin


for _hook in hooks_of(BaseStrategy):
    if _hook not in vars(_Watched):
        setattr(_Watched, _hook, partialmethod(_Watched._noted, _hook))


def _copied(argument: Any) -> Any:
    return copy_of(argument) if hasattr(argument, "shape") else copy.copy(argument)


def _count(answer: Any) -> int:
    """A number of tokens; 0 for what is none, which the session refuses."""
    return operator.index(answer) if hasattr(answer, "__index__") else 0


def _plain(answer: Any) -> Any:
    """An answer in Python's own types: a dict for what is said of tokens."""
    if hasattr(answer, "tolist"):
        return dict(enumerate(answer.tolist()))
    if isinstance(answer, Mapping):
        return {int(token): float(value) for token, value in answer.items() if value}
    return _count(answer)


def _difference(first: Any, second: Any, tolerance: float) -> str:
    """The first difference of two answers, as "this, and that"; "" where there is none."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return "" if first == second else f"{first}, and {second}"
    for token in {**first, **second}:
        a, b = first.get(token, 0.0), second.get(token, 0.0)
        if not math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance):
            return f"{a:.6g} for token {token}, and {b:.6g}"
    return ""
