"""How far an experiment is, in a terminal and in a log."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from emulator import Emulator

from backtrack_sampler.benchmark.progress import BarProgress, LineProgress, Progress, progress_on


class Terminal(io.StringIO):
    """Standard error as it is in a terminal."""

    def isatty(self) -> bool:
        return True

    def screen(self, columns: int = 80) -> list[str]:
        screen = Emulator(columns, 24)
        screen.type(self.getvalue())
        return screen.text.split("\n")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setattr("tqdm.std.tqdm.monitor_interval", 0)  # no thread
    return Terminal()


def test_two_bars(terminal: Terminal) -> None:
    """One counts all texts, one says what is at work now; both say what time is left; a note stands above them."""
    progress = BarProgress(terminal)
    progress.plan(100, done=20)
    progress.working("baseline T=1", "sums", 0, 50)
    for done in range(1, 11):
        progress.text(2)
        progress.working("baseline T=1", "sums", done, 50)
    progress.note("something to read")
    progress.working("repetition T=1", "sums", 5, 40)
    screen = terminal.screen()
    assert screen[0] == "something to read"
    assert screen[1].startswith(" 40%|")
    assert "| 40 of 100 texts [" in screen[1]
    assert screen[2].startswith(" 12%|")
    assert screen[2].endswith(" left] repetition T=1, sums")
    assert "| 5 of 40 [" in screen[2]
    progress.close()
    screen = terminal.screen()
    assert "| 40 of 100 texts [" in screen[1]
    assert len(screen) == 2  # the bar of what is at work is gone


def test_more_and_less_than_was_planned(terminal: Terminal) -> None:
    """How many texts there are may become known better, also by more of them than were planned."""
    progress = BarProgress(terminal)
    progress.plan(4)
    progress.text(6)
    progress.plan(40)
    assert "| 6 of 40 texts [" in terminal.screen()[0]
    progress.plan(10)
    progress.text(4)
    progress.close()
    assert "100%|" in terminal.screen()[0]
    assert "| 10 of 10 texts [" in terminal.screen()[0]


@pytest.mark.parametrize("in_a_log", [False, True])
def test_texts_that_turn_out_to_be_there(terminal: Terminal, in_a_log: bool) -> None:
    """They count, and have no part in the time that is left: 10 in 10 seconds, so 70 more take 70."""
    now = [0.0]
    progress = LineProgress(terminal, 60, lambda: now[0]) if in_a_log else BarProgress(terminal)
    progress.plan(100, 0)
    progress.text(10)
    progress.plan(100, 30)
    if isinstance(progress, BarProgress):
        bar = progress._all
        bar._time = lambda: bar.start_t + 10
    else:
        now[0] = 10
    progress.plan(100, 30)
    progress.close()
    assert ("| 30 of 100 texts [00:10, 01:10 left]" in terminal.screen()[0]) is not in_a_log
    assert ("30 of 100 texts (30%), 0:00:10 gone, about 0:01:10 left" in terminal.screen()[0]) is in_a_log


def test_a_long_name_leaves_room(terminal: Terminal) -> None:
    """A row with a long name is cut, not its count."""
    progress = BarProgress(terminal)
    progress.plan(9)
    progress.working("probability-threshold:min_probability=0.1,backtrack_count=3 T=0.7", "sums", 1, 2)
    line = terminal.screen(120)[1]
    assert "| 1 of 2 [" in line
    assert line.endswith("] probability-threshold:min_probability=0…, sums")
    progress.close()


def test_lines_in_a_log() -> None:
    """One a minute at most, and one at the end; the time that is left comes from the texts of this run."""
    now = [0.0]
    log = io.StringIO()
    progress = LineProgress(log, 60, lambda: now[0])
    progress.plan(2000, done=1000)
    for second in range(1, 151):
        now[0] = second
        progress.text()
        progress.working("never", "sums", second, 1000)
    progress.note("something to read")
    progress.close()
    assert log.getvalue().split("\n") == [
        "1,060 of 2,000 texts (53%), 0:01:00 gone, about 0:15:40 left; at work: never, sums, 59 of 1,000",
        "1,120 of 2,000 texts (56%), 0:02:00 gone, about 0:14:40 left; at work: never, sums, 119 of 1,000",
        "something to read",
        "1,150 of 2,000 texts (57%), 0:02:30 gone, about 0:14:10 left; at work: never, sums, 150 of 1,000",
        "",
    ]


def test_which_one(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars in a terminal; lines in a log, and where tqdm is not installed."""
    assert isinstance(progress_on(terminal), BarProgress)
    assert isinstance(progress_on(io.StringIO()), LineProgress)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert isinstance(progress_on(terminal), LineProgress)


def test_nothing_is_shown(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """By itself it only logs what is begun, once."""
    caplog.set_level(logging.INFO, "backtrack_sampler")
    progress = Progress()
    progress.plan(10)
    for done in range(3):
        progress.working("never", "sums", done, 10)
        progress.text()
    progress.working("never", "gcd", 0, 10)
    progress.close()
    assert capsys.readouterr() == ("", "")
    assert caplog.messages == ["at work: never, sums (0 of 10)", "at work: never, gcd (0 of 10)"]
