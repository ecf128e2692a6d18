"""`backtrack-sampler guide` on the embedded model, in a pseudo terminal."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import pexpect
import pytest
from emulator import Program, options_on

from backtrack_sampler.trace import Trace

PROMPT = "Once upon a time"
COMMAND = ["guide", PROMPT, "--max-new-tokens", "12", "--seed", "1", "--choices", "3"]
UP, DOWN, RIGHT, LEFT, ESCAPE, ENTER = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b", "\r"
PAGE_DOWN, HOME = "\x1b[6~", "\x1b[1~"


class Guide(Program):
    """The screen as a person reads it."""

    @property
    def story(self) -> str:
        """The prompt and the continuation, without what may come after it."""
        lines = []
        for row in range(self.screen.lines):
            cells = [self.screen.buffer[row][column] for column in range(self.screen.columns)]
            if row and not any(cell.bold for cell in cells):
                break
            told = "".join(cell.data for cell in cells if not (cell.reverse or cell.fg == "cyan"))
            lines.append(told.strip())
        return " ".join(lines).rstrip()

    @property
    def chosen(self) -> int:
        """The number of the marked option."""
        marked = [self.screen.style(row, "reverse") for row in range(self.screen.lines)]
        return next(int(match[1]) for text in marked if (match := re.match(r" *(\d+) .*%", text)))

    @property
    def options(self) -> list[str]:
        return [text for text, _ in options_on(self.screen)]

    @property
    def keys(self) -> str:
        return self.screen.display[-1]

    def ahead(self, number: int) -> str:
        """What is shown beside an option of what it leads to."""
        [row] = [row for row in range(self.screen.lines) if re.match(rf" *{number} .*%", self.screen.display[row])]
        cells = [self.screen.buffer[row][column] for column in range(self.screen.columns)]
        return "".join(cell.data for cell in cells if cell.fg == "cyan")

    def wait_for_menu(self, story: str, count: int = 3) -> None:
        self.until(lambda: self.story == story.rstrip() and len(self.options) == count)

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
        guide.send(DOWN)
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
        guide.until(lambda: "this is the beginning" in guide.screen.text)
        assert guide.take("1", 1) != stories[1]
        guide.send(LEFT)
        guide.wait_for_menu(PROMPT)
        assert guide.take("2", 2) == stories[1]

        # Keys that mean nothing, known to curses or not, change nothing and end nothing.
        guide.send("\x1b[15~" + "\x1b[1;7P" + "\x1b[I" + "\x1bx" + "²" + "\t")
        guide.send("\x1bOB\x1bOB\x1bOA")  # nor are keys lost that come at once
        guide.until(lambda: guide.chosen == 2)
        assert guide.story == stories[1]

        guide.resize(40, 120)
        guide.until(lambda: "choose" in guide.keys)
        guide.wait_for_menu(stories[1])
        guide.resize(2, 10)
        guide.until(lambda: guide.screen.display[1].startswith(" 2 "))
        assert guide.screen.display[0].strip() in stories[1]
        guide.resize(1, 1)
        guide.send(DOWN)
        guide.resize(24, 80)
        guide.until(lambda: "q end" in guide.keys and guide.chosen == 3)
        guide.wait_for_menu(stories[1])

        story = guide.take(ENTER, 3)
        guide.send("q")
        assert guide.wait() == 0
        assert last_line(guide).endswith(story)
        assert guide.is_restored()


@pytest.mark.slow
def test_what_the_screen_is_for(tmp_path: Path) -> None:
    """Many options and what they lead to, words of one's own, running on, files: on a wide screen, and on small ones."""
    out, pages = tmp_path / "tale.txt", [tmp_path / "tale.html", tmp_path / "tale.jsonl"]
    files = ["--out", str(out), *(part for page in pages for part in ("--trace", str(page)))]
    strategy = ["--strategy", 'antislop:slops=["young princess"]']
    with Guide("guide", PROMPT, "--seed", "1", "--stats", *strategy, *files, rows=40, columns=120) as guide:
        guide.wait_for_menu(PROMPT, 35)
        assert "1–35 of 50" in guide.screen.text
        guide.until(lambda: all(guide.ahead(number) for number in range(1, 10)))
        assert not guide.ahead(10)

        # What the marked option leads to is what a run writes.
        guide.send(DOWN + DOWN)
        guide.until(lambda: guide.chosen == 3)
        led_to = guide.options[2] + " " + guide.ahead(3).strip()
        guide.send("s")
        guide.until(lambda: guide.story == PROMPT + led_to)
        assert guide.story.endswith(".")
        guide.send(LEFT)
        guide.wait_for_menu(PROMPT, 35)
        assert "1 step back" in guide.screen.text
        assert all(guide.ahead(number) for number in range(1, 10))  # remembered

        # Words of one's own, on the smallest screen; what the strategy does not want is said.
        guide.resize(8, 30)
        guide.until(lambda: "← back" in guide.keys and "q end" in guide.keys)
        guide.send("/there was a young princess")
        guide.until(lambda: "princess▏" in guide.screen.text and "Esc" in guide.keys)
        guide.resize(15, 60)
        guide.send(ENTER)
        guide.until(lambda: "“young princess” was taken back by a strategy" in guide.screen.text)
        assert guide.story == f"{PROMPT} there was a"
        assert " young" not in guide.options
        guide.send("/" + "\x7f" + "n old owl." + ENTER)
        guide.until(lambda: guide.story.endswith("there was an old owl."))
        guide.send("/ Two lines,\rin one go.")  # as they are pasted
        guide.until(lambda: "go.▏" in guide.screen.text)
        guide.send(ENTER)
        guide.until(lambda: guide.story.endswith("owl. Two lines, in one go."))
        guide.send("/ never mind" + ESCAPE)
        guide.until(lambda: "never" not in guide.screen.text)

        # More than fits, and further than the first nine.
        guide.send(PAGE_DOWN * 3)
        guide.until(lambda: guide.chosen > 10 and "1-9" not in guide.keys)
        guide.send(HOME)
        guide.until(lambda: guide.chosen == 1)
        story = guide.story
        guide.interrupt()
        assert guide.wait() == 130
        assert guide.is_restored()
        assert "Traceback" not in guide.raw
        assert story in guide.raw.replace("\r\n", " ")
        assert f"text written to {out}" in guide.raw
    assert out.read_text().replace("\n", " ") == f"{story} "
    trace = Trace.from_jsonl(pages[1])
    assert "HumanGuidanceStrategy" in {each.name for each in trace.started.strategies}
    assert {who.who for who in trace.by_whom} == {"HumanGuidanceStrategy", "AntiSlopStrategy"}
    assert "n old owl" in "".join(trace.replay().texts)
    assert pages[0].read_text().startswith("<!doctype html>")


@pytest.mark.slow
def test_the_end_and_the_screen_of_before() -> None:
    """At the length limit the text can be kept or gone back from; the alternate screen is left for it."""
    # A terminal with two screens; only what it is sent is read here, not how it looks.
    with Program(*COMMAND[:2], "--max-new-tokens", "2", "--choices", "2", "--stats", term="xterm-256color") as guide:
        guide.until(lambda: "q end" in guide.raw)
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
@pytest.mark.parametrize(("press", "code"), [("q", 0), ("\x03", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_however_it_ends_the_text_is_there(press: str, code: int) -> None:
    """Esc ends the text as q does; Ctrl-C and signals end the program, and all restore the terminal and tell the text."""
    with Guide(*COMMAND, "--no-preview") as guide:
        guide.wait_for_menu(PROMPT)
        story = guide.take(RIGHT, 1)
        if press.startswith("SIG"):
            guide._child.kill(getattr(signal, press))
        else:
            guide.send(press)
        assert guide.wait() == code
        assert guide.is_restored()
        assert "Traceback" not in guide.raw
        assert last_line(guide).endswith(story)


@pytest.mark.slow
def test_ctrl_c_stops_a_run_and_not_the_program(tmp_path: Path) -> None:
    """While the model goes on by itself, Ctrl-C is a key like any other."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\nfrom backtrack_sampler import BaseStrategy\n\n\nclass Slow(BaseStrategy):\n"
        "    def on_next_token(self, tokens, probs):\n        time.sleep(0.2)\n"
    )
    with Guide(*COMMAND, "--strategy", str(slow), "--max-new-tokens", "50", "--no-preview") as guide:
        guide.wait_for_menu(PROMPT)
        guide.send("s")
        guide.until(lambda: "any key stops" in guide.keys and len(guide.story) > len(PROMPT) + 5, quiet=False)
        guide.interrupt()
        guide.until(lambda: "q end" in guide.keys)
        story = guide.story
        assert len(story.split()) < 20
        guide.send(LEFT)
        guide.wait_for_menu(PROMPT)
        guide.send("q")
        assert guide.wait() == 0


@pytest.mark.parametrize("term", ["dumb", "no-such-terminal"])
def test_terminals_that_cannot_show_a_screen(term: str) -> None:
    """A terminal that is unknown, or cannot move its cursor, is refused in one line, before anything is loaded."""
    with Program("guide", PROMPT, "--model", "/nowhere.gguf", term=term) as guide:
        assert guide.wait() == 2
        assert re.fullmatch(r"backtrack-sampler: this terminal [^\n]*set TERM[^\n]*\r\n", guide.raw)


@pytest.mark.slow
def test_a_terminal_that_goes_away_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody can press a key any more, the command ends, and saves the text, which nobody else has."""
    monkeypatch.chdir(tmp_path)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "backtrack_sampler", *COMMAND],
        dimensions=(24, 80),
        ignore_sighup=True,
        env={**os.environ, "TERM": "linux", "LC_ALL": "C.UTF-8"},
    )
    child.expect("Enter", timeout=120)
    child.send("1")
    child.expect("1 choice", timeout=60)
    os.close(child.child_fd)
    for _ in range(600):
        done, _status = os.waitpid(child.pid, os.WNOHANG)
        if done:
            [file] = tmp_path.glob("backtrack-guide-*.txt")
            assert re.fullmatch(rf"{PROMPT}.+\n", file.read_text())
            return
        time.sleep(0.1)
    os.kill(child.pid, 9)
    raise AssertionError("the command went on without a terminal")
