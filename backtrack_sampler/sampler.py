"""A model, and who may take back what it writes: the place to begin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .batch import Batch, StrategyMaker
from .checks import check_count, check_seed
from .errors import BacktrackError, InputError
from .events import Listener
from .options import SessionOptions
from .prompts import limited, prompt_tokens, request_of, seeds_of
from .provider.base_provider import BaseProvider
from .signatures import like
from .stats import Stats
from .strategy.base_strategy import BaseStrategy
from .strategy.chain_strategy import as_strategies
from .stream import TokenStream

__all__ = ["BacktrackSampler"]


class BacktrackSampler:
    """Streams tokens from a model, and lets strategies take some back before they are streamed.

    Args:
        provider: the model.
        strategy: looks at each token; or several, asked in order. An operator, or a plain function of a
            step, is one too. Strategies written for backtrack_sampler 3.x are recognised and adapted.

    Attributes:
        stats: what the last stream has cost, which grows while it runs, or the last `generate_texts`.

    One sampler and its strategies run one stream at a time: where another begins, the one before ends
    with an error. Threads may share a provider, not a sampler; they wait for each other.
    """

    def __init__(self, provider: BaseProvider, strategy: BaseStrategy | Sequence[BaseStrategy] | Any = None) -> None:
        if not isinstance(provider, BaseProvider):
            raise InputError(
                f"a sampler needs a model, such as load_provider() gives, and then its strategies, not {provider!r:.60}"
            )
        self.provider = provider
        self.strategies = as_strategies(strategy)
        self.stats = Stats()
        self._running: TokenStream | None = None

    def stream(
        self,
        prompt: str | Sequence[int],
        max_length: int | None = None,
        max_new_tokens: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = 50,
        top_p: float | None = None,
        min_p: float | None = None,
        *,
        stop: str | Sequence[str] | None = None,
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
            max_length: most tokens of prompt and continuation together.
            max_new_tokens: most tokens of the continuation; those taken back do not count. Without
                either limit the stream runs to an end token or the end of the context.
            temperature, top_k, top_p, min_p, stop, seed, max_retries, max_discarded, on_exhausted,
                on_context_full: see `SessionOptions`.
            add_special_tokens: begin a text as the tokenizer wants texts begun. None: unless it begins
                so already.
            on_event: called with each event (see `events`) as it happens.

        Raises:
            InputError: a parameter or the prompt cannot be used; before anything is evaluated.
            ContextFullError, ExhaustedError: while it is read, where that is asked for.
            StrategyError: while it is read: a strategy failed. Provider and sampler stay usable.
        """
        options = SessionOptions(
            temperature, top_k, top_p, min_p, max_new_tokens, stop, seed, max_retries, max_discarded,
            on_exhausted, on_context_full,
        )  # fmt: skip
        tokens = prompt_tokens(self.provider, prompt, add_special_tokens)
        taking = partial(self._take_turn, self.strategies)
        return TokenStream(self.provider, tokens, limited(options, tokens, max_length), taking, on_event)

    @like(stream)
    def generate(self, *args: Any, **kwargs: Any) -> Iterator[int]:
        """Stream token ids as they become safe; an end token is the last. What was yielded never changes."""
        return iter(self.stream(*args, **kwargs))

    @like(stream)
    def stream_text(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        """Stream text, a few characters at a time; see `TokenStream.pieces`."""
        return self.stream(*args, **kwargs).pieces()

    @like(stream)
    def generate_text(self, *args: Any, **kwargs: Any) -> str:
        """The whole text at once."""
        return "".join(self.stream_text(*args, **kwargs))

    def generate_batch(
        self,
        prompts: Iterable[str | Sequence[int] | Mapping[str, Any]],
        make_strategy: Callable[[], Any] | None = None,
        n: int = 1,
        seeds: int | Sequence[int] | None = None,
        max_batch: int = 16,
        *,
        max_length: int | None = None,
        max_new_tokens: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = 50,
        top_p: float | None = None,
        min_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        max_retries: int = 100,
        max_discarded: int | None = None,
        on_exhausted: str = "stop",
        on_context_full: str = "stop",
        add_special_tokens: bool | None = None,
        on_event: Listener | None = None,
    ) -> Batch:
        """Stream many continuations at once, each of which is taken back alone.

        What a stream gives does not depend on what else is in the batch: with the same seed it is what
        `generate` gives, wherever the engine's logits agree to rounding.

        Args:
            prompts: texts, token ids, or dicts with "prompt" or "messages", a conversation whose answer is
                written. A dict may have a "system" message (which makes a conversation of a prompt), a "seed"
                (for the first of its streams; the next has one more), and sampling options of its own; what
                else it says is kept for `Batch.dicts`. None, or NaN, is as if it was not there.
            make_strategy: makes a strategy or an operator for each stream, or a list of them, such as
                `lambda: AntiSlopStrategy(...)`; None draws without one.
            n: streams for each prompt. Number `i` is of prompt `i // n`.
            seeds: one for each stream, or one for all: stream `i` has `seeds + i`. None or -1: random ones.
            max_batch: most streams at once; the next one begins when one has ended.
            on_event: called with the events of all streams; `event.row` is the number of its stream.

        The others are those of `stream`.

        Returns:
            An iterator over `(index, token)`, as tokens become safe. It also gives whole rows and what
            they have cost: see `Batch`.

        Raises:
            InputError: a parameter or a prompt cannot be used; before anything is evaluated.
            BatchError: at the end, where streams have failed; the others are complete.
        """
        if isinstance(prompts, (str, Mapping)):
            raise InputError("prompts must be a list of prompts: for one, use generate, or write it in a list")
        if type(prompts).__name__ == "DataFrame":  # which is a list of the names of its columns
            raise InputError('prompts must be a list of prompts, not a table: pass table.to_dict("records")')
        try:
            prompts = list(prompts)
        except TypeError:
            raise InputError(f"prompts must be a list of prompts, not {type(prompts).__name__}") from None
        n, max_batch = check_count("n", n), check_count("max_batch", max_batch)
        if make_strategy is None and self.strategies:
            raise InputError(
                f"each stream of a batch needs a strategy of its own, and this sampler has one "
                f"{' and one '.join(map(str, self.strategies))}: pass make_strategy=, a function that makes them"
            )
        options = SessionOptions(
            temperature, top_k, top_p, min_p, max_new_tokens, stop, None, max_retries, max_discarded,
            on_exhausted, on_context_full,
        )  # fmt: skip
        ready = []
        for number, prompt in enumerate(prompts):
            try:
                request = request_of(prompt)
                own = dict(request.options)
                limit = own.pop("max_length", max_length)
                tokens = request.tokens(self.provider, add_special_tokens)
                ready.append((request, tokens, limited(replace(options, **own), tokens, limit)))
            except InputError as error:
                raise InputError(f"prompt {number}: {error}" if len(prompts) > 1 else str(error)) from None
        maker, rows = StrategyMaker(make_strategy), []
        for index, seed in enumerate(seeds_of(seeds, n * len(ready))):
            request, tokens, drawn = ready[index // n]
            if "seed" in request.options:
                first = check_seed("seed", request.options["seed"])
                seed = None if first is None else first + index % n
            rows.append(TokenStream(self.provider, tokens, replace(drawn, seed=seed), maker, on_event, index))
        return Batch(self.provider, rows, max_batch, [request.given for request, _, _ in ready])

    @like(generate_batch)
    def generate_texts(self, *args: Any, **kwargs: Any) -> list[str]:
        """The texts of many continuations, in order; `generate_batch(...).texts(...)` says more of errors."""
        batch = self.generate_batch(*args, **kwargs)
        try:
            return batch.texts()
        finally:
            self.stats = batch.stats

    def _take_turn(self, strategies: list[BaseStrategy], stream: TokenStream) -> list[BaseStrategy]:
        """A stream begins: the one before ends."""
        if self._running is not None:
            self._running.end(
                BacktrackError(
                    "another stream has begun on this sampler: use one sampler and strategy for each, or generate_batch"
                )
            )
        self._running, self.stats = stream, stream.stats
        return strategies
