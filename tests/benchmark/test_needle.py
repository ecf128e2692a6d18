"""Needle: who has what."""

from __future__ import annotations

import pytest

from backtrack_sampler.benchmark.tasks.needle import EXAMPLE_NAMES, EXAMPLE_THINGS, NAMES, THINGS, Needle, one_thing
from backtrack_sampler.errors import InputError


@pytest.mark.parametrize("text", ["kite", " kite", "a kite", "A kite.", "the Kite\n", "an kite ."])
def test_things(text: str) -> None:
    """An article, capitals, white space and a full stop are allowed."""
    assert one_thing(text) == "kite"


@pytest.mark.parametrize(
    "text",
    ["", "a", "kite, drum", "kite drum", "Anna has a kite", "kite!", '"kite"', "kite..", "a  b  c", "kıte", "kites?"],
)
def test_no_things(text: str) -> None:
    """All else is no answer, or not that one."""
    assert one_thing(text) != "kite"


def test_one_statement_answers() -> None:
    """Everybody has another thing, in plain text and in the data; the place of the asked one varies."""
    items = Needle(statements=5).items()
    for item in items:
        question = item.prompt.splitlines()[-2:]
        assert sum(name in " ".join(question) for name in NAMES) == 5
        assert sum(f" {thing}" in " ".join(question) for thing in THINGS) >= 5
        assert item.data["answer"] in THINGS
    assert {item.data["place"] for item in items} == set(range(5))


def test_names_and_things_differ() -> None:
    """None is there twice, and none of the examples is in a question."""
    lists = (NAMES, THINGS, EXAMPLE_NAMES, EXAMPLE_THINGS)
    assert len(set().union(*lists)) == sum(map(len, lists)) == 80
    assert all(one_thing(thing) == thing for thing in THINGS)


def test_too_many_statements() -> None:
    """There are 20 names."""
    with pytest.raises(InputError, match="statements must be at most 20, not 21"):
        Needle(statements=21)
