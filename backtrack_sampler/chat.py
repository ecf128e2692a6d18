"""Conversations: one turn after another, each of which evaluates only what is new.

A conversation is a plain list of messages, `{"role": "user", "content": "Hi"}`, as everywhere. The
pipeline keeps none; whoever calls it does.
"""

from __future__ import annotations

import inspect
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .checks import check_count
from .errors import InputError
from .generator import Generator
from .matching import Detokenizer
from .messages import Message, check_messages, load_messages, save_messages
from .prompts import chat_text, encoded
from .provider.base_provider import BaseProvider
from .signatures import with_options_of
from .stream import TokenStream

__all__ = ["ChatPipeline", "Message", "Turn", "check_messages", "load_messages", "save_messages"]

_REMEMBERED = 32  # turns; for each, its text and its tokens
_DEFAULTS = {name: each.default for name, each in inspect.signature(Generator.stream).parameters.items()}


class ChatPipeline:
    """Answers questions, given the conversation so far.

    Args:
        generator: or a provider.
        system: a system message for conversations that bring none.
        drop_oldest: what happens where a conversation outgrows the model's context, or `max_length`.
            False: an error. True: the model is not given the oldest turns any more, each a question
            with its answer; `Turn.dropped` says how many. System messages and the newest question
            stay, and so does the last turn where it fits.

    Where turns are dropped, all that follows is evaluated again. So many go at once that there is room
    for some more, and a conversation that goes on from there drops the same ones.

    Raises:
        InputError: the model has no chat template, or its template takes no system message.
    """

    def __init__(
        self, generator: Generator | BaseProvider, system: str | None = None, drop_oldest: bool = False
    ) -> None:
        if isinstance(generator, BaseProvider):
            generator = Generator(generator)
        if not isinstance(generator, Generator):
            raise InputError(f"a chat needs a Generator or a provider, not {type(generator).__name__}")
        self.generator = generator
        self.system = system
        self.drop_oldest = drop_oldest
        self._turns: deque[Turn] = deque(maxlen=_REMEMBERED)
        self._rendered(check_messages(self.with_system([{"role": "user", "content": "?"}])))

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
            The answer, and the conversation with question and answer; all of it, also where turns were
            dropped.

        Raises:
            InputError: question, history or a parameter cannot be used, or the conversation (with
                `drop_oldest`, the question) is longer than the model's context; before anything is
                evaluated.
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
        prompt = self._fitting(messages, generation)
        turn = Turn(messages, prompt, self.generator.stream(prompt.tokens, **generation))
        self._turns.append(turn)
        return turn

    def with_system(self, messages: Sequence[Message]) -> list[Message]:
        """The conversation, begun with the pipeline's system message where it has none of its own."""
        if self.system is None or any(message["role"] == "system" for message in messages):
            return list(messages)
        return [{"role": "system", "content": self.system}, *messages]

    def _rendered(self, messages: list[Message]) -> str:
        return chat_text(self.generator.provider, messages)

    # -- what the model is given -----------------------------------------------------------

    def _fitting(self, messages: list[Message], generation: Mapping[str, Any]) -> Prompt:
        """The conversation, without its oldest turns where it does not fit with room for an answer."""
        size, room = self._size_and_room(generation)
        dropped = self._dropped_before(messages)
        prompt = self._prompt(messages, dropped)
        most = size - room
        if not self.drop_oldest or not size or len(prompt.tokens) <= most:
            return prompt
        first, last = dropped + 1, len(_questions(messages)) - 1

        def fits(count: int, most: int) -> bool:
            return len(self._prompt(messages, count).tokens) <= most

        # Half of what there is room for, so that the next turns find room as well.
        counts = range(first, last)
        dropped = first + bisect_left(counts, True, key=lambda count: fits(count, most // 2))
        if first < last == dropped and fits(last - 1, most):
            dropped = last - 1  # the last answer, which the question may be about, all the same
        prompt = self._prompt(messages, min(dropped, last))
        limit = self.generator.provider.context_size
        if limit is not None and len(prompt.tokens) >= limit:
            system = any(message["role"] == "system" for message in messages)
            what, it = ("question and system message make", "them") if system else ("the question alone makes", "it")
            raise InputError(
                f"{what} {len(prompt.tokens)} tokens and the model's context holds {limit}: "
                f"shorten {it}{self.generator.provider.larger_context}"
            )
        return prompt

    def _size_and_room(self, generation: Mapping[str, Any]) -> tuple[int, int]:
        """How many tokens a conversation may have (0: no limit), and how many of them an answer should get."""
        options = {**_DEFAULTS, **generation}
        longest, new = (
            None if options[name] is None else check_count(name, options[name])
            for name in ("max_length", "max_new_tokens")
        )
        limits = [limit for limit in (self.generator.provider.context_size, longest) if limit is not None]
        size = min(limits, default=0)
        room = max(1, size // 4)
        return size, room if new is None else min(new, room)

    def _dropped_before(self, messages: list[Message]) -> int:
        """How many turns were dropped when the model last answered a question of this conversation."""
        earlier = [turn for turn in reversed(self._turns) if turn.is_part_of(messages)]
        return max(earlier, key=lambda turn: len(turn.history)).dropped if earlier else 0

    def _prompt(self, messages: list[Message], dropped: int) -> Prompt:
        """The conversation without so many of its oldest turns."""
        first = _questions(messages)[dropped] if dropped else 0
        seen = [message for index, message in enumerate(messages) if index >= first or message["role"] == "system"]
        text = self._rendered(seen)
        return Prompt(seen, text, self._encoded(seen, text), dropped)

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
        return encoded(provider, text, None)


class Prompt(NamedTuple):
    """What the model is given of a conversation.

    Attributes:
        seen: the messages.
        text: those, in the model's format.
        tokens: the same as token ids.
        dropped: how many of the oldest turns are not among them.
    """

    seen: list[Message]
    text: str
    tokens: list[int]
    dropped: int


class Turn(Iterator[str]):
    """One answer as it is written: iterate over it to get the text, piece by piece.

    `close()` stops the answer where it is.

    Attributes:
        stream: the answer, with `tokens`, `text`, `stats` and the reason why it ended.
        dropped: how many of the conversation's oldest turns the model was not given.
    """

    def __init__(self, messages: list[Message], prompt: Prompt, stream: TokenStream) -> None:
        self.stream = stream
        self.dropped = prompt.dropped
        self._messages = messages  # up to the question
        self._seen = prompt.seen  # those of them that the model was given
        self._rendered = prompt.text
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
        """Rendered, with what was written until now; without what was dropped."""
        return self._rendered + self.answer

    def begins(self, seen: list[Message], text: str) -> bool:
        """Whether what the model is given goes on from this turn, and its rendering does too."""
        ours = [*self._seen, {"role": "assistant", "content": self.answer}]
        return text.startswith(self.whole_text) and seen[: len(ours)] == ours

    def is_part_of(self, messages: list[Message]) -> bool:
        """Whether a conversation is this one up to the question; its answer may be another."""
        return messages[: len(self._messages)] == self._messages

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


def _questions(messages: Sequence[Message]) -> list[int]:
    """Where the turns of a conversation begin."""
    return [index for index, message in enumerate(messages) if message["role"] == "user"]
