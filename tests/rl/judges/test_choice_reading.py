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
    "Both texts repeat; answer: X", "Both texts are coherent, but X is better.", "Answer: X because Y repeats itself", "Answer: X, it is coherent", "X is the better continuation", "The winner is X.",
    "Text X seems slightly better than text Y", "It is not a tie: X wins", "Answer: Text X\n\nIt is more coherent.", "My choice: X over Y", "X is better because it is not repetitive",
    "They are equally good in style, but X is better", "Text X is the clear winner", "Answer: Both Y and X are good, but X is better", "Which text is better? X", "I would choose X",
]  # fmt: skip


@pytest.mark.parametrize("text", CHOSEN)
def test_a_choice_is_understood(text: str) -> None:
    """A letter alone, one that is named, one that is praised."""
    assert read_choice(text.replace("X", "A").replace("Y", "B")) == 1
    assert read_choice(text.replace("X", "B").replace("Y", "A")) == 0


def test_a_letter_alone_may_be_small() -> None:
    """There it is no article; nor after a colon, where nothing follows."""
    assert [read_choice("a"), read_choice("(b)."), read_choice("text a")] == [1, 0, 1]
    assert [read_choice("Both texts repeat; answer: b"), read_choice("winner: a."), read_choice("{'better': 'a'}")] == [
        0, 1, 1,
    ]  # fmt: skip


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
        "They are equally coherent.",
        "The texts are tied.",
        "I'd call it a draw",
        "Neither text is better than the other",
    ],
)
def test_a_tie_is_understood(text: str) -> None:
    """As a word alone, or in a sentence that chooses neither."""
    assert read_choice(text) == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "", "8", "C", "A good question", "A text is a text", "A or B", "A and B", "It depends.", "A is better in style, B is better in content", "Winner: A. Winner: B.",
        "A is not better", "<think>A", "Winner: A's author", "I cannot say",
        "Answer: B is worse", "Answer: A is not as good as B", "A text is better if it is coherent. B.", "A text is better than nothing", "Answer: a good text", "Both texts repeat themselves",
        "Both texts are bad; I cannot choose", "I don't think A is better", "I do not prefer A", "I cannot choose A", "If A is better, then B is not", "I wonder whether A is better", "Answer: A or B", "Answer: A/B", "Answer: A, B",
        "A is better in style", "A is better if you like poems", "A would be better without its end", "Which is better, A or B?", "It is not a tie", "They are not equally good", "The poem draws on both",
        "A tie-in with equal parts", "Neither A nor B repeats itself", "They are equally good in style", "The better: A > B, or not", "Answer: A reader would like B", "A is hardly better", "A is better? No, B.", "Answer: A? No.",
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
@example("not " * 20_000 + "A wins")
@example("A is " * 20_000 + "better")
@example("both are " * 20_000)
def test_any_text_is_a_choice_or_is_none(text: str) -> None:
    """No text makes it fail otherwise, or take long."""
    try:
        assert read_choice(text) in (0, 0.5, 1)
    except NoScoreError:
        pass
