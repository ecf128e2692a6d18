"""What a terminal must show of a text: worked out from the whole of it, at once."""

from __future__ import annotations

from emulator import Emulator

from backtrack_sampler.terminal.layout import cells, printable, wrap

MARGIN = 2  # columns that stay free


def wrapped(text: str, columns: int) -> list[str]:
    """The lines of a text on a terminal of so many columns."""
    lines = wrap(printable(text, keep="\n\t\r"), columns - MARGIN)
    return ["".join(cells(line.text)) for line in lines]


def assert_shows(screen: Emulator, text: str, above: str = "") -> None:
    """The screen has the last lines of a text, its cursor behind them, and nothing else.

    `above` is what had been written before; it may have left the screen.
    """
    rows = above.split("\n")[:-1] + wrapped(text, screen.columns)
    straight = Emulator(screen.columns, len(rows))
    straight.type("\n".join(rows))
    end = screen.cursor.y + 1
    assert screen.display[:end] == straight.display[-end:]
    assert "".join(screen.display[end:]).strip() == ""
    assert screen.cursor.x == straight.cursor.x
    assert not any(screen.style(row, "strikethrough") for row in range(screen.lines))
