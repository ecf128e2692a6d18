"""The table as text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import made, text_of
from wcwidth import wcswidth

from backtrack_sampler.compare import Comparison
from backtrack_sampler.compare.table import facts, notes

COMMAND = ["none", "antislop", "creative-writing", "ngram-overlap"]


@settings(max_examples=25)
@given(
    st.lists(st.text(min_size=1, max_size=40).filter(str.strip), min_size=1, max_size=5, unique=True),
    st.integers(0, 99), st.integers(50, 130), st.sampled_from([1, 30]),
)  # fmt: skip
def test_it_fits(names: list[str], chance: int, columns: int, size: float) -> None:
    """However many contenders and whatever their names, no line is wider than the terminal, and nothing in it moves the cursor."""
    found = made(["none", *names], chance=chance, size=size)
    lines = found.table(columns).split("\n")
    assert all(wcswidth(line) <= columns for line in lines), max(lines, key=wcswidth)
    assert not any(character < " " for line in lines for character in line)


@pytest.mark.parametrize("size", [1, 100])
def test_four_contenders_fit_a_terminal(size: float) -> None:
    """Four of them, with names that are long and large numbers, are one block of 80 columns."""
    found = made([*COMMAND, "probability-threshold:min_probability=0.02"], prompts=4, size=size)
    lines = found.table(80).split("\n")
    assert max(map(wcswidth, lines)) <= 80
    assert sum(line.startswith("texts ") for line in lines) == 1
    assert sum(line.startswith("repeated 4-grams") for line in lines) == 2  # values and differences


def test_names_or_letters() -> None:
    """Names stand above their columns where they fit; where not, letters do, which are said."""
    found = made(COMMAND)
    assert any(line.split() == COMMAND for line in found.table(80).split("\n"))
    narrow = found.table(60).split("\n")
    assert {"A   antislop", "B   creative-writing", "C   ngram-overlap"} <= set(narrow)
    assert any(line.split() == ["none", "A", "B", "C"] for line in narrow)


def test_one_name_that_is_too_long_for_one_of_the_tables() -> None:
    """A letter stands for a name in both tables where it is too long for either."""
    lines = made(["none", "x" * 50]).table(75).split("\n")
    assert [line.split() for line in lines].count(["A"]) == 1
    assert ["none", "A"] in [line.split() for line in lines]


def test_columns_stand_below_each_other() -> None:
    """Where there is room, the differences of a contender stand under its values."""
    lines = [line for line in made(COMMAND).table(100).split("\n") if line.startswith("tokens a text")]
    assert len(lines) == 2
    assert len(lines[0]) == len(lines[1])


def test_more_columns_than_fit_are_continued() -> None:
    """Contenders that do not fit come in a second block, beside the baseline once more."""
    lines = made(["none", *(f"contender-{number}" for number in range(12))]).table(60).split("\n")
    heads = [line.split() for line in lines if line.split()[:1] == ["none"]]
    assert len(heads) > 1
    assert [name for head in heads for name in head[1:]] == list("ABCDEFGHIJKL")


def test_what_was_compared() -> None:
    """The first line says of what, the last ones what it means; what is not complete says so."""
    found = made(COMMAND, prompts=3, seeds=2)
    assert facts(found) == "model, 3 prompts with 2 seeds each, at most 60 tokens, temperature 0.8"
    assert (
        facts(made(prompts=3, done=1)) == "model, 1 of 3 prompts with 2 seeds each, at most 60 tokens, temperature 0.8"
    )
    assert facts(Comparison(["p"], ["none", "x"], 1, {}, "")) == "0 of 1 prompt with 1 seed each, temperature 1"
    assert "antislop bans" not in notes(found)
    found.built_in = True
    assert "which antislop bans where it is given no other" in notes(found)
    assert "no benchmark" in notes(found)


def test_what_cannot_be_said_is_a_dash() -> None:
    """No text, no mean; one text, no interval; and no table of nothing but dashes."""
    found = Comparison(["p"], ["none", "x"], 1, {}, "list")
    found.add([text_of("none", 0, 0, "a"), text_of("x", 0, 0, "a", error="failed")], {}, 1)
    table = found.table()
    assert "Difference" not in table
    (line,) = [line for line in table.split("\n") if line.startswith("tokens a text")]
    assert line.split()[-2:] == ["1.0", "–"]
    assert any(line.split() == ["failed", "0", "1"] for line in table.split("\n"))
