"""From logits to candidates to a token."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.arrays import entropy, log_total, scale, top_of_rows
from backtrack_sampler.candidates import ArrayCandidates, top
from backtrack_sampler.errors import InputError, ModelError
from backtrack_sampler.options import SessionOptions
from backtrack_sampler.sampling import candidates, draw, most_probable, total
from backtrack_sampler.testing import ListLogits


def reference(logits, top_k=None, top_p=None, min_p=None) -> dict[int, float]:
    """The definition, slowly: sort everything, then filter."""
    peak = max(logits)
    order = sorted(range(len(logits)), key=lambda t: (-logits[t], t))
    weights = {t: math.exp(logits[t] - peak) for t in order}
    weights = {t: w for t, w in weights.items() if w > 0 and w >= (min_p or 0)}
    weights = dict(list(weights.items())[: top_k or None])
    if top_p is not None and top_p < 1:
        enough, mass, kept = top_p * math.fsum(weights.values()), 0.0, {}
        for token, weight in weights.items():
            kept[token] = weight
            mass += weight
            if mass >= enough:
                break
        weights = kept
    whole = math.fsum(weights.values())
    return {t: w / whole for t, w in weights.items()}


filters = st.fixed_dictionaries({
    "top_k": st.one_of(st.none(), st.integers(0, 60)),
    "top_p": st.one_of(st.none(), st.floats(0.01, 1)),
    "min_p": st.one_of(st.none(), st.floats(0, 1)),
})  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=1, max_size=80), filters)
def test_selection_is_exact_in_every_library(values: list[float], given_filters: dict) -> None:
    """Lists, NumPy and torch give the candidates of the definition, in order, ties to the lower id."""
    expected = reference(values, **given_filters)
    row = np.array(values, dtype=np.float32)
    for logits in (ListLogits(values), row, torch.from_numpy(row)):
        found = candidates(logits, **given_filters)
        if given_filters["top_p"] is not None and list(found) != list(expected):
            # Equal but for the rounding of a sum that lies on the border itself.
            assert abs(len(found) - len(expected)) <= 1
            continue
        assert list(found) == list(expected)
        assert list(found.values()) == pytest.approx(list(expected.values()), rel=1e-5)


@pytest.mark.parametrize("size", [5_000, 49_152, 128_256, 262_144])
@pytest.mark.parametrize("spread", [0.5, 3.0])
@pytest.mark.parametrize(("top_k", "top_p", "min_p"), [(50, None, None), (None, 0.9, None), (None, None, 0.1), (None, None, None), (5000, 0.95, None)])  # fmt: skip
def test_large_vocabularies(size: int, spread: float, top_k, top_p, min_p) -> None:
    """The fast path for large vocabularies agrees with the definition."""
    row = (np.random.default_rng(size).standard_normal(size) * spread).astype(np.float32)
    weights = np.exp(row.astype(np.float64) - row.max())
    order = np.argsort(-row, kind="stable")
    if min_p:
        order = order[weights[order] >= min_p]
    order = order[: top_k or None]
    if top_p:
        mass = weights[order].cumsum()
        order = order[: int(mass.searchsorted(top_p * mass[-1])) + 1]
    found = candidates(row, top_k, top_p, min_p)
    # float32 sums may put a token on the border on either side
    assert abs(len(found) - len(order)) <= (2 if top_p else 0)
    assert list(found)[:100] == order[:100].tolist()
    share = weights[order[0]] / weights[order].sum()
    assert found[int(order[0])] == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize("size", [100, 512, 700, 1 << 16, (1 << 16) + 1, 128_256])
def test_the_best_of_a_vocabulary_of_any_size(size: int) -> None:
    """Ties go to the lower id, wherever the best stand; NaN is found wherever it stands."""
    row = (np.random.default_rng(size).integers(-40, 40, size) / 8).astype(np.float32)
    row[-1] = 6  # what is left over at the end has its share
    for k in (1, 50, 99):
        ids, values = top(row, k)
        assert ids.tolist() == np.argsort(-row, kind="stable")[:k].tolist()
        assert values.tolist() == row[ids].tolist()
    for place in (0, size // 2, size - 1):
        ill = row.copy()
        ill[place] = np.nan
        with pytest.raises(ModelError, match="NaN"):
            top(ill, 50)


def test_top_p_among_equals_takes_the_lower_ids() -> None:
    """Half the mass of equal logits is the first half of the tokens."""
    assert sorted(candidates(np.zeros(6000, np.float32), top_p=0.5)) == list(range(3000))


def test_all_banned_is_no_candidate_and_no_nan() -> None:
    """Nothing but -inf gives no candidates, and nothing to draw."""
    for logits in (ListLogits([-math.inf] * 9), np.full(9, -np.inf, np.float32), torch.full((9,), -torch.inf)):
        assert len(candidates(logits, 5, 0.9)) == 0
    assert draw({}, random.Random(0)) is None
    assert draw({1: 0.0}, random.Random(0)) is None
    assert most_probable({}) is None
    assert most_probable({3: 0.0}) is None
    assert draw(ArrayCandidates(np.zeros(600, np.float32)), random.Random(0)) is None
    assert most_probable(ArrayCandidates(np.zeros(600, np.float32))) is None


def test_nan_is_an_error() -> None:
    """A model that returns NaN is named as the cause, instead of drawing nonsense."""
    for logits in (ListLogits([1.0, math.nan]), np.array([1, np.nan], np.float32), torch.tensor([1, torch.nan])):
        with pytest.raises(ModelError, match="NaN"):
            candidates(logits)
    with pytest.raises(ValueError, match="NaN"):
        draw({1: math.nan}, random.Random(0))
    with pytest.raises(ValueError, match="negative"):
        draw({1: 0.5, 2: -0.1}, random.Random(0))


def test_infinite_logits_and_weights_force() -> None:
    """A token at +inf is the only candidate; an infinite weight is drawn."""
    row = np.zeros(5000, np.float32)
    row[7] = np.inf
    assert candidates(row, 50) == {7: 1.0}
    assert candidates(ListLogits([0, math.inf, 1])) == {1: 1.0}
    assert draw({1: 0.5, 2: math.inf}, random.Random(0)) == 2
    many = ArrayCandidates(np.ones(6000, np.float32))
    many[10] = math.inf
    assert draw(many, random.Random(0)) == most_probable(many) == 10
    with pytest.raises(ValueError, match="token 10 is nan"):
        many[10] = math.nan


def test_the_same_seed_draws_the_same_token_from_every_library() -> None:
    """Equal logits and equal seeds give equal draws on lists, NumPy and torch."""
    row = np.random.default_rng(1).standard_normal(300).astype(np.float32)
    for seed in range(50):
        drawn = {
            draw(candidates(logits, 40), random.Random(seed))
            for logits in (ListLogits(row.tolist()), row, torch.from_numpy(row))
        }
        assert len(drawn) == 1


@pytest.mark.parametrize("size", [300, 6000])
def test_the_same_seed_draws_the_same_without_top_k(size: int) -> None:
    """Also where candidates stay an array on one side and are a dict on the other."""
    row = np.random.default_rng(1).standard_normal(size).astype(np.float32)
    for seed in range(100):
        lists, arrays, tensors = (
            draw(candidates(logits), random.Random(seed))
            for logits in (ListLogits(row.tolist()), row, torch.from_numpy(row))
        )
        assert lists == arrays == tensors


BIASES = st.dictionaries(st.integers(0, 5000), st.sampled_from([-math.inf, -3.0, -0.5, 2.0, 9.0]), max_size=5)


@settings(max_examples=100)
@given(st.integers(0, 99), BIASES, st.sampled_from([1, 3, 50, None]), st.sampled_from([0.5, 1.0, 3.0]), filters)
def test_bias_and_temperature_are_as_if_written_into_the_logits(
    seed: int, bias: dict[int, float], top_k: int | None, temperature: float, given_filters: dict
) -> None:
    """For every library: dividing and adding beforehand gives the same candidates."""
    size = (40, 6000)[seed % 2]
    row = (np.random.default_rng(seed).standard_normal(size) * 3).astype(np.float32)
    bias = {token % size: more for token, more in bias.items()}
    written = row / np.float32(temperature)
    for token, more in bias.items():
        written[token] += more
    given_filters = {**given_filters, "top_k": top_k, "top_p": None}
    expected = candidates(written, **given_filters)
    for logits in (ListLogits(row.tolist()), row, torch.from_numpy(row)):
        before = list(logits)
        found = candidates(logits, **given_filters, temperature=temperature, bias=bias)
        assert list(logits) == before
        assert dict(found) == pytest.approx(dict(expected), rel=1e-4)


def test_the_best_of_rows_on_a_device() -> None:
    """One selection for all rows gives each what a selection of its own gives; none where whole rows are wanted."""
    rows = [torch.from_numpy(np.random.default_rng(n).standard_normal(9000).astype(np.float32)) for n in range(5)]
    assert top_of_rows(rows, 0) is None
    bias = {int(rows[2].argmax()): -math.inf, 17: 20.0}
    found = top_of_rows(rows, 52)
    assert found is not None
    for row, best in zip(rows, found, strict=True):
        for more in ({}, bias):
            assert candidates(row, 50, bias=more, best=best) == candidates(row, 50, bias=more)


def test_the_best_of_rows_keep_ties_in_order() -> None:
    """Equal logits go to the lower token id at the border too; nought has no sign, and NaN is found."""
    rng = random.Random(1)
    row = torch.tensor([rng.choice([3.0, 2.0, 0.0, -0.0, -1.5, -math.inf, math.inf]) for _ in range(500)])
    for count in (1, 7, 60, 200, 499, 500):
        found = top_of_rows([row, -row], count)
        assert found is not None
        for each, (ids, values) in zip((row, -row), found, strict=True):
            expected = sorted(range(500), key=lambda token: -float(each[token]))[:count]
            assert ids.tolist() == expected
            assert values.tolist() == each[expected].tolist()
    for nan in (math.nan, -math.nan):
        found = top_of_rows([torch.tensor([1.0, nan, 2.0])], 2)
        assert found is not None
        with pytest.raises(ModelError):
            candidates(torch.tensor([1.0, nan, 2.0]), 2, best=found[0])


def test_a_whole_vocabulary_that_changes_while_it_is_read() -> None:
    """The order is that of the beginning, as in a dict: each token comes once."""
    found = ArrayCandidates(np.ones(5000, dtype=np.float32))
    for token in found:
        found[token] *= 0.5
    assert found.normalised()[0] == pytest.approx(1 / 5000)
    assert [found[token] for token in (0, 63, 64, 127, 4999)] == [found[0]] * 5
    found.clear()
    assert not found
    assert len(found) == 0
    found[7] = 1.0
    assert list(found) == [7]
    assert draw(found, random.Random(1)) == 7


def test_draws_follow_the_weights() -> None:
    """Chi-square at a fixed seed, for dicts and for arrays of a whole vocabulary."""
    from scipy.stats import chisquare

    weights = np.exp(np.random.default_rng(2).standard_normal(6000)).astype(np.float32)
    rng = random.Random(3)
    whole = ArrayCandidates(weights.copy())
    counts = np.bincount([whole.draw(rng) // 100 for _ in range(20_000)], minlength=60)
    shares = weights.reshape(60, 100).sum(axis=1, dtype=np.float64)
    assert chisquare(counts, shares / shares.sum() * 20_000).pvalue > 0.001
    few = {token: float(weights[token]) for token in range(40)}
    counts = np.bincount([draw(few, rng) for _ in range(20_000)], minlength=40)
    shares = weights[:40].astype(np.float64)
    assert chisquare(counts, shares / shares.sum() * 20_000).pvalue > 0.001


def test_temperature_scales_in_every_library() -> None:
    """Division by the temperature; 1 and 0 leave the logits alone."""
    for logits in (ListLogits([2.0, 4.0]), np.array([2, 4], np.float32), torch.tensor([2.0, 4.0])):
        assert list(scale(logits, 2.0)) == [1.0, 2.0]
        assert list(scale(logits, 0)) == [1.0, 2.0]


def test_entropy_is_the_same_in_every_library() -> None:
    """In nats; a banned token counts nothing."""
    values = [1.0, 2.0, 3.0, -math.inf]
    weights = [math.exp(v) for v in values]
    shares = [w / sum(weights) for w in weights[:3]]
    expected = -sum(p * math.log(p) for p in shares)
    for logits in (ListLogits(values), np.array(values, np.float32), torch.tensor(values)):
        assert entropy(logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"temperature": -1}, "temperature"), ({"temperature": math.nan}, "temperature"),
        ({"temperature": "hot"}, "number"), ({"top_k": -1}, "top_k"), ({"top_k": 1.5}, "top_k"),
        ({"top_p": 0}, "top_p"), ({"top_p": 1.01}, "top_p"), ({"min_p": -0.1}, "min_p"), ({"min_p": 2}, "min_p"),
    ],
)  # fmt: skip
def test_bad_parameters(bad: dict, says: str) -> None:
    """Each is one clear line that names the parameter."""
    with pytest.raises(InputError, match=says):
        SessionOptions(**bad)


def test_array_candidates_behave_like_a_dict() -> None:
    """Everything a strategy does to a dict of candidates works on the array too."""
    row = np.random.default_rng(4).standard_normal(5000).astype(np.float32)
    array = candidates(row)
    plain = dict(array)
    assert isinstance(array, ArrayCandidates)
    assert list(array) == list(plain)
    assert list(array)[:200] == np.argsort(-row, kind="stable")[:200].tolist()
    assert len(array) == 5000
    assert total(array) == pytest.approx(1, rel=1e-5)
    best = next(iter(array))
    assert max(array, key=array.__getitem__) == best == most_probable(array)
    del array[best]
    assert best not in array
    assert array.get(best) is None
    assert len(array) == 4999
    with pytest.raises(KeyError):
        del array[best]
    with pytest.raises(KeyError):
        array[9999]
    with pytest.raises(KeyError):
        array[-1] = 1.0
    array[best] = 5.0
    assert next(iter(array)) == best
    array.pop(best)
    assert "4999 of 5000" in repr(array)
    assert array.normalised().total() == pytest.approx(1, rel=1e-5)
    assert list(array.normalised()) == list(array)
    assert array
    assert not ArrayCandidates(np.zeros(600, np.float32))


class Chance:
    """A generator that gives what it is told to."""

    def __init__(self, value: float) -> None:
        self._value = value

    def random(self) -> float:
        return self._value


@pytest.mark.parametrize("value", [0.0, 1.0 - 2**-53, 1.0])
def test_a_draw_at_the_edges(value: float) -> None:
    """The least and the greatest chance, and what rounding may make of it, never draw what has no weight."""
    weights = np.zeros(6000, dtype=np.float32)
    weights[[700, 701, 5000]] = 1.0
    expected = 700 if value == 0 else 5000
    chance: Any = Chance(value)
    assert ArrayCandidates(weights).draw(chance) == expected
    assert draw({5: 0.0, 700: 0.5, 701: 0.2, 5000: 0.3, 5500: 0.0}, chance) == expected


def test_whole_vocabularies_of_any_size_of_logits() -> None:
    """Large logits do not overflow; forced tokens share everything; equal ones keep the order of their ids."""
    large = np.full(5000, 300, dtype=np.float32)
    large[3] = 301
    found = candidates(large)
    assert found[3] == pytest.approx(math.e / (math.e + 4999), rel=1e-4)
    assert list(found) == [3, 0, 1, 2, *range(4, 5000)]
    forced = np.zeros(5000, dtype=np.float32)
    forced[[9, 4000]] = math.inf
    assert dict(candidates(forced)) == {9: 0.5, 4000: 0.5}
    several = np.array([1.0, 2.0] * 100, dtype=np.float32)
    assert list(candidates(several, min_p=0.1)) == [*range(1, 200, 2), *range(0, 200, 2)]


def test_the_entropy_of_nothing() -> None:
    """Where all is banned there is no uncertainty."""
    assert entropy([-math.inf] * 3) == 0.0


@given(
    st.lists(st.floats(-50, 50) | st.just(-math.inf), min_size=1, max_size=60).filter(lambda row: max(row) > -math.inf)
)
def test_log_total_is_the_same_in_every_library(row: list[float]) -> None:
    """The log of the sum of exponentials, of lists, arrays and tensors; what is banned counts zero."""
    expected = math.log(math.fsum(math.exp(value - 50) for value in row)) + 50
    for logits in (ListLogits(row), np.array(row, dtype=np.float32), torch.tensor(row)):
        assert log_total(logits) == pytest.approx(expected, abs=1e-4)


def test_the_log_total_of_extremes() -> None:
    """Of nothing it is minus infinity, of what is forced infinity; large logits do not overflow."""
    for make in (ListLogits, lambda row: np.array(row, dtype=np.float32), torch.tensor):
        assert log_total(make([-math.inf, -math.inf])) == -math.inf
        assert log_total(make([0.0, math.inf])) == math.inf
        assert log_total(make([1e4, 1e4])) == pytest.approx(1e4 + math.log(2))
