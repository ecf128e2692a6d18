"""A chat in a few lines, with an operator. `backtrack-sampler chat` is the same with everything on it.

python examples/interactive_chat.py [MODEL]
"""

from __future__ import annotations

import sys

from backtrack_sampler import BacktrackError, ChatPipeline, Generator
from backtrack_sampler.operators import Repetition


def main() -> None:
    """Questions from the terminal or a pipe, until an empty line or the end of input."""
    try:
        chat = ChatPipeline(Generator.from_pretrained(*sys.argv[1:2]), system="Answer in one or two sentences.")
    except BacktrackError as error:
        sys.exit(f"interactive_chat: {error}")
    history: list[dict[str, str]] = []
    while question := ask():
        turn = chat.stream_turn(question, history, operator=Repetition(2), max_new_tokens=120, temperature=0.5)
        for text in turn:
            print(text, end="", flush=True)
        print()
        history = turn.history  # all there is to remember: save it, shorten it, change it


def ask() -> str:
    """One line, "" at the end."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        return ""


if __name__ == "__main__":
    main()
