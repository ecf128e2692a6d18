"""Scores in words: what is understood, and what is too unsure to be."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backtrack_sampler import BacktrackError
from backtrack_sampler.rl.judges.score_reading import NoScoreError, read_score, shortened, without_thoughts


@pytest.mark.parametrize(
    ("text", "score"),
    [
        # plain numbers
        ("8.5", 8.5), ("8,5", 8.5), ("8", 8), ("8.", 8), (" 10\n", 10), ("1", 1), ("7.0", 7), ("+8", 8), ("- 8", 8), ("#8", 8),
        ("I'd give it an 8.", 8), ("8 - good", 8), ("8 stars", 8), ("[[8]]", 8), ("８", 8), ("GPT-4 gives an 8", 8), ("8. I'd say 8", 8),
        # fractions
        ("9/10", 9), ("8.5 out of 10", 8.5), ("10 out of 10", 10), ("7,5/10", 7.5), ("8 / 10.", 8), ("(8/10)", 8), ("8 (out of 10)", 8),
        ("6.5 out of a possible 10", 6.5), ("8／10", 8), ("80/100", 8), ("57/100, so 5.7", 5.7), ("4 out of 5", 8), ("4/5", 8), ("80%", 8), ("85 %", 8.5),
        ("0/10", 1), ("0/100", 1), ("5/100", 1), ("8/10 for its 3 jokes", 8), ("8/10, for 1/2 of it is good", 8),
        # marked
        ("Score: 7", 7), ("Rating: 80/100", 8), ("**8**/10", 8), ("**Score:** 8", 8), ("Score: **8**", 8), ("__8__/10", 8), ("`8`", 8),
        ("Score = 8", 8), ("Score - 8", 8), ("Score–8", 8), ("The score is 8", 8), ("a score of 8", 8), ("Score is an 8", 8), ("Grade: 8+", 8),
        ('{"score": 7}', 7), ('```json\n{"score": 7, "reason": "3 errors"}\n```', 7), ('{"max_score": 10, "score": 7}', 7), ('{"rating": "8/10"}', 8),
        ("1. fluent\n2. on topic\nScore: 8", 8), ("Score: 8, because 2 things are wrong", 8), ("Score:\n\n8", 8), ("Score out of 10: 8", 8),
        ("a score of 7/10, not 8/10", 7), ("Score: 8/10. I repeat: score: 80%", 8), ("$\\boxed{8}$", 8),
        # final ones
        ("Score: 7, score: 5. Overall score: 6", 6), ("I hesitate between 7 and 8. Final score: 7.5", 7.5), ("Score 3... Total score: 9", 9),
        # the scale is no score
        ("On a scale of 1-10, I'd give it 8", 8), ("On a scale from 1 to 10: 8", 8), ("Score (1-10): 8", 8), ("Score (1–10): 8", 8), ("between 1 and 10, an 8", 8),
        # thoughts are none either
        ("<think>7 or 8? Score: 3</think>\n\n8", 8), ("it may be 3</think>8", 8),
    ],
)  # fmt: skip
def test_a_score_is_understood(text: str, score: float) -> None:
    """However it is written: as a number, of some other scale, marked, in JSON, with the scale beside it."""
    assert read_score(text) == pytest.approx((score - 1) / 9, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "", "good", "GPT-4", "v1.2.3", "the 8th", "10k", "8.5k", "8½", "8²", "1e1", "1/2/2024", "10/10/10", "1,000", "7,8,9", "[7,8]",
        "<think>8", "9" * 400, "Score: " + "9" * 400, "1 to 10", "from 1-10",
    ],
)  # fmt: skip
def test_a_text_without_a_number_has_no_score(text: str) -> None:
    """A number that is a part of something else is none."""
    with pytest.raises(NoScoreError, match="there is no number"):
        read_score(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("between 7 and 8", "7 or 8"), ("7-8", "7 or 8"), ("7–8", "7 or 8"), ("7 or 8", "7 or 8"), ("[7, 8]", "7 or 8"), ("Score: 7-8", "7 or 8"), ("Score: 7 or 8", "7 or 8"),
        ("8-9/10", "8 or 9/10"), ("8/10-9/10", "8/10 or 9/10"), ("70%-80%", "70% or 80%"), ("Score: 5, score: 6", "5 or 6"), ("I'd say 8, with 2 errors", "8 or 2"),
        ("2 of 3 facts are wrong: 4", "2 or 3 or 4"), ("1/2 of it is good, so 7", "1/2 or 7"), ("1 to 100", "1 or 100"),
    ],
)  # fmt: skip
def test_several_that_differ_are_no_score(text: str, why: str) -> None:
    """Nothing is guessed where two numbers are as surely the score."""
    with pytest.raises(NoScoreError, match=f"it may be {why}$"):
        read_score(text)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "11",
        "0.85",
        "-3",
        "Score: -3",
        "Score:-3",
        "−3",
        "100",
        "11/10",
        "24/7",
        "5/0",
        "0/0",
        "-1/10",
        "110%",
        "Score: 15/10",
    ],
)
def test_what_is_not_on_the_scale_is_no_score(text: str) -> None:
    """A number out of range is not made to fit."""
    with pytest.raises(NoScoreError, match="is not on the scale$"):
        read_score(text)


def test_an_error_shows_a_long_text_shortened_and_on_one_line() -> None:
    """It is this package's error and a ValueError, and names what was said."""
    with pytest.raises(
        NoScoreError, match=r"no score from 1 to 10 in 'I think that(.{65})\.\.\.': there is no number"
    ) as caught:
        read_score("I think that\n" + "it is what it is, " * 99)
    assert isinstance(caught.value, BacktrackError)
    assert isinstance(caught.value, ValueError)
    assert shortened("a  b\nc") == "a b c"


def test_another_scale() -> None:
    """Its ends are 0 and 1; a fraction is one of its upper end, or of 100."""
    assert read_score("3", 1, 5) == 0.5
    assert read_score("4/5 with 2 errors", 1, 5) == 0.75
    assert read_score("50", 0, 100) == 0.5
    assert read_score("from 0 to 100, I'd say 50", 0, 100) == 0.5
    assert read_score("-1", -1, 1) == 0
    with pytest.raises(NoScoreError, match="from 1 to 5"):
        read_score("6", 1, 5)


def test_thoughts_are_left_out() -> None:
    """All up to the end of the last thought; everything where a thought does not end."""
    assert without_thoughts("a") == "a"
    assert without_thoughts("<think>a</think>b<think>c</think>d") == "d"
    assert without_thoughts("<think>a</think>b<think>c") == ""


TENTHS = st.integers(10, 100).map(lambda tenths: tenths / 10)
WORDS = [
    "{}",
    " {} ",
    "{}.",
    "**{}**",
    "Score: {}",
    "score of {}",
    '{{"score": {}}}',
    "I'd give it a {}.",
    "Rating - {}!",
    "From 1 to 10: {}",
    "{}/10",
    "{} out of 10",
]


@given(TENTHS, st.sampled_from(WORDS), st.booleans())
def test_a_score_means_the_same_however_it_is_written(value: float, words: str, comma: bool) -> None:
    """A value comes back from every wording, with a point or a comma."""
    written = f"{value:g}"
    assert read_score(words.format(written.replace(".", ",") if comma else written)) == pytest.approx(
        (value - 1) / 9, abs=1e-9
    )


@given(st.integers(1, 999), st.integers(1, 999))
def test_a_fraction_is_its_share_of_the_scale(value: int, top: int) -> None:
    """Where it is more than 1 it is no score."""
    if value > top:
        with pytest.raises(NoScoreError):
            read_score(f"{value}/{top}")
    else:
        assert read_score(f"{value}/{top}") == pytest.approx((max(1, 10 * value / top) - 1) / 9, abs=1e-9)


@given(
    TENTHS,
    TENTHS,
    st.sampled_from(["{} or {}", "{}-{}", "{} to {}", "{}, {}", "Score: {} and {}", "Score: {}; score: {}"]),
)
def test_two_scores_are_one_only_where_they_are_equal(one: float, other: float, words: str) -> None:
    """No matter how they are joined."""
    text = words.format(one, other)
    if one == other:
        assert read_score(text) == pytest.approx((one - 1) / 9, abs=1e-9)
    elif (one, other) != (1, 10):  # which is the scale
        with pytest.raises(NoScoreError):
            read_score(text)


@given(st.one_of(st.text(), st.text("0123456789,./%- scoreoutf:*[]{}<think>\n")))
@example("Score:" * 20_000)
@example("1 - " * 20_000)
@example("1" * 100_000)
@example("* " * 50_000)
@example("1" + " " * 100_000 + "2")
def test_any_text_has_a_score_or_has_none(text: str) -> None:
    """No text makes it fail otherwise, give something that is no share, or take long."""
    try:
        assert 0 <= read_score(text) <= 1
    except NoScoreError:
        pass
