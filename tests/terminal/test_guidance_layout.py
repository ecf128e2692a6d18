"""The guidance screen: what stands where, for every size of terminal."""

from __future__ import annotations

import unicodedata

import pytest

from backtrack_sampler.guidance import Menu
from backtrack_sampler.terminal.guidance_layout import Span, frame, lay_out
from backtrack_sampler.terminal.layout import width


class Known:
    """What the options would lead to, as far as it is known."""

    def __init__(self, *texts: str, over: bool = True) -> None:
        self.texts = texts
        self.over = over

    def text(self, index: int) -> str:
        return self.texts[index] if index < len(self.texts) else ""

    def wants(self, index: int, most: float) -> bool:
        return not self.over

    def grow(self, index: int) -> None:
        raise AssertionError("looking at a screen asks no model")


LONG = "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals. " * 2
MENUS = {
    "plain": Menu("Once upon", " a time in a land END", [(" far", 0.5), (" near", 0.3), (".", 0.1)]),
    "long": Menu(LONG, LONG + "END", [(" the", 0.9), (" an" + "x" * 60, 0.05), ("", 0.01)]),
    "lines": Menu("one\n\n two\n", "three\n" * 8 + "END", [("\n", 0.6), ("\n\n\n", 0.2), ("\t", 0.1)]),
    "wide": Menu("漢字" * 30, "漢e\u0301😀" * 9 + "END", [("漢" * 9, 0.9), (" 字", 0.1)]),
    "control": Menu("\x1b[2J", "a\x07\r\tb END", [("\x1b[31m", 0.5), ("\x00", 0.3), ("\x9b\u202e", 0.2)]),
    "many": Menu("Once", " END", [(f" option{index}", 1 / 40) for index in range(40)]),
    "at the end": Menu("Once upon", " a time END", []),
    "ahead": Menu(
        "Once", " upon END", [(" a", 0.7), (" an", 0.2)], [(" the", 0.1)], 9, 8, 7, "", Known(LONG, "漢\n", over=False)
    ),
    "notice": Menu("Once", " upon END", [(" a", 0.7), (" an", 0.2)], notice="漢字 " * 20 + "\x1b"),
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
    for columns in (*range(1, 80), 100, 120):
        for rows in (*range(1, 12), 20, 30):
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
                digits = len(str(len(menu.options) + len(menu.rest)))
                number = f"{chosen + 1:>{digits}} "
                assert any(s.column <= 1 and s.text.startswith(number) for s in spans), (rows, columns)


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
    spans = [span for span in lay_out(menu, 0, 100, columns) if span.row < 90]
    rule = next((span.row for span in spans if "─" in span.text), 90)
    for style, text in (("dim", menu.prompt), ("bold", menu.text)):
        shown = styled([span for span in spans if span.row < rule], style).replace(" ", "")
        expected = text.replace(" ", "").replace("\n", "")
        assert shown == expected or columns == 2  # there a wide character has no room


def shown(menu: Menu, chosen: int, rows: int, columns: int, **more: object) -> list[str]:
    return [line.rstrip() for line in paint(lay_out(menu, chosen, rows, columns, **more), rows, columns)]


def test_a_usual_terminal() -> None:
    """Text, what was done, options with probabilities and bars, and the keys: the whole screen at 60x12."""
    menu = Menu(
        "Once upon a time",
        " there was",
        [(" a", 0.62), (" an", 0.25), ("\n", 0.004), ("", 0.0001)],
        tokens=2,
        choices=1,
    )
    assert shown(menu, 1, 12, 60) == [
        " Once upon a time there was an",
        " ─ 2 tokens, 1 choice, 0 steps back ──────────────────────",
        " 1 ·a             62.0%  ████████████████████",
        " 2 ·an            25.0%  ████████▏",
        " 3 ⏎               0.4%  ▏",
        " 4 (end)          <0.1%",
        "",
        "",
        "",
        "",
        "",
        " Enter take  1-4 take  ← back  s sentence  / write  q end",
    ]


def test_a_wide_terminal_shows_what_each_option_leads_to() -> None:
    """Beside the options, as far as it is known and fits; of the marked one, in the text as well."""
    ahead = Known(" girl who lived in a little house at the edge of the great dark wood, all alone.", " old man")
    menu = Menu(
        "Once upon a time", " there was", [(" a", 0.6), (" an", 0.3), (" the", 0.1)], [(" no", 0.1)], 2, 2, 0, "", ahead
    )
    assert shown(menu, 0, 10, 100) == [
        " Once upon a time there was a girl who lived in a little house at the edge of the great dark wood,",
        " all alone.",
        " ─ 2 tokens, 2 choices, 0 steps back ────────────────────────────────────────────────── 1–3 of 4 ─",
        " 1 ·a             60.0%  ████████████  girl who lived in a little house at the edge of the great…",
        " 2 ·an            30.0%  ██████        old man",
        " 3 ·the           10.0%  ██",
        "",
        "",
        "",
        " ↑↓ choose  Enter take  1-3 take at once  ← back  s on to the sentence's end  / write  PgDn  q end",
    ]


def test_a_small_terminal_has_all_that_matters() -> None:
    """At 30x8 the end of the text, what it leads to, options and the keys for back and end are there."""
    ahead = Known(" girl who lived in a little house at the edge of the wood.")
    options = [(f" {word}", 0.2) for word in ("a", "an", "the", "no", "one")]
    assert shown(Menu("Once upon a time", " there was", options, ahead=ahead), 0, 8, 30) == [
        "Once upon a time there was a",
        "girl who lived in a little…",
        "─ 0 tokens ─────── 1–4 of 5 ─",
        "1 ·a             20.0%",
        "2 ·an            20.0%",
        "3 ·the           20.0%",
        "4 ·no            20.0%",
        "Enter take   ← back   q end",
    ]


def test_the_end_of_the_stream() -> None:
    """Where there is nothing to choose, the keys say what can be done, and the line between why it ends."""
    lines = shown(Menu("Once", " more.", [], notice="the limit of 2 tokens is reached"), 0, 8, 70)
    assert lines[0] == " Once more."
    assert lines[1].startswith(" ─ the limit of 2 tokens is reached ───")
    assert lines[7] == " the text ends here:   Enter keep it   ← back   q end"


def test_options_around_the_chosen_one_are_shown() -> None:
    """With more options than rows, the chosen one stands in the middle of those that fit."""
    assert [line[:2] for line in shown(MENUS["many"], 20, 8, 39)[2:7]] == ["19", "20", "21", "22", "23"]
    assert [line[:2] for line in shown(MENUS["many"], 39, 8, 39)[2:7]] == ["36", "37", "38", "39", "40"]


def test_further_options_are_shown_where_they_are_offered() -> None:
    """What a person has scrolled to is shown like the rest, and counted."""
    menu = Menu("Once", "", [("a", 0.5), ("b", 0.3)], [("c", 0.1), ("d", 0.1)])
    assert len([line for line in shown(menu, 0, 12, 60) if "%" in line]) == 2
    assert [line[1:4] for line in shown(menu, 2, 12, 60, offered=3) if "%" in line] == ["1 a", "2 b", "3 c"]
    assert "1–3 of 4" in shown(menu, 2, 12, 60, offered=3)[1]


def test_long_texts_and_many_options_share_the_screen() -> None:
    """Neither pushes the other off: each has about half, and what one does not need the other gets."""
    text = "word " * 2000
    many = [(f" option{index}", 1 / 40) for index in range(40)]
    for rows in (8, 15, 24, 40):
        both = frame(Menu("", text, many), 0, rows, 60)
        assert min(both.text, len(both.options)) >= (rows - 3) // 2
        few = frame(Menu("", text, many[:2]), 0, rows, 60)
        assert (few.text, len(few.options)) == (rows - 4, 2)
        short = frame(Menu("", "word", many), 0, rows, 60)
        assert (short.text, len(short.options)) == (1, rows - 3)


def test_what_is_known_by_now_moves_nothing() -> None:
    """While more becomes known of what an option leads to, and from option to option, all rows stay in place."""
    options = [(" a", 0.6), (" an", 0.4)]
    for rows, columns in ((40, 120), (15, 60), (8, 30)):
        places = set()
        for known in range(0, len(LONG), 7):
            spans = lay_out(Menu("Once", " upon", options, ahead=Known(LONG[:known], "")), known % 2, rows, columns)
            places.add(tuple(span.row for span in spans if "%" in span.text))
        assert len(places) == 1


def test_spaces_of_options_can_be_seen() -> None:
    """Spaces at both ends of an option are dots, so that none is taken for another."""
    menu = Menu("a", "", [(" b", 0.4), ("b ", 0.3), ("  ", 0.2), ("b c", 0.1)])
    assert [line[3:7].rstrip() for line in shown(menu, 3, 9, 40)[2:6]] == ["·b", "b·", "··", "b c"]


def test_chosen_option_goes_on_from_the_text() -> None:
    """The chosen option is shown after the text, on the next line where it must, and the text stays put."""
    menu = Menu("", "some text", [(" goes on", 0.5), (" goes on and on", 0.4), ("x" * 12, 0.1)], ahead=Known())
    for chosen, first, second in ((0, " goes on", ""), (1, " goes on", "and on"), (2, "x" * 10, "xx")):
        spans = lay_out(menu, chosen, 8, 20)
        assert styled(spans, "bold") == "some text"
        assert [styled([span for span in spans if span.row == row], "chosen") for row in (0, 1)] == [first, second]


def test_what_a_person_writes_stands_where_it_will_be() -> None:
    """Its end is in view, its first space is a dot, and no option is marked meanwhile."""
    for rows, columns in ((40, 120), (15, 60), (8, 30), (4, 20)):
        for line in ("", " dragon", " a dragon that is" + " very" * 60):
            spans = lay_out(MENUS["ahead"], 0, rows, columns, line=line)
            paint(spans, rows, columns)
            assert styled(spans, "chosen").endswith(line[-1:].replace(" ", "·") + "▏")
    assert "upon END·dragon▏" in shown(MENUS["ahead"], 0, 15, 60, line=" dragon")[0]


def test_bars_are_told_to_an_eighth() -> None:
    """The most probable has the longest bar, the others theirs in proportion."""
    menu = Menu("", "", [("a", 0.4), ("b", 0.2), ("c", 0.4 / 160), ("d", 0.4 / 400)])
    bars = [span.text for span in lay_out(menu, 0, 12, 60) if span.style == "bar"]
    assert bars == ["█" * 20, "█" * 10, "▏"]


def test_nothing_fits_one_cell() -> None:
    """A window of one column shows nothing, because writing its last cell would scroll it."""
    assert lay_out(MENUS["plain"], 0, 1, 1) == []
    assert lay_out(MENUS["plain"], 0, 9, 1) == []
    assert lay_out(MENUS["plain"], 0, 0, 0) == []
