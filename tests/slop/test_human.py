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
    """What is in it is counted as in the model's texts, and is as much more frequent than foretold; words never less."""
    plain, rows = tmp_path / "human.txt", tmp_path / "human.jsonl"
    plain.write_text("It was a quiet sea, and a\nquiet SEA it was.\n\nQuiet\n\nsea 1 sea’s.\n" * 100, encoding="utf-8")
    rows.write_text("\n".join(json.dumps(row) for row in ({"text": "a quiet sea"}, {"settings": {}}, {"text": "Sea!"})))
    words = {"sea": 400, "quiet": 300, "and": 100, "tapestry": 0}
    phrases = [*words, "quiet sea", "a quiet sea", "the quiet sea", "quiet sea to", "sea quiet"]
    alone = human.rates(phrases)
    found = HumanText(corpora=[plain]).rates(phrases)
    for word, count in words.items():
        assert found[word] == pytest.approx(max(alone[word], (count + 1e5 * alone[word]) / (1400 + 1e5)))
    assert HumanText(corpora=[rows, plain]).words == 1404
    more = HumanText(corpora=[rows, plain]).rates(phrases)
    assert all(more[phrase] > found[phrase] for phrase in ("sea", "quiet sea", "a quiet sea"))
    assert found["a quiet sea"] > 200 / (1400 + 1e5)
    # What the corpus does not have is likelier for what it does have, and never likelier than that.
    for phrase in ("the quiet sea", "quiet sea to"):
        assert 20 * alone[phrase] < found[phrase] < found["quiet sea"] < found["quiet"]


def test_a_corpus_without_a_phrase(human: HumanText, tmp_path: Path) -> None:
    """The more there is of it, the rarer is what it does not have."""
    file = tmp_path / "human.txt"
    rates = [human.rates(["testament to"])["testament to"]]
    for lines in (10_000, 50_000):
        file.write_text("She had none of it\n\n" * lines)
        rates.append(HumanText(corpora=[file]).rates(["testament to"])["testament to"])
    assert rates == pytest.approx([rates[0], rates[0] * 2 / 3, rates[0] * 2 / 7])


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
