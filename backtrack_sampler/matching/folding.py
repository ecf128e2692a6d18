"""What a reader would call the same phrase, however it is written: the normal forms in which phrases are compared.

Case, compatibility forms (ligatures, full width), accents as one character or two, kinds of space, dash, quotation
mark and apostrophe, ellipses, invisible characters and Markdown's emphasis differ on the screen or in the
bytes, not in what is said. `docs/antislop.md` has the whole table, and what is not folded.

After the Unicode Standard: caseless matching (section 3.13), normalisation (annex 15), default ignorable
code points (DerivedCoreProperties.txt).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

__all__ = ["Form", "exact", "form_of", "is_letter"]

_MARKS = "*_"  # Markdown's emphasis
_RUNS = " -"  # in a phrase of words, several of these in a row are one
_DOT_ABOVE = "\u0307"  # an i has it already: the lower case of \u0130
_QUOTES = (
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2035\u02bc\u02b9\u2039\u203a\u00b4`\uff07", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u301d\u301e\u301f\uff02", '"')
)  # fmt: skip
_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip


class Form(dict[str, str]):
    """Each character and what stands for it: one character, several, or "" where it counts for nothing.

    Filled as it is asked. What a text is in this form depends on each character and the one before
    it, so it can be made as the text comes: see `added`.

    Args:
        ignore_case: whether capitals are small letters.
        words: for phrases of words: all dashes are alike, a run of spaces or line breaks is one space, and
            Markdown's marks count for nothing. Without it these stay as they are.
    """

    def __init__(self, ignore_case: bool, words: bool) -> None:
        super().__init__()
        self._ignore_case = ignore_case
        self._words = words

    def __missing__(self, character: str) -> str:
        self[character] = result = "".join(self._folded(character))
        return result

    def added(self, character: str, last: str) -> str:
        """What a character adds to a text in this form, the last of which is `last` ("" at its beginning)."""
        folded = self[character]
        alike = folded == last and self._words and folded in _RUNS
        return "" if alike or (folded == _DOT_ABOVE and last == "i" and self._ignore_case) else folded

    def text(self, written: str) -> str:
        """A whole text in this form."""
        form = ""
        for character in written:
            form += self.added(character, form[-1:])
        return ordered(form)

    def _folded(self, character: str) -> Iterator[str]:
        if character in _QUOTES:
            yield _QUOTES[character]
            return
        if character.isspace():
            # A line break is no space in a phrase of signs alone: who bans an empty line bans no other space.
            yield " " if self._words or unicodedata.category(character) == "Zs" else character
            return
        plain = unicodedata.normalize("NFKD", character)
        if plain.startswith(" "):  # an accent that stands for itself
            plain = character
        if self._ignore_case:
            plain = unicodedata.normalize("NFKD", plain.casefold()).replace("i" + _DOT_ABOVE, "i")
        for each in plain:
            if _is_ignorable(each) or (self._words and each in _MARKS):
                continue
            dash = self._words and (unicodedata.category(each) == "Pd" or each == "\u2212")
            yield "-" if dash else each


class _Exact(Form):
    """Every character stands for itself."""

    def __init__(self) -> None:
        super().__init__(False, False)

    def __missing__(self, character: str) -> str:
        self[character] = character
        return character

    def text(self, written: str) -> str:
        return written


exact = _Exact()
_words, _signs = (
    {ignore_case: Form(ignore_case, words) for ignore_case in (True, False)} for words in (True, False)
)  # fmt: skip


def form_of(phrase: str, ignore_case: bool) -> Form:
    """The form in which to look for a phrase.

    One that is about signs (it has no letter, begins or ends with a dash, or holds a line break or
    Markdown's marks) means these signs: who bans the long dash or `**Warning` bans neither hyphens nor warnings.
    """
    inner = phrase.strip(" ")
    about_signs = (
        not any(map(str.isalnum, phrase))
        or any(character in "\n\r*_" for character in phrase)
        or any(unicodedata.category(end) == "Pd" for end in (inner[0], inner[-1]))
    )
    return (_signs if about_signs else _words)[ignore_case]


def ordered(text: str) -> str:
    """A text in some form, with accents behind one letter in Unicode's order."""
    return text if text.isascii() else unicodedata.normalize("NFD", text)


def is_letter(character: str) -> bool:
    """Whether a character of a form belongs to a word: a letter, a digit, or an accent on one."""
    return character.isalnum() or (not character.isascii() and unicodedata.category(character)[0] == "M")


def _is_ignorable(character: str) -> bool:
    code = ord(character)
    return code > 0x7F and any(low <= code <= high for low, high in _IGNORABLE)
