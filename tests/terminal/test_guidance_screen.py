"""The guidance screen: what stands where, for every size of terminal."""

from __future__ import annotations

import unicodedata

import pytest

from backtrack_sampler.guidance import Menu
from backtrack_sampler.terminal.guidance_screen import Span, lay_out
from backtrack_sampler.terminal.layout import width

LONG = "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals. " * 2
MENUS = {
    "plain": Menu("Once upon", " a time in a land END", [(" far", 0.5), (" near", 0.3), (".", 0.1)]),
    "long": Menu(LONG, LONG + "END", [(" the", 0.9), (" an" + "x" * 60, 0.05), ("", 0.01)]),
    "lines": Menu("one\n\n two\n", "three\n" * 8 + "END", [("\n", 0.6), ("\n\n\n", 0.2), ("\t", 0.1)]),
    "wide": Menu("漢字" * 30, "漢e\u0301😀" * 9 + "END", [("漢" * 9, 0.9), (" 字", 0.1)]),
    "control": Menu("\x1b[2J", "a\x07\r\tb END", [("\x1b[31m", 0.5), ("\x00", 0.3), ("\x9b\u202e", 0.2)]),
    "many": Menu("Once", " END", [(f" option{index}", 1 / 40) for index in range(40)]),
    "at the end": Menu("Once upon", " a time END", []),
    "nothing yet": Menu("", "", [("a", 1.0)]),
}


def columns_of(text: str) -> int:
    return sum(map(width, text))


def paint(spans: list[Span], rows: int, columns: int) -> list[str]:
    """The screen as lines of text; fails where anything is outside, on the last column, or painted twice."""
    cells = [[" "] * (columns - 1) for _ in range(rows)]
    for span in spans:
        assert 0 <= span.row < rows
        assert span.column >= 0
        assert span.column + columns_of(span.text) <= columns - 1
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Cn", "Zl", "Zp") for c in span.text)
        column = span.column
        for character in span.text:
            if width(character):
                assert cells[span.row][column : column + width(character)] == [" "] * width(character)
                cells[span.row][column : column + width(character)] = [character] + [""] * (width(character) - 1)
                column += width(character)
    return ["".join(line) for line in cells]


def styled(spans: list[Span], style: str) -> str:
    return "".join(span.text for span in spans if span.style == style)


@pytest.mark.parametrize("name", MENUS)
def test_nothing_is_outside_any_window(name: str) -> None:
    """From 1x1 to 30x100 everything is inside the window, and nothing in its last column or twice."""
    menu = MENUS[name]
    for rows in range(1, 31):
        for columns in range(1, 101):
            chosen = (rows + columns) % max(1, len(menu.options))
            paint(lay_out(menu, chosen, rows, columns), rows, columns)


@pytest.mark.parametrize("name", [name for name in MENUS if MENUS[name].options])
def test_chosen_option_is_always_there(name: str) -> None:
    """Where there is a row and a column to write in, the chosen option's row is shown and marked."""
    menu = MENUS[name]
    for rows in range(1, 31):
        for columns in (4, 10, 40, 100):
            for chosen in {0, len(menu.options) // 2, len(menu.options) - 1}:
                spans = [s for s in lay_out(menu, chosen, rows, columns) if s.style == "chosen"]
                digits = len(str(len(menu.options)))
                number = f"{chosen + 1:>{digits}}"
                assert any(s.column == 0 and s.text.startswith(number) for s in spans), (rows, columns)


@pytest.mark.parametrize("name", [name for name in MENUS if name != "nothing yet"])
def test_end_of_text_is_always_in_view(name: str) -> None:
    """With two rows or more the end of the text is shown, however long text and options are."""
    menu = MENUS[name]
    for rows in range(2, 31):
        for columns in range(8, 101, 4):
            spans = lay_out(menu, 0, rows, columns)
            assert styled(spans, "bold").endswith("D"), (rows, columns)  # of END, which may be broken


@pytest.mark.parametrize("columns", range(2, 60))
def test_prompt_and_continuation_look_different_to_the_character(columns: int) -> None:
    """However the text wraps, the prompt is dim, the continuation bold, the chosen option marked."""
    menu = Menu("The  prompt, which is long\nand has 漢字 lines", "the continuation,  漢 too", [(" next", 1.0)])
    spans = lay_out(menu, 0, 100, columns)[:-1]
    for style, text in (("dim", menu.prompt), ("bold", menu.text)):
        shown = styled(spans, style).replace(" ", "")
        expected = text.replace(" ", "").replace("\n", "")
        assert shown == expected or columns == 2  # there a wide character has no room


def test_a_usual_terminal() -> None:
    """Text, options with probabilities and bars, and the keys: the whole screen at 60x12."""
    menu = Menu("Once upon a time", " there was", [(" a", 0.62), (" an", 0.25), ("\n", 0.004), ("", 0.001)])
    assert [line.rstrip() for line in paint(lay_out(menu, 1, 12, 60), 12, 60)] == [
        "Once upon a time there was an",
        "",
        "1 ·a             62.0%  ████████████",
        "2 ·an            25.0%  █████",
        "3 ⏎               0.4%",
        "4 (end)           0.1%",
        "",
        "",
        "",
        "",
        "",
        "↑↓ or 1-4 choose   Enter take   ← back   q end",
    ]


def test_the_end_of_the_stream() -> None:
    """Where there is nothing to choose, the keys say what can be done."""
    lines = paint(lay_out(Menu("Once", " more.", []), 0, 5, 70), 5, 70)
    assert lines[0].rstrip() == "Once more."
    assert lines[4].rstrip() == "the text ends here:   Enter keep it   ← back   q end"


def test_options_around_the_chosen_one_are_shown() -> None:
    """With more options than rows, the chosen one stands in the middle of those that fit."""
    lines = paint(lay_out(MENUS["many"], 20, 8, 40), 8, 40)
    assert [line[:2] for line in lines[1:7]] == ["18", "19", "20", "21", "22", "23"]
    assert [line[:2] for line in paint(lay_out(MENUS["many"], 39, 8, 40), 8, 40)[1:7]] == [
        "35", "36", "37", "38", "39", "40",
    ]  # fmt: skip


def test_spaces_of_options_can_be_seen() -> None:
    """Spaces at both ends of an option are dots, so that none is taken for another."""
    menu = Menu("a", "", [(" b", 0.4), ("b ", 0.3), ("  ", 0.2), ("b c", 0.1)])
    lines = paint(lay_out(menu, 3, 9, 40), 9, 40)
    assert [line[2:6].rstrip() for line in lines[2:6]] == ["·b", "b·", "··", "b c"]


def test_chosen_option_goes_on_from_the_text() -> None:
    """The chosen option is shown after the text where it fits in the line, and the text stays put."""
    for option, shown in ((" goes on", " goes on"), (" goes on and on", "")):
        spans = lay_out(Menu("", "some text", [(option, 1.0)]), 0, 6, 20)
        assert styled(spans, "bold") == "some text"
        assert styled([span for span in spans if span.row == 0], "chosen") == shown


def test_nothing_fits_one_cell() -> None:
    """A window of one column shows nothing, because writing its last cell would scroll it."""
    assert lay_out(MENUS["plain"], 0, 1, 1) == []
    assert lay_out(MENUS["plain"], 0, 9, 1) == []
    assert lay_out(MENUS["plain"], 0, 0, 0) == []
