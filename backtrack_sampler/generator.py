"""Three lines of Python: a model, an operator, a text.

The names are those of backtracking-llm (Molnár and Tajti).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .checks import check_count
from .discovery import load_provider
from .errors import InputError
from .events import Listener
from .operators import BaseOperator, Step
from .provider.base_provider import BaseProvider
from .sampler import BacktrackSampler
from .signatures import like
from .stats import Stats
from .strategy.base_strategy import BaseStrategy
from .strategy.chain_strategy import as_strategies
from .strategy.operator_strategy import OperatorStrategy
from .stream import TokenStream

__all__ = ["Generator"]


class Generator:
    """Writes on from a prompt, and takes back what an operator or a strategy rejects.

    Args:
        provider: the model.

    One stream at a time: where another begins, the one before ends with an error.
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

    def stream(
        self,
        prompt: str | Sequence[int],
        operator: BaseOperator | Callable[[Step], int] | None = None,
        *,
        strategy: BaseStrategy | Sequence[BaseStrategy] | Any = None,
        backtrack_every_n: int = 1,
        max_new_tokens: int | None = 100,
        max_length: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = 50,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        stop_sequences: str | Sequence[str] | None = None,
        seed: int | None = None,
        max_retries: int = 100,
        max_discarded: int | None = None,
        on_exhausted: str = "stop",
        on_context_full: str = "stop",
        add_special_tokens: bool | None = None,
        on_event: Listener | None = None,
    ) -> TokenStream:
        """A stream, ready to be read: iterate over it for token ids, over its `pieces()` for text.

        Args:
            prompt: text, or token ids.
            operator: judges each token and says how many to take back; a plain function of a `Step` is
                one too. None judges nothing.
            strategy: asked before the operator; or several.
            backtrack_every_n: the operator acts at every n-th token only.
            max_new_tokens: most tokens of the continuation; None: as many as the context holds.
            stop_sequences: another name for `stop`.

        The others are those of `BacktrackSampler.stream`, which says what is raised.
        """
        if stop is not None and stop_sequences is not None:
            raise InputError("stop and stop_sequences are the same: pass one of them")
        check_count("backtrack_every_n", backtrack_every_n)
        strategies = as_strategies(strategy)
        if operator is not None:
            if isinstance(operator, BaseStrategy):
                raise InputError(f"{type(operator).__name__} is a strategy: pass it as strategy=")
            strategies.append(OperatorStrategy(operator, backtrack_every_n))
        self._sampler.strategies = strategies
        return self._sampler.stream(
            prompt, max_length, max_new_tokens, temperature, top_k, top_p, min_p,
            stop=stop_sequences if stop is None else stop, seed=seed, max_retries=max_retries,
            max_discarded=max_discarded, on_exhausted=on_exhausted, on_context_full=on_context_full,
            add_special_tokens=add_special_tokens,
            on_event=on_event,
        )  # fmt: skip

    @like(stream)
    def stream_text(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        """The continuation of a prompt, a few characters at a time. What was yielded never changes."""
        return self.stream(*args, **kwargs).pieces()

    @like(stream)
    def generate(self, *args: Any, **kwargs: Any) -> str:
        """The continuation of a prompt; `generator(...)` is the same."""
        return "".join(self.stream_text(*args, **kwargs))

    __call__ = generate
