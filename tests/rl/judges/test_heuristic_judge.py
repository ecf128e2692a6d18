"""The formula as a judge."""

from __future__ import annotations

import math

import pytest
from judge_server import texts

from backtrack_sampler import InputError
from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.rl.judges.base_judge import Answer
from backtrack_sampler.rl.judges.heuristic_judge import HeuristicJudge
from backtrack_sampler.testing import FakeProvider


def provider(*logits: float) -> FakeProvider:
    """Three words, always as likely as given."""
    return FakeProvider([" a", " b", " c", ""], logits=lambda _: [*logits, -math.inf])


def answers(*given: str) -> list[Answer]:
    return [Answer(" a b", text, Item("1", " a b")) for text in given]


def test_the_formula_as_it_is_written_down() -> None:
    """The mean of distinct-1 to -3, of what is not repeated, and of 1 + L / ln V."""
    judge = HeuristicJudge(provider(math.log(0.5), math.log(0.25), math.log(0.25)))
    likely = 1 + (math.log(0.5) * 3 + math.log(0.25) * 3) / 6 / math.log(4)
    (score,) = judge.scores(
        answers(" a b c a b a")
    )  # different: 3 of 6 words, 4 of 5 pairs, 4 of 4 triples, 3 of 3 fours
    assert score == pytest.approx(((3 / 6 + 4 / 5 + 4 / 4) / 3 + 1 + likely) / 3)


def test_each_part_by_itself() -> None:
    """Weights leave parts out, and only their ratio counts."""
    model = provider(math.log(0.5), math.log(0.25), math.log(0.25))
    text = " a a a a a a"
    assert HeuristicJudge(model, 1, 0, 0).scores(answers(text, " a", " a b")) == pytest.approx(
        [(1 / 6 + 1 / 5 + 1 / 4) / 3, 1, 1]
    )
    assert HeuristicJudge(model, 0, 1, 0).scores(answers(text, " a b c")) == pytest.approx([1 / 3, 1])
    assert HeuristicJudge(model, 0, 1, 0, repeated_size=1).scores(answers(text)) == pytest.approx([1 / 6])
    assert HeuristicJudge(model, 0, 0, 1).scores(answers(text, " b", " b c a")) == pytest.approx(
        [0.5, 0, 1 - (2 + 2 + 1) / 6]
    )
    parts = [HeuristicJudge(model, *weights).scores(answers(text))[0] for weights in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert HeuristicJudge(model, 2, 4, 6).scores(answers(text)) == pytest.approx(
        [(parts[0] + 2 * parts[1] + 3 * parts[2]) / 6]
    )


def test_without_words_a_text_is_worth_nothing() -> None:
    """Empty, blank, punctuation; the model is not asked about it."""
    model = FakeProvider([" ", ".", "a", ""])
    judge = HeuristicJudge(model)
    assert judge.scores(texts("", "   ", "... .")) == [0, 0, 0]
    assert model.asked == []
    assert judge.scores([]) == []


def test_scores_stand_in_the_order_of_their_texts() -> None:
    """Also where some have no words, and some are equal; the same alone or together."""
    judge = HeuristicJudge(FakeProvider([" a", " b", " c", "."], seed=3))
    given = answers(" a b", "", " a a a", ".", " a b", " c")
    together = judge.scores(given)
    assert together == pytest.approx([judge.scores([each])[0] for each in given])
    assert together[0] == together[4] != together[2]
    assert judge.report() == {"judge": "heuristic", "texts": 12}


def test_a_certain_text_is_at_the_most_one_and_an_impossible_one_at_the_least_nothing() -> None:
    """Scores are from 0 to 1, whatever the logits."""
    assert HeuristicJudge(provider(0, -math.inf, -math.inf)).scores(answers(" a")) == [1]
    assert HeuristicJudge(provider(0, -1e9, -1e9), 0, 0, 1).scores(answers(" b")) == [0]


def test_a_prompt_that_is_empty_or_too_long() -> None:
    """Nothing stands before the first token of all, so it is not counted; a long prompt loses its beginning."""
    model = provider(math.log(0.5), math.log(0.25), math.log(0.25))
    judge = HeuristicJudge(model, 0, 0, 1)
    assert judge.scores([Answer("", " b a", Item("1", ""))]) == pytest.approx([0.5])
    assert judge.scores([Answer("", " b", Item("1", ""))]) == [1]
    model.context_size = 4
    assert judge.scores([Answer(" c" * 50, " a a", Item("1", ""))]) == pytest.approx([0.5])


def test_weights_that_are_none_are_refused() -> None:
    """Negative, not finite, or all 0."""
    model = provider(0, 0, 0)
    for weights in ((-1, 1, 1), (1, math.nan, 1), (1, 1, math.inf), (0, 0, 0)):
        with pytest.raises(InputError, match="weight"):
            HeuristicJudge(model, *weights)
    with pytest.raises(InputError, match="repeated_size"):
        HeuristicJudge(model, repeated_size=0)


def test_a_real_model_finds_its_own_words_better_than_noise(smollm) -> None:
    """A sentence, one that repeats itself, and letters without sense, in this order."""
    given = texts(
        " blue because the air scatters light.", " blue blue blue blue blue blue blue blue", " qx zzv jjkq wqx vvbn qqz"
    )
    good, repeated, noise = HeuristicJudge(smollm).scores(given)
    assert good > noise
    assert good > repeated
    likely = HeuristicJudge(smollm, 0, 0, 1).scores(given)
    assert min(likely[:2]) > likely[2]
