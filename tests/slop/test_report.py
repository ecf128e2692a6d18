"""Tables of what stands out, and of what is left."""

from __future__ import annotations

import pytest

from backtrack_sampler.slop import Finding, Profile, summary, table
from backtrack_sampler.slop.report import change_table, columns_of_line, counts_of

TEXT = 'In the end,\n"it was \x1b[1ma testament to\x1b[0m the sea", 他说。'


def profile(*phrases: str) -> Profile:
    start = TEXT.index("a testament to")
    example = (TEXT, start, start + len("a testament to"))
    findings = [
        Finding(phrase, 0.93, 14, 12, 0.00123, 5e-6 / (n + 1) ** 9, example) for n, phrase in enumerate(phrases)
    ]
    return Profile(findings, 20, 5, 9876, 42)


def test_a_line_for_each_finding() -> None:
    """How often, how often people do, and one place in one line, whatever is in it."""
    head, first, second, key = table(profile("a testament to", "rich tapestry"), width=120).split("\n")
    assert head.split() == ["phrase", "model", "human", "ratio", "texts", "strength", "example"]
    assert first.split()[:8] == ["a", "testament", "to", "1.23", "0.0050", "246", "12", "0.93"]
    assert first.endswith('  In the end, "it was �[1ma testament to�[0m the sea", 他说。')
    assert second.split()[2:7] == ["1.23", "<0.0001", "125,952", "12", "0.93"]
    assert head.index("model") + len("model") == first.index("1.23") + 4
    assert key == "model and human: times per 1,000 words"


@pytest.mark.parametrize("width", [20, 60, 79, 80, 99, 100, 200])
def test_it_fits(width: int) -> None:
    """Where there is no room for an example beside the numbers it has a line of its own; either is the width of the screen."""
    head, *lines, _ = table(profile("a testament to", "他" * 40, "x" * 99), width=width).split("\n")
    beside = width >= 110
    assert ("example" in head) is beside
    assert len(lines) == (3 if beside else 6)
    examples = [line.partition("0.93  ")[2] for line in lines] if beside else lines[1::2]
    assert all("a testament to" in example for example in examples)
    assert max(map(columns_of_line, lines if beside else examples)) <= width
    assert max(map(columns_of_line, lines)) <= max(width, 80)


def test_only_the_first() -> None:
    """The rest is counted; nothing is no table."""
    lines = table(profile(*map(str, range(30))), top=3, width=120).split("\n")
    assert [line.split()[0] for line in lines] == ["phrase", "0", "1", "2", "...", "model"]
    assert lines[-2] == "... and 27 more"
    assert len(table(profile(*map(str, range(30))), top=None, width=120).split("\n")) == 32
    assert table(Profile()) == ""


def test_summary() -> None:
    """What there was, and what stands out."""
    assert summary(profile("a b", "word", "an other")) == (
        "20 texts to 5 prompts, 9,876 words: 1 word and 2 phrases stand out, 0.4% of the text"
    )
    assert summary(Profile([], 1, 1, 0)) == "1 text to 1 prompt, 0 words: nothing stands out"


def test_what_is_left() -> None:
    """Each phrase before and after, as anti-slop finds them, those first that were there most often; and all together."""
    before = ["The sea. A rich tapestry, the RICH TAPESTRY.", "seasons and a sea"]
    after = ["a rich sea", "tapestry"]
    assert counts_of(before, ["sea", "rich tapestry", "cat"]) == {"sea": 2, "rich tapestry": 2}
    lines = change_table({"sea": 0.9, "rich tapestry": 1, "cat": 0.8}, before, after, (10, 5)).split("\n")
    assert [line.split() for line in lines] == [
        ["phrase", "strength", "before", "after"], ["sea", "0.90", "2", "1"], ["rich", "tapestry", "1.00", "2", "0"],
        ["cat", "0.80", "0", "0"], ["all", "4", "1"], ["all,", "per", "1,000", "words", "400.00", "200.00"],
    ]  # fmt: skip
    short = change_table({"sea": 0.9, "rich tapestry": 1, "cat": 0.8}, before, after, (10, 5), top=1).split("\n")
    assert [line.split() for line in short[1:3]] == [["sea", "0.90", "2", "1"], ["2", "more", "2", "0"]]
    assert len(set(map(len, lines))) == 1
