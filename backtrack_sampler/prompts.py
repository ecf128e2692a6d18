"""What a stream begins with, checked before anything is evaluated: tokens, a limit, a seed."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .checks import check_count, check_seed
from .errors import InputError
from .options import SessionOptions
from .provider.base_provider import BaseProvider

__all__ = ["encoded", "limited", "prompt_tokens", "seeds_of"]


def prompt_tokens(provider: BaseProvider, prompt: str | Sequence[int], add_special_tokens: bool | None) -> list[int]:
    """The tokens to go on from, checked."""
    if isinstance(prompt, str):
        if not prompt.isascii():
            try:
                prompt.encode()
            except UnicodeEncodeError as error:
                raise InputError(f"the prompt is no valid text: half a character at {error.start}") from None
        tokens = encoded(provider, prompt, add_special_tokens) if prompt else []
    else:
        try:
            if isinstance(prompt, (bytes, bytearray)):
                raise TypeError
            tokens = [operator.index(token) for token in prompt]  # NumPy's and torch's are as good as Python's
        except TypeError:
            raise InputError("the prompt must be text, or a flat list of token ids") from None
    if not tokens:
        raise InputError("the prompt is empty: give the model at least one word to go on from")
    size = provider.context_size
    if size is not None and len(tokens) >= size:
        raise InputError(
            f"the prompt has {len(tokens)} tokens and the model's context holds {size}: "
            f"shorten the prompt{provider.larger_context}"
        )
    provider.check_vocabulary(tokens)
    return tokens


def encoded(provider: BaseProvider, text: str, add_special_tokens: bool | None) -> list[int]:
    """The tokens of a text, however many; `add_special_tokens` as in `BacktrackSampler.stream`."""
    plain = provider.encode(text, add_special_tokens=False)
    if add_special_tokens is False:
        return plain
    begun = provider.encode(text, add_special_tokens=True)
    if add_special_tokens or not plain:
        return begun
    # A tokenizer may also end texts; one that is to go on is not ended.
    starts = (n for n in range(len(begun) - len(plain) + 1) if begun[n : n + len(plain)] == plain)
    before = begun[: next(starts, 0)]
    return plain if plain[: len(before)] == before else before + plain


def limited(options: SessionOptions, tokens: list[int], max_length: int | None) -> SessionOptions:
    """The same, with what a length of prompt and continuation together leaves for new tokens."""
    if max_length is None:
        return options
    room = check_count("max_length", max_length) - len(tokens)
    if room < 1:
        raise InputError(
            f"the prompt alone has {len(tokens)} tokens, and max_length is {max_length}: "
            "raise it, or use max_new_tokens"
        )
    return replace(options, max_new_tokens=min(room, options.max_new_tokens or room))


def seeds_of(seeds: int | Iterable[int] | None, count: int) -> list[int | None]:
    """A seed for each stream of a batch; None for a random one."""
    if not isinstance(seeds, Iterable) or isinstance(seeds, str):
        first = check_seed("seeds", seeds)
        return [None if first is None else first + index for index in range(count)]
    given = [check_seed("seeds", seed) for seed in seeds]
    if len(given) != count:
        raise InputError(f"there are {count} streams and {len(given)} seeds: give one for each, or a single number")
    return given
