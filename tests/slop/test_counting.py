"""How often words and phrases are in texts."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from backtrack_sampler.matching import occurrences
from backtrack_sampler.slop.counting import Counted, Tally
from backtrack_sampler.slop.words import Written

NAMES = ["ada", "bo", "the", "lena's", "O’Hara", "x-y"]
#: A text is sentences, and a sentence words.
Sentences = list[list[str]]
sentences = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=9), max_size=4)
written = st.lists(st.tuples(sentences, st.sampled_from(["one", "two", "Ada's"])), max_size=6)


def text_of(text: Sentences) -> str:
    return ". ".join(" ".join(sentence) for sentence in text)


def counted(texts: list[tuple[Sentences, str]]) -> Counted:
    return Counted([Written(text_of(text), prompt) for text, prompt in texts], lambda word: word == "the")


def naively(texts: list[tuple[Sentences, str]], longest: int) -> dict[str, tuple[int, int, int]]:
    """phrase -> count, texts, prompts: as one would count by hand."""
    count: Counter[str] = Counter()
    where = defaultdict(set)
    for number, (text, prompt) in enumerate(texts):
        for sentence in text:
            words = [word.lower().replace("’", "'") for word in sentence]
            for size in range(1, longest + 1):
                for start in range(len(words) - size + 1):
                    part = words[start : start + size]
                    if prompt == "Ada's" and "ada" in part:
                        continue
                    phrase = part[0].removesuffix("'s") if size == 1 else " ".join(part)
                    count[phrase] += 1
                    where[phrase].add((number, prompt))
    return {p: (c, len(where[p]), len({prompt for _, prompt in where[p]})) for p, c in count.items()}


def plain(tallies: dict[str, Tally]) -> dict[str, tuple[int, int, int]]:
    return {phrase: (tally.count, tally.texts, len(tally.prompts)) for phrase, tally in tallies.items()}


@given(written, st.integers(1, 3), st.integers(1, 2))
def test_counts_are_those_of_a_naive_count(texts: list[tuple[Sentences, str]], enough: int, prompts: int) -> None:
    """Every phrase that is in enough texts to enough prompts, with its counts, and no other."""
    expected = {p: each for p, each in naively(texts, 4).items() if each[1] >= enough and each[2] >= prompts}
    assert plain(counted(texts).tallies(4, enough, prompts)) == expected


@given(written)
def test_places_are_where_phrases_are(texts: list[tuple[Sentences, str]]) -> None:
    """As many as were counted, each of them the phrase as it is written there; all together tally as before."""
    corpus = counted(texts)
    tallies = corpus.tallies(3, 1, 1)
    found = defaultdict(list)
    for place in corpus.places(tallies):
        start, end = corpus.span(place)
        spelled = corpus.texts[place.text][start:end].lower().replace("’", "'")
        assert spelled in (place.phrase, place.phrase + "'s")
        found[place.phrase].append(place)
    assert {phrase: corpus.tally(places) for phrase, places in found.items()} == tallies


@settings(max_examples=25)
@given(written)
def test_anti_slop_finds_as_many(texts: list[tuple[Sentences, str]]) -> None:
    """What is counted is what `matching` finds with whole words, where no prompt has the words."""
    texts = [(text, "one") for text, _ in texts]
    for phrase, tally in counted(texts).tallies(3, 1, 1).items():
        assert tally.count == sum(len(occurrences(text_of(text), [phrase], whole_words=True)) for text, _ in texts)


def test_words_of_the_prompt_count_for_nothing() -> None:
    """Neither they nor phrases with them, in any form; the words that everybody uses do, and so do texts to other prompts."""
    tale = "The dragon saw the dragons and the sea."
    corpus = Counted(
        [Written(tale, "Tell of the dragon."), Written(tale, "Tell of the sea.")],
        lambda word: word in ("the", "of", "and"),
    )
    tallies = corpus.tallies(2, 1, 1)
    assert (tallies["dragon"].texts, tallies["the dragon"].texts, tallies["dragons"].count) == (1, 1, 1)
    assert (tallies["sea"].texts, tallies["the sea"].texts, tallies["the"].count) == (1, 1, 6)
    assert (corpus.words, corpus.words_for("the dragons"), corpus.words_for("sea"), corpus.words_for("the")) == (
        16,
        8,
        8,
        16,
    )


def test_what_a_text_repeats_counts_once_a_stretch() -> None:
    """A stretch is a hundred words of one text."""
    text = "buzz " * 250
    tally = Counted([Written(text, "a"), Written("buzz", "a"), Written("Buzz!", "b")], lambda _: False).tallies(
        1, 1, 1
    )["buzz"]
    assert (tally.count, tally.stretches, tally.texts, tally.prompts) == (252, 5, 3, {0, 1})
