"""What a terminal can do."""

from __future__ import annotations

import io
import os
import pty
import termios

import pytest
from emulator import Terminal

from backtrack_sampler.terminal.abilities import can_erase, has_colours, size_of


@pytest.mark.parametrize(
    ("term", "no_color", "erases", "colours"),
    [
        ("xterm", "", True, True), ("xterm", "1", True, False), ("dumb", "", False, False), (None, "", True, True),
        (None, "0", True, False),
    ],
)  # fmt: skip
def test_abilities(
    monkeypatch: pytest.MonkeyPatch, term: str | None, no_color: str, erases: bool, colours: bool
) -> None:
    """TERM=dumb can nothing; NO_COLOR, whatever it is, wants no colours; a pipe is no terminal."""
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    terminal = Terminal(20, 5)
    assert (can_erase(terminal), has_colours(terminal)) == (erases, colours)
    assert not can_erase(io.StringIO())
    assert not has_colours(io.StringIO())


def test_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal is asked, whatever the environment says; what does not know is taken for what that says."""
    monkeypatch.setenv("COLUMNS", "33")
    monkeypatch.setenv("LINES", "11")
    main, side = pty.openpty()
    with os.fdopen(main), os.fdopen(side, "w") as out:
        assert size_of(out) == (33, 11)  # nobody has told it
        termios.tcsetwinsize(side, (7, 50))
        assert size_of(out) == (50, 7)
    assert size_of(out) == (33, 11)  # closed
    assert size_of(io.StringIO()) == (33, 11)
