"""Bans belong to a prefix."""

import math

from backtrack_sampler.rollback import Bans


def test_bans_deeper_than_the_rollback_go_away() -> None:
    """After going back to n tokens, bans at n stand and bans after n are gone."""
    bans = Bans()
    bans.add(3, 7)
    bans.add(4, 8)
    bans.truncate(3)
    assert bans.factor(3, 7) == 0
    assert bans.factor(4, 8) == 1
    assert len(bans) == 1


def test_factors_scale_probabilities() -> None:
    """A factor multiplies the probability, as a bias on logits and on candidates; zero bans."""
    bans = Bans()
    bans.add(0, 1, 0.5)
    bans.add(0, 2)
    assert bans.at(0) == {1: math.log(0.5), 2: -math.inf}
    probs = {0: 0.2, 1: 0.4, 2: 0.4}
    bans.apply(probs, 0)
    assert probs == {0: 0.2, 1: 0.2}
    bans.clear()
    assert bans.at(0) == {}


def test_an_earlier_ban_drops_the_deeper_ones() -> None:
    """Whoever bans at an earlier place is about to go back there: no deeper ban hides behind the new one."""
    bans = Bans()
    bans.add(5, 7)
    bans.add(2, 8)
    bans.truncate(3)
    assert bans.factor(2, 8) == 0
    assert bans.factor(5, 7) == 1
    bans.add(2, 9, 0.5)
    assert (bans.factor(2, 8), bans.factor(2, 9)) == (0, 0.5)
