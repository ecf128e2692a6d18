"""docs/antislop.md is true: each row of its tables is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, BaseStrategy, Candidates
from backtrack_sampler.matching import occurrences
from backtrack_sampler.testing import FakeProvider

PAGE = (Path(__file__).parents[2] / "docs" / "antislop.md").read_text(encoding="utf-8")


class Wants(BaseStrategy):
    """Wants one token after the other, where nobody forbids it."""

    def __init__(self, steps: Iterator[int]) -> None:
        self._steps = steps

    def on_probs(self, probs: Candidates, tokens: list[int]) -> Candidates:
        wanted = next(self._steps)
        return {wanted: 1.0} if wanted in probs else probs


def rows(section: str) -> list[list[str]]:
    """The code in each row of a section's table, with numbers of characters replaced by the characters."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    found = [re.findall(r"`([^`]+)`", line) for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert len(found) > 2, section
    return [
        [re.sub(r"\\(u[0-9a-f]{4}|n|t)", lambda m: m[0].encode().decode("unicode_escape"), cell) for cell in row]
        for row in found
    ]


def whole(phrase: str, text: str) -> bool:
    """Whether all of a text is one occurrence of a phrase."""
    return any((match.start, match.end) == (0, len(text)) for match in occurrences(text, [phrase]))


@pytest.mark.parametrize(("phrase", "text"), rows("What is folded"))
def test_what_is_folded(phrase: str, text: str) -> None:
    """The phrase is found, from its first character to its last, and the other way round too."""
    assert phrase != text
    assert whole(phrase, text)
    # ... and never streamed, if each character is a token of its own.
    provider = FakeProvider([*text, "x", ""])
    steps = iter([*range(len(text)), *[len(text)] * 99])
    sampler = BacktrackSampler(provider, [AntiSlopStrategy(provider, [phrase]), Wants(steps)])
    assert not occurrences(sampler.generate_text([len(text)], max_new_tokens=len(text) + 2, temperature=0), [phrase])
    assert whole(text, phrase) or any(sign in text for sign in "*_\n")


@pytest.mark.parametrize(("phrase", "text"), rows("What is not folded"))
def test_what_is_not_folded(phrase: str, text: str) -> None:
    """The phrase is not found."""
    assert whole(phrase, phrase)
    assert not occurrences(text, [phrase])


@pytest.mark.parametrize(
    ("section", "options"), [("Phrases that are about signs", {}), ("Whole words", {"whole_words": True})]
)
def test_found_and_not_found(section: str, options: dict) -> None:
    """Each is found in the one and not in the other."""
    for phrase, text, other in rows(section):
        assert occurrences(text, [phrase], **options), phrase
        assert not occurrences(other, [phrase], **options), phrase
