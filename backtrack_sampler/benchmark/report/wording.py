"""Numbers and names as the page writes them."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from ...terminal.layout import printable
from ..table.words import number as score
from ..table.words import p_value, signed

__all__ = ["change", "escaped", "listed", "number", "probability", "score", "span", "times"]


def escaped(text: str) -> str:
    """As HTML, with every character to be seen: a picture of those that have none."""
    return html.escape(printable(text))


def change(value: float) -> str:
    """With its sign; a minus as wide as the plus."""
    return signed(value).replace("-", "\u2212") if math.isfinite(value) else "–"


def span(low: float, high: float, sign: bool = False) -> str:
    """From one to the other; a dash where nothing is known of it."""
    if math.isnan(low) or math.isnan(high):
        return "–"
    show = change if sign else score
    return f"{show(low)} to {show(high)}"


def probability(p: float) -> str:
    """As in "p = 0.012"."""
    said = p_value(p)
    return f"p < {said[1:]}" if said.startswith("<") else f"p = {said}"


def number(value: float) -> str:
    """Of tokens and the like: with a digit after the point where they are few."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


def times(value: float) -> str:
    """How many times as much."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def listed(names: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
