"""A chat as a person has it, and what is in its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emulator import Program


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def saved(name: str | Path) -> Any:
    return json.loads(Path(name).read_text(encoding="utf-8"))


class Talk(Program):
    """A chat as a person has it."""

    def __init__(self, *arguments: str, **terminal: Any) -> None:
        super().__init__("chat", "--seed", "1", *arguments, **{"rows": 60, **terminal})

    def wait_for_prompt(self) -> None:
        self.until(lambda: self.screen.text.split("\n")[-1] == ">" and self.screen.cursor.x == 2)

    def say(self, line: str) -> str:
        """Type a line; returns what is shown below it when the prompt is back."""
        before = self.screen.text
        self.send(line + "\r")
        self.until(lambda: self.screen.text.count("\n>") > before.count("\n>"))
        self.wait_for_prompt()
        typed = f"{before} {line}".rstrip()
        assert self.screen.text.startswith(typed)
        return self.screen.text[len(typed) :].removesuffix(">").strip("\n")


def answer_in(shown: str) -> str:
    """An answer as it is in the file; notes are left out."""
    return "\n".join(line for line in shown.split("\n") if not line.startswith("("))
