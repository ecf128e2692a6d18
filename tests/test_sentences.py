"""Where a sentence ends, token by token."""

from __future__ import annotations

import pytest

from backtrack_sampler.sentences import sentence_is_over


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("She slept.", " The"),
        ("She slept!", ""),
        ("Did she sleep?", "\n"),
        ('"She slept."', " he"),
        ("She slept.\u201d", " "),
        ("*She slept.*", " And"),
        ("She slept\u2026", " Then"),
        ("She slept. ", "The"),
        ("a title", "\n\nThe"),
        ("a line\n", "another"),
        ("彼女は眠った。", "そして"),
        ("「眠った。」", "と"),
        ("The 3.", " A"),
    ],
)
def test_a_sentence_ends(text: str, following: str) -> None:
    """At a full stop and what closes it, before a space, and at the end of a line."""
    assert sentence_is_over(text, following)


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("", " The"),
        ("  \n", "The"),
        ("", "\n"),
        ("She slept", " and"),
        ("She slept.", '"'),
        ("It cost 3.", "14"),
        ("She met Mr.", " Smith"),
        ("She met J.", " Smith"),
        ("fruit, e.g.", " apples"),
        ("She slept,", " and"),
        ("「眠った。", "」"),
        ("a.b", ".c"),
    ],
)
def test_a_sentence_goes_on(text: str, following: str) -> None:
    """Inside numbers and abbreviations, before its quotation mark, and where there is none yet."""
    assert not sentence_is_over(text, following)
