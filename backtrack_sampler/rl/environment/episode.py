"""One text that is being written, waiting for the next decision about it."""

from __future__ import annotations

import math
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


_MOST_DISCARDED, _MOST_RETRIES = 1000, 100


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
        budget: tokens that may be taken back in one text, at most 1,000; None: four times `max_seq_length`. A
            decision to take back more is refused, as in use, where the text goes on; here it is cut off (truncated).
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
        # Beyond these the session's own limits come first, which end a text.
        for name, most in (("budget", _MOST_DISCARDED), ("max_retries", _MOST_RETRIES)):
            if (value := getattr(self, name)) is not None and value > most:
                raise InputError(f"{name} must be at most {most:,}, not {value:,}")

    @property
    def most_discarded(self) -> int:
        """The budget, or what stands for it: four texts' worth."""
        return min(_MOST_DISCARDED, 4 * self.max_seq_length) if self.budget is None else self.budget


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
        self._provider, self._shaping = provider, settings.shaping
        self._strategy = strategy = DecidingStrategy(
            self.agent, settings.retry, settings.max_retries, settings.most_discarded
        )
        self._sure: list[float] = []  # what was earned for each token that was kept
        self._cut_off: tuple[str, int] | None = None
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
        if self._cut_off is not None:
            return self._cut_off[0]
        if stream.done:
            return stream.text
        detokenizer = Detokenizer(self._provider.decode, stream.prompt)
        pieces = [detokenizer.push(token) for token in stream.sequence[len(stream.prompt) :]]
        return "".join(pieces) + detokenizer.finish()

    @property
    def kept(self) -> int:
        """Tokens of a text that is over."""
        return self.stream.stats.emitted if self._cut_off is None else self._cut_off[1]

    @property
    def is_spent(self) -> bool:
        """Whether the last decision wanted to take back more than the budget leaves."""
        return self._strategy.has_refused

    def settle(self, action: int) -> tuple[int, float]:
        """Decide about the token drawn last; how many were taken back for that, and what it earns but for the judge."""
        self.actions.append(action)
        self.agent.action = action
        rollbacks = self.stream.stats.rollbacks
        self.stream.settle()
        if self.stream.error is not None:
            raise self.stream.error
        if self.stream.stats.rollbacks == rollbacks:  # what a stop string cuts off is none
            self._sure.append(0.0 if action else self._shaping.of_kept(self.agent.probability))
            return 0, self._sure[-1]
        gone = math.fsum(self._sure[self.length :])
        del self._sure[self.length :]
        return self._strategy.granted, self._shaping.of_rollback(self._strategy.granted) - gone

    def cut_off(self) -> None:
        """End it here."""
        self._cut_off = self.text, self.length
        self.stream.end()


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
