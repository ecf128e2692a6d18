"""What a stream begins with, checked before anything is evaluated: tokens, a limit, a seed."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from .checks import check_count, check_seed
from .errors import BacktrackError, InputError
from .messages import check_messages
from .options import SessionOptions
from .provider.base_provider import BaseProvider

__all__ = [
    "OPTIONS", "OUTCOME", "Request", "chat_text", "encoded", "limited", "prompt_tokens", "request_of", "seeds_of",
]  # fmt: skip

#: What a dict may say of how its own streams are drawn; as in `BacktrackSampler.stream`.
OPTIONS = (*(field.name for field in fields(SessionOptions)), "max_length")
#: What is said of a stream in the dict that comes out, and may not stand in the one that goes in, but for a seed.
OUTCOME = ("index", "sample", "seed", "text", "tokens", "discarded", "rollbacks", "finish_reason", "error")


class Request(NamedTuple):
    """What one prompt of a batch asks for.

    Attributes:
        given: what the dict that comes out repeats.
        prompt: text or token ids; None for a conversation.
        messages: of a conversation, with its system message.
        options: those of `OPTIONS` that are its own, checked.
    """

    given: dict[str, Any]
    prompt: Any
    messages: list[dict[str, str]] | None
    options: dict[str, Any]

    def tokens(self, provider: BaseProvider, add_special_tokens: bool | None) -> list[int]:
        """The tokens to go on from, checked."""
        prompt = self.prompt if self.messages is None else chat_text(provider, self.messages)
        return prompt_tokens(provider, prompt, add_special_tokens)


def request_of(prompt: Any, system: str | None = None) -> Request:
    """Read a prompt, or a dict with "prompt" or "messages", and whatever else there is to say of it.

    None and NaN, which tables have where nothing stands, count as if they were not there.

    Args:
        prompt: text, token ids or a dict.
        system: a message for conversations that have none of their own.

    Raises:
        InputError: it has neither prompt nor messages, or something that it says cannot be used.
    """
    if not isinstance(prompt, Mapping):
        return Request({"prompt": prompt}, prompt, None, {})
    said = {name: value for name, value in prompt.items() if value is not None and not _is_nan(value)}
    if taken := [name for name in OUTCOME if name in said and name != "seed"]:
        raise InputError(f"{', '.join(taken)} is what the output itself says of a row: use another name")
    options = {name: said[name] for name in OPTIONS if name in said}
    SessionOptions(**{name: value for name, value in options.items() if name != "max_length"})
    if "max_length" in options:
        check_count("max_length", options["max_length"])
    given = {name: value for name, value in prompt.items() if name not in OUTCOME}
    messages = _conversation(said, system)
    return Request(given, None if messages else said["prompt"], messages, options)


def _conversation(said: Mapping[str, Any], default: str | None) -> list[dict[str, str]] | None:
    """The messages that a dict stands for; None where its prompt is to be gone on from as it is."""
    if "prompt" not in said and "messages" not in said:
        raise InputError('it has neither prompt nor messages: write {"prompt": "..."} or {"messages": [...]}')
    system = said.get("system")
    if "prompt" not in said:
        messages = check_messages(said["messages"])
        if not messages or messages[-1]["role"] == "assistant":
            raise InputError("the messages must end with one that is to be answered, not with the assistant's")
    elif system is not None and not isinstance(said["prompt"], str):
        raise InputError("a system message needs a prompt that is text, or messages")
    elif system is not None:
        messages = check_messages([{"role": "user", "content": said["prompt"]}])
    else:
        return None
    if any(message["role"] == "system" for message in messages):
        if system is not None:
            raise InputError("there is a system message among the messages, and another one beside them: leave one out")
    elif first := default if system is None else system:  # "" is none, where others have one
        messages = [*check_messages([{"role": "system", "content": first}]), *messages]
    return messages


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def chat_text(provider: BaseProvider, messages: Sequence[Mapping[str, str]]) -> str:
    """A conversation as the model's chat template has it.

    Raises:
        InputError: the template does not take it.
    """
    try:
        return provider.chat_prompt(messages)
    except BacktrackError:
        raise
    except Exception as error:  # a template is a program that came with the model
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the model's chat template does not take this conversation ({reason})") from error


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
