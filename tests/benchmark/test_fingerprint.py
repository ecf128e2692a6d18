"""A model is told from others by its files, and known again without reading them twice."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from backtrack_sampler.benchmark import fingerprint
from backtrack_sampler.benchmark.fingerprint import describe_model, model_key, model_sha256
from backtrack_sampler.provider import hub
from backtrack_sampler.testing import FakeProvider


def named(name: str) -> FakeProvider:
    provider = FakeProvider()
    provider.model_name = name
    return provider


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As transformers saves a model."""
    path = tmp_path / "tiny"
    path.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "merges.txt", "chat_template.jinja"):
        (path / name).write_text(name)
    return path


def test_a_file_has_the_sum_that_sha256sum_says(tmp_path: Path) -> None:
    """So that anybody can compare it with what a hub says of its file."""
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"weights")
    assert model_sha256(named("tiny"), str(file)) == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "merges.txt", "chat_template.jinja"]
)
def test_a_folder_is_another_model_when_a_file_of_it_is(folder: Path, name: str) -> None:
    """Weights, configuration, tokenizer and template all decide what is written."""
    before = model_sha256(named("tiny"), str(folder))
    (folder / name).write_text("another")
    assert model_sha256(named("tiny"), str(folder)) != before


def test_what_may_come_later_does_not_count(folder: Path) -> None:
    """A README, the same weights for other programs, a log of training: results stay valid."""
    before = model_sha256(named("tiny"), str(folder))
    for name in ("README.md", "pytorch_model.bin", "trainer_state.json", ".gitattributes", "tiny-other-quant.gguf"):
        (folder / name).write_text("more")
    assert model_sha256(named("tiny"), str(folder)) == before


def test_a_folder_may_be_moved(folder: Path, tmp_path: Path) -> None:
    """Neither where it is nor what it is called is part of the model."""
    before = model_key(describe_model(named(str(folder)), str(folder)))
    moved = folder.rename(tmp_path / "other")
    assert model_key(describe_model(named(str(moved)), str(moved))) == before


def test_of_a_folder_with_several_quantisations_the_loaded_one_counts(tmp_path: Path) -> None:
    """Another one is another model."""
    (tmp_path / "deep").mkdir()
    files = [tmp_path / "tiny.Q4.gguf", tmp_path / "deep" / "tiny.Q8.gguf"]
    for file in files:
        file.write_text(file.name)
    found = [model_sha256(named(file.stem), str(tmp_path)) for file in files]
    assert found == [hashlib.sha256(file.name.encode()).hexdigest() for file in files]


def test_all_parts_of_a_split_file_count(tmp_path: Path) -> None:
    """llama.cpp is given the first, and reads the others too."""
    parts = [tmp_path / f"big-0000{part}-of-00003.gguf" for part in (1, 2, 3)]
    for part in parts:
        part.write_text(part.name)
    before = model_sha256(named(parts[0].stem), str(parts[0]))
    parts[2].write_text("another")
    assert model_sha256(named(parts[0].stem), str(parts[0])) != before


def test_a_name_on_a_hub_is_what_its_cache_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the revision that was loaded; nothing is downloaded."""
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(hub, "cached", lambda *given: asked.append(given) or folder)
    options = {"revision": "abc", "cache_dir": "there"}
    assert model_sha256(named("org/tiny"), "org/tiny", options) == model_sha256(named("tiny"), str(folder))
    assert asked == [("org/tiny", "there", "abc")]


def test_the_embedded_model(smollm_file: Path) -> None:
    """No name: the embedded one, where that is what was loaded."""
    assert model_sha256(named(smollm_file.stem)) == hashlib.sha256(smollm_file.read_bytes()).hexdigest()
    assert model_sha256(named("")) != model_sha256(named(smollm_file.stem))


@pytest.mark.parametrize("model", [None, "./mine.py:Mine", "anything goes", "gone.gguf"])
def test_a_provider_without_files_is_its_vocabulary(model: str | None) -> None:
    """And its name: another vocabulary is another model."""
    assert model_sha256(FakeProvider(), model) == model_sha256(FakeProvider(), model)
    assert model_sha256(FakeProvider(["x", ""]), model) != model_sha256(FakeProvider(), model)
    assert model_sha256(named("other"), model) != model_sha256(FakeProvider(), model)


def test_a_provider_in_a_file_is_no_file_of_weights(tmp_path: Path) -> None:
    """What it makes of its source is what counts."""
    (tmp_path / "mine.py").write_text("")
    assert model_sha256(FakeProvider(), str(tmp_path / "mine.py")) == model_sha256(FakeProvider())


def test_files_are_read_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as path, size and time are the same; a cache that is broken is made anew."""
    read: list[str] = []
    whole = fingerprint._sha256
    monkeypatch.setattr(fingerprint, "_sha256", lambda file: read.append(file.name) or whole(file))
    kept = tmp_path / "run"
    kept.mkdir()
    first = model_sha256(named("tiny"), str(folder), None, kept)
    assert len(read) == 5
    assert model_sha256(named("tiny"), str(folder), None, kept) == first
    assert len(read) == 5
    os.utime(folder / "config.json", ns=(1, 1))
    assert model_sha256(named("tiny"), str(folder), None, kept) == first
    assert read[5:] == ["config.json"]
    (file,) = kept.iterdir()
    assert str(tmp_path) not in file.read_text()
    for broken in ("{", "[]", ""):
        file.write_text(broken)
        assert model_sha256(named("tiny"), str(folder), None, kept) == first


def test_how_it_was_loaded_counts_where_it_changes_what_is_written(folder: Path) -> None:
    """Precision does; threads, devices and folders do not. Two engines are two models."""
    plain = describe_model(named(str(folder)), str(folder))
    assert (plain["name"], plain["engine"], plain["options"]) == ("tiny", "fake", {})
    fast = describe_model(named(str(folder)), str(folder), {"threads": 4, "device": "cuda", "cache_dir": "/home/me"})
    assert (fast["options"], model_key(fast)) == ({}, model_key(plain))
    half = describe_model(named(str(folder)), str(folder), {"dtype": "float16"})
    assert model_key(half) != model_key(plain)
    assert model_key({**plain, "engine": "other"}) != model_key(plain)
    assert str(folder.parent) not in json.dumps([plain, fast, half])
