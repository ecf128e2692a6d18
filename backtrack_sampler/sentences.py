"""Where a sentence ends, for somebody who reads it as it comes."""

from __future__ import annotations

import re

__all__ = ["sentence_is_over"]

_CLOSING = "\"'\u201d\u2019\u00bb)\\]*_"
_END = re.compile(rf"[.!?\u2026][{_CLOSING}]*[ \t]*\Z")
_WIDE_END = re.compile(rf"[\u3002\uff01\uff1f][{_CLOSING}\u300d\u300f]*\Z")
#: A full stop after these ends no sentence, nor after a single capital.
_ABBREVIATION = re.compile(r"(\b(mr|mrs|ms|dr|st|prof|jr|sr|vs|e\.g|i\.e)|(?-i:\b[A-Z]))\.\Z", re.IGNORECASE)


def sentence_is_over(text: str, following: str) -> bool:
    """Whether a sentence, or its line, ends with `text`, given what would come next ("": the end)."""
    if not text.strip():
        return False
    if text.endswith("\n") or following.startswith("\n"):
        return True
    if _WIDE_END.search(text):
        return not (following and following[0] in "\u300d\u300f\u201d")
    if following and not following[0].isspace() and not text.endswith((" ", "\t")):
        return False
    return _END.search(text) is not None and _ABBREVIATION.search(text) is None
