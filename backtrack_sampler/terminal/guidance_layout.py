"""What stands where on the screen on which a person chooses: a pure function, for any size of terminal.

From the top: the text, with the marked option and what it would lead to after it; a line with what has
been done; the options; the keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ..guidance import Menu
from . import guidance_keys
from .layout import Line, clip, printable, width, wrap

__all__ = ["Frame", "Span", "frame", "lay_out", "option"]

_USUAL_WIDTH = 12  # of an option: so that the probabilities seldom move
_BLOCKS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"
_LONGEST_BAR = 20
_LEAST_AHEAD = 24  # columns for what an option would lead to, beside it
_FILL = "\u00a0"  # stands for what is already in a line
_CURSOR = "\u258f"
_MORE = "\u2026"


class Span(NamedTuple):
    """A piece of one line of the screen.

    `style` is "" or one of "dim", "bold", "chosen", "ahead" (what may come), "bar" and "notice".
    """

    row: int
    column: int
    text: str
    style: str


class Frame(NamedTuple):
    """How the rows of a screen are shared out.

    Attributes:
        margin: columns that stay empty at the left.
        columns: that can be written to.
        text: rows for the text.
        ahead: rows for what comes after its last one.
        rule: whether a line with what has been done follows.
        options: those that are shown.
        keys: whether the last row says what the keys are.
        beside: whether there is room for what each option would lead to, beside it.
    """

    margin: int
    columns: int
    text: int
    ahead: int
    rule: bool
    options: range
    keys: bool
    beside: bool


def frame(menu: Menu, chosen: int, rows: int, columns: int, offered: int | None = None) -> Frame:
    """Share out the rows. What does not fit goes in this order: the line between, the keys, the text, options."""
    margin = 1 if columns >= 40 else 0
    usable = columns - 1 - 2 * margin  # writing the last cell of a screen scrolls it
    keys, rule = rows >= 4, rows >= 8
    room = rows - keys - rule
    offered = len(menu.options) if offered is None else offered
    ahead = 0 if menu.ahead is None or not offered or rows < 6 else 1 if rows < 12 else 2
    wanted = len(_lines(menu.prompt, menu.text, usable)) if usable > 0 else 1
    count = min(offered, room, max(1, room // 2, room - wanted - ahead))
    above = max(0, room - count)
    ahead = min(ahead, max(0, above - 1))
    text = min(wanted, above - ahead)
    first = min(max(0, chosen - count // 2), max(0, offered - count))
    beside = menu.ahead is not None and usable - _beside(menu, range(first, first + count)) >= _LEAST_AHEAD
    return Frame(margin, usable, text, ahead, rule, range(first, first + count), keys, beside)


def lay_out(
    menu: Menu,
    chosen: int,
    rows: int,
    columns: int,
    offered: int | None = None,
    line: str | None = None,
    running: bool = False,
) -> list[Span]:
    """What to write where, for any size of terminal, down to a single cell.

    The end of the text is always in view, followed by the marked option; the options below.

    Args:
        menu: what is asked.
        chosen: the marked option.
        rows, columns: of the terminal.
        offered: how many of the options and the further ones can be chosen now; None: the options.
        line: what a person is writing.
        running: the model goes on by itself.
    """
    if rows < 1 or columns < 2:
        return []
    f = frame(menu, chosen, rows, columns, offered)
    spans = _text_spans(menu, f, chosen, line, running)
    top = f.text + f.ahead
    if f.rule:
        spans += _rule(menu, f, top, _offered(menu, offered))
    spans += _option_spans(menu, f, -1 if running or line is not None else chosen, top + f.rule)
    if f.keys:
        words = guidance_keys.legend(f.columns, menu, f.options, writing=line is not None, running=running)
        spans.append(Span(rows - 1, 0, clip(words, f.columns), "dim"))
    return [span._replace(column=span.column + f.margin) for span in spans if span.text]


def option(menu: Menu, index: int) -> tuple[str, float]:
    """An option, or a further one."""
    count = len(menu.options)
    return menu.options[index] if index < count else menu.rest[index - count]


# -- the text ------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _lines(prompt: str, text: str, columns: int) -> list[Line]:
    return wrap(printable(prompt + text, keep="\n"), columns)


def _text_spans(menu: Menu, f: Frame, chosen: int, line: str | None, running: bool) -> list[Span]:
    """The last lines of the prompt and the continuation, and what may come after them."""
    if not f.text:
        return []
    written = "" if line is None else _visible_spaces(line) + _CURSOR
    rows = f.text if line is None else f.text + f.ahead
    lines = _lines(menu.prompt, menu.text + written, f.columns)[-rows:]
    ends = [(len(menu.prompt), "dim"), (len(menu.prompt + menu.text), "bold")]
    ends.append((ends[-1][0] + len(written), "chosen"))
    spans = []
    for row, (start, text) in enumerate(lines):
        spans += _styled(row, 0, text, start, ends, f.columns)
    if running or line is not None or not menu.options:
        return spans
    column = sum(map(width, lines[-1].text))
    after = printable(option(menu, chosen)[0])
    mark = len(after)
    after += _ahead(menu, chosen)
    # The text itself stays where it is, whatever comes after it.
    following = wrap(_FILL * column + after, f.columns)
    if len(following) > 1 + f.ahead:
        start, text = following[f.ahead]
        following[f.ahead :] = [Line(start, clip(text, f.columns - 1) + _MORE)] if f.ahead else [Line(start, text)]
    for below, (start, text) in enumerate(following):
        skip = max(0, column - start)  # of the text's own
        styles = [(mark, "chosen"), (len(after) + 1, "ahead")]
        spans += _styled(f.text - 1 + below, skip, text[skip:], start + skip - column, styles, f.columns)
    return spans


def _styled(row: int, column: int, text: str, start: int, ends: Sequence[tuple[int, str]], columns: int) -> list[Span]:
    """One line in several styles, each up to an index; `start` is that of its first character."""
    spans = []
    for end, style in ends:
        part = clip(text[: max(0, end - start)], max(0, columns - column))
        text, start = text[len(part) :], start + len(part)
        spans.append(Span(row, column, part, style))
        column += sum(map(width, part))
    return spans


# -- the line between ----------------------------------------------------------------------


def _offered(menu: Menu, offered: int | None) -> int:
    return len(menu.options) if offered is None else offered


def _rule(menu: Menu, f: Frame, row: int, offered: int) -> list[Span]:
    """A notice, or what has been done; and which of the options are shown."""
    total = len(menu.options) + len(menu.rest)
    seen = f"{f.options.start + 1}\u2013{f.options.stop} of {total}" if len(f.options) < total else ""
    left = menu.notice
    if not left:
        tokens, choices, back = menu.tokens, menu.choices, menu.steps_back
        left = next(
            (
                text
                for text in (
                    f"{_count(tokens, 'token')}, {_count(choices, 'choice')}, {_count(back, 'step')} back",
                    f"{_count(tokens, 'token')}, {_count(back, 'step')} back",
                    _count(tokens, "token"),
                )
                if len(text) + len(seen) + 8 <= f.columns
            ),
            "",
        )
    left = clip(f"\u2500 {printable(left)} " if left else "", f.columns)
    used = sum(map(width, left))
    right = f" {seen} \u2500" if seen and used + len(seen) + 5 <= f.columns else ""
    fill = "\u2500" * (f.columns - used - len(right))
    return [
        Span(row, 0, left, "notice" if menu.notice else "dim"),
        Span(row, used, fill + right, "dim"),
    ]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# -- the options ---------------------------------------------------------------------------


def _digits(menu: Menu) -> int:
    return len(str(len(menu.options) + len(menu.rest)))


def _beside(menu: Menu, shown: range) -> int:
    """The column in which what an option would lead to begins, where there is room."""
    return _digits(menu) + 1 + _pad(menu, shown) + 2 + 6 + 2 + 12 + 2


def _pad(menu: Menu, shown: range) -> int:
    widths = [sum(map(width, _option_text(option(menu, index)[0]))) for index in shown]
    return max(_USUAL_WIDTH, *widths) if widths else _USUAL_WIDTH


def _option_spans(menu: Menu, f: Frame, chosen: int, top: int) -> list[Span]:
    """One row for each option: number, text, probability, a bar, and what it would lead to."""
    digits = _digits(menu)
    least = digits + 2 + 8  # number and probability, with the spaces between
    pad = max(0, min(_pad(menu, f.options), f.columns - least))
    highest = max((option(menu, 0)[1],), default=0.0) if f.options else 0.0
    spans = []
    for row, index in enumerate(f.options, top):
        given, probability = option(menu, index)
        text = _option_text(given)
        taken = sum(map(width, text))
        percent = f"{probability:6.1%}" if probability >= 0.0005 or not probability else " <0.1%"
        line = f"{index + 1:>{digits}} {text}{' ' * (pad - taken)}  {percent}"
        spans.append(Span(row, 0, clip(line, f.columns), "chosen" if index == chosen else ""))
        column = least + pad + 1
        room = f.columns - column
        if taken > pad or room < 8:
            continue
        longest = 12 if f.beside else min(_LONGEST_BAR, room)
        spans.append(Span(row, column, _bar(probability / highest if highest else 0.0, longest), "bar"))
        if f.beside:
            column += longest + 2
            spans.append(Span(row, column, _shortened(_ahead(menu, index), f.columns - column), "ahead"))
    return spans


def _bar(share: float, columns: int) -> str:
    """As long as the share says, to an eighth of a column."""
    eighths = round(share * columns * 8)
    return _BLOCKS[8] * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")


def _ahead(menu: Menu, index: int) -> str:
    """What is known of what follows an option."""
    text = menu.ahead.text(index) if menu.ahead is not None else ""
    more = text and menu.ahead is not None and menu.ahead.wants(index, math.inf)
    return printable(text) + (_MORE if more else "")


def _shortened(text: str, columns: int) -> str:
    text = text.lstrip(" ")
    short = clip(text, columns)
    return short if short == text else clip(text, columns - 1).rstrip() + _MORE


def _option_text(text: str) -> str:
    """With the spaces at its ends made visible."""
    return _visible_spaces(text) or "(end)"


def _visible_spaces(text: str) -> str:
    start = len(text) - len(text.lstrip(" "))
    end = max(start, len(text.rstrip(" ")))
    return "\u00b7" * start + printable(text[start:end]) + "\u00b7" * (len(text) - end)
