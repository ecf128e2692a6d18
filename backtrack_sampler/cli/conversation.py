"""What was said in a chat, and the files that it is kept in. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..chat import Message, load_messages, save_messages
from ..errors import InputError
from .hang_up import rescued

__all__ = ["Conversation", "counted"]


class Conversation:
    """The messages of a chat; the last one may be a question without an answer.

    Args:
        messages: to go on from.
        file: where they came from.
        complete: what a file gets of the messages: with the system message that they lack.
    """

    def __init__(
        self, messages: list[Message], file: str, complete: Callable[[Sequence[Message]], list[Message]]
    ) -> None:
        self.messages = messages
        self._kept = messages  # as they were last in a file
        self._file = file
        self._complete = complete

    def ask(self, question: str) -> list[Message]:
        """Add a question; returns what was said before it."""
        history = self.messages
        if history and history[-1]["role"] == "user":  # it got no answer; this one takes its place
            history = history[:-1]
        self.messages = [*history, {"role": "user", "content": question}]
        return history

    def last_question(self) -> int:
        """Where the last question is."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index]["role"] == "user":
                return index
        raise InputError("nothing was asked yet")

    def undo(self) -> str:
        """Take back the last question and its answer; returns the question."""
        index = self.last_question()
        question = self.messages[index]["content"]
        self.messages = self.messages[:index]
        return question

    def drop_system(self) -> None:
        self.messages = [message for message in self.messages if message["role"] != "system"]

    def save(self, name: str) -> str:
        """Write all of it to a file, or to the last one; returns what to say."""
        if not (name or self._file):
            raise InputError("write /save FILE")
        path = Path(name or self._file).expanduser()
        if name and path.is_file() and path.stat().st_size:
            load_messages(path)  # another chat may be written over, anything else may not
        messages = self._complete(self.messages)
        save_messages(path, messages)
        self._kept, self._file = self.messages, str(path)
        return f"({counted(messages)} saved to {path})"

    def load(self, name: str) -> str:
        """Go on from a file instead; returns what to say."""
        if not name:
            raise InputError("write /load FILE")
        path = Path(name).expanduser()
        self.messages = self._kept = load_messages(path)
        self._file = str(path)
        return f"({counted(self.messages)} loaded from {path})"

    def rescue(self) -> Path | None:
        """Save what no file has yet, wherever that is possible."""
        messages = self._complete(self.messages)
        if self.messages == self._kept or not any(message["role"] != "system" for message in messages):
            return None
        return rescued("chat", ".json", lambda path: save_messages(path, messages))


def counted(messages: Sequence[Message]) -> str:
    return "1 message" if len(messages) == 1 else f"{len(messages)} messages"
