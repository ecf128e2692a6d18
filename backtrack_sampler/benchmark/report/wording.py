"""Numbers and names as the page writes them."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from ...terminal.layout import printable

__all__ = ["change", "escaped", "listed", "number", "probability", "score", "span", "times"]


def escaped(text: str) -> str:
    """As HTML, with every character to be seen: a picture of those that have none."""
    return html.escape(printable(text))


def score(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def change(value: float) -> str:
    """With its sign; a minus as wide as the plus."""
    return "–" if math.isnan(value) else f"{value:+.3f}".replace("-", "\u2212")


def span(low: float, high: float, signed: bool = False) -> str:
    if math.isnan(low) or math.isnan(high):
        return "–"
    return f"{change(low)} to {change(high)}" if signed else f"{score(low)} to {score(high)}"


def probability(p: float) -> str:
    return "p –" if math.isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def number(value: float) -> str:
    """Of tokens and the like: whole, but for small ones."""
    return "–" if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


def times(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def listed(names: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
