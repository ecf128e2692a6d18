"""Which of two texts somebody has preferred, in words, such as "Text A is better."."""

from __future__ import annotations

import re

from .score_reading import NoScoreError, shortened, without_thoughts

__all__ = ["read_choice"]

_MARKUP = re.compile(r"[*`]|__")
_NOUN = r"(?:text|answer|option|response|continuation|version)"
_TIE = r"(?:tie|tied|draw|neither|equal|equally\s+good|both)"

# The whole reply: "A", "(b)", "Text A.", "Tie".
_ALONE = re.compile(rf"\W*(?:(?:it\s+is|it's)\s+)?(?:(?:an?|{_NOUN})\s+)?([ab]|{_TIE})\W*", re.IGNORECASE)
# "Winner: A", "[[B]]", '{"better": "A"}', "I prefer text B", "the better one is A".
_NAMED = re.compile(
    r"(?:\b(?i:winner|better|best|verdict|choice|answer|prefer(?:red)?|choose|pick)\b"
    rf"(?:\W+(?i:is|one|the|of|two|my|would|be|text|answer|option|response|continuation|version)\b)*\W{{1,6}}|\[\[)"
    rf"([AB]|(?i:{_TIE}))\b(?!['’])"
)
# "A is better", "B wins", "A reads much better".
_PRAISED = re.compile(
    r"\b([AB])\s+(?:(?!not\b|less\b|no\b|[AB]\b)\w+\s+){0,3}(?:better|best|stronger|superior|preferable|wins?)\b"
)
_TIED = re.compile(rf"\b{_TIE}\b", re.IGNORECASE)


def read_choice(text: str) -> float:
    """What a text says of two others, A and B.

    Understood are a letter or "tie" alone, one that is named as winner, better, choice and so on, and one that is said
    to be better or to win.

    Returns:
        1 for A, 0 for B, 0.5 for a tie.

    Raises:
        NoScoreError: it says nothing of the kind, or both.
    """
    plain = _MARKUP.sub("", without_thoughts(text)).strip()
    if alone := _ALONE.fullmatch(plain):
        return _worth(alone[1])
    found = {_worth(match[1]) for pattern in (_NAMED, _PRAISED) for match in pattern.finditer(plain)}
    if not found and _TIED.search(plain):
        found = {0.5}
    if len(found) != 1:
        why = "it names both" if found else "it names neither"
        raise NoScoreError(f"no choice between A and B in {shortened(text)!r}: {why}")
    return found.pop()


def _worth(named: str) -> float:
    return {"a": 1.0, "b": 0.0}.get(named.lower(), 0.5)
