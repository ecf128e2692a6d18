"""Text that grows and is erased on a terminal emulator: whatever happens, the screen shows the text that stands."""

from __future__ import annotations

import io
import re

import pytest
from emulator import Emulator, Terminal
from hypothesis import given, settings
from hypothesis import strategies as st
from screens import MARGIN, assert_shows, wrapped

from backtrack_sampler.terminal.typewriter import MOST_PROMPT, Typewriter

PIECES = [
    "a", " b", "word ", " the", " a longer piece of text", "supercalifragilisticexpialidocious", "     ", "\n", "x\n\ny",
    "\t", "漢", "字漢字", "。", "😀", "👩\u200d🚀", "é", "e\u0301", "\u0301", "\x1b[2J", "\r\n", "\r", ".\n",
]  # fmt: skip
PROMPTS = ["", "Once upon a time", "漢字\tand\x1b[2J", "one\ntwo\n\n", " ".join(map(str, range(200)))]


def shown_prompt(prompt: str, columns: int, rows: int) -> str:
    """What is shown of a prompt."""
    most = max(1, min(MOST_PROMPT, rows // 3))
    lines = wrapped(prompt, columns)
    return prompt if len(lines) <= most else "\n".join(["…", *lines[len(lines) - most + 1 :]])


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(10, 30), st.integers(3, 10), st.sampled_from(PROMPTS[:-1]), st.booleans())
def test_screen_shows_the_text_at_each_moment(
    data: st.DataObject, columns: int, rows: int, prompt: str, colours: bool
) -> None:
    """Typed, erased, struck out, replaced, on a terminal that is resized: the last lines of what stands."""
    terminal = Terminal(columns, rows)
    above = "above\n" * data.draw(st.integers(0, 12))
    terminal.screen.type(above)
    typewriter = Typewriter(terminal, prompt, colours, terminal.size)
    prompt = shown_prompt(prompt, columns, rows)
    text = ""
    assert_shows(terminal.screen, prompt, above)
    for _ in range(data.draw(st.integers(1, 20))):
        what = data.draw(st.sampled_from(["type"] * 5 + ["erase", "erase", "replace", "resize"]))
        if what == "type":
            piece = "".join(data.draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)))
            text += piece
            typewriter.type(piece)
        elif what == "erase":
            text = text[: data.draw(st.integers(0, len(text)))]
            if data.draw(st.booleans()):
                typewriter.strike_out(len(text))
            typewriter.erase(len(text))
        elif what == "replace":
            text = text[: data.draw(st.integers(0, len(text)))] + data.draw(st.sampled_from(PIECES))
            typewriter.replace(text)
        else:
            terminal.screen.resize(data.draw(st.integers(3, 10)), data.draw(st.integers(10, 30)))
            continue
        assert_shows(terminal.screen, prompt + text, above)


def test_a_word_that_grows_too_long_moves_to_the_next_line() -> None:
    """Letter by letter: it is never broken, as long as a line has room for it."""
    terminal = Terminal(12, 5)
    typewriter = Typewriter(terminal, size=terminal.size)
    seen = []
    for letter in "one two threefold":
        typewriter.type(letter)
        seen.append(terminal.screen.text)
    assert seen[-8:] == ["one two th", *(f"one two\n{'threefold'[:n]}" for n in range(3, 10))]


def test_typing_costs_what_is_typed() -> None:
    """Where no word moves, nothing is written twice; one that moves takes its own line with it, and no other."""
    terminal = Terminal(80, 24)
    typewriter = Typewriter(terminal, size=terminal.size)
    text = "one two three four five six seven eight nine ten eleven twelve "
    for letter in text:
        typewriter.type(letter)
    assert terminal.getvalue() == text
    typewriter.type("thirteen 14")
    before = len(terminal.getvalue())
    typewriter.type("15161718")
    assert terminal.getvalue()[before:].count("\n") == 1
    assert len(terminal.getvalue()) - before < 120


@pytest.mark.parametrize("strike", [False, True])
def test_what_has_left_the_screen_is_erased_too(strike: bool) -> None:
    """Where more is erased than the screen has, it is filled with the last lines of what stands."""
    terminal = Terminal(20, 4)
    typewriter = Typewriter(terminal, size=terminal.size)
    text = "\n".join(f"line {n}" for n in range(12))
    typewriter.type(text)
    keep = text.index("line 6") + 6
    if strike:
        typewriter.strike_out(keep)
        assert terminal.screen.text == "line 8\nline 9\nline 10\nline 11"
        assert terminal.screen.style(0, "strikethrough") == "line 8"
    typewriter.erase(keep)
    assert terminal.screen.text == "line 3\nline 4\nline 5\nline 6"


def test_the_screen_is_filled_only_where_it_must_be() -> None:
    """What is still on it is erased in its place, and that is remembered: the line above the first is not on it."""
    terminal = Terminal(20, 4)
    typewriter = Typewriter(terminal, size=terminal.size)
    text = "\n".join(f"line {n}" for n in range(10))
    typewriter.type(text)
    for keep, shown in (("8", "678"), ("6", "6"), ("5", "2345"), ("4", "234"), ("3", "23"), ("1", "01"), ("0", "0")):
        typewriter.erase(text.index(f"line {keep}") + 6)
        assert terminal.screen.text == "\n".join(f"line {n}" for n in shown)


def test_what_was_there_before_scrolls_away_when_the_terminal_is_resized() -> None:
    """The screen is written anew, but nothing is lost that was on it."""
    scrolled: list[str] = []

    class Scrolling(Emulator):
        def index(self) -> None:
            if self.cursor.y == self.lines - 1:
                scrolled.append(self.display[0].rstrip())
            super().index()

    terminal = Terminal(20, 5)
    terminal.screen = Scrolling(20, 5)
    terminal.screen.type("$ command\n")
    typewriter = Typewriter(terminal, size=terminal.size)
    typewriter.type("some words of text")
    terminal.screen.resize(5, 12)
    typewriter.type(" and more")
    assert terminal.screen.text == "some words\nof text\nand more"
    assert "$ command" in scrolled


def test_resize_before_anything_is_written() -> None:
    """There is nothing to write anew: what is on the screen stays."""
    terminal = Terminal(20, 5)
    terminal.screen.type("$ command\n")
    typewriter = Typewriter(terminal, size=terminal.size)
    terminal.screen.resize(5, 12)
    typewriter.type("some words")
    assert terminal.screen.text == "$ command\nsome words"


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("size", [(80, 24), (20, 9), (10, 3)])
def test_prompt(prompt: str, size: tuple[int, int]) -> None:
    """It is dimmed, the text after it is not; of a long one the last lines are shown."""
    terminal = Terminal(*size)
    typewriter = Typewriter(terminal, prompt, size=terminal.size)
    typewriter.type("TEXT")
    assert typewriter.text == "TEXT"
    assert_shows(terminal.screen, shown_prompt(prompt, *size) + "TEXT")
    assert len(terminal.screen.text.split("\n")) <= max(1, size[1] // 3) + 1
    not_dimmed = re.sub(r"\x1b\[2m.*?\x1b\[0m|\x1b\[\d*[AJ]", "", terminal.getvalue())
    assert not_dimmed.strip() == "TEXT"


def test_without_colours() -> None:
    """No styles; words move all the same."""
    terminal = Terminal(14, 5)
    typewriter = Typewriter(terminal, "Once upon", colours=False, size=terminal.size)
    typewriter.type(" a ti")
    typewriter.type("me")
    typewriter.strike_out(2)
    assert terminal.screen.text == "Once upon a\ntime"
    assert "m" not in terminal.getvalue().replace("me", "")


@pytest.mark.parametrize(
    ("text", "after"), [("abc", "abc\n"), ("abc\n", "abc\n"), ("", ""), ("abc   ", "abc\n"), ("a\r\n", "a\n")]
)
def test_end_of_line(text: str, after: str) -> None:
    """The cursor goes to the beginning of a line, if it is not there; what comes then has nothing to do with it."""
    terminal = Terminal(12, 5)
    typewriter = Typewriter(terminal, size=terminal.size)
    typewriter.type(text)
    typewriter.end_line()
    assert terminal.screen.text == after.rstrip()
    assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (after.count("\n"), 0)
    typewriter.type("next")
    typewriter.erase(0)
    assert typewriter.text == ""
    assert terminal.screen.text == after.rstrip()


@pytest.mark.parametrize("length", range(1, 25))
def test_interrupt_leaves_no_sign(length: int) -> None:
    """The ^C that a terminal shows when it is pressed is not left behind the text, nor does it move anything."""
    terminal = Terminal(10, 6)
    typewriter = Typewriter(terminal, size=terminal.size)
    typewriter.type("x" * length)
    terminal.screen.type("^C")
    typewriter.end_line()
    assert terminal.screen.text == "\n".join(wrapped("x" * length, 10))


def test_a_margin_stays_free() -> None:
    """Characters that a terminal draws a little wider do not break its lines."""
    terminal = Terminal(20, 5)
    typewriter = Typewriter(terminal, size=terminal.size)
    typewriter.type("x" * 40)
    assert all(line.rstrip() == "x" * min(18, len(line.rstrip())) for line in terminal.screen.display)
    assert MARGIN == 2


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1)])
def test_the_smallest_screens(size: tuple[int, int]) -> None:
    """Nothing breaks where there is hardly any room."""
    terminal = Terminal(*size)
    typewriter = Typewriter(terminal, "ab", size=terminal.size)
    for keep in (3, 1, 0):
        typewriter.type("漢字 abc\n\tx")
        typewriter.strike_out(keep)
        typewriter.erase(keep)
    typewriter.end_line()


def test_size_is_asked_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a size of its own it asks the terminal; where that does not say, the environment."""
    monkeypatch.setenv("COLUMNS", "12")
    monkeypatch.setenv("LINES", "5")
    out = io.StringIO()
    Typewriter(out).type("one two three")
    assert out.getvalue() == "one two\nthree"
