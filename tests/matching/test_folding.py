"""What counts as the same phrase."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrack_sampler.matching import occurrences
from backtrack_sampler.matching.folding import Form, exact, form_of, is_letter


def same(phrase: str, text: str, **options) -> bool:
    """Whether a phrase is found in a text, all of it."""
    return any((match.start, match.end) == (0, len(text)) for match in occurrences(text, [phrase], **options))


@given(st.text(max_size=30), st.booleans(), st.booleans())
def test_a_form_is_its_own(text: str, ignore_case: bool, words: bool) -> None:
    """Folding what is folded changes nothing, and canonically equivalent texts fold to the same."""
    form = Form(ignore_case, words)
    folded = form.text(text)
    assert form.text(folded) == folded
    for kind in ("NFC", "NFD"):
        assert form.text(unicodedata.normalize(kind, text)) == folded
    assert exact.text(text) == text


@given(st.text("aB \u00e9\u0130\ufb01\u00df\u2026\u2013\u2019\u03a3", min_size=1, max_size=8))
def test_every_way_of_writing_is_found(text: str) -> None:
    """A phrase is found in other case, normal form, space and quotation mark, and with invisible characters in it."""
    phrase = f"x{text}x"
    for other in (
        phrase.upper(), phrase.lower(), phrase.casefold(), unicodedata.normalize("NFD", phrase),
        unicodedata.normalize("NFKC", phrase), phrase.replace(" ", "\n\t"), phrase.replace("\u2019", "'"),
        "\u200b".join(phrase), phrase.replace("\u2013", "\u2014"), phrase.replace(" ", " *"),
    ):  # fmt: skip
        assert same(phrase, other), other


def test_case_counts_where_that_is_wanted() -> None:
    """Without variants everything else is folded all the same."""
    assert not same("Delve", "delve", ignore_case=False)
    assert same("Delve into", "Delve *in\u00adto*"[:-1], ignore_case=False)


@pytest.mark.parametrize(
    ("phrase", "other"),
    [("—", "-"), ("**Warning", "Warning"), ("\n\n", "  "), ("\n\n", "\n"), ("- ", "\u2013 "), ("not—", "not-"), ("a_b", "ab")],
)  # fmt: skip
def test_phrases_about_signs_mean_these_signs(phrase: str, other: str) -> None:
    """Who bans a dash, emphasis, a blank line or an identifier bans neither hyphens nor words nor spaces."""
    assert same(phrase, phrase)
    assert not occurrences(f"x{other}x", [phrase])


def test_signs_still_have_their_variants() -> None:
    """Quotation marks, ellipses and kinds of space, also where a phrase is nothing else."""
    assert same("...", "\u2026")
    assert same('"', "\u201c")
    assert same("\u2014 ", "\u2014\u00a0")
    assert same("**WARNING", "**warning")


def test_what_stays_another_letter() -> None:
    """Letters that only look alike, and letters without their accents."""
    for phrase, text in (("a", "\u0430"), ("cafe", "caf\u00e9"), ("o", "\u00f8"), ("1", "l"), ("ss", "s")):
        assert not same(phrase, text)


def test_an_accent_belongs_to_a_word() -> None:
    """A word and an accent on its last letter are another word."""
    assert is_letter("\u0301")
    assert len(occurrences("cafe\u0301 cafe", ["cafe"], whole_words=True)) == 1


def test_emphasis_is_no_part_of_a_word() -> None:
    """Markdown around a word touches it not; within an identifier it does not part it either."""
    assert same("delve", "delve", whole_words=True)
    for text, found in (("_delve_ in", 1), ("**delve**", 1), ("delve_in", 0), ("*de*lve", 1), ("delve**d**", 0)):
        assert len(occurrences(text, ["delve"], whole_words=True)) == found, text


def test_which_form() -> None:
    """Words are compared as words, signs as signs."""
    assert form_of("well-known", True) is form_of("a testament to", True)
    assert form_of("—", True) is form_of("*I cannot", True) is not form_of("well-known", True)
