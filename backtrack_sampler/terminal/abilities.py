"""What a terminal can do, and what its owner wants it to do."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

__all__ = ["can_erase", "has_colours", "size_of"]


def can_erase(out: TextIO) -> bool:
    """Whether this is a terminal whose cursor can go back."""
    return out.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(out: TextIO) -> bool:
    """Whether this is such a terminal, and colours are welcome (https://no-color.org)."""
    return can_erase(out) and not os.environ.get("NO_COLOR")


def size_of(out: TextIO) -> tuple[int, int]:
    """Columns and rows of a terminal, as they are now."""
    try:
        columns, rows = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):  # no terminal, or none that is open
        columns, rows = 0, 0
    guess = shutil.get_terminal_size()
    return columns or guess.columns, rows or guess.lines
