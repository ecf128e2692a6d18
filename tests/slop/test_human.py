"""How often people write words and phrases."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from backtrack_sampler import InputError
from backtrack_sampler.errors import MissingPackageError
from backtrack_sampler.slop import HumanText


@pytest.fixture(scope="module")
def human() -> HumanText:
    return HumanText()


def test_words_are_as_frequent_as_wordfreq_says(human: HumanText) -> None:
    """A possessive that is not known is as frequent as its word; a word that nobody knows is as rare as the rarest."""
    rates = human.rates(["the", "tapestry", "tapestry's", "blorfx", "mumblorfx's"])
    assert rates["the"] > 0.01 > 1e-5 > rates["tapestry"] > 1e-7
    assert rates["tapestry's"] == rates["tapestry"] > rates["blorfx"] == rates["mumblorfx's"] > 0
    assert [word for word in ("the", "she", "would", "heart", "tapestry") if human.is_common(word)] == [
        "the",
        "she",
        "would",
    ]


def test_phrases_without_a_corpus(human: HumanText) -> None:
    """The rarest word decides most, the commoner ones less and less; no phrase is more frequent than a word of it."""
    words = {word: human.rates([word])[word] for word in ("a", "testament", "to", "of", "the", "sense")}
    rates = human.rates(["a testament to", "sense of", "of the", "testament to the"])
    a, testament, to = words["a"], words["testament"], words["to"]
    assert rates["a testament to"] == pytest.approx(
        min(testament, 10 * testament * max(a, to) ** 0.25 * min(a, to) ** 0.5)
    )
    assert rates["sense of"] == pytest.approx(min(words["sense"], 10 * words["sense"] * words["of"] ** 0.5))
    assert rates["of the"] <= words["of"] < words["the"]
    assert rates["testament to the"] <= testament


def test_a_corpus(human: HumanText, tmp_path: Path) -> None:
    """Phrases are counted in it, as in the model's texts; the more there is of it, the less do their words foretell."""
    plain, rows = tmp_path / "human.txt", tmp_path / "human.jsonl"
    plain.write_text("It was a quiet sea, and a\nquiet SEA it was.\n\nQuiet\n\nsea 1 sea’s.\n" * 100, encoding="utf-8")
    rows.write_text("\n".join(json.dumps(row) for row in ({"text": "a quiet sea"}, {"settings": {}}, {"text": "Sea!"})))
    phrases = ["a quiet sea", "quiet sea", "sea", "the quiet sea", "was"]
    alone = human.rates(phrases)
    for files, size, counts in (
        ([plain], 1400, [200, 200, 400, 0, 200]),
        ([rows, plain], 1404, [201, 201, 402, 0, 200]),
    ):
        corpus = HumanText(corpora=files)
        assert corpus.words == size
        expected = {
            phrase: (count + 1e5 * alone[phrase]) / (size + 1e5) for phrase, count in zip(phrases, counts, strict=True)
        }
        found = corpus.rates(phrases)
        assert found == pytest.approx({**expected, "was": max(expected["was"], alone["was"])})
        assert found["the quiet sea"] < alone["the quiet sea"]
        assert found["a quiet sea"] > 1e-3


def test_what_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one line that names the file or the option."""
    (tmp_path / "empty.txt").write_text("... 12\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"te')
    for name, message in (
        ("none.txt", "cannot read .*none.txt: No such file"), ("empty.txt", "empty.txt has no words"),
        ("latin.txt", "latin.txt: this is not valid text: use UTF-8"), ("bad.jsonl", "bad.jsonl, line 2: this is no JSON"),
        (".", "cannot read"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            HumanText(corpora=[tmp_path / name])
    for language in ("xx", "zh"):  # Chinese has no spaces between its words
        with pytest.raises(InputError, match=f"--language {language}: give one of ar, .*, en, "):
            HumanText(language)
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'backtrack_sampler\[profile\]'"):
        HumanText()
