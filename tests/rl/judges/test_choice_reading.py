"""Choices in words: what is understood, and what is too unsure to be."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backtrack_sampler.rl.judges.choice_reading import read_choice
from backtrack_sampler.rl.judges.score_reading import NoScoreError

# X is chosen, Y is the other one.
CHOSEN = [
    "X", "X.", "(X)", "**X**", '"X"', "Text X", "text X.", "Answer: X", "Answer: **X**", "Winner: X", "[[X]]", "My verdict is [[X]]", '{"winner": "X"}',
    "The better text is X.", "The better one is text X", "I prefer X over Y.", "I prefer text X because Y repeats itself", "I choose X", "X is better.", "X is better than Y",
    "Text X is much better than text Y.", "X wins", "X is clearly the better text", "<think>Y is better</think>X", "Option X", "it's X", "Better: X", "X reads better", "Best: X.",
]  # fmt: skip


@pytest.mark.parametrize("text", CHOSEN)
def test_a_choice_is_understood(text: str) -> None:
    """A letter alone, one that is named, one that is praised."""
    assert read_choice(text.replace("X", "A").replace("Y", "B")) == 1
    assert read_choice(text.replace("X", "B").replace("Y", "A")) == 0


def test_a_letter_alone_may_be_small() -> None:
    """There it is no article."""
    assert [read_choice("a"), read_choice("(b)."), read_choice("text a")] == [1, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "tie",
        "Tie.",
        "A tie",
        "It's a tie!",
        "TIE",
        "Verdict: tie",
        "Both are equally good.",
        "draw",
        "Neither is better.",
        "It is a tie.",
        '{"winner": "tie"}',
        "Both",
        "[[tie]]",
    ],
)
def test_a_tie_is_understood(text: str) -> None:
    """As a word alone, or in a sentence that chooses neither."""
    assert read_choice(text) == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "", "8", "C", "A good question", "A text is a text", "A or B", "A and B", "It depends.", "A is better in style, B is better in content", "Winner: A. Winner: B.",
        "A is not better", "<think>A", "Winner: A's author", "I cannot say", "Answer: Both A and B are good, but B is better",
    ],
)  # fmt: skip
def test_what_is_unsure_is_no_choice(text: str) -> None:
    """An article, both letters, a contradiction: nothing is guessed."""
    with pytest.raises(NoScoreError, match="no choice between A and B in .*: it names (both|neither)"):
        read_choice(text)


@given(st.one_of(st.text(), st.text("ABab is better than tie winner:.*[]\n")))
@example("best " * 20_000)
@example("A a b c " * 20_000)
@example("A " * 20_000 + "better")
def test_any_text_is_a_choice_or_is_none(text: str) -> None:
    """No text makes it fail otherwise, or take long."""
    try:
        assert read_choice(text) in (0, 0.5, 1)
    except NoScoreError:
        pass
