"""The legend of the guidance screen."""

from __future__ import annotations

import pytest

from backtrack_sampler.guidance import Menu
from backtrack_sampler.terminal.guidance_keys import legend

MENU = Menu("", "", [(str(index), 0.02) for index in range(40)])


def test_all_keys_in_full_where_there_is_room() -> None:
    """On a wide screen every key is named, and what it does."""
    assert legend(119, MENU, range(30)) == (
        "↑↓ choose   Enter take   1-9 take at once   ← back   s on to the sentence's end   / write   PgDn more   q end"
    )


@pytest.mark.parametrize("columns", range(1, 130))
def test_never_wider_than_the_screen(columns: int) -> None:
    """It fits; from 13 columns on it names the keys for back and end, from 27 on the one that takes."""
    for menu in (MENU, Menu("", "", [])):
        words = legend(columns, menu, range(len(menu.options[:30])))
        assert len(words) <= max(columns, 5)
        assert words.endswith("q end")
        assert ("← back" in words) == (columns >= 13)
        if columns >= 27:
            assert "Enter" in words
    assert "Esc" in legend(max(27, columns), MENU, range(3), writing=True)
    assert "any key stops" in legend(columns, MENU, range(3), running=True)


def test_digits_are_those_in_view() -> None:
    """Where the first options are out of view, no digit is promised; the way back to them is."""
    assert "1-9 take" in legend(80, MENU, range(9))
    assert "1-3 take" in legend(80, MENU, range(3))
    assert "5-9 take" in legend(80, MENU, range(4, 20))
    assert "1 take" in legend(80, MENU._replace(options=MENU.options[:1]), range(1))
    scrolled = legend(119, MENU, range(9, 40))
    assert "take at once" not in scrolled
    assert "PgUp" in scrolled
    assert "PgDn" not in scrolled
