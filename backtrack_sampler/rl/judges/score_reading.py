"""The score that somebody has written in words, such as "I'd give it an 8.5/10.", as a number.

What is not sure is no score: a wrong one teaches the wrong thing, and whoever has written it can be asked again.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from ...errors import BacktrackError

__all__ = ["NoScoreError", "read_score", "shortened", "without_thoughts"]

# A number that stands by itself: no part of a word (GPT-4, 3rd), of a version (1.2.3), of a list (7,8,9), of a date
# (1/2/2024) or of thousands (1,000). Its decimals may have a comma. What is longer is no score.
_DIGITS = r"(?>\d{1,6}(?:\.\d{1,20}|(?<!\[\d),\d{1,2}(?!\d))?)(?!\w|[.,]\d)"
_OF = r"\s*\(?\s*(?:[/／]|out\s+of(?:\s+an?)?(?:\s+possible)?)\s*"
_NUMBER = re.compile(
    rf"(?<![\w.,/])(?<![^\W\d]-)(?P<number>[-−+]?{_DIGITS})"
    rf"(?:{_OF}(?P<top>{_DIGITS})(?!\s*[/／]\s*\d)|\s?(?P<percent>%)|(?!\s*[/／]\s*\d))",
    re.IGNORECASE,
)

# What comes before a number that is meant to be the score.
_MARK = re.compile(
    r"(?P<final>\b(?:final|overall|total)\W{1,3})?"
    r"\b(?:score|rating|grade|mark|verdict|points)(?:\W{0,3}out\s+of\s+\d+)?"
    r"(?:\s+(?:is|was|of|would\s+be|as|to\s+be|at))?(?:\W{0,3}an?)?\W{0,12}$",
    re.IGNORECASE,
)
_BEFORE = 60  # characters that a mark may begin before its number
_JOIN = re.compile(r"\s*(?:to|or|and|&)\s*", re.IGNORECASE)
_RANGE = re.compile(r"(?<=[\d%])\s*[-–—−~]\s*(?=\d)")
_MARKUP = re.compile(r"[*`]|__")
_BOXED = re.compile(r"\\boxed\s*\{([^{}]{1,40})\}")

# How surely a number is the score.
_PLAIN, _FRACTION, _MARKED, _FINAL = range(4)


class NoScoreError(BacktrackError, ValueError):
    """A text has no score in it, or several that differ."""


@dataclass
class _Group:
    """Numbers that are joined, as in "7 or 8": all of them are as surely the score as the surest is."""

    sure: int = _PLAIN
    values: dict[float, str] = field(default_factory=dict)  # and how each was written


def read_score(text: str, low: float = 1, high: float = 10) -> float:
    """A score in a text, as a share of its scale.

    Understood are plain numbers ("8.5", "8,5", "I'd give it an 8."), fractions ("9/10", "8.5 out of 10",
    "80/100", "80%"), and scores that are marked as such ("Score: 7", "**Rating:** 7/10", '{"score": 7}'). Where a
    text has several numbers, one that follows "overall score" or "final score" counts, or else one that is marked,
    or else a fraction of `high` or of 100. The scale itself may be mentioned ("from 1 to 10"), and what a model has
    thought aloud (<think>...</think>) is passed over.

    Args:
        low, high: the ends of the scale. A fraction has a scale of its own, from 0 or from 1: 4/5 is 0.8 of `high`,
            and what is less than `low` then is `low`.

    Returns:
        0 for `low` to 1 for `high`.

    Raises:
        NoScoreError: there is no number; one that is not on the scale; or several that differ, none of which is
            the score more surely than the others ("7 or 8").
    """
    groups = _groups(_prepared(text, low, high), low, high)
    best = max((group.sure for group in groups), default=_PLAIN)
    values = {value: written for group in groups if group.sure == best for value, written in group.values.items()}
    if len(values) != 1:
        why = f"it may be {' or '.join(list(values.values())[:3])}" if values else "there is no number"
        raise NoScoreError(f"no score from {low:g} to {high:g} in {shortened(text)!r}: {why}")
    ((value, written),) = values.items()
    if not low <= value <= high:
        raise NoScoreError(f"no score from {low:g} to {high:g} in {shortened(text)!r}: {written} is not on the scale")
    return (value - low) / (high - low)


def without_thoughts(text: str) -> str:
    """A text without what a reasoning model has thought aloud before it; "" where it was cut off in its thoughts."""
    _, _, after = text.rpartition("</think>")
    return "" if "<think>" in after else after


def shortened(text: str, length: int = 80) -> str:
    """A text on one line, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def _prepared(text: str, low: float, high: float) -> str:
    """Without markup, and without the scale; a range, 7-8, becomes two numbers that are joined."""
    plain = " ".join(_MARKUP.sub("", without_thoughts(text)).split())  # short runs of spaces: no pattern takes long
    plain = _BOXED.sub(r" \1 ", plain)
    plain = _RANGE.sub(" to ", plain)
    scale = rf"(?<![\w.,/-]){low:g}\s*(?:to|and)\s*{high:g}(?![\w/%]|[.,]\d)"
    return re.sub(scale, "", plain, flags=re.IGNORECASE)


def _groups(text: str, low: float, high: float) -> list[_Group]:
    """All numbers in a text."""
    groups: list[_Group] = []
    end = 0
    for match in _NUMBER.finditer(text):
        if not groups or _JOIN.fullmatch(text, end, match.start()) is None:
            groups.append(_Group())
        groups[-1].values.setdefault(_value(match, low, high), match[0].strip())
        groups[-1].sure = max(groups[-1].sure, _sureness(text, match, high))
        end = match.end()
    return groups


def _sureness(text: str, match: re.Match[str], high: float) -> int:
    if mark := _MARK.search(text, max(0, match.start() - _BEFORE), match.start()):
        return _FINAL if mark["final"] else _MARKED
    return _FRACTION if match["percent"] or (match["top"] and _number(match["top"]) in (high, 100)) else _PLAIN


def _value(match: re.Match[str], low: float, high: float) -> float:
    value = _number(match["number"])
    if not match["percent"] and not match["top"]:
        return value
    top = 100.0 if match["percent"] else _number(match["top"])
    if not 0 <= value <= top or not top:
        return math.inf  # 11/10 is on no scale
    return max(low, round(value * high / top, 9))  # so that 57/100 and 5.7 are one


def _number(text: str) -> float:
    return float(text.replace(",", ".").replace("−", "-"))
