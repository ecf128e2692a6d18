"""What is typed and pasted in a chat, in a pseudo terminal."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from talk import Talk, saved


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def pasted(text: str) -> str:
    """As a terminal sends what is pasted, to a program that has asked to be told."""
    return "\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~"


def answer(talk: Talk, keys: str) -> None:
    """Press keys, and wait until the next question can be asked."""
    before = talk.screen.text.count("\n>")
    talk.send(keys)
    talk.until(lambda: talk.screen.text.count("\n>") > before)
    talk.wait_for_prompt()


def questions(talk: Talk) -> list[str]:
    talk.say("/save chat.json")
    return [message["content"] for message in saved("chat.json")[::2]]


@pytest.mark.slow
def test_a_pasted_question() -> None:
    """It is one question, whatever its lines begin with, and waits for Enter; so is what is typed around it."""
    code = "  def f(x):\n\treturn x\n\n/undo\n\\ f"
    with Talk("--max-new-tokens", "3") as talk:
        talk.wait_for_prompt()
        assert "\x1b[?2004h" in talk.raw
        talk.send(pasted(code + "\n"))
        talk.until(lambda: talk.screen.text.endswith("\\ f"))
        time.sleep(0.3)
        assert talk.screen.text.count("\n>") == 1  # nothing was sent yet
        answer(talk, "\r")
        answer(talk, "Explain: " + pasted("one\ntwo") + " and three\r")
        # A command is one line; a long text for the model may be pasted.
        answer(talk, pasted("/undo\nplease") + "\r")
        assert "a command is one line; write // to begin a question with /" in talk.screen.text
        answer(talk, pasted("/system Be brief.\n/undo") + "\r")
        answer(talk, pasted("//usr\n/bin") + "\r")
        talk.say("/save chat.json")
        assert saved("chat.json")[0] == {"role": "system", "content": "Be brief.\n/undo"}
        asked = [message["content"] for message in saved("chat.json")[1::2]]
        assert asked == [code, "Explain: one\ntwo and three", "/usr\n/bin"]
        assert "Traceback" not in talk.raw


@pytest.mark.slow
@pytest.mark.parametrize("term", ["linux", "dumb"])
def test_a_terminal_that_does_not_mark_what_is_pasted(term: str) -> None:
    """Lines that are there when Enter is pressed belong to the question, and so does one that is not complete."""
    with Talk("--max-new-tokens", "3", term=term) as talk:
        talk.wait_for_prompt()
        talk.send("one\r/undo\r\r\tthree")
        talk.until(lambda: talk.screen.text.endswith("three"))
        time.sleep(0.3)
        assert talk.screen.text.count("\n>") == 1
        answer(talk, " and four\r")
        answer(talk, "five\rsix\r")
        answer(talk, "seven\r")
        assert questions(talk) == ["one\n/undo\n\n\tthree and four", "five\nsix", "seven"]
        answer(talk, "/undo\r/undo\r")  # commands stay commands
        talk.until(lambda: "taken back: five six" in talk.screen.text)
        talk.wait_for_prompt()
        assert questions(talk) == ["one\n/undo\n\n\tthree and four"]
        assert ("\x1b" in talk.raw) == (term != "dumb")
        talk.send("\x04")
        assert talk.wait() == 0
        assert talk.is_restored()


@pytest.mark.slow
@pytest.mark.parametrize("term", ["linux", "dumb"])
def test_typing_several_lines(term: str) -> None:
    """A line that ends in a backslash goes on; Ctrl-C clears all that was typed, and Ctrl-D asks it."""
    with Talk("--max-new-tokens", "3", term=term) as talk:
        talk.wait_for_prompt()
        talk.send("one\\\r")
        talk.until(lambda: talk.screen.text.endswith("\n..."))
        answer(talk, "two\r")
        talk.send("three\\\r")
        talk.until(lambda: talk.screen.text.endswith("\n..."))
        answer(talk, "\x04")
        talk.send("four\\\r")
        talk.until(lambda: talk.screen.text.endswith("\n..."))
        talk.interrupt()
        talk.wait_for_prompt()
        if term != "dumb":
            talk.send(pasted("five\nsix"))
            talk.until(lambda: talk.screen.text.endswith("six"))
            talk.interrupt()
            talk.wait_for_prompt()
        assert "leaves)" not in talk.screen.text  # there was something to clear
        assert questions(talk) == ["one\ntwo", "three"]
        talk.interrupt()
        talk.until(lambda: "(Ctrl-C again, Ctrl-D or /exit leaves)" in talk.screen.text)


@pytest.mark.slow
def test_tab(tmp_path: Path) -> None:
    """Tab completes commands, strategies and files, and is a tab in a question."""
    (tmp_path / "old chat.json").write_text('[{"role": "user", "content": "Hi"}]', encoding="utf-8")
    with Talk("--max-new-tokens", "3") as talk:
        talk.wait_for_prompt()
        answer(talk, "/lo\tol\t\r")
        assert "(1 message loaded from old chat.json)" in talk.screen.text
        answer(talk, "/strat\tcrea\t\r")
        assert "(from the next answer on: CreativeWritingStrategy)" in talk.screen.text
        talk.say("/undo")
        answer(talk, "a\tb\r")
        assert questions(talk) == ["a\tb"]


@pytest.mark.slow
def test_a_chat_that_outgrows_its_context() -> None:
    """It goes on; notes say what the model does not see, what to do about a long question, and about an answer cut off."""
    with Talk("--context", "256", "--max-new-tokens", "40", "--temperature", "0", columns=100, rows=90) as talk:
        talk.wait_for_prompt()
        for question in ("Tell me of rain. " * 18, "Tell me of snow. " * 18):
            answer(talk, question.rstrip() + "\r")
        assert "(the oldest turn no longer fits the context of 256 tokens: the model" in talk.screen.text
        answer(talk, pasted("word " * 300) + "\r")
        said = " ".join(talk.screen.text.split())
        assert "the question alone makes" in said
        assert "start with a larger --context (this model takes up to 8192)" in said
        assert "(the up arrow brings it back; /save FILE keeps the chat, to start again with --load FILE)" in said
        assert len(talk.say("And of hail?")) > 60
        assert [question[:16] for question in questions(talk)] == [
            "Tell me of rain.",
            "Tell me of snow.",
            "And of hail?",
        ]
    with Talk("--context", "128", "--max-new-tokens", "600", "--seed", "3", columns=100) as talk:
        talk.wait_for_prompt()
        talk.say("Tell me a long tale of a dragon, with all details.")
        said = " ".join(talk.screen.text.split())
        assert re.search(
            r"\(cut off: the context of 128 tokens is full; ask for less, or start with a larger --c", said
        )
        assert len(questions(talk)) == 1
