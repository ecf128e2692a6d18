"""What stands out in a model's texts."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, InputError
from backtrack_sampler.slop import Profile, Written, find_slop
from backtrack_sampler.slop.finding import certain_ratio, strength_of
from backtrack_sampler.testing import FakeProvider

COMMON = "the of and to a in it was that he for on with as his they be at one have".split()  # noqa: SIM905


class Human:
    """Some words are everywhere, all others are rare, and phrases are as rare as their rarest word."""

    words = 0

    def is_common(self, word: str) -> bool:
        return word in COMMON

    def rates(self, phrases: Iterable[str]) -> dict[str, float]:
        return {phrase: min(0.02 if self.is_common(word) else 1e-5 for word in phrase.split()) for phrase in phrases}


def found(texts: Iterable[tuple[str, str]], **options: float) -> Profile:
    return find_slop(texts, Human(), **options)  # type: ignore[arg-type]


def told(draw: random.Random, *others: str, words: int = 40) -> str:
    """Common words, and between them others, each once."""
    text = draw.choices(COMMON, k=words)
    for other in others:
        text.insert(draw.randrange(len(text)), other)
    return " ".join(text)


# -- the planted phrase ---------------------------------------------------------------------


def test_a_phrase_in_most_texts_is_found_and_is_the_first() -> None:
    """Its parts are not listed, nor is what prompts ask for, a word of one text, or one of a single prompt."""
    draw = random.Random(1)
    texts = []
    for number in range(100):
        subject = ("dragon", "violin", "lighthouse", "bakery")[number % 4]
        others = [f"{subject}s", f"{subject}'s", subject]
        others += ["a glimmering testament to"] if number % 5 < 3 else []
        others += ["erebor"] if number % 10 == 0 else []  # five times to each of two prompts
        others += ["unheard"] * 20 if number == 50 else []
        texts.append((told(draw, *others), f"Tell of the {subject}."))
    profile = found(texts)
    assert [finding.phrase for finding in profile.findings] == ["a glimmering testament to"]
    assert profile.strengths() == {"a glimmering testament to": 1.0}
    (finding,) = profile.findings
    assert (finding.count, finding.texts, finding.human) == (60, 60, 1e-5)
    assert finding.rate == 60 / profile.words == finding.ratio * 1e-5
    text, start, end = finding.example
    assert text[start:end] == finding.phrase
    assert text in [text for text, _ in texts]
    assert (profile.texts, profile.prompts, profile.covered) == (100, 4, 240)
    assert "erebor" in found(texts, min_prompts=2).strengths()


def test_the_list_keeps_the_phrase_away(tmp_path: Path) -> None:
    """Anti-slop takes the strengths as they are, from Python and from the file."""
    profile = found([(f"{told(random.Random(n))}; a rich tapestry.", str(n)) for n in range(9)])
    assert profile.strengths() == {"a rich tapestry": 1.0}
    profile.to_json(tmp_path / "slops.json")
    read = json.loads((tmp_path / "slops.json").read_text())
    assert read == profile.strengths()
    provider = FakeProvider([" it", " a", " rich", " tapestry", "x"], lambda _: [0, 2, 3, 3, -9])
    free = BacktrackSampler(provider).generate_text("x", max_new_tokens=300, seed=1)
    kept = BacktrackSampler(provider, AntiSlopStrategy(provider, {"a rich tapestry": 1.0}, whole_words=True))
    assert "a rich tapestry" in free
    assert "a rich tapestry" not in kept.generate_text("x", max_new_tokens=300, seed=1)


# -- phrases within phrases -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrases", "listed"),
    [
        ({"testament": 0, "a testament to": 30, "his testament": 5}, {"a testament to"}),  # nearly always the same whole
        ({"testament": 20, "a testament to": 30, "a testament to be": 9}, {"testament"}),  # the part keeps the wholes away
        ({"the bustling": 15, "a bustling": 15}, {"bustling"}),
        ({"it was a rich tapestry of the": 20}, {"it was a rich tapestry"}),  # and not "tapestry of the", by half
        ({"it was a rich tapestry of one quiet heart": 20}, {"it was a rich tapestry", "rich tapestry of one quiet"}),
        ({"it was he that a rich tapestry": 20}, {"he that a rich tapestry"}),  # of its windows the one that says most
        ({"it was the": 30, "x": 30, "the": 90}, set()),
    ],
)  # fmt: skip
def test_which_of_them_is_listed(phrases: dict[str, int], listed: set[str]) -> None:
    """The longest that is nearly all of its parts; else the part; of those that overlap the first."""
    draw = random.Random(2)
    texts = [
        (f"{told(draw)}; {phrase}. {told(draw)}", f"{n % 7}") for phrase, count in phrases.items() for n in range(count)
    ]
    assert set(found(texts).strengths()) == listed


def test_a_phrase_of_its_own_beside_longer_ones() -> None:
    """A part with a strength less than the whole's: both are listed, if it stands out without the whole."""
    draw = random.Random(3)

    class Uneven(Human):
        def __init__(self, factor: int) -> None:
            self.factor = factor

        def rates(self, phrases: Iterable[str]) -> dict[str, float]:
            factors = {phrase: 1 if "wonder" in phrase else self.factor for phrase in phrases}
            return {phrase: rate * factors[phrase] for phrase, rate in super().rates(phrases).items()}

    def listed(alone: int, factor: int, **options: int) -> list[str]:
        texts = [
            (told(draw, "sense of wonder" if n < 12 else "sense" if n < 12 + alone else "to"), str(n))
            for n in range(60)
        ]
        return list(find_slop(texts, Uneven(factor), **options).strengths())  # type: ignore[arg-type]

    assert listed(1, 30) == ["sense of wonder"]
    assert listed(40, 30) == ["sense of wonder", "sense"]  # the strongest first
    assert listed(5, 6) == ["sense of wonder", "sense"]
    assert listed(5, 6, min_texts=6) == ["sense of wonder"]


# -- strengths ------------------------------------------------------------------------------

counts = st.integers(0, 500)
sizes = st.integers(1, 100_000)
rates = st.floats(1e-8, 0.1)


@given(counts, sizes, rates, st.integers(0, 1000), st.floats(1, 100))
def test_strength_follows_its_evidence(count: int, words: int, human: float, more: int, factor: float) -> None:
    """From 0 to 1: up with what is found, down with the words among which it is found and with what people write."""

    def strength(count: int, words: int, human: float) -> float:
        return strength_of(certain_ratio(count, words, human))

    assert 0 <= strength(count, words, human) <= 1
    assert strength(count + more, words, human) >= strength(count, words, human)
    assert strength(count, words + more, human) <= strength(count, words, human)
    assert strength(count, words, human * factor) <= strength(count, words, human)


def test_what_a_strength_means() -> None:
    """The share that is too much, where the count is at the least that 95 of 100 chances leave; from a hundredfold on, all."""
    assert certain_ratio(0, 1000, 1e-5) == strength_of(0.0) == strength_of(1.0) == 0
    assert [strength_of(ratio) for ratio in (2, 10, 50, 99.9, 100, 1e9)] == [0.5, 0.9, 0.98, 0.98, 1.0, 1.0]
    draw = random.Random(5)
    for mean in (4.0, 20.0, 100.0):  # how often a Poisson count would let one think that it is more than it is
        too_much = 0
        for _ in range(2000):
            count = sum(draw.random() < mean / 500 for _ in range(500))
            too_much += certain_ratio(count, 1000, mean / 1000) > 1
        assert too_much / 2000 < 0.07


texts_of = st.lists(
    st.tuples(st.lists(st.sampled_from(["rich", "tapestry", "the", "of"]), max_size=12).map(" ".join), st.sampled_from("abc")),
    max_size=8,
)  # fmt: skip


@given(texts_of, st.lists(st.sampled_from(["sea", "the", "of", "."]), max_size=30).map(" ".join))
def test_a_text_without_a_phrase_never_raises_its_strength(texts: list[tuple[str, str]], other: str) -> None:
    """What stands out in some texts does so no more where there is one more that does not have it."""
    options = {"min_texts": 1, "min_prompts": 1, "min_ratio": 1.0}
    before, after = found(texts, **options).strengths(), found([*texts, (other, "a")], **options).strengths()
    for phrase, strength in before.items():
        if "rich" in phrase or "tapestry" in phrase:
            assert after.get(phrase, 0.0) <= strength


def test_nothing_to_find() -> None:
    """No texts, empty ones, and one prompt instead of three."""
    assert found([]) == found([], min_texts=9) == Profile()
    assert found([("", "")]).words == 0
    assert found([Written("a rich tapestry", "only")] * 9).strengths() == {"a rich tapestry": 1.0}
    for name in ("min_texts", "min_prompts", "min_ratio"):
        with pytest.raises(InputError, match=name):
            found([], **{name: 0})
