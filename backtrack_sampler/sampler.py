"""The loop between a model and a strategy, with an undo button."""

from __future__ import annotations

import operator
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .batch import Batch, BatchListener, BatchRow
from .errors import BacktrackError, BatchError, ContextFullError, ExhaustedError, InputError
from .events import Listener
from .matching import Detokenizer
from .options import SessionOptions
from .provider.base_provider import BaseProvider
from .session import Session
from .stats import Stats
from .strategy.base_strategy import BaseStrategy
from .strategy.v3_adapter import as_strategy

__all__ = ["BacktrackSampler"]


class BacktrackSampler:
    """Streams tokens from a model, and lets a strategy take some back before they are streamed.

    Args:
        provider: the model.
        strategy: looks at each token; None draws without one. Strategies written for
            backtrack_sampler 3.x are recognised and adapted.

    Attributes:
        stats: what the last stream has cost, which grows while it runs, or the last `generate_texts`.

    One sampler and its strategy run one stream at a time: starting another ends the one before.
    """

    def __init__(self, provider: BaseProvider, strategy: BaseStrategy | Any = None) -> None:
        self.provider = provider
        self.strategy = BaseStrategy() if strategy is None else as_strategy(strategy)
        self.stats = Stats()
        self._session: Session | None = None

    def generate(
        self,
        prompt: str | Sequence[int],
        max_length: int | None = None,
        max_new_tokens: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = 50,
        top_p: float | None = None,
        min_p: float | None = None,
        *,
        add_special_tokens: bool = False,
        on_event: Listener | None = None,
        **options: Any,
    ) -> Iterator[int]:
        """Stream token ids as they become safe. What was yielded never changes.

        Args:
            prompt: text, or token ids.
            max_length: most tokens of prompt and continuation together.
            max_new_tokens: most tokens of the continuation; those taken back do not count. Without
                either limit the stream runs to an end token or the end of the context.
            temperature: 0 takes the most probable token.
            top_k: candidates to keep; None or 0 keeps all.
            top_p: probability mass to keep.
            min_p: keep tokens at least this fraction as probable as the best.
            add_special_tokens: let the tokenizer add its beginning-of-text token, where it has one.
            on_event: called with each event (see `events`) as it happens.
            **options: `seed`, `stop`, and the budgets; see `SessionOptions`.

        Yields:
            Token ids; an end token is the last.

        Raises:
            InputError: a parameter or the prompt cannot be used; before anything is evaluated.
            ContextFullError: the context is full; everything until then was yielded.
            StrategyError: the strategy failed. Provider and sampler stay usable.
        """
        session = self._start(
            prompt, max_length, add_special_tokens, on_event,
            {
                "max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": top_k,
                "top_p": top_p, "min_p": min_p, **options,
            },
        )  # fmt: skip
        return self._stream(session)

    def stream_text(self, prompt: str | Sequence[int], *args: Any, **kwargs: Any) -> Iterator[str]:
        """Stream text, a few characters at a time; takes what `generate` takes.

        Characters that span tokens come whole, special tokens not at all, and a stop string and
        what follows it are left out to the character.
        """
        tokens = self.generate(prompt, *args, **kwargs)
        assert self._session is not None
        return self._text(self._session, tokens)

    def generate_text(self, prompt: str | Sequence[int], *args: Any, **kwargs: Any) -> str:
        """The whole text at once; takes what `generate` takes.

        Raises:
            ContextFullError, ExhaustedError: as `generate`; their `text` holds what was written.
        """
        parts: list[str] = []
        try:
            for text in self.stream_text(prompt, *args, **kwargs):
                parts.append(text)
        except (ContextFullError, ExhaustedError) as error:
            error.text = "".join(parts)
            raise
        return "".join(parts)

    def generate_batch(
        self,
        prompts: Sequence[str | Sequence[int]],
        strategy: Callable[[], BaseStrategy | Any] | None = None,
        n: int = 1,
        seeds: int | Sequence[int] | None = None,
        max_batch: int = 16,
        *,
        max_length: int | None = None,
        add_special_tokens: bool = False,
        on_event: BatchListener | None = None,
        **options: Any,
    ) -> Batch:
        """Stream many continuations at once, each of which rolls back alone.

        What a stream gives does not depend on what else is in the batch: with the same seed it is what
        `generate` gives, wherever the engine's logits agree to rounding.

        Args:
            prompts: texts, or token ids.
            strategy: makes a strategy for each stream, such as `lambda: AntiSlopStrategy(...)`; None
                draws without one.
            n: streams for each prompt. Number `i` is of prompt `i // n`.
            seeds: one for each stream, or one for all: stream `i` has `seeds + i`. None: random ones.
            max_batch: most streams at once; the next one begins when one has ended.
            max_length: most tokens of a prompt and its continuation together.
            add_special_tokens: let the tokenizer add its beginning-of-text token, where it has one.
            on_event: called with a stream's number and each of its events.
            **options: as `generate`: `max_new_tokens`, `temperature`, `stop` and others.

        Returns:
            An iterator over `(index, token)`, as tokens become safe. It also gives whole rows and what
            they have cost: see `Batch`.

        Raises:
            InputError: a parameter or a prompt cannot be used; before anything is evaluated.
            BatchError: at the end, where streams have failed; the others are complete.
        """
        return Batch(
            self.provider,
            self._rows(prompts, n, seeds, max_batch, max_length, add_special_tokens, options),
            self._factory(strategy),
            max_batch,
            on_event,
        )

    def generate_texts(
        self,
        prompts: Sequence[str | Sequence[int]],
        *args: Any,
        return_exceptions: bool = False,
        progress: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """The texts of many continuations, in order; takes what `generate_batch` takes.

        Args:
            prompts: texts, or token ids.
            *args: as `generate_batch`.
            return_exceptions: put what has ended a stream in the place of its text, and raise nothing.
            progress: show a bar on stderr, where tqdm is installed.
            **kwargs: as `generate_batch`.

        Raises:
            BatchError: streams have failed; its `texts` hold what all have written.
        """
        batch = self.generate_batch(prompts, *args, **kwargs)
        try:
            for _ in batch.results(progress):
                pass
        finally:
            self.stats = batch.stats
        if return_exceptions:
            return [row.error or row.text for row in batch.rows]
        texts = [row.text for row in batch.rows]
        if errors := batch.errors:
            failed = BatchError(errors, len(texts))
            failed.texts = texts
            raise failed
        return texts

    def _factory(self, strategy: Callable[[], Any] | None) -> Callable[[], Any] | None:
        if strategy is None and type(self.strategy) is not BaseStrategy:
            name = type(self.strategy).__name__
            raise InputError(
                f"each stream of a batch needs a strategy of its own, and this sampler has one {name}: "
                "pass strategy=, a function that makes one"
            )
        return strategy

    def _rows(
        self,
        prompts: Sequence[str | Sequence[int]],
        n: int,
        seeds: int | Sequence[int] | None,
        max_batch: int,
        max_length: int | None,
        add_special_tokens: bool,
        options: dict[str, Any],
    ) -> list[BatchRow]:
        """Check everything that can be checked, and make the rows of a batch."""
        if isinstance(prompts, str):
            raise InputError("prompts must be a list of prompts: for one, use generate")
        for name, value in (("n", n), ("max_batch", max_batch)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a whole number, at least 1, not {value!r}")
        if "seed" in options:
            raise InputError("a batch takes seeds, one for each stream, or one for the first of them")
        rows = []
        prompts = list(prompts)
        numbers = _seeds(seeds, n * len(prompts))
        for index, prompt in enumerate(prompts):
            try:
                tokens, settings = self._prepared(prompt, max_length, add_special_tokens, options)
            except InputError as error:
                raise InputError(f"prompt {index}: {error}" if len(prompts) > 1 else str(error)) from None
            for number in range(n * index, n * index + n):
                rows.append(BatchRow(number, tokens, replace(settings, seed=numbers[number]), self.provider))
        return rows

    def _start(
        self,
        prompt: str | Sequence[int],
        max_length: int | None,
        add_special_tokens: bool,
        on_event: Listener | None,
        options: dict[str, Any],
    ) -> Session:
        """Check everything that can be checked, and set the stream up; nothing is evaluated yet."""
        tokens, settings = self._prepared(prompt, max_length, add_special_tokens, options)
        if self._session is not None:
            self._session.close()
        self._session = Session(
            self.strategy,
            settings,
            decode=self.provider.decode,
            prompt=tokens,
            eos_token_ids=self.provider.eos_token_ids,
            listeners=[on_event] if on_event is not None else [],
        )
        self.stats = self._session.stats
        return self._session

    def _prepared(
        self,
        prompt: str | Sequence[int],
        max_length: int | None,
        add_special_tokens: bool,
        options: dict[str, Any],
    ) -> tuple[list[int], SessionOptions]:
        """The prompt's tokens and how to draw, checked."""
        known = set(SessionOptions.__dataclass_fields__)
        if unknown := sorted(set(options) - known):
            raise InputError(f"unknown parameter {', '.join(unknown)}: generate takes {', '.join(sorted(known))}")
        settings = SessionOptions(**options)
        tokens = self._prompt_tokens(prompt, add_special_tokens)
        if max_length is not None:
            if isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1:
                raise InputError(f"max_length must be a whole number of tokens, not {max_length!r}")
            if max_length <= len(tokens):
                raise InputError(
                    f"the prompt alone has {len(tokens)} tokens, and max_length is {max_length}: "
                    "raise it, or use max_new_tokens"
                )
            room = max_length - len(tokens)
            limit = settings.max_new_tokens
            settings.max_new_tokens = room if limit is None else min(limit, room)
        return tokens, settings

    def _prompt_tokens(self, prompt: str | Sequence[int], add_special_tokens: bool) -> list[int]:
        if isinstance(prompt, str):
            tokens = self.provider.encode(prompt, add_special_tokens=add_special_tokens)
        else:
            tokens = _token_ids(prompt)
        if not tokens or (isinstance(prompt, str) and not prompt):
            raise InputError("the prompt is empty: give the model at least one word to go on from")
        size = self.provider.context_size
        if size is not None and len(tokens) >= size:
            raise InputError(
                f"the prompt has {len(tokens)} tokens and the model's context holds {size}: "
                f"shorten the prompt{self.provider.larger_context}"
            )
        self.provider.check_vocabulary(tokens)
        return tokens

    def _stream(self, session: Session) -> Iterator[int]:
        provider, stats = self.provider, session.stats
        forwards, evaluated = provider.forward_passes, provider.evaluated_tokens
        try:
            while not session.finished:
                started = time.perf_counter()
                if provider.context_size is not None and len(session.sequence) > provider.context_size:
                    new = session.end("context")
                    session.error = provider.context_full(stats.emitted)
                else:
                    new = session.step(provider.logits(session.sequence))
                stats.seconds += time.perf_counter() - started
                stats.forward_passes += provider.forward_passes - forwards
                stats.evaluated_tokens += provider.evaluated_tokens - evaluated
                forwards, evaluated = provider.forward_passes, provider.evaluated_tokens
                yield from new
                if session is not self._session:
                    raise BacktrackError(
                        "another stream was started on this sampler: use one sampler and strategy for each stream"
                    )
                # Whatever the reader asked of the same provider is not this stream's.
                forwards, evaluated = provider.forward_passes, provider.evaluated_tokens
            if session.error is not None:
                raise session.error
        finally:
            session.close()

    def _text(self, session: Session, tokens: Iterator[int]) -> Iterator[str]:
        prompt = session.sequence[: len(session.sequence) - len(session.tokens)]
        detokenizer = Detokenizer(self.provider.decode, context=prompt)
        try:
            for token in tokens:
                if text := detokenizer.push(token):
                    yield text
        except (ContextFullError, ExhaustedError):
            if rest := detokenizer.finish():
                yield rest
            raise
        finally:
            tokens.close()  # type: ignore[attr-defined]  # a generator: its cleanup must not wait
        # The text of a stop string's token begins with what was incomplete before it.
        if rest := session.last_text or detokenizer.finish():
            yield rest


def _token_ids(prompt: Sequence[int]) -> list[int]:
    """Token ids as plain ints; takes NumPy's and torch's, and no text or fractions."""
    try:
        return [operator.index(token) for token in prompt]
    except TypeError:
        raise InputError("the prompt must be text, or a flat list of token ids") from None


def _seeds(seeds: int | Sequence[int] | None, count: int) -> list[int]:
    """A seed for each stream of a batch."""
    if seeds is None:
        chance = random.SystemRandom()
        return [chance.randrange(1 << 32) for _ in range(count)]
    try:
        if not isinstance(seeds, Sequence):
            first = operator.index(seeds)
            return [first + index for index in range(count)]
        given = [operator.index(seed) for seed in seeds]
    except TypeError:
        raise InputError("seeds must be whole numbers: one for each stream, or one for the first of them") from None
    if len(given) != count:
        raise InputError(f"there are {count} streams and {len(given)} seeds: give one for each, or a single number")
    return given
