"""The score that somebody has written in words, such as "I'd give it an 8.5/10.", as a number.

What is not sure is no score: a wrong one teaches the wrong thing, and whoever has written it can be asked again.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...errors import BacktrackError

__all__ = ["NoScoreError", "read_score", "shortened", "without_thoughts"]

# A number that stands by itself: no part of a word (GPT-4, 3rd), of a version (1.2.3), of a list (7,8,9), of a date
# (1/2/2024) or of thousands (1,000). Its decimals may have a comma. What is longer is no score.
_DIGITS = r"(?>\d{1,6}(?:\.\d{1,20}|(?<!\[\d),\d{1,2}(?!\d))?)(?!\w|[.,]\d)"
_OF = r"(?:\s+(?:points?|stars?))?\s*\(?\s*(?:[/／]|out\s+of(?:\s+an?)?(?:\s+possible)?)\s*"
_NUMBER = re.compile(
    rf"(?<![\w.,/])(?<![^\W\d]-)(?P<number>[-−+]?{_DIGITS})"
    rf"(?:{_OF}(?P<top>{_DIGITS})(?!\s*[/／]\s*\d)|\s?(?P<percent>%)|(?!\s*[/／]\s*\d))",
    re.IGNORECASE,
)
_JOIN = re.compile(r"\s*(?:to|or|and|&)\s*", re.IGNORECASE)
_RANGE = re.compile(r"(?<=[\d%]) ?[-–—−~] ?(?=\d)")
_MARKUP = re.compile(r"[*`]|__")
_BOXED = re.compile(r"\\boxed\s*\{([^{}]{1,40})\}")
_ITEM = re.compile(r"\W*(\d{1,2})[.)\]]\s(?=\W*[^\W\d])")  # the "1." that a list begins with

# What comes before a number that is meant to be the score.
_MARK = re.compile(
    r"(?:(?P<final>\b(?:final|overall|total)\W{1,3})|(?P<other>\b(?:max|maximum|min|minimum|highest|lowest)\W{1,3}))?"
    r"\b(?:(?:score|rating|verdict)(?:\W{0,3}out\s+of\s+\d+)?|(?:grade|mark|points)(?=\W*[:=–-]|\s+(?:is|of)\b))"
    r"(?:\s+for\s+(?:this|the)\s+(?:text|continuation|response|answer))?"
    r"(?:\s+I(?:['’]d|\s+would)?\s+(?:give|assign)(?:\s+(?:to|it|this|the|text))*)?"
    r"(?:\s+(?:is|was|of|would\s+be|as|to\s+be|at))?(?:\W{0,3}an?)?\W{0,12}$",
    re.IGNORECASE,
)
_OVERALL = re.compile(
    r"\b(?:overall(?:\s+(?:quality|impression|assessment|evaluation))?|final\s+answer)(?:\s+is)?\W{0,4}"
    r"(?:I\b[^.\n\d]{0,30})?$",
    re.IGNORECASE,
)
_HOW = r"(?:only|just|maybe|perhaps|probably|about|around|roughly|approximately|so|thus|hence|therefore|ok|okay)"
_WHAT = r"(?:an?|solid|strong|weak|low|high|good|clear|decent|fair|mere)"
_WHOM = r"(?:it|this|that|the|text|continuation|response|answer|one|as|at|with|of)"
_GIVING = re.compile(
    r"(?:\b(?:gives?|gave|rate[sd]?|say|scores?|assign|award|deserves?|gets?|earns?|merits?|worth|choose|pick"
    rf"|go\s+(?:with|for))(?:\s+(?:{_HOW}|{_WHAT}|{_WHOM}))*|\ban?(?:\s+{_WHAT})?)\W{{1,4}}$",
    re.IGNORECASE,
)
_FIRST = re.compile(rf"(?:\W*{_HOW})?\W*", re.IGNORECASE)
_BEFORE_LAST = re.compile(rf"[^\w\s'’\"(\[](?:\W*{_HOW})?\W*$", re.IGNORECASE)  # "It is coherent: 7"

# What is said of a number that is none, or that of another text: "not a 10", "a perfect text would get a 10", "< 5",
# "Errors: 3".
_DOUBT = re.compile(
    r"\b(?:(?:not|\w+n['’]t|never|cannot|nor|neither|hardly|than|below|(?<!the )above|under|over|beyond|exceeds?"
    r"|at\s+(?:most|least|best)|up\s+to|max|maximum|min|minimum|highest|lowest|could|might|may|should"
    r"|(?:perfect|ideal|better|best)\s+(?:text|continuation|response|answer)"
    r"|(?<!\bI )(?<!\bthis )(?<!score )(?<!rating )would)\b"
    r"(?:(?!\b(?:but|and|so|thus|therefore|hence|because)\b)[^.,;:!?–—-])*|if\b[^.;:!?]*"
    r"|(?:error|typo|mistake|issue|repetition|word|sentence|confidence|length)s?\W{1,3})$|(?:[<≤≥]|(?<!\w)>)\s?$",
    re.IGNORECASE,
)
# What a score may be followed by. A noun would be what the number counts; "is" and the like speak of it.
_GOES_ON = re.compile(
    r"[+\"'”’)\]]*(?:\s*$|\s*[^\w\s=]|\s(?:stars?|points?|because|as|since|for|overall|due|but|with|given|on|in|from"
    r"|though|although)\b(?!\s+if\b))",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"\s[A-Z]")  # begins, where somebody has left out a point

# What is looked at around a number, in characters.
_BEFORE, _AFTER = 60, 40

# How surely a number is the score.
_LOOSE, _GIVEN, _FRACTION, _MARKED, _FINAL = range(5)
# And the least sure of those that must then say the same: what somebody gives in a sentence is the score only where
# there is no other number.
_OBJECTS = {_LOOSE: _LOOSE, _GIVEN: _LOOSE, _FRACTION: _GIVEN, _MARKED: _MARKED, _FINAL: _FINAL}


class NoScoreError(BacktrackError, ValueError):
    """A text has no score in it, or several that differ."""


@dataclass
class _Group:
    """Numbers that are joined, as in "7 or 8": one is as surely the score as the other."""

    start: int
    end: int = 0
    fraction: bool = False  # of the scale, or of 100
    sure: int = _LOOSE
    values: dict[float, str] = field(default_factory=dict)  # and how each was written


def read_score(text: str, low: float = 1, high: float = 10) -> float:
    """A score in a text, as a share of its scale.

    Understood are numbers ("8.5", "8,5", "80%") that are alone, first or last on a line, or given in a sentence
    ("I'd give it an 8."), fractions ("9/10", "8.5 out of 10", "80/100"), and scores that are marked as such
    ("Score: 7", "**Rating:** 7/10", '{"score": 7}'). Where a text has several numbers, one that follows "overall" or
    "final score" counts, or else one that is marked, or else a fraction of `high` or of 100, or a number on a line of
    its own. Numbers that count something ("2 errors"), that a list has, or of which something is said ("not a 10",
    "10 is the maximum") are no scores. The scale itself may be mentioned ("from 1 (worst) to 10 (best)"), and what a
    model has thought aloud (<think>...</think>) is passed over.

    Args:
        low, high: the ends of the scale. A fraction has a scale of its own, from 0 or from 1: 4/5 is 0.8 of `high`,
            and what is less than `low` then is `low`. Where `low` is 1, 0 is too: models say it for the worst. 0.85
            is not: it may be a share.

    Returns:
        0 for `low` to 1 for `high`.

    Raises:
        NoScoreError: there is no number; one that is not on the scale, or that may be something else; or several
            that differ, none of which is the score more surely than the others ("7 or 8").
    """
    groups = _groups(_prepared(text, low, high), low, high)
    best = max((group.sure for group in groups), default=_LOOSE)
    values = {
        value: written for group in groups if group.sure >= _OBJECTS[best] for value, written in group.values.items()
    }
    written = " or ".join(list(values.values())[:3])
    why = ""
    if not values:
        why = "there is no number"
    elif len(values) > 1:
        why = f"it may be {written}"
    elif best == _LOOSE:
        why = f"{written} may be something else"
    elif not low <= min(values) <= high:
        why = f"{written} is not on the scale"
    if why:
        raise NoScoreError(f"no score from {low:g} to {high:g} in {shortened(text)!r}: {why}")
    return (min(values) - low) / (high - low)


def without_thoughts(text: str) -> str:
    """A text without what a reasoning model has thought aloud before it; "" where it was cut off in its thoughts."""
    _, _, after = text.rpartition("</think>")
    return "" if "<think>" in after else after


def shortened(text: str, length: int = 80) -> str:
    """A text on one line, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def _prepared(text: str, low: float, high: float) -> str:
    """Without markup, markers of lists, and the scale; a range, 7-8, becomes two numbers that are joined."""
    lines = (" ".join(line.split()) for line in _MARKUP.sub("", without_thoughts(text)).splitlines())
    plain = "\n".join(_without_markers(filter(None, lines)))  # short runs of spaces: no pattern takes long
    plain = _BOXED.sub(r" \1 ", plain)
    plain = _RANGE.sub(" to ", plain)
    return _scale(low, high).sub("", plain)


def _without_markers(lines: Iterable[str]) -> Iterator[str]:
    """Lines without the numbers of a list, which count from 1: "7. The text is good" is no list."""
    following = 1
    for line in lines:
        if (item := _ITEM.match(line)) and int(item[1]) in (1, following):
            following = int(item[1]) + 1
            line = line[item.end() :]
        yield line


@functools.cache
def _scale(low: float, high: float) -> re.Pattern[str]:
    """Where a scale is mentioned: "1 to 10", "1 (worst) - 10 (best)", "1 is bad and 10 is good", "a scale of 10"."""
    begin, end = "[01]" if low == 1 else re.escape(f"{low:g}"), re.escape(f"{high:g}")
    begin, end = rf"(?<![\w.,/-]){begin}", rf"{end}(?![\w/%]|[.,]\d)"
    words = r"(?:\s?\([^()\d\n]{1,30}\)|\s?(?:=|\b(?:is|being|means?)\b)\s?(?:the\s)?[a-z]+)?"
    return re.compile(
        rf"{begin}{words}\s?(?:to|and|[,–—-])\s?{end}{words}|\bscale\s(?:of|to)\s{end}|(?<![\w.,/-]){end}[-\s]points?\sscale",
        re.IGNORECASE,
    )


def _groups(text: str, low: float, high: float) -> list[_Group]:
    """All numbers in a text."""
    groups: list[_Group] = []
    for match in _NUMBER.finditer(text):
        if not groups or _JOIN.fullmatch(text, groups[-1].end, match.start()) is None:
            groups.append(_Group(match.start()))
        group = groups[-1]
        group.end = match.end()
        group.values.setdefault(_value(match, low, high), match[0].strip())
        group.fraction |= bool(match["top"]) and _number(match["top"]) in (high, 100)
    for group in groups:
        group.sure = _sureness(text, group)
    return groups


def _sureness(text: str, group: _Group) -> int:
    around = text[max(0, group.start - _BEFORE) : group.start]
    before = around.rpartition("\n")[2]
    after = text[group.end : group.end + _AFTER].partition("\n")[0]
    mark = _MARK.search(around)
    goes_on = _GOES_ON.match(after) or ((mark or group.fraction) and _SENTENCE.match(after))
    if not goes_on or _DOUBT.search(before) or (mark and mark["other"]):
        return _LOOSE
    if mark:
        return _FINAL if mark["final"] else _MARKED
    if _OVERALL.search(before):
        return _FINAL
    first, last = _FIRST.fullmatch(before), re.fullmatch(r"\W*", after)
    if group.fraction or (first and last):
        return _FRACTION
    return _GIVEN if first or (last and _BEFORE_LAST.search(before)) or _GIVING.search(before) else _LOOSE


def _value(match: re.Match[str], low: float, high: float) -> float:
    value = _number(match["number"])
    if not match["percent"] and not match["top"]:
        return low if value == 0 and low == 1 else value
    top = 100.0 if match["percent"] else _number(match["top"])
    if not 0 <= value <= top or not top:
        return math.inf  # 11/10 is on no scale
    return max(low, round(value * high / top, 9))  # so that 57/100 and 5.7 are one


def _number(text: str) -> float:
    return float(text.replace(",", ".").replace("−", "-"))
