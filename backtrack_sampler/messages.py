"""Conversations as plain lists of messages, `{"role": "user", "content": "Hi"}`, and files of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from .errors import InputError

__all__ = ["Message", "check_messages", "load_messages", "save_messages"]

#: {"role": "system" | "user" | "assistant", "content": text}
Message: TypeAlias = dict[str, str]

_ROLES = ("system", "user", "assistant")


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
