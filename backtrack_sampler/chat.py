"""Conversations: one turn after another, each of which evaluates only what is new.

A conversation is a plain list of messages, `{"role": "user", "content": "Hi"}`, as everywhere. The
pipeline keeps none; whoever calls it does.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from .errors import BacktrackError, InputError
from .generator import Generator
from .matching import Detokenizer
from .prompts import prompt_tokens
from .provider.base_provider import BaseProvider
from .signatures import with_options_of
from .stream import TokenStream

__all__ = ["ChatPipeline", "Message", "Turn", "check_messages", "load_messages", "save_messages"]

#: {"role": "system" | "user" | "assistant", "content": text}
Message: TypeAlias = dict[str, str]

_ROLES = ("system", "user", "assistant")
_REMEMBERED = 32  # turns; for each, its text and its tokens


class ChatPipeline:
    """Answers questions, given the conversation so far.

    Args:
        generator: or a provider.
        system: a system message for conversations that bring none.

    Raises:
        InputError: the model has no chat template, or its template takes no system message.
    """

    def __init__(self, generator: Generator | BaseProvider, system: str | None = None) -> None:
        if isinstance(generator, BaseProvider):
            generator = Generator(generator)
        if not isinstance(generator, Generator):
            raise InputError(f"a chat needs a Generator or a provider, not {type(generator).__name__}")
        self.generator = generator
        self.system = system
        self._turns: deque[Turn] = deque(maxlen=_REMEMBERED)
        self._rendered(self.with_system([{"role": "user", "content": "?"}]))

    @with_options_of(Generator.stream)
    def run_turn(
        self, question: str, history: Sequence[Mapping[str, str]] = (), **generation: Any
    ) -> tuple[str, list[Message]]:
        """Answer a question.

        Args:
            question: what the user says now.
            history: the conversation until then; it is not changed.
            **generation: what `Generator.generate` takes: `operator`, `max_new_tokens`, ...

        Returns:
            The answer, and the conversation with question and answer.

        Raises:
            InputError: question, history or a parameter cannot be used, or the conversation is longer
                than the model's context; before anything is evaluated.
            ContextFullError, ExhaustedError: where that is asked for.
        """
        turn = self.stream_turn(question, history, **generation)
        for _ in turn:
            pass
        return turn.answer, turn.history

    @with_options_of(Generator.stream)
    def stream_turn(self, question: str, history: Sequence[Mapping[str, str]] = (), **generation: Any) -> Turn:
        """The same, as an iterator of pieces of text."""
        messages = self.with_system(check_messages(history))
        if not isinstance(question, str) or not question.strip():
            raise InputError("the question is empty: say something")
        messages += check_messages([{"role": "user", "content": question}])
        text = self._rendered(messages)
        turn = Turn(messages, text, self.generator.stream(self._encoded(messages, text), **generation))
        self._turns.append(turn)
        return turn

    def with_system(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation, begun with the pipeline's system message where it has none of its own."""
        if self.system is None or any(message["role"] == "system" for message in messages):
            return list(messages)
        return [{"role": "system", "content": self.system}, *messages]

    def _rendered(self, messages: list[Message]) -> str:
        try:
            return self.generator.provider.chat_prompt(messages)
        except BacktrackError:
            raise
        except Exception as error:  # a template is a program that came with the model
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"the model's chat template does not take this conversation ({reason})") from error

    def _encoded(self, messages: list[Message], text: str) -> list[int]:
        """Token ids of a conversation, with the very tokens of answers that were written a moment ago.

        Encoding an answer's text may give other tokens than the model wrote, above all after a
        rollback, and then all that follows would have to be evaluated again.
        """
        provider = self.generator.provider
        earlier = [turn for turn in self._turns if turn.begins(messages, text)]
        for turn in sorted(earlier, key=lambda turn: len(turn.whole_text), reverse=True):
            answer = turn.spelled(provider)
            if answer is not None:
                return turn.prompt + answer + provider.encode_within(text[len(turn.whole_text) :])
        return prompt_tokens(provider, text, None)


class Turn(Iterator[str]):
    """One answer as it is written: iterate over it to get the text, piece by piece.

    `close()` stops the answer where it is.

    Attributes:
        stream: the answer, with `tokens`, `text`, `stats` and the reason why it ended.
    """

    def __init__(self, messages: list[Message], text: str, stream: TokenStream) -> None:
        self.stream = stream
        self._messages = messages  # up to the question
        self._rendered = text  # the same
        self._pieces = stream.pieces()

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        self._pieces.close()  # type: ignore[attr-defined]  # a generator: its cleanup must not wait

    @property
    def prompt(self) -> list[int]:
        """Token ids of the conversation until here."""
        return self.stream.prompt

    @property
    def tokens(self) -> list[int]:
        """Token ids of the answer until now; an end token is the last."""
        return self.stream.tokens

    @property
    def answer(self) -> str:
        """What was written until now."""
        return self.stream.text

    @property
    def history(self) -> list[Message]:
        """The conversation with the question and what was written until now."""
        return [*self._messages, {"role": "assistant", "content": self.answer}]

    @property
    def whole_text(self) -> str:
        """Rendered, with what was written until now."""
        return self._rendered + self.answer

    def begins(self, messages: list[Message], text: str) -> bool:
        """Whether a conversation goes on from this turn, and its rendering does too."""
        return text.startswith(self.whole_text) and messages[: len(self._messages) + 1] == self.history

    def spelled(self, provider: BaseProvider) -> list[int] | None:
        """The answer's tokens where they spell it exactly: neither a stop string's beginning nor special tokens."""
        detokenizer = Detokenizer(provider.decode, self.prompt)
        tokens: list[int] = []
        text = ""
        for token in self.tokens:
            if len(text) >= len(self.answer):
                break
            tokens.append(token)
            text += detokenizer.push(token)
        if text != self.answer or "\ufffd" in text:
            return None
        neutral = provider.neutral_tokens()
        nothing = provider.decode(neutral)
        hidden = any(provider.decode([*neutral, token]) == nothing for token in set(tokens))
        return None if hidden else tokens


def check_messages(messages: Any) -> list[Message]:
    """A copy of a conversation.

    Raises:
        InputError: it is no list of messages.
    """
    if not isinstance(messages, (list, tuple)):
        raise InputError(f"a conversation is a list of messages, not {type(messages).__name__}")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise InputError(f'message {number} is not of the form {{"role": "user", "content": "..."}}')
        if message.get("role") not in _ROLES:
            raise InputError(f"message {number} has the role {message.get('role')!r:.40}: use {', '.join(_ROLES)}")
        content = message.get("content")
        if not isinstance(content, str):
            raise InputError(f"message {number} has no text as its content")
        try:
            content.encode()
        except UnicodeEncodeError:
            raise InputError(f"message {number} is not valid text: it has half a character in it") from None
    return [dict(message) for message in messages]


def load_messages(path: str | os.PathLike[str]) -> list[Message]:
    """Read a conversation: a JSON list of messages.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a saved chat: it is not JSON ({error})") from error
    try:
        return check_messages(content)
    except InputError as error:
        raise InputError(f"{path} is not a saved chat: {error}") from error


def save_messages(path: str | os.PathLike[str], messages: Sequence[Mapping[str, str]]) -> None:
    """Write a conversation as a JSON list of messages: all of it, or, on an error, nothing.

    Raises:
        InputError: the file cannot be written.
    """
    text = json.dumps(check_messages(messages), ensure_ascii=False, indent=2) + "\n"
    try:
        target = Path(path).resolve()  # through a link, not in its place
        if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
            raise PermissionError("it is no file that may be written")
        _replace(target, text)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def _replace(target: Path, text: str) -> None:
    """Write a file beside the target, and put it in its place when it is complete."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8") as file:
            if target.exists():
                shutil.copymode(target, part)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        with suppress(OSError):
            part.unlink()
