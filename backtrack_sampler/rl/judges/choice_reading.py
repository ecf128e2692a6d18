"""Which of two texts somebody has preferred, in words, such as "Text A is better."."""

from __future__ import annotations

import re

from .score_reading import NoScoreError, shortened, without_thoughts

__all__ = ["read_choice"]

_MARKUP = re.compile(r"[*`]|__")
_NOUN = r"(?:text|answer|option|response|continuation|version)"
_TIE = r"(?:tie|tied|draw|neither|equal|equally\s+good|both)"

# The whole reply: "A", "(b)", "Text A.", "Tie".
_ALONE = re.compile(rf"\W*(?:(?:it\s+is|it's)\s+)?(?:(?:{_NOUN}\s+)?([ab])|(?:an?\s+)?({_TIE}))\W*", re.IGNORECASE)
# "Winner: A", "[[B]]", '{"better": "A"}', "I prefer text B", "the better one is A", "answer: b".
_NAME = (
    r"\b(?i:winner|better|best|verdict|choice|answer|prefer(?:red)?|choose|pick)\b"
    r"(?:\W+(?i:is|one|the|of|two|my|would|be|text|answer|option|response|continuation|version)\b)*"
)
_END = r"[\"'”\])}]*(?:\s*$|\n|[.,;:!](?!\s*[AB]\b)"
_NAMED = re.compile(
    rf"(?:{_NAME}\W{{1,6}}|\[\[)([AB]|(?i:{_TIE}))(?={_END}|\s[-–—]"
    r"|\s+(?:because|since|for|over|to|wins?|is\s+(?:the\s+)?(?:better|best))\b))"
)
_SMALL = re.compile(rf"{_NAME}\W{{0,3}}[:=]\W{{0,4}}([ab])(?={_END}))")
# "A is better", "B wins", "A reads much better"; not "A is better in style", or "A text is better".
_PART = r"\b(?!\?|\s+(?:if|in|at|for|when|on|with|without|only|were)\b)"
_PRAISED = re.compile(
    r"\b([AB])\s+(?:wins?|(?:is|was|reads|seems|looks|sounds|flows|feels|works)\s+"
    r"(?:(?:an?|bit|little|much|far|clear|clearly|slightly|significantly|somewhat|definitely|the)\s+){0,3}"
    rf"(?:better|best|stronger|superior|preferable|winner)){_PART}"
)
_TIED = re.compile(
    r"\b(?:an?\s+(?:tie|draw)(?!-)|tied|equally\s+(?:good|bad|well|poor|strong|weak|coherent)|(?:is|are)\s+equal"
    rf"|neither(?:\s+\w+){{0,3}}\s+(?:wins|is\s+(?:better|best|preferable))|no\s+(?:clear\s+)?winner){_PART}",
    re.IGNORECASE,
)
# What comes before something that is not said: "I don't think A is better", "if A is better".
_DOUBT = re.compile(
    r"\b(?:not|\w+n['’]t|never|cannot|nor|neither|hardly|if|whether|unless|could|might|(?<!\bI )would)\b[^.,;:!?\n]*$",
    re.IGNORECASE,
)
_BEFORE = 60  # characters that a doubt may begin before what it is about


def read_choice(text: str) -> float:
    """What a text says of two others, A and B.

    Understood are a letter or "tie" alone, one that is named as winner, better, choice and so on, and one that is said
    to be better or to win. What is denied, supposed or said of one aspect only is no choice.

    Returns:
        1 for A, 0 for B, 0.5 for a tie.

    Raises:
        NoScoreError: it says nothing of the kind, or both.
    """
    plain = _MARKUP.sub("", without_thoughts(text)).strip()
    if alone := _ALONE.fullmatch(plain):
        return _worth(alone[1] or alone[2])
    found = {
        _worth(match[1] if match.re.groups else "tie")
        for pattern in (_NAMED, _SMALL, _PRAISED, _TIED)
        for match in pattern.finditer(plain)
        if not _DOUBT.search(plain[max(0, match.start() - _BEFORE) : match.start()])
    }
    if len(found) != 1:
        why = "it names both" if found else "it names neither"
        raise NoScoreError(f"no choice between A and B in {shortened(text)!r}: {why}")
    return found.pop()


def _worth(named: str) -> float:
    return {"a": 1.0, "b": 0.0}.get(named.lower(), 0.5)
