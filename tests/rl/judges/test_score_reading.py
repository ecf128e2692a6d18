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
        "11",
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


# What models say: the score, or None where it is not sure enough to be one.
REPLIES: list[tuple[str, float | None]] = [
    # the worst there is, and less
    ("0", 1), ("Score: 0", 1), ("0.5", None), ("0.85", None), ("0/10", 1), ("I'd give it a 0.", 1), ("Score: -1", None), ("Score: 0 errors", None), ("0 errors", None),
    # a number of something else
    ("There is 1 typo, otherwise excellent.", None), ("1 typo", None), ("There are 2 errors.", None), ("It repeats the sentence in line 3.", None),
    ("The story goes on until chapter 7", None), ("The text has 100 words", None), ("5 sentences, all of them good.", None), ("The text is 80% repetition.", None),
    ("I am 90% sure it is good", None), ("It says the same thing 4 times", None), ("Written by GPT 4", None), ("It stops after 3", None),
    ("9/10 sentences are copies", None), ("Grade 3 level writing", None), ("It was a text for grade 3", None), ("Points 1 and 2 are good", None),
    ("Verdict: 1 typo, otherwise excellent", None), ("7 out of 10 words are the same", None), ("I am 90% sure that it deserves an 8", None),
    ("Errors: 3", None), ("Number of errors: 3", None), ("Typos: 1", None), ("Length: 7", None), ("Confidence: 9", None), ("Confidence: 90%", None), ("[1] The text is good", None),
    ("Errors: 3\nScore: 6", 6),
    # a score that something else would have, or that it has not
    ("A 10/10 text would be coherent; I give this a 3.", None), ("I give this a 3. A 10 would be coherent.", None), ("A perfect text would get a 10.", None),
    ("Score: 10 is the maximum; I give 3", None), ("It is not worth 10", None), ("I would not give it a 10.", None), ("I can't rate this 10/10", None),
    ("This doesn't deserve a score of 10.", None), ("The maximum score is 10", None), ("The highest score is 10. I give it a score of 4", 4), ("Less than 5", None), ("Score: <5", None), (">5", None),
    ("I'd say at most 4.", None), ("I would give it a 9 if it were shorter.", None), ("If it were shorter, I'd give it a 9", None), ("It could be an 8", None),
    ("A score of 10 means perfect; this text: score of 4", 4), ("10 = perfect", None), ("A 10/10 is for masterpieces. This is 4/10.", 4), ("It is not a 10/10, but a 7/10", 7),
    ("8/10 would be too much; more like a 4.", None), ("Score: 10/10 would be perfect, and this is 3/10", 3), ("8/10, but without the end I would have said 4", 8),
    # markers of a list
    ("1. The text is coherent and stays on topic. It does not", None), ("1. Coherent\n2. On topic", None), ("1) Coherent", None), ("Score:\n1. The text is coherent", None),
    ("1. Coherent\n2. On topic\n\n7", 7), ("1. Coherent.\n2. On topic.\nI'd give it a 7.", 7), ("1. Score: 8", 8), ("**1. Coherence:** good\n**2. Style:** poor", None),
    ("1. Coherence: 8\n2. Style: 4", None), ("1.", 1), ("7. The text is coherent.", 7), ("10. Very good", 10),
    # aspects, and what is made of them
    ("Coherence: 8/10. Overall: 5", 5), ("Coherence: 8\nStyle: 4\nOverall: 5", 5), ("Coherence 8/10, style 4/10. Overall, I'd give it a 6.", 6), ("Overall 6/10", 6),
    ("Overall score: 6/10\nCoherence score: 9/10", 6), ("Final answer: 7. Coherence: 8.", 7), ("Coherence: 8\nStyle: 4", None), ("Coherence: 8/10\nStyle: 8/10", 8),
    ("Overall quality: 7", 7), ("The overall coherence is 8/10, and the style 3/10", None), ("8 for coherence, 4 for style", None), ("Coherence: 8\n- 7", None),
    # the scale
    ("1 (worst) to 10 (best): 6", 6), ("from 1 (worst) to 10 (best)", None), ("On a scale from 1 (worst) to 10 (best), I rate this a 7.", 7), ("8 on a scale of 1 to 10", 8),
    ("On a scale of 1 to 10, where 1 is the worst and 10 is the best, I'd give it a 6.", 6), ("(1 = worst, 10 = best) 4", 4), ("I rate it 8 on a 10-point scale", 8),
    ("On a scale of 10, this is an 8.", 8), ("Score: 1-10", None), ("1 being bad and 10 being good", None),
    # given in a sentence
    ("I would rate this a 7", 7), ("I would rate this text a 7 because it is coherent.", 7), ("I'd rate this continuation as a solid 6, for it repeats itself", 6), ("I give it 4.", 4),
    ("It deserves a 9!", 9), ("This gets a 2 from me", 2), ("I’d say it's a 7.", 7), ("My rating would be 7", 7), ("The score for this text is 7.", 7), ("The score I would give is 5", 5), ("The rating I'd assign to the text is an 8.", 8), ("My answer: 7", 7), ("Therefore, 7.", 7), ("Maybe 7", 7), ("This is a 3, it makes no sense", 3),
    ("The text is not coherent, so I give it a 2.", 2), ("It does not make sense. Score: 2", 2), ("It does not repeat itself: 8/10", 8), ("I rate this 7 out of 10 stars.", 7),
    # first, last, or on a line of its own
    ("8 because it is coherent", 8), ("The text is coherent and to the point.\n\n8", 8), ("8\n\nThe text is coherent, with 2 errors.", 8), ("3: it makes no sense", 3), ("Coherent, but it repeats itself - 6", 6),
    ("8\n8", 8), ("8\n7", None), ("8/10\n\nIt is coherent.", 8), ("Score: 7\nErrors: 3", 7), ("Text quality = 7", 7), ("Score: 8 The text is coherent", 8), ("<score>7</score>", 7), ("**Score**\n\n7", 7), ("Score: 7\n- 3 errors", 7),
    ("$$\\boxed{8}$$", 8), ("7 points", 7), ("Score: 7 points out of 10", 7), ('"8"', 8), ("8/10 (80%)", 8), ("Score: seven", None), ("I cannot give a score.", None), ("Sure! Please give me the text.", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "score"), REPLIES)
def test_what_models_say_is_read_as_it_is_meant_or_not_at_all(text: str, score: float | None) -> None:
    """A number that counts errors, words or items, or that is said of another text, is never the score."""
    if score is None:
        with pytest.raises(NoScoreError):
            read_score(text)
    else:
        assert read_score(text) == pytest.approx((score - 1) / 9, abs=1e-9)


def test_less_than_the_worst_is_the_worst_of_a_scale_from_one_only() -> None:
    """Models that are asked for 1 to 10 say 0; on another scale it is a mistake."""
    assert read_score("0") == 0
    assert read_score("Score: 0", 1, 5) == 0
    with pytest.raises(NoScoreError, match="0 is not on the scale"):
        read_score("0", 2, 5)


def test_a_number_that_may_be_anything_is_shown() -> None:
    """So that whoever reads the message sees what was there."""
    with pytest.raises(NoScoreError, match="in 'There is 1 typo': 1 may be something else$"):
        read_score("There is 1 typo")


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
@example("1\n" * 50_000)
@example("1. a\n" * 50_000)
@example("I would not give it " * 20_000 + "8")
@example("1 (" * 50_000)
@example("8 " + "'" * 100_000 + "is")
def test_any_text_has_a_score_or_has_none(text: str) -> None:
    """No text makes it fail otherwise, give something that is no share, or take long."""
    try:
        assert 0 <= read_score(text) <= 1
    except NoScoreError:
        pass
