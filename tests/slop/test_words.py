"""What a word is."""

from __future__ import annotations

import unicodedata

import pytest

from backtrack_sampler.slop.words import same_subject, words_of


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("The cat, the CAT", [["the", "cat"], ["the", "cat"]]),
        ("It's a dog’s well-known, rock‑solid life", [["it's", "a", "dog's", "well-known"], ["rock-solid", "life"]]),
        ("a  b\tc\nd \n e\n\nf", [["a", "b", "c", "d", "e"], ["f"]]),
        ("a *testament* to **the __sea__**", [["a", "testament", "to", "the", "sea"]]),
        ("in 1984 we had 2nd thoughts", [["in"], ["we", "had"], ["thoughts"]]),
        ("'hello there' dogs' lair – so - it goes...on", [["hello", "there"], ["dogs"], ["lair"], ["so"], ["it", "goes"], ["on"]]),
        ("Straße, ΟΔΟΣ, cafe\u0301, हिन्दी भाषा", [["straße"], ["οδος"], ["café"], ["हिन्दी", "भाषा"]]),
        ("soft\u00adly zero\u200bwidth", [["softly", "zerowidth"]]),
        ("snake_case x*y <start_of_image>so_", [["x"], ["y"], ["so"]]),
        ("", []), ("--- 12 *", []),
    ],
)  # fmt: skip
def test_words_and_what_stands_between_them(text: str, runs: list[list[str]]) -> None:
    """Words are in lower case with plain apostrophes; only white space within a paragraph, and emphasis, joins them."""
    found: list[list[str]] = []
    before = ""
    for word in words_of(unicodedata.normalize("NFC", text)):
        if not word.joined or not before:
            found.append([])
        before = word.text
        found[-1].append(word.text)
    assert [list(filter(None, run)) for run in found if any(run)] == [
        [unicodedata.normalize("NFC", word) for word in run] for run in runs
    ]


def test_places() -> None:
    """A word knows where it is."""
    text = "One, *two*’s\nthree."
    assert [text[word.start : word.end] for word in words_of(text)] == ["One", "two", "s", "three"]


def test_forms_of_a_word() -> None:
    """Forms of one word begin alike, and little follows."""
    forms = "dragon dragons, dragon's dragon, dragon's dragons, write writing, story stories, key keys, fox foxes, a a"
    others = "sea seaside, heart art, lighthouse light, ma mad, kingship king, able ably"
    for pairs, same in ((forms, True), (others, False)):
        for one, other in (pair.split() for pair in pairs.split(", ")):
            assert same_subject(one, other) is same_subject(other, one) is same, (one, other)
