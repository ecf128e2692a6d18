"""When bad answers have become too many."""

from __future__ import annotations

from backtrack_sampler.rl.judges.last_answers import LastAnswers


def stops_at(bad: str, window: int = 50) -> int | None:
    """The number of the answer at which it is time to stop; None for never."""
    answers = LastAnswers(window)
    return next((number for number, each in enumerate(bad, 1) if answers.add("no" if each == "x" else "")), None)


def test_more_than_half_of_the_last_ones_are_too_many() -> None:
    """Whenever that is; not half of them, and not what is longer ago."""
    assert stops_at("." * 1000 + "x" * 50) == 1026
    assert stops_at("x." * 500) is None
    assert stops_at("." * 10 + "x" * 50) == 36
    assert stops_at(("x" * 25 + "." * 25) * 20) is None
    assert stops_at("..xx", window=2) == 4


def test_what_was_wrong_last_is_told() -> None:
    """And how many were bad, of how many that are still looked at."""
    answers = LastAnswers(3)
    for problem in ("one", "", "two", ""):
        answers.add(problem)
    assert (answers.seen, answers.bad, answers.example) == (3, 1, "two")
