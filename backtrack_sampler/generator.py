"""Three lines of Python: a model, an operator, a text.

The names are those of backtracking-llm (Molnár and Tajti).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .discovery import load_provider
from .errors import ContextFullError, ExhaustedError, InputError
from .operators import BaseOperator, Step
from .operators.base_operator import check_count
from .provider.base_provider import BaseProvider
from .sampler import BacktrackSampler
from .stats import Stats
from .strategy.base_strategy import BaseStrategy
from .strategy.chain_strategy import ChainStrategy
from .strategy.operator_strategy import OperatorStrategy
from .strategy.v3_adapter import as_strategy

__all__ = ["Generator"]


class Generator:
    """Writes on from a prompt, and takes back what an operator or a strategy rejects.

    Args:
        provider: the model.

    One stream at a time: starting another ends the one before.
    """

    def __init__(self, provider: BaseProvider) -> None:
        self.provider = provider
        self._sampler = BacktrackSampler(provider)

    @classmethod
    def from_pretrained(
        cls, model: str | os.PathLike[str] | None = None, engine: str | None = None, **options: Any
    ) -> Generator:
        """Load a model: takes what `load_provider` takes, and without a model the embedded one."""
        return cls(load_provider(model, engine, **options))

    @property
    def stats(self) -> Stats:
        """What the last stream has cost; grows while it runs."""
        return self._sampler.stats

    def generate(
        self,
        prompt: str | Sequence[int],
        operator: BaseOperator | Callable[[Step], int] | None = None,
        *,
        strategy: BaseStrategy | Any = None,
        max_new_tokens: int | None = 100,
        backtrack_every_n: int = 1,
        temperature: float = 1.0,
        top_k: int | None = 50,
        stop_sequences: str | Sequence[str] | None = (),
        add_special_tokens: bool = True,
        **options: Any,
    ) -> str:
        """The continuation of a prompt; `generator(...)` is the same.

        Args:
            prompt: text, or token ids.
            operator: judges each token and says how many to discard; a plain function of a `Step` is
                one too. None judges nothing.
            strategy: asked before the operator.
            max_new_tokens: most tokens of the continuation; None: as many as the context holds.
            backtrack_every_n: the operator acts at every n-th token only.
            temperature: 0 takes the most probable token.
            top_k: candidates to keep; None or 0 keeps all.
            stop_sequences: a string, or several, before which the text ends.
            add_special_tokens: begin a text as the tokenizer wants texts begun. False for a prompt in
                which that is written out, such as one from a chat template.
            **options: what else `BacktrackSampler.generate` takes: `seed`, `top_p`, `min_p`,
                `on_event`, `max_discarded`, ...

        Raises:
            InputError: something cannot be used as given; before anything is evaluated.
            ContextFullError, ExhaustedError: their `text` holds what was written.
            StrategyError: operator or strategy failed.
        """
        pieces = self.stream(
            prompt, operator, strategy=strategy, max_new_tokens=max_new_tokens,
            backtrack_every_n=backtrack_every_n, temperature=temperature, top_k=top_k,
            stop_sequences=stop_sequences, add_special_tokens=add_special_tokens, **options,
        )  # fmt: skip
        written: list[str] = []
        try:
            for piece in pieces:
                written.append(piece)
        except (ContextFullError, ExhaustedError) as error:
            error.text = "".join(written)
            raise
        return "".join(written)

    __call__ = generate

    def stream(
        self,
        prompt: str | Sequence[int],
        operator: BaseOperator | Callable[[Step], int] | None = None,
        *,
        strategy: BaseStrategy | Any = None,
        max_new_tokens: int | None = 100,
        backtrack_every_n: int = 1,
        temperature: float = 1.0,
        top_k: int | None = 50,
        stop_sequences: str | Sequence[str] | None = (),
        add_special_tokens: bool = True,
        **options: Any,
    ) -> Iterator[str]:
        """The same, a few characters at a time. What was yielded never changes."""
        if "stop" in options:
            raise InputError("pass stop_sequences, not stop")
        self._sampler.strategy = _strategy(strategy, operator, backtrack_every_n)
        return self._sampler.stream_text(
            prompt, max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k,
            stop=() if stop_sequences is None else stop_sequences, add_special_tokens=add_special_tokens, **options,
        )  # fmt: skip


def _strategy(strategy: Any, operator: Any, backtrack_every_n: int) -> BaseStrategy:
    check_count("backtrack_every_n", backtrack_every_n)
    parts = [] if strategy is None else [as_strategy(strategy)]
    if operator is not None:
        if isinstance(operator, BaseStrategy):
            raise InputError(f"{type(operator).__name__} is a strategy: pass it as strategy=")
        parts.append(OperatorStrategy(operator, backtrack_every_n))
    if not parts:
        return BaseStrategy()
    return parts[0] if len(parts) == 1 else ChainStrategy(parts)
