"""For people who write strategies, operators and providers: a fake model, and checks of the contracts.

from backtrack_sampler.testing import FakeProvider, check_strategy
check_strategy(lambda provider: MyStrategy(provider))
"""

from __future__ import annotations

import math
import random
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .errors import BacktrackError
from .events import Event, Released, Rollback
from .operators import BaseOperator, Step
from .provider.base_provider import BaseProvider
from .provider.memory import Memory, Row, Work
from .sampler import BacktrackSampler
from .strategy.base_strategy import BaseStrategy
from .strategy.v3_adapter import as_strategy

__all__ = ["FakeProvider", "ListLogits", "check_operator", "check_provider", "check_strategy"]


class ListLogits(list[float]):
    """Logits as a Python list, with what NumPy arrays and torch tensors share and strategies use."""

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, (list, tuple)):
            for each in index:
                super().__setitem__(each, value)
        else:
            super().__setitem__(index, value)

    def __imul__(self, factor: Any) -> ListLogits:  # type: ignore[misc]
        self[:] = [value * factor for value in self]
        return self

    def __itruediv__(self, divisor: float) -> ListLogits:
        self[:] = [value / divisor for value in self]
        return self

    def copy(self) -> ListLogits:
        return ListLogits(self)


class FakeProvider(BaseProvider):
    """A deterministic model over a few words, with nothing installed.

    Args:
        vocabulary: the text of each token (bytes for parts of characters); an end token has none.
        logits: tokens to logits; None gives random ones that depend only on seed and tokens.
        eos: the end token's id; None: the last token, where its text is empty; -1: no end token.
        seed: of the random logits.
        context_size: most tokens, None for no limit.
        droppable: False behaves as a recurrent memory that cannot drop a suffix.
        remember: see `BaseProvider`.

    Attributes:
        asked: the (start, new tokens) of each evaluation; in a batch, of each row.
        droppable: as given.
    """

    def __init__(
        self,
        vocabulary: Iterable[str | bytes] = ("a", "b", "c", " ", ".", " ab", ""),
        logits: Callable[[list[int]], Sequence[float]] | None = None,
        *,
        eos: int | None = None,
        seed: int = 0,
        context_size: int | None = None,
        droppable: bool = True,
        remember: int = 64,
    ) -> None:
        super().__init__(remember)
        self.vocabulary = [t.encode() if isinstance(t, str) else t for t in vocabulary]
        if eos is None:
            eos = len(self.vocabulary) - 1 if self.vocabulary[-1] == b"" else -1
        self.eos_token_ids = frozenset([eos] if eos >= 0 else [])
        self.context_size = context_size
        self.vocabulary_size = len(self.vocabulary)
        self.asked: list[tuple[int, list[int]]] = []
        self._logits = logits
        self._seed = seed
        self.droppable = droppable

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Greedy, longest piece first.

        Raises:
            ValueError: the vocabulary cannot spell it.
        """
        data, tokens = text.encode(), []
        order = sorted(range(len(self.vocabulary)), key=lambda t: -len(self.vocabulary[t]))
        while data:
            for token in order:
                if self.vocabulary[token] and data.startswith(self.vocabulary[token]):
                    tokens.append(token)
                    data = data[len(self.vocabulary[token]) :]
                    break
            else:
                raise ValueError(f"the fake vocabulary cannot spell {data.decode(errors='replace')!r}")
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(self.vocabulary[token] for token in tokens).decode(errors="replace")

    def neutral_tokens(self) -> list[int]:
        return []  # nothing depends on what comes before, and the vocabulary may have no full stop

    def encode_within(self, text: str) -> list[int]:
        return self.encode(text)

    def _evaluate(self, tokens: list[int], start: int) -> ListLogits:
        self.asked.append((start, list(tokens)))
        return self.answer(self._evaluated[:start] + tokens)

    def _keep(self, length: int, tokens: list[int]) -> int:
        return length if self.droppable else 0

    def _new_batch(self) -> Memory:
        return _FakeBatch(self, self._remember)

    def answer(self, sequence: list[int]) -> ListLogits:
        """The logits after these tokens, from nothing but them."""
        if self._logits is not None:
            return ListLogits(self._logits(sequence))
        rng = random.Random(hash((self._seed, *sequence)))
        return ListLogits(rng.gauss(0, 2) for _ in self.vocabulary)


class _FakeBatch(Memory):
    """Rows that are lists. Answers come from what they hold, so that a wrong row gives a wrong answer."""

    def __init__(self, provider: FakeProvider, remember: int) -> None:
        super().__init__(provider, remember)
        self._fake: FakeProvider = weakref.proxy(provider)  # no cycle, as in `Memory`
        self._held: list[list[int]] = []

    def _make_room(self, rows: int, length: int) -> None:
        self._held += [[] for _ in range(rows - len(self._held))]

    def _evaluate(self, work: list[Work]) -> list[ListLogits]:
        self._fake.forward_passes += 1
        found = []
        for row, tokens, start in work:
            self._fake.evaluated_tokens += len(tokens)
            self._fake.asked.append((start, list(tokens)))
            held = self._held[row.place]
            held[start:] = tokens
            found.append(self._fake.answer(held))
        return found

    def _keep(self, row: Row, length: int, tokens: list[int]) -> int:
        return length if self._fake.droppable else 0

    def _share(self, source: Row, target: Row, length: int) -> int:
        if not self._fake.droppable and length < len(self._held[source.place]):
            return 0
        self._held[target.place] = self._held[source.place][:length]
        return length

    def reset(self) -> None:
        super().reset()
        self._held = []


def check_strategy(
    make: Callable[[BaseProvider], Any],
    providers: Iterable[BaseProvider] | None = None,
    *,
    prompt: str = "a",
    max_new_tokens: int = 40,
) -> None:
    """Run a strategy through many short streams and check what every strategy must keep to.

    The stream ends; what was streamed never changes; the token list is left alone; the same seed
    gives the same stream, also after one that was abandoned half-way.

    Args:
        make: a provider to a new strategy.
        providers: models to run on; None takes a few fakes.
        prompt: what they go on from.
        max_new_tokens: length of the streams.

    Raises:
        AssertionError: with what was broken.
    """
    for provider in providers or [FakeProvider(seed=seed) for seed in range(5)]:
        watched = _Watched(as_strategy(make(provider)))
        sampler = BacktrackSampler(provider, watched)
        options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "max_discarded": 2000}
        for seed in range(5):
            first = _run(sampler, prompt, seed=seed, **options)
            abandoned = sampler.generate(prompt, seed=seed + 100, **options)
            next(abandoned, None)
            abandoned.close()  # type: ignore[attr-defined]
            again = _run(sampler, prompt, seed=seed, **options)
            assert first == again, (
                f"seed {seed} gave {first} and then {again}: reset() must forget everything of a stream"
            )
            fresh = _run(BacktrackSampler(provider, make(provider)), prompt, seed=seed, **options)
            assert first == fresh, (
                f"seed {seed} gave {first}, a new strategy {fresh}: reset() must forget everything of a stream"
            )
        for temperature in (0.0, 2.0):
            _run(sampler, prompt, temperature=temperature, seed=1, **options)


def check_operator(make: Callable[[], BaseOperator], walks: int = 200) -> None:
    """Walk an operator forwards and back at random, and check what every operator must keep to.

    It asks for no more tokens than there are, nor than its `lookback` has promised; after a rollback,
    its own or another's, it judges as one that has only seen what is left; `reset` forgets all.

    Args:
        make: a new operator.
        walks: how many random walks, of up to 40 steps each.

    Raises:
        AssertionError: with what was broken.
    """
    walked = make()
    for seed in range(walks):
        rng = random.Random(seed)
        walked.reset()
        left: list[Step] = []
        for _ in range(rng.randint(1, 40)):
            asked = _judged(walked, left, _random_step(rng))
            # Its own request may be refused, and others go back too.
            back = rng.choice([0, asked, rng.randint(0, len(left))])
            if back:
                walked.backtrack(back)
                del left[len(left) - back :]
        replayed = make()
        for step in left:
            replayed(step)
        text = [step.token for step in left]
        assert walked.lookback == replayed.lookback, f"lookback is another than after {text} alone"
        again: list[Step] = left[:]
        for _ in range(12):
            step = _random_step(rng)
            first, second = _judged(walked, left, step), _judged(replayed, again, step)
            assert first == second, (
                f"after rollbacks to {text} it discards {first}, and {second} if it has seen nothing else: "
                "backtrack(n) must forget the last n steps, and nothing more"
            )


def _judged(operator: BaseOperator, steps: list[Step], step: Step) -> int:
    """Show it one more step, and check the number."""
    lookback = operator.lookback
    most = len(steps) + 1 if lookback is None else min(len(steps), lookback) + 1
    steps.append(step)
    asked = operator(step)
    assert isinstance(asked, int), f"it returned {asked!r}: return how many tokens to discard, 0 for none"
    assert 0 <= asked <= len(steps), f"it asked for {asked} of {len(steps)} tokens"
    assert asked <= most, f"it asked for {asked} tokens, though lookback said {lookback}: at most {most}"
    return asked


def _random_step(rng: random.Random) -> Step:
    weights = [rng.expovariate(1) ** 3 for _ in range(3)]
    shares = sorted((w / sum(weights) for w in weights), reverse=True)
    token = rng.randrange(3)
    return Step(token, "abc"[token], shares[token], rng.gauss(-18, 3), dict(enumerate(shares)))


class _Watched(BaseStrategy):
    """Passes everything on, and checks that the token list comes back as it went."""

    def __init__(self, strategy: BaseStrategy) -> None:
        self._strategy = strategy
        for name in (name for name in vars(BaseStrategy) if not name.startswith("_")):
            setattr(self, name, self._wrapped(name))

    def _wrapped(self, name: str) -> Callable[..., Any]:
        hook = getattr(self._strategy, name)

        def call(*args: Any) -> Any:
            lists = [(argument, argument[:]) for argument in args if type(argument) is list]
            result = hook(*args)
            for argument, before in lists:
                assert argument == before, f"{name} changed the token list: it is the session's own"
            return result

        call.__name__ = name
        return call


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

    streamed.extend(sampler.generate(prompt, on_event=listen, **options))
    stats = sampler.stats
    assert streamed == told, "the events tell of other tokens than were streamed"
    assert stats.emitted == len(streamed), "the statistics count other tokens than were streamed"
    assert len(streamed) <= options["max_new_tokens"], "the stream is longer than max_new_tokens"
    return streamed


def check_provider(provider: BaseProvider, text: str = "the quick brown fox", tolerance: float = 1e-4) -> None:
    """Check what every provider must keep to, on a real or a fake model.

    The same tokens give the same logits, whatever was asked before: after going back by 1, 5, 40 and
    all but one, after other texts, and where one row of a batch goes back; the logits are the
    caller's to change; going back inside the window costs no evaluation; a prefix is evaluated once.

    Args:
        provider: the model; it is reset.
        text: something its vocabulary can spell.
        tolerance: largest difference between logits that counts as equal.

    Raises:
        AssertionError: with what was broken.
    """
    tokens = provider.encode(text)
    assert tokens, f"encode({text!r}) gave no tokens"
    assert provider.decode(tokens).strip() == text.strip(), "decode(encode(text)) is not the text"
    while len(tokens) < 50:
        tokens = tokens + tokens
    tokens = tokens[:50]

    def one_by_one(count: int) -> list[float]:
        for length in range(1, count + 1):
            row = provider.logits(tokens[:length])
        return _values(row)

    provider.reset()
    fresh = {count: one_by_one(count) for count in (1, 10, 45, 49, 50)}
    row = provider.logits(tokens)
    row[0] = math.inf
    assert _values(provider.logits(tokens))[0] != math.inf, "logits() returned its own memory"
    for back in (1, 5, 40, 49):
        one_by_one(50)
        before = provider.forward_passes
        found = _values(provider.logits(tokens[: 50 - back]))
        _same(found, fresh[50 - back], tolerance, f"going back by {back}")
        assert provider.forward_passes == before, f"going back by {back} cost a forward pass"
    provider.logits(tokens[::-1])
    _same(one_by_one(45), fresh[45], tolerance, "coming back after another text")
    _check_rows(provider, tokens, tolerance)
    try:
        provider.logits([])
    except BacktrackError:
        return
    raise AssertionError("logits([]) must raise InputError")


def _check_rows(provider: BaseProvider, tokens: list[int], tolerance: float) -> None:
    """One row of a batch goes back, and the others stay where they are."""
    begun = [tokens[:10], tokens[5:25], tokens[20:28]]
    lengths = (8, 3, 8)
    grown = [
        [_values(row) for row in provider.logits_batch([row + tokens[:count] for row in begun])]
        for count in range(max(lengths) + 1)
    ]
    sequences = [row + tokens[:count] for row, count in zip(begun, lengths, strict=True)]
    for _ in range(2):
        found = provider.logits_batch(sequences)
        for index, count in enumerate(lengths):
            what = f"row {index} of a batch, in which row 1 went back,"
            _same(_values(found[index]), grown[count][index], tolerance, what)
            found[index][0] = math.inf  # the second time must not find it


def _values(row: Any) -> list[float]:
    return [float(value) for value in row.tolist()] if hasattr(row, "tolist") else list(row)


def _same(found: list[float], expected: list[float], tolerance: float, what: str) -> None:
    worst = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    assert worst <= tolerance, f"{what} changed the logits by {worst:.2g}"
