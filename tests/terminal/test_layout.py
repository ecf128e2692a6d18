"""How much room text takes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth, wcwidth

from backtrack_sampler.terminal.layout import advance, clip, last_cell, printable, width, wrap

TEXTS = st.text(st.sampled_from("ab ,.\n漢字😀é\u0301\u200d"), max_size=60)


def columns_of(text: str) -> int:
    return sum(map(width, text))


@pytest.mark.parametrize(
    "characters",
    [
        range(0x20, 0x7F), range(0xA0, 0xAD), range(0xAE, 0x180), range(0x300, 0x370), range(0x400, 0x483),
        range(0x1100, 0x1200), range(0x2010, 0x2028), range(0x2500, 0x25A0), range(0x3041, 0x3097),
        range(0x4E00, 0x4F00), range(0xAC00, 0xAD00), range(0xFF01, 0xFF5F), range(0x1F600, 0x1F650),
        [0x200B, 0x200D, 0xFE0F, 0x20AC, 0xFFFD],
    ],
)  # fmt: skip
def test_width_is_what_terminals_use(characters: range | list[int]) -> None:
    """Characters take as many columns as the wcwidth tables, which terminals follow, say."""
    for code in characters:
        if unicodedata.category(chr(code)) != "Cn":
            assert width(chr(code)) == wcwidth(chr(code)), hex(code)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb", "a⇥b"), ("a\nb", "a⏎b"), ("a\r", "a␍"), ("\x1b[2J", "\ufffd[2J"), ("\x07\x00\x7f\x9b", "\ufffd" * 4),
        ("\u2028\u2029", "⏎⏎"), ("co\u00adop", "co-op"), ("a\u202eb", "a\ufffdb"), ("\ue000", "\ufffd"),
        ("e\u0301 漢 👩\u200d🚀", "e\u0301 漢 👩\u200d🚀"), ("", ""),
    ],
)  # fmt: skip
def test_printable_leaves_nothing_that_moves_the_cursor(text: str, shown: str) -> None:
    """Control characters become visible ones, other characters stay."""
    assert printable(text) == shown


@given(st.text())
def test_printable_is_one_for_one(text: str) -> None:
    """Every character stays one character, of a width that terminals agree on."""
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(wcwidth(character) >= 0 for character in shown)


def test_printable_keeps_what_it_is_told_to() -> None:
    """Characters in `keep` are left alone."""
    assert printable("a\nb\tc", keep="\n") == "a\nb⇥c"


@pytest.mark.parametrize(
    ("text", "columns", "fits"),
    [
        ("abc", 5, "abc"), ("abc", 3, "abc"), ("abc", 2, "ab"), ("abc", 0, ""), ("", 3, ""), ("漢字", 3, "漢"),
        ("漢字", 1, ""), ("e\u0301e\u0301", 1, "e\u0301"), ("a漢b", 2, "a"),
    ],
)  # fmt: skip
def test_clip_cuts_between_whole_characters(text: str, columns: int, fits: str) -> None:
    """As much as fits is kept; a wide character that does not fit whole is left out, accents stay."""
    assert clip(text, columns) == fits


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("", 5, [""]), ("\n", 5, ["", ""]), ("a b", 1, ["a", "b"]), ("abc", 1, ["a", "b", "c"]),
        ("one two three", 8, ["one two", "three"]), ("one two three", 7, ["one two", "three"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]), ("    return_value", 8, ["    retu", "rn_value"]),
        ("漢字漢", 3, ["漢", "字", "漢"]), ("a 漢字", 4, ["a", "漢字"]), ("one\n\ntwo", 9, ["one", "", "two"]),
        ("e\u0301e\u0301", 1, ["e\u0301", "e\u0301"]), ("漢", 1, ["漢"]), ("ends ", 5, ["ends "]),
    ],
)  # fmt: skip
def test_wrap_breaks_at_spaces_where_possible(text: str, columns: int, lines: list[str]) -> None:
    """Lines break at spaces, a long word anywhere, and newlines always."""
    assert [line.text for line in wrap(text, columns)] == lines


@given(TEXTS, st.integers(2, 20))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text: str, columns: int) -> None:
    """No line is wider than the room, and only spaces and newlines are left out."""
    lines = wrap(text, columns)
    assert all(columns_of(line.text) <= columns for line in lines)
    kept = "".join(line.text for line in lines)
    assert kept.replace(" ", "") == text.replace(" ", "").replace("\n", "")


@given(TEXTS, st.integers(1, 20))
def test_wrapped_lines_know_where_they_come_from(text: str, columns: int) -> None:
    """The start of each line is its place in the text."""
    for line in wrap(text, columns):
        assert text[line.start : line.start + len(line.text)] == line.text


@pytest.mark.parametrize(
    ("column", "text", "columns", "end"),
    [
        (0, "", 5, (0, 0)), (0, "abc", 5, (0, 3)), (0, "abcde", 5, (0, 5)), (0, "abcdef", 5, (1, 1)),
        (5, "a", 5, (1, 1)), (3, "a\nb", 5, (1, 1)), (5, "\n", 5, (1, 0)), (4, "漢", 5, (1, 2)), (3, "漢", 5, (0, 5)),
        (5, "\u0301", 5, (0, 5)), (0, "ab", 1, (1, 1)), (0, "\n\n", 1, (2, 0)),
    ],
)  # fmt: skip
def test_advance_follows_the_cursor(column: int, text: str, columns: int, end: tuple[int, int]) -> None:
    """A full line wraps only with the next character, a wide character wraps whole, accents do not."""
    assert advance(column, text, columns) == end


@given(TEXTS.filter(lambda text: "\n" not in text))
def test_advance_on_one_line_is_the_width(text: str) -> None:
    """Where nothing wraps, the column is the width of the text."""
    assert advance(0, text, 1000) == (0, columns_of(text))
    assert columns_of(text) == wcswidth(text.replace("\u200d", ""))


@pytest.mark.parametrize(
    ("text", "index"),
    [("", 0), ("ab", 1), ("ae\u0301", 1), ("a\n", 2), ("a\n漢", 2), ("\u0301", 0)],
)
def test_last_cell_has_its_accents(text: str, index: int) -> None:
    """The last character that takes room, with what combines with it; nothing after a newline."""
    assert last_cell(text) == index
