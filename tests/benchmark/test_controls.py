"""Controls that spend as many tokens as the strategy that they stand beside."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from test_store import record

from backtrack_sampler.benchmark.controls import Spending, best_of_n, majority, oracle, together
from backtrack_sampler.benchmark.records import Record

budgets = st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=8), min_size=1, max_size=5)
costs = st.integers(1, 9)


@given(budgets, st.randoms(use_true_random=False))
def test_as_many_tokens_are_spent_as_the_strategy_has_drawn(blocks, random) -> None:  # type: ignore[no-untyped-def]
    """Over all blocks the control has drawn as much as the strategy, to a sample, or only the one that each item needs."""
    spending, spent = Spending(), 0
    single = True
    for budget in blocks:
        asking = spending.spend(budget)

        def draw(wanted: Sequence[tuple[int, int, int]]) -> list[Record]:
            return [record("", drawn=random.randint(1, 9)) for _ in wanted]

        (samples,) = together([asking], draw)
        assert [len(some) >= 1 for some in samples] == [True] * len(budget)
        spent += sum(each.drawn for some in samples for each in some)
        single = all(len(some) == 1 for some in samples)
    planned = sum(map(sum, blocks))
    assert spending.left == planned - spent
    # What is owed comes of first samples alone, or of rounds whose samples cost more than was to be expected.
    assert spending.left <= 9 / 2
    if not single:
        assert spending.left >= -9 * len(blocks[-1])


def test_several_draw_their_next_samples_in_one_batch() -> None:
    """What all of them want next is asked for at once; each gets its own, in its order."""
    batches = []

    def draw(wanted: Sequence[tuple[int, int, int]]) -> list[Record]:
        batches.append(list(wanted))
        return [record(f"{number}.{item}.{sample}", drawn=2) for number, item, sample in wanted]

    found = together([Spending().spend([4, 2]), Spending().spend([2]), Spending().spend([])], draw)
    assert [[[each.key for each in some] for some in samples] for samples in found] == [
        [["0.0.0", "0.0.1"], ["0.1.0"]], [["1.0.0"]], [],
    ]  # fmt: skip
    assert batches == [[(0, 0, 0), (0, 1, 0), (1, 0, 0)], [(0, 0, 1)], []][: len(batches)]


def test_items_that_are_behind_get_their_sample_first() -> None:
    """Where the strategy has spent most on an item, the control spends most on it too."""
    (samples,) = together(
        [Spending().spend([2, 10, 2, 2])], lambda wanted: [record("", drawn=2) for _ in wanted]
    )  # fmt: skip
    assert list(map(len, samples)) == [1, 3, 1, 1] or sum(map(len, samples)) == 8
    assert len(samples[1]) == max(map(len, samples))


def test_a_text_that_failed_at_once_is_not_drawn_for_ever() -> None:
    """Samples that cost nothing count as one token, so that spending ends."""
    (samples,) = together([Spending().spend([3])], lambda wanted: [record("", drawn=0) for _ in wanted])
    assert len(samples[0]) == 3


def test_best_of_n_takes_what_the_model_finds_most_probable() -> None:
    """The score is that of the sample with the highest mean log-probability; without one it comes last."""
    samples = [record("1", score=0.0, log_probability=None), record("2", score=0.25, log_probability=-1.0)]
    assert best_of_n(samples) == 0.25
    assert best_of_n([*samples, record("3", score=1.0, log_probability=-2.0)]) == 0.25


def test_the_majority_decides_and_the_more_probable_of_equals() -> None:
    """Samples without an answer have no vote; a tie goes to the answer that the model finds more probable."""
    right = record("1", answer="7", score=1.0, log_probability=-3.0)
    wrong = record("2", answer="8", score=0.0, log_probability=-1.0)
    silent = record("3", answer=None, score=0.0, log_probability=-0.1)
    assert majority([right, wrong, right]) == 1.0
    assert majority([right, wrong]) == 0.0
    assert majority([silent, silent, right]) == 1.0
    assert majority([silent]) == 0.0


def test_the_oracle_takes_the_right_one() -> None:
    """It knows the score, so it is no method, but the most that choosing could give."""
    assert oracle([record("1", score=0.0), record("2", score=1.0)]) == 1.0
