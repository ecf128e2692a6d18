"""A comparison as CSV and as JSON."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import made

from backtrack_sampler import InputError
from backtrack_sampler.compare import MEASURES


def readable(text: str) -> str:
    return text.encode(errors="replace").decode()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.integers(0, 10**6))
def test_every_text_comes_back(tmp_path: Path, chance: int) -> None:
    """Whatever models write, CSV and JSON give it back, a row a text, and a row a contender; but for half a character."""
    found = made(chance=chance)
    found.to_texts_csv(tmp_path / "texts.csv")
    found.to_csv(tmp_path / "contenders.csv")
    found.to_json(tmp_path / "all.json")
    with (tmp_path / "texts.csv").open(newline="", encoding="utf-8") as file:
        texts = list(csv.DictReader(file))
    whole = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert len(texts) == len(whole["texts"]) == len(found.texts)
    for text, row, told in zip(found.texts, texts, whole["texts"], strict=True):
        assert row["text"] == told["text"] == readable(text.text)
        assert row["prompt"] == readable(found.prompts[text.prompt]) == whole["prompts"][told["prompt"]]
        for name in (
            "contender",
            "seed",
            "tokens",
            "words",
            "discarded",
            "rollbacks",
            "finish_reason",
            "phrases",
            "error",
        ):
            assert row[name] == str(told[name]) == str(getattr(text, name))
        assert told["log_probability"] == text.log_probability
        assert told["places"] == [list(place) for place in text.places]
    with (tmp_path / "contenders.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["contender"] for row in rows] == [each["contender"] for each in whole["contenders"]] == found.contenders
    for row, told in zip(rows, whole["contenders"], strict=True):
        for measure in MEASURES:
            value = found.value(told["contender"], measure)
            assert told[measure.name] == (value if math.isfinite(value) else None)
            assert row[measure.name] == ("" if told[measure.name] is None else str(told[measure.name]))
        for name, interval in told["differences"].items():
            ends = ["", ""] if interval is None else [str(end) for end in interval]
            assert [row[f"{name}_difference_low"], row[f"{name}_difference_high"]] == ends


def test_json_has_everything(tmp_path: Path) -> None:
    """Settings, whether it is complete, and why texts ended; a number that is none is null."""
    found = made(prompts=3, done=2)
    found.settings["odd"] = Path("x")
    found.to_json(tmp_path / "a.json")
    whole = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert list(whole) == ["settings", "phrases", "complete", "prompts", "contenders", "texts"]
    assert whole["complete"] is False
    assert len(whole["prompts"]) == 2
    assert whole["contenders"][0]["finish_reasons"] == {"length": 4}
    assert whole["contenders"][0]["differences"]["tokens_per_text"] is None


def test_nothing_yet(tmp_path: Path) -> None:
    """Without any text the files can be read as well."""
    found = made(done=0)
    for write, name in (
        (found.to_texts_csv, "a.csv"),
        (found.to_csv, "b.csv"),
        (found.to_json, "c.json"),
        (found.to_html, "d.html"),
    ):
        write(tmp_path / name)
    assert json.loads((tmp_path / "c.json").read_text())["texts"] == []


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    """Says so in a line."""
    with pytest.raises(InputError, match="cannot write"):
        made().to_csv(tmp_path / "no" / "a.csv")
