"""Lists that behave as the arrays and tensors that strategies work with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from backtrack_sampler.testing import FakeProvider, ListLogits

VALUES = [0.5, -2.0, 3.0, -math.inf, 1.0, 3.0]

EXPRESSIONS = """
    x.max()   x.min()   x[:3].sum()   x[:3].mean()   x.argmax()   x.argmin()   x.max().item()   x.argmax().item()   x[2].item()
    x + 1   1 + x   x - 1   1 - x   x * 2   2 * x   x / 4   -x   x[:3] ** 2   x + x[[5, 4, 3, 2, 1, 0]]   3 / x[:3]   2 ** x
    x[2]   x[-1]   x[1:4]   x[::2]   x[[4, 1]]   x[[]]   x[range(2)]   x[x > 0]   x[(x > 0) & (x < 2)]   x[~(x > 0) | (x == 3)]
    x[x.argmax()]   x[[t for t in range(3)]]   x[x != 3]   x[x >= 1]   x[x <= 1]   x[x == x.max()]
    len(x)   x.shape   x.tolist()   list(x)   (x < 9).all()   (x > 9).any()   (x > 0).sum()   (x > 0).tolist()
    x.clip(-1, 2)   x.clip(min=0)   x.clip(max=1)   x[:3].argsort()   float(x[0])   max(x)   sorted(x)   3.0 in x
"""

CHANGES = """
    x[2] = 7   x[-1] = -math.inf   x[:3] = 0   x[1:3] = x[3:5]   x[[0, 4]] = -math.inf   x[[0, 4]] = x[[4, 0]]   x[[]] = 1
    x[x < 0] = 0   x[x == x.max()] = -math.inf   x[:] = 1   x[[1, 2]] -= 5   x[2] *= 3   x[x > 0] /= 2   x[range(2)] = 9
    x += 1   x -= 1   x *= 2   x /= 2   x -= x.max()   x += x[[5, 4, 3, 2, 1, 0]]   x[2] = x[0] + x[1]   x[x.argmin()] = 0
    x[1] = x.max().item()
"""

REFUSED = ["x[9]", "x[1, 2]", "x['a']", "x + x[:2]", "x[[True]]", "x.__setitem__(slice(2), x)", "hash(x)", "x[[9]]"]


def cases(text: str) -> list[str]:
    """Several on a line, three spaces between them."""
    return [case.strip() for line in text.splitlines() for case in line.split("   ") if case.strip()]


def rows() -> list[Any]:
    return [ListLogits(VALUES), np.array(VALUES, np.float32), torch.tensor(VALUES)]


def plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    return [float(each) for each in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("expression", cases(EXPRESSIONS))
def test_what_is_read(expression: str) -> None:
    """An expression gives the same on all three."""
    ours, *theirs = [plain(eval(expression, {"x": x, "math": math})) for x in rows()]
    for other in theirs:
        assert ours == pytest.approx(other)


@pytest.mark.parametrize("change", cases(CHANGES))
def test_what_is_changed(change: str) -> None:
    """A change in place leaves the same on all three, and the same object."""
    found = []
    for x in rows():
        names: dict[str, Any] = {"x": x, "math": math}
        exec(change, names)
        assert names["x"] is x
        found.append(plain(x))
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(found[2])


@pytest.mark.parametrize("expression", REFUSED)
def test_what_arrays_refuse(expression: str) -> None:
    """What no array takes is an error on our lists, too."""
    for x in rows()[:2]:
        with pytest.raises((IndexError, TypeError, ValueError)):
            eval(expression, {"x": x})


def test_a_copy_is_independent() -> None:
    """A copy is of the same kind, and changes alone."""
    row = FakeProvider().logits([0])
    other = row.copy()
    other -= 1
    assert type(other) is type(row)
    assert other.max() == pytest.approx(row.max() - 1)


def test_reading_makes_new_lists() -> None:
    """An expression changes nothing."""
    check: Callable[[Any], Any] = lambda x: (x + 1, x[:2], x[[1]], -x, x.clip(0, 1), x > 0)  # noqa: E731
    row = ListLogits(VALUES)
    for part in check(row):
        part[:] = 9
    assert row == VALUES
