"""Means and differences with clustered errors."""

from __future__ import annotations

import itertools
import math
import random
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backtrack_sampler import InputError, MissingPackageError
from backtrack_sampler.benchmark.statistics.estimates import (
    Difference,
    Pairs,
    difference,
    estimate,
    holm,
    mean_difference,
    mean_estimate,
    smallest_visible,
    standard_error,
)
from backtrack_sampler.benchmark.statistics.paired_test import FEW

SCORES = st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 1.0]), min_size=1, max_size=40)
PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 1 / 3, 1.0]), st.sampled_from("abcdefgh")), min_size=2, max_size=40,
)  # fmt: skip


def of(pairs: list[tuple[float, float, str]]) -> tuple[list[float], list[float], list[str]]:
    first, second, clusters = zip(*pairs, strict=True)
    return list(first), list(second), list(clusters)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_every_item_its_own_cluster_gives_the_usual_standard_error(values: list[float]) -> None:
    """The clustered standard error equals that of independent items where each is its own cluster."""
    usual = stats.sem(values)
    assert standard_error(values) == pytest.approx(usual, abs=1e-9)
    assert standard_error(values, [f"item {number}" for number in range(len(values))]) == pytest.approx(usual, abs=1e-9)


def test_clustered_standard_error_is_that_of_a_hand_computation() -> None:
    """Deviations are summed in each cluster, squared, and summed; the factor is clusters / (clusters - 1)."""
    # mean 0.5; deviations .5 .5 | -.5 -.5 | .5 -.5: sums 1, -1, 0; squares 2; 2 * 3/2 = 3
    assert standard_error([1, 1, 0, 0, 1, 0], list("aabbcc")) == pytest.approx(math.sqrt(3) / 6)


def test_items_that_are_copies_of_each_other_add_nothing() -> None:
    """Each item five times, in one cluster, has the standard error of each item once."""
    values = [0, 1, 1, 0, 1, 0, 0]
    assert standard_error(values * 5, list(range(7)) * 5) == pytest.approx(standard_error(values))


@given(SCORES, st.integers(1, 8), st.randoms(use_true_random=False))
def test_an_interval_holds_the_mean_has_a_width_and_does_not_leave_the_bounds(
    values: list[float], clusters: int, chance: random.Random
) -> None:
    """Whatever the scores are, 0 <= low <= value <= high <= 1, and low < high."""
    for groups in (None, [chance.randrange(clusters) for _ in values]):
        found = estimate(values, groups)
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value <= found.high + 1e-12
        assert found.high <= 1
        assert found.high - found.low > 0.01


@pytest.mark.parametrize("count", [1, 5, 20, 300])
def test_all_wrong_and_all_right_have_the_interval_of_clopper_and_pearson(count: int) -> None:
    """Rows of nothing but 0 or 1 have no standard error; their interval is the exact binomial one."""
    from statsmodels.stats.proportion import proportion_confint

    assert estimate([0] * count)[2:4] == pytest.approx(proportion_confint(0, count, method="beta"), nan_ok=True)
    assert estimate([1] * count)[2:4] == pytest.approx(proportion_confint(count, count, method="beta"), nan_ok=True)


def test_independent_right_and_wrong_have_the_interval_of_wilson() -> None:
    """With many items, that of statsmodels, but for the t quantile."""
    from statsmodels.stats.proportion import proportion_confint

    found = estimate([1] * 30 + [0] * 970)
    assert found[2:4] == pytest.approx(proportion_confint(30, 1000, method="wilson"), abs=2e-4)


def test_far_from_the_bounds_an_interval_is_t_standard_errors_wide() -> None:
    """As in Miller: the mean, and about 1.97 standard errors on both sides."""
    values = [0.4, 0.5, 0.6, 0.5] * 75
    found = estimate(values)
    far = stats.t.ppf(0.975, 299) * found.error
    assert found[2:4] == pytest.approx((found.value - far, found.value + far), abs=1e-4)
    assert estimate(values, bounds=None)[2:4] == pytest.approx((found.value - far, found.value + far))


def test_few_clusters_have_wide_intervals() -> None:
    """The quantile is that of t with clusters - 1 degrees of freedom, for means and for differences."""
    values, clusters = [0.48, 0.5, 0.52, 0.5, 0.49, 0.51] * 5, [number % 3 for number in range(30)]
    values = [value + 0.001 * cluster for value, cluster in zip(values, clusters, strict=True)]
    found = estimate(values, clusters)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 2) * found.error, rel=0.01)


def test_few_clusters_that_all_differ_have_the_interval_of_t() -> None:
    """Six large clusters with spread are no few changes: nothing is added."""
    values = [0.1, 0.3, -0.1, 0.2, 0.05, 0.15]
    found = difference(values * 9, [0.0] * 54, list(range(6)) * 9)
    far = stats.t.ppf(0.975, 5) * stats.sem(values)
    assert (found.low, found.high) == pytest.approx((np.mean(values) - far, np.mean(values) + far))


@pytest.mark.parametrize(("more", "less", "count"), [(3, 1, 40), (0, 0, 25), (8, 0, 300), (5, 4, 10)])
def test_few_changes_have_the_interval_of_bonett_and_price(more: int, less: int, count: int) -> None:
    """By hand: one item more that is better and one that is worse; t with two degrees more, and n / (n - 1)."""
    first = [1] * more + [0] * (count - more)
    second = [0] * more + [1] * less + [0] * (count - more - less)
    found, total = difference(first, second), count + 2
    up, down = (more + 1) / total, (less + 1) / total
    error = math.sqrt((up + down - (up - down) ** 2) / (total - 1))
    far = stats.t.ppf(0.975, total - 1) * error
    assert found.error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx((up - down - far, up - down + far))


def test_other_bounds_scale_the_interval() -> None:
    """Points from -10 to 10 have the interval of scores from 0 to 1, stretched."""
    values = [0, 0, 0.5, 1, 0, 0.25]
    one, other = estimate(values), estimate([20 * value - 10 for value in values], bounds=(-10, 10))
    assert other[:4] == pytest.approx((20 * one.value - 10, 20 * one.error, 20 * one.low - 10, 20 * one.high - 10))


def test_one_cluster_says_next_to_nothing() -> None:
    """Its standard error is unknown, and the interval nearly all there is; without bounds, all."""
    found = estimate([0, 1, 1, 1], ["a"] * 4)
    assert math.isnan(found.error)
    assert found.high - found.low > 0.95
    assert estimate([0, 1], ["a", "a"], bounds=None)[2:4] == (-math.inf, math.inf)


@pytest.mark.parametrize(("rate", "alike"), [(0.5, 0.3), (0.1, 0.2), (0.05, 0.0)])
def test_intervals_of_clustered_scores_hold_the_true_mean_95_times_of_100(rate: float, alike: float) -> None:
    """25 clusters of 6 items with a common difficulty: coverage near 95%; taken as independent, less."""
    chance = np.random.default_rng(5)
    runs, clusters, size = 400, 25, 6
    inside = alone = 0
    for _ in range(runs):
        spread = 1 / alike - 1 if alike else 1e9
        difficulty = chance.beta(rate * spread, (1 - rate) * spread, clusters)
        values = (chance.random((clusters, size)) < difficulty[:, None]).astype(float).ravel()
        found = estimate(values, np.repeat(np.arange(clusters), size))
        inside += found.low <= rate <= found.high
        naive = estimate(values)
        alone += naive.low <= rate <= naive.high
    assert 0.925 <= inside / runs <= 0.985
    if alike:
        assert alone / runs < 0.90


@pytest.mark.parametrize(("up", "down", "count"), [(0.15, 0.1, 300), (0.04, 0.01, 100), (0.3, 0.3, 20)])
def test_intervals_of_differences_hold_the_true_one_95_times_of_100(up: float, down: float, count: int) -> None:
    """Right or wrong, few changes and many: coverage near 95%, and never much below."""
    chance = np.random.default_rng(7)
    runs, inside = 300, 0
    for _ in range(runs):
        luck = chance.random(count)
        found = difference(luck < up, (luck >= up) & (luck < up + down))
        inside += found.low <= up - down <= found.high
    assert 0.93 <= inside / runs <= 0.995


def test_p_values_are_uniform_where_there_is_no_difference() -> None:
    """The t test on clusters' sums, 20 clusters that have something in common: a uniform p."""
    chance = np.random.default_rng(1)
    clusters = np.repeat(np.arange(20), 4)
    found = []
    for _ in range(400):
        common = chance.normal(0, 0.3, 20)[clusters]
        found.append(difference(chance.normal(0, 1, 80) + common, chance.normal(0, 1, 80), clusters, most=None).p)
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08


@pytest.mark.parametrize("changes", [0.02, 0.08, 0.4])
def test_exact_p_values_are_never_too_small(changes: float) -> None:
    """Where there is no difference, right or wrong answers give a p below 5% at most 5% of the time."""
    chance = np.random.default_rng(2)
    found = []
    for _ in range(300):
        luck = chance.random(100)
        found.append(difference(luck < changes / 2, luck > 1 - changes / 2).p)
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(found) < level) <= level + 2.5 * math.sqrt(level * (1 - level) / 300)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 5))
def test_right_or_wrong_is_mcnemars_exact_test(more: int, less: int, same: int) -> None:
    """A binomial test of the items that differ."""
    found = difference([1] * more + [0] * less + [1] * same, [0] * more + [1] * less + [1] * same)
    assert found.test == "exact McNemar"
    assert found.p == pytest.approx(stats.binomtest(more, more + less).pvalue if more + less else 1.0)
    assert found.changed == more + less


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=2, max_size=9))
def test_few_changes_are_tested_by_all_ways_to_exchange(differences: list[float]) -> None:
    """By hand: the share of all signs that give a mean at least as far from 0."""
    values = [*differences, 0.5]  # so that it is not McNemar's
    found = difference(values, [0.0] * len(values))
    far = abs(sum(values)) - 1e-9
    ways = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) >= far
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    assert found.test == "sign flips"
    assert found.p == pytest.approx(sum(ways) / len(ways))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-3, 3).filter(bool), min_size=1, max_size=4),
    st.lists(st.integers(-3, 3).filter(bool), min_size=2, max_size=4),
    st.integers(0, 3),
)
def test_few_changes_over_tasks_are_tested_by_all_ways_to_exchange(one: list[int], two: list[int], same: int) -> None:
    """By hand, with fractions: thirds of points, each over the items of its task; what is as far from 0 counts."""
    sizes = len(one), len(two) + same
    weighted = [Fraction(value, sizes[0]) for value in one] + [Fraction(value, sizes[1]) for value in two]
    ways = [
        abs(sum(s * w for s, w in zip(signs, weighted, strict=True))) >= abs(sum(weighted))
        for signs in itertools.product((1, -1), repeat=len(weighted))
    ]
    pairs = [Pairs([value / 3 for value in values], [0.0] * len(values)) for values in (one, [*two, *[0] * same])]
    assert mean_difference(pairs).p == pytest.approx(sum(ways) / len(ways))


def test_mcnemars_test_is_for_items_that_are_like_no_other() -> None:
    """Right or wrong, but two of a cluster: sign flips of the clusters."""
    found = difference([1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 1, 1], list("aabbcc"))
    assert (found.test, found.p, found.changed) == ("sign flips", 1.0, 3)


def test_copies_of_mcnemars_items_in_clusters_have_mcnemars_p() -> None:
    """Each item three times in one cluster: the p of each item once, as sign flips."""
    first, second = [1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0]
    once, thrice = difference(first, second), difference(first * 3, second * 3, list(range(8)) * 3)
    assert (once.test, thrice.test) == ("exact McNemar", "sign flips")
    assert once.p == pytest.approx(thrice.p)


def test_many_changes_are_tested_with_t() -> None:
    """That of SciPy where each item is its own cluster, and its interval."""
    chance = np.random.default_rng(3)
    first, second = chance.random(40), chance.random(40)
    found, same = difference(first, second), stats.ttest_rel(first, second)
    assert found.test == "paired t"
    assert found.p == pytest.approx(same.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(same.confidence_interval()))


@settings(deadline=None)
@given(PAIRS, st.randoms(use_true_random=False), st.sampled_from([-2.0, 0.25, 3.0]))
def test_order_names_and_a_constant_change_nothing_and_exchanging_turns_the_sign(
    pairs: list[tuple[float, float, str]], chance: random.Random, constant: float
) -> None:
    """Items in another order, clusters of other names, the same added to both: the same difference."""
    first, second, clusters = of(pairs)
    found = difference(first, second, clusters)
    shuffled = of(chance.sample(pairs, len(pairs)))
    moved = difference(
        [x + constant for x in shuffled[0]], [x + constant for x in shuffled[1]], [c * 2 for c in shuffled[2]]
    )
    turned = difference(second, first, clusters)
    assert found[:5] == pytest.approx(moved[:5])
    assert (found.value, found.error, found.low, found.high, found.p) == pytest.approx(
        (-turned.value, turned.error, -turned.high, -turned.low, turned.p)
    )
    assert estimate(first, clusters)[:4] == pytest.approx(estimate(*[shuffled[i] for i in (0, 2)])[:4], nan_ok=True)


@settings(deadline=None)
@given(PAIRS)
def test_a_difference_lies_in_its_interval_which_has_a_width(pairs: list[tuple[float, float, str]]) -> None:
    """-1 <= low <= value <= high <= 1, low < high, 0 < p <= 1, and a standard error."""
    for clusters in (None, of(pairs)[2]):
        found = difference(*of(pairs)[:2], clusters)
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high
        assert 0 < found.p <= 1
        assert found.error > 0


def test_nothing_that_changes_is_no_proof_that_nothing_could() -> None:
    """300 items without a change: about one in a hundred could, and the run could not have seen it."""
    found = difference([1, 0] * 150, [1, 0] * 150)
    assert (found.value, found.p, found.changed) == (0, 1, 0)
    assert -0.013 < found.low < -0.006
    assert found.high == pytest.approx(-found.low)
    assert (found.seen_error, found.grain) == (0, 1 / 300)
    assert smallest_visible(found) == pytest.approx(7.85 / 300, rel=1e-3)  # of eight true changes, six are seen


def test_all_that_change_by_the_same_have_a_small_p_and_a_width() -> None:
    """Without any spread there is no t; all items half a point better are nevertheless better."""
    found = difference([1.0] * 30, [0.5] * 30)
    assert found.p == 2**-29
    assert found.low < 0.5 < found.high


def test_tasks_without_spread_that_differ_in_two_directions_are_no_proof() -> None:
    """All items a point better in one task and all half a point worse in another: as likely as the ways to exchange
    say, about one in twenty, though neither task has a spread."""
    better, worse = Pairs([1.0] * 20, [0.0] * 20), Pairs([0.0] * 20, [0.5] * 20)
    found = mean_difference([better, worse])
    assert found.value == 0.25
    assert found.test == "sign flips"
    assert 0.03 < found.p < 0.08
    assert mean_difference([better, better]).p == 2**-39


def test_tasks_count_the_same_however_many_items_they_have() -> None:
    """The mean of the means, and the root of the summed squares of the errors over their number: not pooled."""
    small, large = estimate([1, 0, 1, 1]), estimate([0] * 90 + [1] * 10)
    found = mean_estimate([small, large])
    assert found.value == pytest.approx((0.75 + 0.1) / 2)
    assert found.error == pytest.approx(math.hypot(small.error, large.error) / 2)
    assert (found.items, found.clusters) == (104, 104)
    assert found.low > small.low / 2


def test_one_task_alone_is_itself() -> None:
    """The mean over one task is that task."""
    first, second = [1, 0, 1, 1, 0], [0, 0, 1, 0, 1]
    assert mean_estimate([estimate(first)]) == estimate(first)
    assert mean_difference([Pairs(first, second)]) == difference(first, second)


def test_differences_over_tasks_are_tested_together() -> None:
    """With as many items in each, the mean over tasks is tested as Welch does with unequal variances."""
    chance = np.random.default_rng(4)
    a, b, zero = chance.normal(0.2, 0.3, 40), chance.normal(0.1, 0.6, 25), np.zeros
    found = mean_difference([Pairs(a, zero(40)), Pairs(b, zero(25))], most=None)
    welch = stats.ttest_ind(a, -b, equal_var=False)  # the difference of a and -b is twice the mean of a and b
    assert found.test == "paired t"
    assert found.value == pytest.approx((a.mean() + b.mean()) / 2)
    assert found.p == pytest.approx(welch.pvalue)
    assert found.error == pytest.approx(math.hypot(stats.sem(a), stats.sem(b)) / 2)
    few = mean_difference([Pairs([1, 1, 1, 0], [0, 0, 0, 0]), Pairs([1, 1, 1, 1], [0, 0, 1, 1])])
    assert (few.test, few.changed, few.p) == ("sign flips", 5, 2 / 2**5)


def test_intervals_over_tasks_hold_the_true_mean_95_times_of_100() -> None:
    """Three tasks, one of them nearly never right."""
    chance = np.random.default_rng(8)
    rates, counts, runs, inside = (0.5, 0.02, 0.3), (40, 60, 80), 300, 0
    for _ in range(runs):
        found = mean_estimate([estimate(chance.random(n) < rate) for rate, n in zip(rates, counts, strict=True)])
        inside += found.low <= sum(rates) / 3 <= found.high
    assert 0.93 <= inside / runs <= 0.995


def test_a_task_of_one_cluster_does_not_make_a_mean_sure() -> None:
    """Where an error is unknown, ways to exchange are drawn instead of t."""
    found = mean_difference([Pairs([1.0] * 20, [0.0] * 20, ["a"] * 20), Pairs([0.5, 0.1] * 10, [0.1, 0.48] * 10)])
    assert found.test == "sign flips"
    assert found.p > 0.1


def test_holm_is_that_of_a_hand_computation() -> None:
    """The smallest times their number, the next times one less, never less than the one before, at most 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    """Ties and ones among them."""
    from statsmodels.stats.multitest import multipletests

    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_that_of_statsmodels(more: int, less: int) -> None:
    """Items that only one of both has right, however many."""
    from statsmodels.stats.contingency_tables import mcnemar

    same = [0.0] * 3
    found = difference([1.0] * more + [0.0] * less + same, [0.0] * more + [1.0] * less + same)
    assert found.test == "exact McNemar"
    assert found.p == pytest.approx(mcnemar([[0, more], [less, 0]], exact=True).pvalue if more + less else 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_holm_corrects_upwards_and_does_not_depend_on_the_order(values: list[float], chance: random.Random) -> None:
    """Each corrected p is between its own and that times their number; shuffling shuffles."""
    found = holm(values)
    assert all(
        value <= new + 1e-12 and new <= min(1, value * len(values)) + 1e-12
        for value, new in zip(values, found, strict=True)
    )
    order = chance.sample(range(len(values)), len(values))
    assert holm([values[place] for place in order]) == pytest.approx([found[place] for place in order])


def test_what_a_difference_brings_along_is_known() -> None:
    """Of clusters one over their number; of tasks the sum over the square of theirs. The seen error is the usual one."""
    first, second, clusters = [1, 1, 0, 0, 1, 0], [1, 1, 0, 0, 0, 0], list("aabbcc")
    one, both = difference(first, second, clusters), mean_difference([Pairs(first, second, clusters)] * 2)
    assert one.seen_error == pytest.approx(standard_error([0, 0, 0, 0, 1, 0], clusters)) != one.error
    assert one.grain == pytest.approx(1 / 3)
    assert both.seen_error == pytest.approx(one.seen_error / math.sqrt(2))
    assert both.grain == pytest.approx(2 / 3 / 4)
    assert math.isnan(smallest_visible(difference([1, 1], [0, 1], ["a", "a"])))


def test_the_smallest_visible_difference_is_2_8_standard_errors() -> None:
    """80% power at 5%, of the standard error that there is with such a difference; at a tenth of 5%, more."""
    chance = np.random.default_rng(10)
    found = difference(chance.random(400) < 0.4, chance.random(400) < 0.4)
    for alpha, z in ((0.05, 2.802), (0.005, 3.649)):
        visible = smallest_visible(found, alpha)
        assert visible == pytest.approx(z * math.sqrt(found.seen_error**2 + visible / 400), rel=1e-3)
    assert smallest_visible(found._replace(grain=0.0)) == pytest.approx(2.802 * found.seen_error, rel=1e-3)


def changing(chance: np.random.Generator, up: float, down: float) -> Difference:
    """300 items, of which so many get better and worse."""
    luck = chance.random(300)
    return difference(luck < up, luck > 1 - down)


@pytest.mark.parametrize("family", [1, 40])
@pytest.mark.parametrize("changes", [0.0, 0.005, 0.03, 0.2])
def test_a_difference_of_that_size_is_found_80_times_of_100(changes: float, family: int) -> None:
    """Simulated: right or wrong answers, few changes and many without a difference, of which the smallest visible one
    is told; then that one is true. Exact tests of few changes reach what is asked for in steps, so it is seldom missed.
    """
    chance, found = np.random.default_rng(9), []
    for _ in range(300):
        visible = smallest_visible(changing(chance, changes / 2, changes / 2), 0.05 / family)
        found.append(changing(chance, changes / 2 + visible, changes / 2).p < 0.05 / family)
    assert 0.7 <= np.mean(found) <= 0.97


@pytest.mark.parametrize(
    "call",
    [
        lambda: estimate([]),
        lambda: estimate([math.nan]),
        lambda: estimate([1, 0], ["a"]),
        lambda: estimate([3, 4]),
        lambda: difference([1, 0], [1]),
        lambda: difference([], []),
        lambda: mean_difference([]),
    ],
)
def test_what_cannot_be_used_is_refused(call: object) -> None:
    """No scores, scores that are no numbers, not as many of one as of the other: an error that says what to do."""
    with pytest.raises(InputError, match=r"give|scores are"):
        call()  # type: ignore[operator]


def test_few_is_what_can_be_enumerated() -> None:
    """One more cluster that differs, and t takes over."""
    values = [0.5, 1.0] * 20
    assert difference(values[:FEW], [0] * FEW).test == "sign flips"
    assert difference(values[: FEW + 1], [0] * (FEW + 1)).test == "paired t"


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line; nothing is imported before it is needed."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(
        MissingPackageError, match=r'scipy is not installed: pip install "backtrack_sampler\[benchmark\]"'
    ):
        smallest_visible(difference([1.0] * 3, [0.0] * 3))
