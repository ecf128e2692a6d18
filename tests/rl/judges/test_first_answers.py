"""When bad answers are too many."""

from __future__ import annotations

from backtrack_sampler.rl.judges.first_answers import FirstAnswers


def stops_at(bad: str, first: int = 20) -> int | None:
    """The number of the answer at which it is time to stop; None for never."""
    answers = FirstAnswers(first)
    return next((number for number, each in enumerate(bad, 1) if answers.add("no" if each == "x" else "")), None)


def test_more_than_half_of_the_first_ones_are_too_many() -> None:
    """As soon as that is certain; not half of them, and not later ones."""
    assert stops_at("x" * 30) == 11
    assert stops_at("." * 9 + "x" * 30) == 20
    assert stops_at("." * 10 + "x" * 30) is None
    assert stops_at("." * 20 + "x" * 30) is None
    assert stops_at("x", first=1) == 1


def test_what_was_wrong_first_is_remembered() -> None:
    """And how many were bad, of how many."""
    answers = FirstAnswers()
    for problem in ("", "one", "two", ""):
        answers.add(problem)
    assert (answers.seen, answers.bad, answers.example) == (4, 2, "one")
