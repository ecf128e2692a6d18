"""What keys do on the guidance screen, without a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler.guidance import BACK, QUIT, Answer, Insert, Menu, RunOn
from backtrack_sampler.terminal.guidance_view import View

OPTIONS = [(f" word{index}", 1 / 60) for index in range(60)]
KEYS = [*"123456789", "up", "down", "j", "k", "page up", "page down", "home", "end", "x", "", "/", "i", "\x7f"]


def press(view: View, *keys: str, rows: int = 24, columns: int = 80) -> Answer | None:
    """Press keys until one is an answer."""
    for key in keys:
        if (answer := view.press(key, rows, columns)) is not None:
            return answer
    return None


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["\r"], 0), (["down", "\n"], 1), (["down", "down", "up", " "], 1), (["j", "j", "k", "right"], 1),
        (["up", "\r"], 0), (["end", "\r"], 59), (["end", "home", "\r"], 0), (["3"], 2), (["9"], 8),
        (["left"], BACK), (["b"], BACK), (["\x7f"], BACK), (["\x08"], BACK),
        (["q"], QUIT), (["Q"], QUIT), (["\x1b"], None), (["down", "s"], RunOn(1)), (["S"], RunOn(0)),
        (["x", "", "0", "\t", "²"], None),
    ],
)  # fmt: skip
def test_keys(keys: list[str], answer: Answer | None) -> None:
    """Each does what the legend says; keys that it does not know do nothing."""
    assert press(View(Menu("Once", "", OPTIONS)), *keys) == answer


def test_a_digit_takes_only_what_is_in_view() -> None:
    """What cannot be seen cannot be taken by its number: not below a small screen, nor after scrolling."""
    view = View(Menu("Once", "", OPTIONS))
    assert press(view, "6", rows=8, columns=30) is None
    assert press(view, "5", rows=24) == 4
    assert press(view, "end", "5") is None
    assert view.marked == 59
    assert press(view, "home", "5") == 4


def test_scrolling_past_the_last_brings_more() -> None:
    """As many as the filters have left, a page at a time; their indices go on from the options'."""
    view = View(Menu("Once", "", OPTIONS[:3], OPTIONS[3:]))
    press(view, "end")
    assert (view.marked, view.offered) == (2, 3)
    press(view, "down")
    assert view.marked == 3
    assert 3 < view.offered < 60
    for _ in range(60):
        press(view, "page down")
    assert (view.marked, view.offered) == (59, 60)
    assert press(view, "down", "\r") == 59


@given(st.lists(st.sampled_from(KEYS), max_size=40), st.integers(1, 40), st.integers(1, 120), st.integers(0, 60))
def test_whatever_is_pressed_the_marked_option_is_there(keys: list[str], rows: int, columns: int, first: int) -> None:
    """No key leads off the list, and every screen can be drawn."""
    view = View(Menu("Once", " upon", OPTIONS[:first], OPTIONS[first:] if first else []))
    for key in keys:
        answer = view.press(key, rows, columns)
        assert answer is None or answer == BACK or (isinstance(answer, int) and 0 <= answer < 9)
        assert 0 <= view.marked < max(1, view.offered)
        assert view.offered <= (60 if first else 0)
        view.spans(rows, columns)


def test_at_the_end_of_the_stream() -> None:
    """There is nothing to mark, write or run on to: Enter keeps the text, the other keys are as always."""
    view = View(Menu("Once", " more", []))
    assert press(view, "down", "s", "/", "3", "page down") is None
    assert view.line is None
    assert [press(view, key) for key in ("\r", "left", "q")] == [0, BACK, QUIT]


# -- writing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "keys", "answer"),
    [
        ("Once", ["/", *"two q5"], None),
        ("Once", ["/", *"two", "\r"], Insert(" two")),
        ("Once", ["i", "\x7f", *"n't", "\r"], Insert("n't")),
        ("Once", ["/", *"ab", "\x7f", "\x08", "c", "\n"], Insert(" c")),
        ("Once", ["/", *"ab", "\x15", "c", "\n"], Insert("c")),
        ("Once ", ["/", *"two", "\r"], Insert("two")),
        ("Once\n", ["/", *"Two", "\r"], Insert("Two")),
        ("", ["/", *"Two", "\r"], Insert("Two")),
        ("Once", ["/", "\r"], None),
        ("Once", ["/", *"漢字é", "\r"], Insert(" 漢字é")),
        ("Once", ["/", " ", *"two", "\r"], Insert(" two")),
        ("Once", ["/", "a", "newline", "b", "\r"], Insert(" a\nb")),
        ("Once", ["/", "a", "up", "down", "", "\x07", "b", "\r"], Insert(" ab")),
    ],
)
def test_writing(text: str, keys: list[str], answer: Answer | None) -> None:
    """A word begins with a space where the text does not end with one; it can be taken away."""
    assert press(View(Menu("", text, OPTIONS)), *keys) == answer


def test_leaving_what_was_written() -> None:
    """Esc leaves the line and nothing else; then keys mean what they did before."""
    view = View(Menu("", "Once", OPTIONS))
    assert press(view, "down", "/", *"two", "\x1b") is None
    assert view.line is None
    assert press(view, "\r") == 1


def test_a_line_cannot_grow_for_ever() -> None:
    """What a cat on the keyboard writes ends somewhere."""
    view = View(Menu("", "Once", OPTIONS))
    press(view, "/", *"x" * 2000)
    assert len(view.line or "") == 1000


# -- looking ahead -------------------------------------------------------------------------


class Counted:
    """Counts how many tokens are known of what follows each option."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}

    def text(self, index: int) -> str:
        return " x" * self.known.get(index, 0)

    def wants(self, index: int, most: float) -> bool:
        return self.known.get(index, 0) < min(most, 100)

    def grow(self, index: int) -> None:
        self.known[index] = self.known.get(index, 0) + 1


def look_up_all(view: View, rows: int, columns: int) -> dict[int, int]:
    assert view.menu.ahead is not None
    while (index := view.ahead(rows, columns)) is not None:
        view.menu.ahead.grow(index)
    return dict(view.menu.ahead.known)  # type: ignore[attr-defined]


def test_the_marked_option_comes_first() -> None:
    """Then, on a wide screen, those with a digit; what was found out once is not asked again."""
    view = View(Menu("Once", " upon", OPTIONS, ahead=Counted()))
    press(view, "down")
    assert view.ahead(40, 120) == 1
    assert look_up_all(view, 40, 120) == {1: 30} | dict.fromkeys([0, *range(2, 9)], 12)
    press(view, "down")
    assert look_up_all(view, 40, 120) == {1: 30, 2: 30} | dict.fromkeys([0, *range(3, 9)], 12)
    press(view, "up")
    assert view.ahead(40, 120) is None


@pytest.mark.parametrize(("rows", "columns", "known"), [(15, 60, {0: 30}), (8, 30, {0: 30}), (4, 30, {}), (1, 1, {})])
def test_nothing_is_asked_that_cannot_be_seen(rows: int, columns: int, known: dict[int, int]) -> None:
    """On a narrow screen only the marked option's continuation is made; without room for it, none."""
    assert look_up_all(View(Menu("Once", " upon", OPTIONS, ahead=Counted())), rows, columns) == known


def test_nothing_is_asked_while_a_person_writes() -> None:
    """What they write is not what an option leads to."""
    view = View(Menu("Once", " upon", OPTIONS, ahead=Counted()))
    press(view, "/")
    assert view.ahead(40, 120) is None
