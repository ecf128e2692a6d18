"""Needle: who has what."""

from __future__ import annotations

import re

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
    """Everybody has another thing; the place of the one who is asked about varies."""
    items = Needle(statements=5).items()
    for item in items:
        *lines, asked = item.prompt.splitlines()[-6:]
        said = dict(re.split(" - | = |: ", line) for line in lines)
        assert len({*said, *said.values()}) == 10
        assert {*said} < {*NAMES}
        assert {*said.values()} < {*THINGS}
        assert said[asked.rstrip(" :-=")] == item.data["answer"]
        assert [*said][item.data["place"]] == item.data["asked"] == asked.rstrip(" :-=")
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
