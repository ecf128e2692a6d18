"""One text that is being written, waiting for the next decision about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...benchmark.tasks import Item
from ...checks import check_count
from ...errors import InputError
from ...matching import Detokenizer
from ...options import SessionOptions
from ...prompts import limited, request_of
from ...provider.base_provider import BaseProvider
from ...stream import TokenStream
from ..deciding_strategy import DecidingStrategy
from ..features import Features
from ..observer import Observer
from .rewards import Shaping

__all__ = ["Agent", "Episode", "EpisodeSettings", "prompt_of", "text_of"]


@dataclass(frozen=True)
class EpisodeSettings:
    """What an episode is.

    Attributes:
        features: what is observed.
        max_backtrack: most tokens that one decision takes back.
        max_seq_length: most tokens of a text.
        options: how tokens are drawn; length, stop strings and seed are each episode's own.
        shaping: see there.
        dense_every: judge the partial text each time that it has grown by so many tokens; None: only at the end.
        budget: tokens that may be taken back in one episode, before it is cut off (truncated).
        retry, max_retries: see `OperatorStrategy`.
        others: makes strategies that run beside; asked after the decision.
    """

    features: Features = field(default_factory=Features)
    max_backtrack: int = 5
    max_seq_length: int = 128
    options: SessionOptions = field(default_factory=SessionOptions)
    shaping: Shaping = field(default_factory=Shaping)
    dense_every: int | None = None
    budget: int | None = None
    retry: str = "ban"
    max_retries: int = 10
    others: Callable[[], Sequence[Any]] | None = None

    def __post_init__(self) -> None:
        check_count("max_backtrack", self.max_backtrack)
        check_count("max_seq_length", self.max_seq_length)
        for name in ("dense_every", "budget"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))

    @property
    def most_discarded(self) -> int:
        """The budget, or what stands for it: four texts' worth."""
        return 4 * self.max_seq_length if self.budget is None else self.budget


class Agent(Observer):
    """Decides what it is told from outside."""

    action = 0

    def decide(self) -> int:
        return self.action


class Episode:
    """One text. All about it follows from item, seed and actions."""

    def __init__(self, provider: BaseProvider, item: Item, seed: int, settings: EpisodeSettings) -> None:
        self.item = item
        self.actions: list[int] = []
        self.reward = 0.0
        self.paid = 0.0  # of the judge's score
        self.judged_at = 0  # tokens
        self.agent = Agent(settings.features, settings.max_backtrack)
        self._provider = provider
        strategy = DecidingStrategy(self.agent, settings.retry, settings.max_retries)
        others = settings.others
        tokens, options = prompt_of(provider, item, settings)
        self.stream = TokenStream(
            provider, tokens, replace(options, seed=seed),
            lambda stream: [strategy, *(others() if others is not None else ())],
        )  # fmt: skip

    @property
    def length(self) -> int:
        """Tokens of the text as it is now."""
        return len(self.stream.sequence) - len(self.stream.prompt)

    @property
    def text(self) -> str:
        """As it is now, what is pending included."""
        stream = self.stream
        if stream.done:
            return stream.text
        detokenizer = Detokenizer(self._provider.decode, stream.prompt)
        pieces = [detokenizer.push(token) for token in stream.sequence[len(stream.prompt) :]]
        return "".join(pieces) + detokenizer.finish()

    def settle(self, action: int) -> tuple[int, float]:
        """Decide about the token drawn last; how many were taken back, and what that token's probability was."""
        self.actions.append(action)
        self.agent.action = action
        before, probability, rollbacks = self.length, self.agent.probability, self.stream.stats.rollbacks
        self.stream.settle()
        if self.stream.error is not None:
            raise self.stream.error
        # What a stop string cuts off is no rollback.
        return (before - self.length if self.stream.stats.rollbacks > rollbacks else 0), probability


def prompt_of(provider: BaseProvider, item: Item, settings: EpisodeSettings) -> tuple[list[int], SessionOptions]:
    """An item's tokens, and how its text is drawn; it may say "max_new_tokens" and "stop" itself.

    Raises:
        InputError: it cannot be used.
    """
    messages = not isinstance(item.prompt, str)
    try:
        request = request_of({"messages": list(item.prompt)} if messages else item.prompt)
        tokens = request.tokens(provider, None)
        stop = item.options.get("stop", settings.options.stop)
        most = min(settings.max_seq_length, item.options.get("max_new_tokens") or settings.max_seq_length)
        return tokens, limited(replace(settings.options, max_new_tokens=most, stop=stop), tokens, None)
    except InputError as error:
        raise InputError(f"prompt {item.id}: {error}") from error


def text_of(item: Item) -> str:
    """What was asked, as a judge reads it."""
    if isinstance(item.prompt, str):
        return item.prompt
    return "\n\n".join(str(message["content"]) for message in item.prompt)
