"""What came of it, in numbers."""

from __future__ import annotations

import math

import pytest
from made import made, text_of

from backtrack_sampler import Stats
from backtrack_sampler.compare import MEASURES, Comparison, Interval

BY_NAME = {measure.name: measure for measure in MEASURES}


def small(**more: object) -> Comparison:
    """Two prompts, one seed each."""
    found = Comparison(["p", "q"], ["none", "x"], 1, {}, "list")
    texts = [
        text_of("none", 0, 0, "a b c d", tokens=4, log_probability=-1.0, places=((0, 1),)),
        text_of("none", 1, 1, "a b", tokens=2, log_probability=-4.0),
        text_of(
            "x", 1, 1, "e f g h", tokens=8, discarded=2, rollbacks=1, log_probability=-2.0, finish_reason="exhausted"
        ),
        text_of(
            "x", 0, 0, "a b c d", tokens=4, discarded=6, rollbacks=3, log_probability=-1.0, places=((0, 1), (2, 3))
        ),
    ]
    found.add(texts, {"none": Stats(6, 0, 0, 5, 20, 2.0), "x": Stats(12, 8, 4, 9, 30, 3.0)}, 2)
    return found


@pytest.mark.parametrize(
    ("name", "none", "x"),
    [
        ("texts", 2, 2), ("tokens_per_text", 3, 6), ("words_per_text", 3, 4), ("discarded", 0, 8), ("share_discarded", 0, 8 / 20),
        ("rollbacks", 0, 4), ("forward_passes", 5, 9), ("evaluated_tokens", 20, 30), ("tokens_per_second", 3, 4),
        ("repeated_4_grams", 0, 0), ("distinct_1", 4 / 6, 1), ("distinct_2", 3 / 4, 1), ("distinct_3", 1, 1),
        ("log_probability", -12 / 6, -20 / 12), ("phrases_per_1000_words", 1000 / 6, 2000 / 8), ("exhausted", 0, 1),
    ],
)  # fmt: skip
def test_values(name: str, none: float, x: float) -> None:
    """Means are of all words, tokens or texts together, so that a short text counts for less where it says less."""
    found = small()
    assert found.value("none", BY_NAME[name]) == pytest.approx(none)
    assert found.value("x", BY_NAME[name]) == pytest.approx(x)


def test_all_measures_are_tested() -> None:
    """The table has no line that the test before has forgotten."""
    (parameters,) = [mark.args[1] for mark in test_values.pytestmark]  # type: ignore[attr-defined]
    assert [row[0] for row in parameters] == [measure.name for measure in MEASURES]


def test_pairs_are_of_the_same_seed() -> None:
    """A text is compared with what the baseline has written with the same seed, grouped by prompts."""
    pairs = small().pairs("x")
    assert [[(one.seed, other.seed) for one, other in group] for group in pairs] == [[(0, 0)], [(1, 1)]]
    assert all(other.contender == "none" for group in pairs for _, other in group)
    assert small().changed("x") == 1


def test_differences() -> None:
    """The interval is of what a contender has more: here from one prompt's difference to the other's."""
    found = small()
    assert found.difference("x", BY_NAME["tokens_per_text"]) == Interval(0.0, 6.0)
    assert found.difference("x", BY_NAME["repeated_4_grams"]) == Interval(0.0, 0.0)
    assert found.difference("none", BY_NAME["tokens_per_text"]) is None
    assert found.difference("x", BY_NAME["rollbacks"]) is None


def test_the_difference_is_around_that_of_the_means() -> None:
    """Where nothing has failed, the values of the table differ by something that lies in the interval."""
    found = made(prompts=12, seeds=3, chance=4)
    found.texts = [text for text in found.texts if not text.error]
    for name in found.contenders[1:]:
        for measure in MEASURES:
            interval = found.difference(name, measure)
            if interval is not None:
                pairs = [pair for group in found.pairs(name) for pair in group]
                one, other = (measure.of([pair[side] for pair in pairs], Stats()) for side in (0, 1))
                assert interval.low - 1e-9 <= one - other <= interval.high + 1e-9


def test_nothing_is_there_yet() -> None:
    """Before anything is written, means are no numbers and counts are zero."""
    found = Comparison(["p"], ["none", "x"], 1, {}, "list")
    assert math.isnan(found.value("x", BY_NAME["tokens_per_text"]))
    assert math.isnan(found.value("x", BY_NAME["tokens_per_second"]))
    assert found.value("x", BY_NAME["rollbacks"]) == 0
    assert found.difference("x", BY_NAME["tokens_per_text"]) is None
    assert not found.complete
    assert repr(found) == "Comparison(none, x: 0 of 1 prompts)"


def test_a_text_of_nothing() -> None:
    """A text that ended before its first token has no log-probability, and spoils nobody's."""
    found = small()
    found.texts.append(text_of("x", 1, 2, "", tokens=0, words=0, log_probability=math.nan))
    assert found.value("x", BY_NAME["log_probability"]) == pytest.approx(-20 / 12)


def test_in_a_notebook() -> None:
    """It shows its table, and no text of a contender's name becomes markup."""
    shown = made(contenders=["none", "<script>"])._repr_html_()
    assert shown.startswith("<pre>")
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
