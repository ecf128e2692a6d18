"""Sudoku, usually a small one: a task whose search tree is deep."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from ...checks import check_count
from ...errors import InputError
from .base_task import Item, Score
from .few_shot import Solved, Wording
from .generated import GeneratedTask

__all__ = ["Puzzle", "Sudoku", "read_grid", "same_for_alike", "solutions"]

#: The cells of all rows, one after another; 0 is blank.
Grid: TypeAlias = tuple[int, ...]

_BLANKS = {4: (3, 10), 9: (1, 50)}  # fewer: hardly a problem; more: one solution is too rare to be found by trying
_ROUNDS = 4  # until colours tell cells apart
_DISGUISES = 3  # more forms in which a puzzle is asked


class Puzzle(NamedTuple):
    """A grid with blanks, and the only way to fill them."""

    given: Grid
    solution: Grid


def solutions(given: Grid) -> Iterator[Grid]:
    """All ways to fill the blanks of a grid that breaks no rule, by search: the cell with the fewest choices first."""
    size = math.isqrt(len(given))
    units = _units(size)
    cells = list(given)
    used = [0] * len(units)  # bit n: the unit has digit n
    of_cell = _units_of_cells(size)
    for cell, digit in enumerate(cells):
        for unit in of_cell[cell] if digit else ():
            used[unit] |= 1 << digit
    everything = (1 << size + 1) - 2

    def search() -> Iterator[Grid]:
        best, choices = -1, 0
        for cell, digit in enumerate(cells):
            if not digit:
                free = everything
                for unit in of_cell[cell]:
                    free &= ~used[unit]
                if best < 0 or free.bit_count() < choices.bit_count():
                    best, choices = cell, free
        if best < 0:
            yield tuple(cells)
            return
        for digit in range(1, size + 1):
            if choices >> digit & 1:
                cells[best] = digit
                for unit in of_cell[best]:
                    used[unit] |= 1 << digit
                yield from search()
                cells[best] = 0
                for unit in of_cell[best]:
                    used[unit] &= ~(1 << digit)

    return search()


def same_for_alike(given: Grid) -> str:
    """A text that is the same for puzzles that become each other by other digits, by exchanging rows, columns
    or bands, or by reflection. Few others share it.

    It is the Weisfeiler-Lehman colour of the graph in which a cell's neighbours are those of its row and
    column, those of its box, and those with the same digit.
    """
    size = math.isqrt(len(given))
    units = _units(size)
    alike = [[cell for cell, other in enumerate(given) if other == digit] for digit in range(1, size + 1)]
    colours = [str(int(digit > 0)) for digit in given]
    for _ in range(_ROUNDS):
        seen = [_digest(sorted(colours[cell] for cell in cells)) for cells in (*units, *alike)]
        lines, boxes, digits = seen[: 2 * size], seen[2 * size : 3 * size], ["", *seen[3 * size :]]
        colours = [
            _digest(
                [
                    colours[cell],
                    *sorted(lines[unit] for unit in of_cell if unit < 2 * size),
                    *(boxes[unit - 2 * size] for unit in of_cell if unit >= 2 * size),
                    digits[digit],
                ]
            )
            for cell, (digit, of_cell) in enumerate(zip(given, _units_of_cells(size), strict=True))
        ]
    return _digest(sorted(colours))


def read_grid(text: str, size: int) -> Grid | None:
    """The filled grid that a text is; None where it is anything else.

    Digits of a row, rows separated by "/". Allowed: white space anywhere. Not allowed: anything else, or a
    row of another length.
    """
    rows = ["".join(row.split()) for row in text.split("/")]
    if len(rows) != size or not all(re.fullmatch(f"[1-{size}]{{{size}}}", row) for row in rows):
        return None
    return tuple(int(digit) for row in rows for digit in row)


class Sudoku(GeneratedTask[Puzzle]):
    """Sudoku: fill the blanks so that each row, column and box has each digit once.

    Every puzzle has one solution. Those that become each other by other digits, by exchanging rows,
    columns or bands, or by reflection are one problem: they are in one split and share a cluster. There
    are about 1,000 such problems of size 4 with 8 blanks; each is asked in 8 ways, as four such puzzles.

    The answer is the whole grid, in the form in which it is asked.

    Args:
        size: of the grid, 4 or 9.
        blanks: cells to fill, 3 to 10 of size 4, 1 to 50 of size 9.
        shots, chat: see `GeneratedTask`.
    """

    family = "sudoku"
    instruction = "Fill each _ so that every row, column and box has each digit once."
    wordings = (Wording("{grid}", "Puzzle: ", "\nSolution:"),)

    def __init__(self, size: int = 4, blanks: int = 8, shots: int = 3, chat: bool = False) -> None:
        self.size, self.blanks = check_count("size", size), check_count("blanks", blanks)
        if self.size not in _BLANKS:
            raise InputError(f"size must be 4 or 9, not {size}")
        least, most = _BLANKS[self.size]
        if not least <= self.blanks <= most:
            raise InputError(f"blanks must be {least} to {most} of size {size}, not {blanks}")
        super().__init__(shots, chat)
        self.max_new_tokens = 3 * self.size**2

    def draw(self, rng: random.Random) -> Puzzle:
        while True:
            solution = _full_grid(rng, self.size)
            cells = list(range(len(solution)))
            rng.shuffle(cells)
            given, blanks = list(solution), 0
            for cell in cells:
                given[cell] = 0
                if _may_differ(given, cell, solution[cell]):
                    given[cell] = solution[cell]
                else:
                    blanks += 1
                if blanks == self.blanks:
                    return Puzzle(tuple(given), solution)

    def canonical(self, problem: Puzzle) -> str:
        return same_for_alike(problem.given)

    def arrangements(self, problem: Puzzle) -> Sequence[Puzzle]:
        rng = random.Random(repr(problem))
        return [problem, *(_disguised(rng, problem) for _ in range(_DISGUISES))]

    def words(self, problem: Puzzle, wording: Wording) -> Solved:
        return Solved(wording.question.format(grid=_in_words(problem.given)), _in_words(problem.solution))

    def facts(self, problem: Puzzle) -> Mapping[str, Any]:
        return {"given": list(problem.given)}

    def score(self, item: Item, text: str) -> Score:
        grid, given = read_grid(text, self.size), item.data["given"]
        if grid is None:
            return Score(0.0)
        kept = all(mine in (0, theirs) for mine, theirs in zip(given, grid, strict=True))
        valid = all(len({grid[cell] for cell in unit}) == self.size for unit in _units(self.size))
        return Score(float(kept and valid), _in_words(grid))


@cache
def _units(size: int) -> list[list[int]]:
    """The cells of each row, column and box."""
    box = math.isqrt(size)
    rows = [[size * row + column for column in range(size)] for row in range(size)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    starts = [size * row + column for row in range(0, size, box) for column in range(0, size, box)]
    boxes = [[start + size * row + column for row in range(box) for column in range(box)] for start in starts]
    return rows + columns + boxes


@cache
def _units_of_cells(size: int) -> list[list[int]]:
    """The numbers of the units that each cell is in."""
    return [[number for number, unit in enumerate(_units(size)) if cell in unit] for cell in range(size * size)]


def _disguised(rng: random.Random, puzzle: Puzzle) -> Puzzle:
    """The same puzzle in other digits, its rows, columns and bands exchanged, and perhaps reflected."""
    size = math.isqrt(len(puzzle.given))
    digits = [0, *rng.sample(range(1, size + 1), size)]
    rows, columns = _order(rng, size), _order(rng, size)
    cells = [size * row + column for row in rows for column in columns]
    if rng.random() < 0.5:
        cells = [cells[size * column + row] for row in range(size) for column in range(size)]
    given, solution = (tuple(digits[grid[cell]] for cell in cells) for grid in puzzle)
    return Puzzle(given, solution)


def _order(rng: random.Random, size: int) -> list[int]:
    """Lines in another order, in which those of a band stay together."""
    box = math.isqrt(size)
    return [box * band + line for band in rng.sample(range(box), box) for line in rng.sample(range(box), box)]


def _full_grid(rng: random.Random, size: int) -> Grid:
    """A grid without blanks: what search finds after a random first row, and, where that is always much the
    same, disguised."""
    empty = (*rng.sample(range(1, size + 1), size), *[0] * (size * size - size))
    if size == 4:
        return rng.choice(list(solutions(empty)))  # one of 12
    found = next(solutions(empty))
    return _disguised(rng, Puzzle(found, found)).solution


def _may_differ(given: Sequence[int], cell: int, digit: int) -> bool:
    """Whether there is a solution with another digit in a cell that is blank."""
    units = (_units(math.isqrt(len(given)))[unit] for unit in _units_of_cells(math.isqrt(len(given)))[cell])
    taken = {given[other] for unit in units for other in unit} | {digit}
    others = (each for each in range(1, math.isqrt(len(given)) + 1) if each not in taken)
    return any(next(solutions((*given[:cell], each, *given[cell + 1 :])), None) for each in others)


def _in_words(grid: Sequence[int]) -> str:
    size = math.isqrt(len(grid))
    rows = (grid[at : at + size] for at in range(0, len(grid), size))
    return " / ".join(" ".join(str(cell or "_") for cell in row) for row in rows)


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
