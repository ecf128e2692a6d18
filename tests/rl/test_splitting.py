"""What is trained on, and what a policy is tried on."""

from __future__ import annotations

from collections import Counter

from backtrack_sampler.benchmark.tasks import Item
from backtrack_sampler.rl.environment.env import items_of, items_of_task
from backtrack_sampler.rl.training.splitting import split


def test_nothing_is_on_both_sides() -> None:
    """Not in other words, nor twice as it stands; all that is not held out is trained on, in its order."""
    items = items_of_task("sums", 200)
    train, held_out = split(items, 0.2, 32)
    assert not {item.cluster for item in train} & {item.cluster for item in held_out}
    assert len(held_out) == 32
    assert train == [item for item in items if item in train]
    twice = items_of([f"prompt {number % 7}" for number in range(70)])
    train, held_out = split(twice, 0.3, 100)
    assert not {item.prompt for item in train} & {item.prompt for item in held_out}
    assert train == [item for item in twice if item.prompt not in {each.prompt for each in held_out}]
    assert len(held_out) == 21


def test_by_chance_and_always_the_same() -> None:
    """A file that is sorted by its subjects has all of them on both sides."""
    items = items_of([f"subject {number // 50}, {number}" for number in range(200)])
    train, held_out = split(items, 0.2, 40)
    assert (train, held_out) == split(items, 0.2, 40)
    assert len(held_out) == 40
    assert len(Counter(str(item.prompt)[:9] for item in held_out)) == 4


def test_few_are_on_both_sides() -> None:
    """Fewer than five different ones, or none wanted: then they are the same objects, so that it can be said."""
    few = [*items_of(["a", "b", "c", "d"]), Item("4", "a")]
    train, held_out = split(few, 0.2, 32)
    assert train[0] is held_out[0]
    many = items_of([f"{number}" for number in range(40)])
    assert split(many, 0.0, 3) == (many, many[:3])


def test_something_is_always_left_to_train_on() -> None:
    """Even where nearly all are to be held out."""
    train, held_out = split(items_of([f"{number}" for number in range(6)]), 0.99, 100)
    assert (len(train), len(held_out)) == (1, 5)
