"""How much room text takes."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import wcwidth

from backtrack_sampler.terminal.layout import cells, clip, last_lines, printable, rewrap, width, wrap

TEXTS = st.text(st.sampled_from("ab ,.\n漢字😀é\u0301\u200d"), max_size=60)
TEXTS_WITH_TABS = st.text(st.sampled_from("ab ,.\n漢字。「😀é\u0301\u200d\t\r"), max_size=40)


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
        ("one\n\ntwo", 9, ["one", "", "two"]), ("ends ", 5, ["ends "]), ("e\u0301e\u0301", 1, ["e\u0301", "e\u0301"]),
    ],
)  # fmt: skip
def test_wrap_breaks_at_spaces_where_possible(text: str, columns: int, lines: list[str]) -> None:
    """Lines break at spaces, a long word anywhere, and newlines always."""
    assert [line.text for line in wrap(text, columns)] == lines


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("hello ", 5, ["hello"]), ("hello \nyou", 5, ["hello", "you"]), ("hello    you", 5, ["hello", "you"]),
        ("a.  Be", 4, ["a.", "Be"]), ("ab      ", 5, ["ab   "]), ("      ab", 5, ["", "ab"]), ("a\n b", 5, ["a", " b"]),
    ],
)  # fmt: skip
def test_spaces_at_the_end_of_a_line_take_no_room(text: str, columns: int, lines: list[str]) -> None:
    """Spaces for which there is no room make no line of their own, nor do they begin the next one."""
    assert [line.text for line in wrap(text, columns)] == lines


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("\ta", 9, ["\ta"]), ("\ta", 8, ["", "a"]), ("abc\tde", 9, ["abc", "de"]), ("ab cd\tef", 9, ["ab cd", "ef"]),
        ("\t\tx", 17, ["\t\tx"]), ("漢\tx", 9, ["漢\tx"]),
    ],
)  # fmt: skip
def test_wrap_knows_tabs(text: str, columns: int, lines: list[str]) -> None:
    """A tab reaches to the next multiple of eight columns, and separates words."""
    assert [line.text for line in wrap(text, columns)] == lines


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("漢字漢", 3, ["漢", "字", "漢"]), ("a 漢字", 4, ["a 漢", "字"]), ("漢", 1, ["漢"]), ("漢字。", 4, ["漢", "字。"]),
        ("漢「字」", 6, ["漢", "「字」"]), ("ab漢cd", 5, ["ab漢", "cd"]), ("スター", 4, ["ス", "ター"]), ("見る！", 4, ["見", "る！"]),
        ("so 😀😀", 5, ["so 😀", "😀"]), ("abc👩\u200d🚀", 6, ["abc", "👩\u200d🚀"]), ("👩\u200d🚀", 3, ["👩\u200d", "🚀"]),
        ("ok 👩\u200d🚀", 6, ["ok", "👩\u200d🚀"]),
    ],
)  # fmt: skip
def test_wrap_breaks_between_wide_characters(text: str, columns: int, lines: list[str]) -> None:
    """They need no spaces; but no line begins with what closes, and pictures stay whole where that can be."""
    assert [line.text for line in wrap(text, columns)] == lines


def test_a_carriage_return_is_part_of_a_newline() -> None:
    """Before a newline it is left out; alone it is a character like another."""
    assert [line.text for line in wrap("a\r\n\r\nb\rc\r", 9)] == ["a", "", "b\rc\r"]


@given(TEXTS, st.integers(2, 20))
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text: str, columns: int) -> None:
    """No line is wider than the room, and only spaces and newlines are left out."""
    lines = wrap(text, columns)
    assert all(columns_of(line.text) <= columns for line in lines)
    kept = "".join(line.text for line in lines)
    assert kept.replace(" ", "") == text.replace(" ", "").replace("\n", "")


@given(TEXTS, st.integers(2, 20))
def test_wrapped_lines_break_words_only_where_they_are_too_long(text: str, columns: int) -> None:
    """A line that ends within a run of narrow letters has nothing but that word, and is full."""
    text = text.translate({ord(c): "x" for c in "漢字😀\u200d"})
    lines = wrap(text, columns)
    for line, after in pairwise(lines):
        if not set(text[after.start - 1 : after.start + 1]) & set(" \n"):
            assert " " not in line.text.lstrip(" ")
            assert columns_of(line.text) == columns


@given(TEXTS, st.integers(1, 20))
def test_wrapped_lines_know_where_they_come_from(text: str, columns: int) -> None:
    """The start of each line is its place in the text."""
    for line in wrap(text, columns):
        assert text[line.start : line.start + len(line.text)] == line.text


@example("x👩\u200d", "🚀", "", 3)  # two breaks for one character
@given(TEXTS_WITH_TABS, TEXTS_WITH_TABS, TEXTS_WITH_TABS, st.integers(1, 12))
@settings(max_examples=500)
def test_lines_are_brought_up_to_date(same: str, before: str, after: str, columns: int) -> None:
    """Where the end of a text changes, its lines are those of wrapping it anew, and earlier ones stay."""
    lines = wrap(same + before, columns)
    kept = lines[: rewrap(lines, same + after, columns, len(same))]
    assert lines == wrap(same + after, columns)
    assert kept == wrap(same + before, columns)[: len(kept)]


def test_bringing_lines_up_to_date_costs_a_few_lines() -> None:
    """However long the text is, only its last lines are looked at."""
    text = "many words " * 1000
    lines = wrap(text, 30)
    assert rewrap(lines, text + "more", 30, len(text)) >= len(lines) - 4


@pytest.mark.parametrize(
    ("text", "count", "shown"),
    [
        ("a b c", 3, "a b c"), ("a\nb\nc", 2, "…\nc"), ("a\nb\nc", 1, "…"), ("aaaa bbbb cccc", 2, "…\ncccc"),
        ("aaaa bbbb cccc", 3, "aaaa bbbb cccc"), ("a\nb\nc\n", 3, "…\nc\n"), ("", 1, ""),
    ],
)  # fmt: skip
def test_last_lines_say_that_there_were_more(text: str, count: int, shown: str) -> None:
    """What does not fit is an ellipsis in a line of its own."""
    assert last_lines(text, 5, count) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [("a\tb", "a       b"), ("漢\tb", "漢      b"), ("\t\t", " " * 16), ("a\rb", "a␍b"), ("e\u0301", "e\u0301")],
)  # fmt: skip
def test_cells_are_what_a_terminal_is_sent(line: str, shown: str) -> None:
    """Tabs are spaces, and each character has its part."""
    assert len(cells(line)) == len(line)
    assert "".join(cells(line)) == shown
