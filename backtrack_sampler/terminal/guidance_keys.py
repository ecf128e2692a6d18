"""The keys of the screen on which a person chooses, and what they are called where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..guidance import Menu

__all__ = ["legend"]


class _Key(NamedTuple):
    """A key in the legend.

    Attributes:
        rank: the higher ones go first where there is no room.
        long, short: what is said of it.
    """

    rank: int
    long: str
    short: str


_BACK = _Key(1, "\u2190 back", "\u2190 back")
_END = _Key(0, "q end", "q end")


def legend(columns: int, menu: Menu, shown: range, *, writing: bool = False, running: bool = False) -> str:
    """What the keys do, in as many words as fit."""
    if running:
        return _fitted([_Key(0, "the model goes on: any key stops it", "any key stops")], columns)
    if writing:
        return _fitted(
            [
                _Key(0, "Enter put it in", "Enter put in"),
                _Key(1, "Esc leave it", "Esc leave"),
                _Key(2, "\u00b7 is a space: Backspace takes it away", "\u00b7 is a space"),
            ],
            columns,
        )
    if not menu.options:
        keys = [_Key(2, "Enter keep it", "Enter keep"), _BACK, _END]
        whole = "the text ends here:   " + _joined([key.long for key in keys], 3)
        return whole if len(whole) <= columns else _fitted(keys, columns)
    digits = range(shown.start + 1, min(9, shown.stop) + 1)
    several = f"{digits.start}-{digits.stop - 1}" if len(digits) > 1 else f"{digits.start}"
    keys = [_Key(6, "\u2191\u2193 choose", "\u2191\u2193"), _Key(2, "Enter take", "Enter take")]
    if digits:
        keys.append(_Key(5, f"{several} take at once", f"{several} take"))
    keys += [
        _BACK,
        _Key(3, "s on to the sentence's end", "s sentence"),
        _Key(4, "/ write", "/ write"),
    ]
    if shown.stop < len(menu.options) + len(menu.rest):
        keys.append(_Key(7, "PgDn more", "PgDn"))
    elif shown.start:
        keys.append(_Key(7, "PgUp back up", "PgUp"))
    return _fitted([*keys, _END], columns)


def _fitted(keys: Sequence[_Key], columns: int) -> str:
    """As many keys as fit, the most important one at the least; and of these as many in full as fit."""
    kept = list(keys)
    while len(_joined([key.short for key in kept], 2)) > columns and len(kept) > 1:
        kept.remove(max(kept))
    words = {key: key.short for key in kept}
    for key in sorted(kept):
        longer = words | {key: key.long}
        if len(_joined(longer.values(), 2)) <= columns:
            words = longer
    wide = _joined(words.values(), 3)
    return wide if len(wide) <= columns else _joined(words.values(), 2)


def _joined(words: Iterable[str], gap: int) -> str:
    return (" " * gap).join(words)
