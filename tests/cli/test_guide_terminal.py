"""`backtrack-sampler guide` on the embedded model, in a pseudo terminal."""

from __future__ import annotations

import os
import re
import sys
import time
from itertools import pairwise

import pexpect
import pytest
from emulator import Program, options_on

PROMPT = "Once upon a time"
COMMAND = ["guide", PROMPT, "--max-new-tokens", "12", "--seed", "1"]
UP, DOWN, RIGHT, LEFT, ESCAPE, ENTER = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b", "\r"


class Guide(Program):
    """The screen as a person reads it."""

    @property
    def story(self) -> str:
        """The prompt and the continuation, without the chosen option after it."""
        rows = range(self.screen.lines)
        return "".join(self._not_chosen(row) for row in rows if self.screen.style(row, "bold") or row == 0).rstrip()

    def _not_chosen(self, row: int) -> str:
        cells = [self.screen.buffer[row][column] for column in range(self.screen.columns)]
        return "".join(" " if cell.reverse else cell.data for cell in cells)

    @property
    def chosen(self) -> int:
        """The number of the marked option."""
        marked = [self.screen.style(row, "reverse") for row in range(self.screen.lines)]
        return next(int(match[1]) for text in marked if (match := re.match(r" *(\d+) .*%", text)))

    @property
    def options(self) -> list[str]:
        return [text for text, _ in options_on(self.screen)]

    def wait_for_menu(self, story: str) -> None:
        self.until(lambda: self.story == story.rstrip() and len(self.options) == 3)

    def take(self, keys: str, number: int) -> str:
        """Press keys that take an option, and wait until it is part of the text."""
        story = self.story + self.options[number - 1]
        self.send(keys)
        self.wait_for_menu(story)
        return self.story


def last_line(program: Program) -> str:
    return program.raw.rstrip().rpartition("\n")[2]


@pytest.mark.slow
def test_a_whole_session() -> None:
    """Choosing with arrows, Enter and digits, going back, resizing and quitting, on one screen."""
    with Guide(*COMMAND) as guide:
        guide.wait_for_menu(PROMPT)
        assert guide.chosen == 1
        percents = [percent for _, percent in options_on(guide.screen)]
        assert percents == sorted(percents, reverse=True)
        stories = [guide.story]
        first_options = guide.options

        stories.append(guide.take("2", 2))
        guide.send(DOWN)
        guide.until(lambda: guide.chosen == 2)
        guide.send(DOWN + DOWN + DOWN)
        guide.until(lambda: guide.chosen == 3)
        guide.send(UP)
        guide.until(lambda: guide.chosen == 2)
        stories.append(guide.take(ENTER, 2))
        stories.append(guide.take(" ", 1))
        stories.append(guide.take("3", 3))
        assert all(longer.startswith(shorter) for shorter, longer in pairwise(stories))

        # Several steps back, with both keys, further than the beginning; then on again.
        for story, key in zip(stories[-2::-1], [LEFT, "\x7f", "b", LEFT], strict=True):
            guide.send(key)
            guide.wait_for_menu(story)
        assert guide.options == first_options
        guide.send(LEFT + "9" + "x")
        assert guide.take("1", 1) != stories[1]
        guide.send(LEFT)
        guide.wait_for_menu(PROMPT)
        assert guide.take("2", 2) == stories[1]

        # Keys that mean nothing, known to curses or not, change nothing and end nothing.
        guide.send("\x1b[15~" + "\x1b[1;7P" + "\x1b[I" + "²" + "\t")
        guide.send(DOWN)
        guide.until(lambda: guide.chosen == 2)
        assert guide.story == stories[1]

        guide.resize(40, 120)
        guide.until(lambda: "choose" in guide.screen.display[39])
        guide.wait_for_menu(stories[1])
        guide.resize(2, 10)
        guide.until(lambda: guide.screen.display[1].startswith("2 "))
        assert guide.screen.display[0].strip() in stories[1]
        guide.resize(1, 1)
        guide.send(DOWN)
        guide.resize(24, 80)
        guide.until(lambda: "choose" in guide.screen.display[23] and guide.chosen == 3)
        guide.wait_for_menu(stories[1])

        story = guide.take(ENTER, 3)
        guide.send("q")
        assert guide.wait() == 0
        assert last_line(guide).endswith(story)
        assert guide.is_restored()


@pytest.mark.slow
def test_the_end_and_the_screen_of_before() -> None:
    """At the length limit the text can be kept or gone back from; the alternate screen is left for it."""
    # A terminal with two screens; only what it is sent is read here, not how it looks.
    with Program(*COMMAND[:2], "--max-new-tokens", "2", "--choices", "2", "--stats", term="xterm-256color") as guide:
        guide.until(lambda: "choose" in guide.raw)
        assert "\x1b[?1049h" in guide.raw
        guide.send("1")
        guide.send("1")
        guide.until(lambda: "ends here" in guide.raw)
        guide.send("\x1bOD" + "2" + ENTER)
        assert guide.wait() == 0
        assert guide.is_restored()
        _, _, after = guide.raw.rpartition("\x1b[?1049l")
        # curses ends with a few more modes, all before the text.
        text, stats = re.sub(r"^(\x1b\[[?\d;]*[a-z]|\x1b>|\r)*", "", after.rstrip()).split("\r\n")
        assert text.startswith(PROMPT)
        assert len(text) > len(PROMPT)
        assert stats.startswith("2 tokens streamed, 1 taken back in 1 rollbacks")
        assert "\x1b" not in text + stats


@pytest.mark.slow
def test_escape_and_interrupt() -> None:
    """Esc ends the text as q does; Ctrl-C ends the program with 130, and both restore the terminal."""
    for press, code in ((ESCAPE, 0), ("\x03", 130)):
        with Guide(*COMMAND) as guide:
            guide.wait_for_menu(PROMPT)
            story = guide.take(RIGHT, 1)
            guide.send(press)
            assert guide.wait() == code
            assert guide.is_restored()
            assert "Traceback" not in guide.raw
            assert last_line(guide).endswith(story) == (code == 0)


@pytest.mark.parametrize("term", ["dumb", "no-such-terminal"])
def test_terminals_that_cannot_show_a_screen(term: str) -> None:
    """A terminal that is unknown, or cannot move its cursor, is refused in one line, before anything is loaded."""
    with Program("guide", PROMPT, "--model", "/nowhere.gguf", term=term) as guide:
        assert guide.wait() == 2
        assert re.fullmatch(r"backtrack-sampler: this terminal [^\n]*set TERM[^\n]*\r\n", guide.raw)


@pytest.mark.slow
def test_a_terminal_that_goes_away_ends_the_command() -> None:
    """When nobody can press a key any more, the command ends, instead of asking for ever."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "backtrack_sampler", *COMMAND],
        dimensions=(24, 80),
        ignore_sighup=True,
        env={**os.environ, "TERM": "linux", "LC_ALL": "C.UTF-8"},
    )
    child.expect("Enter", timeout=120)
    os.close(child.child_fd)
    for _ in range(600):
        done, _status = os.waitpid(child.pid, os.WNOHANG)
        if done:
            return
        time.sleep(0.1)
    os.kill(child.pid, 9)
    raise AssertionError("the command went on without a terminal")
