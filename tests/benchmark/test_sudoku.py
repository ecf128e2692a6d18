"""Sudoku: puzzles with one solution, and the same problem in disguise."""

from __future__ import annotations

import math
import random
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.benchmark.tasks.base_task import TEST, Item
from backtrack_sampler.benchmark.tasks.sudoku import Puzzle, Sudoku, _disguised, read_grid, same_for_alike, solutions
from backtrack_sampler.errors import InputError

FULL = (1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1)
ONE_BLANK = (0, *FULL[1:])


def _value(text: str, given: tuple[int, ...] = ONE_BLANK) -> float:
    return Sudoku().score(Item("", "", data={"given": list(given)}), text).value


def test_all_grids_of_size_4_are_found() -> None:
    """There are 288, as many as there are by trying all rows."""
    found = list(solutions((0,) * 16))
    assert len(found) == len(set(found)) == 288
    rows = list(permutations((1, 2, 3, 4)))
    one = [
        a + b + c + d for a in rows for b in rows if not {*a[:2]} & {*b[:2]} for c in rows for d in rows
        if not {*c[:2]} & {*d[:2]} and all(len(set(column)) == 4 for column in zip(a, b, c, d, strict=True))
    ]  # fmt: skip
    assert set(found) == set(one)


@pytest.mark.parametrize(
    "text", ["1 2 3 4 / 3 4 1 2 / 2 1 4 3 / 4 3 2 1", "1234/3412/2143/4321", " 1 2 34 / 3412/ 2143 /4321\n"]
)
def test_right_grids(text: str) -> None:
    """White space is allowed anywhere."""
    assert _value(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "1 2 3 4", "1234/3412/2143", "1234/3412/2143/4321/", "1234/3412/2143/4321.", "1234/3412/2143/4321 ok", "1234 3412 2143 4321",
        "1234/3412/2143/432_", "1234/3412/2143/43210", "1235/3412/2143/4321", "1234/3412/2143/432１", "1,234/3412/2143/4321",
        "2143/3412/1234/4321",  # no row is what it was
        "1234/1234/1234/1234", "1234/3412/2143/4312", "1234/2143/3412/4321",
    ],
)  # fmt: skip
def test_wrong_grids(text: str) -> None:
    """Anything else after it, rows of other lengths, a given cell that has changed, a rule that is broken."""
    assert _value(text) == 0


def test_boxes_count() -> None:
    """Rows and columns alone do not make a grid right."""
    latin = "1234/2341/3412/4123"
    assert read_grid(latin, 4) is not None
    assert _value(latin, (0,) * 16) == 0
    assert _value("1234/3412/2143/4321", (0,) * 16) == 1


@pytest.mark.parametrize("task", [Sudoku(), Sudoku(blanks=3), Sudoku(blanks=10), Sudoku(size=9, blanks=40)])
def test_puzzles_have_one_solution(task: Any) -> None:
    """Each has so many blanks, and one solution, which is its answer."""
    for item in task.items(TEST, 15):
        given = tuple(item.data["given"])
        assert given.count(0) == task.blanks
        (only,) = solutions(given)
        assert read_grid(item.data["answer"], task.size) == only


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([4, 4, 9]), st.integers(3, 10))
def test_disguises_are_one_problem(seed: int, size: int, blanks: int) -> None:
    """Other digits, exchanged rows, columns and bands, and reflection: still valid, and the same text."""
    rng = random.Random(seed)
    puzzle = Sudoku(size=size, blanks=blanks).draw(rng)
    other = _disguised(rng, puzzle)
    assert same_for_alike(puzzle.given) == same_for_alike(other.given)
    assert list(solutions(other.given)) == [other.solution]


def test_other_problems_are_others() -> None:
    """It tells puzzles apart: in a hundred, hardly two share it that are not one."""
    rng = random.Random(1)
    task = Sudoku(blanks=3)
    puzzles = [task.draw(rng) for _ in range(100)]
    pairs = {(same_for_alike(each.given), _smallest(each)) for each in puzzles}
    texts, forms = ({pair[place] for pair in pairs} for place in (0, 1))
    assert len(texts) <= len(forms) == len(pairs)
    assert len(texts) >= 0.9 * len(forms) > 20


def _smallest(puzzle: Puzzle) -> tuple[int, ...]:
    """The smallest of all forms of a puzzle of size 4, which is the same for all that are one."""
    size = math.isqrt(len(puzzle.given))
    lines = [(a, b, c, d) for p in ((0, 1), (1, 0)) for q in ((2, 3), (3, 2)) for a, b, c, d in ((*p, *q), (*q, *p))]
    forms = []
    for grid in (puzzle.given, tuple(puzzle.given[size * c + r] for r in range(size) for c in range(size))):
        for rows in lines:
            for columns in lines:
                cells = [grid[size * row + column] for row in rows for column in columns]
                digits = {0: 0}
                forms.append(tuple(digits.setdefault(cell, len(digits)) for cell in cells))
    return min(forms)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"size": 6}, "size must be 4 or 9"), ({"blanks": 0}, "blanks must be"), ({"blanks": 11}, "blanks must be 3 to 10 of size 4, not 11")],
)  # fmt: skip
def test_puzzles_that_there_are_not(parameters: dict[str, int], message: str) -> None:
    """What cannot be made is refused."""
    with pytest.raises(InputError, match=message):
        Sudoku(**parameters)
