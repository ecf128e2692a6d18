"""What is meant by a model's name; a path never goes to a hub."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backtrack_sampler import ModelError, load_provider
from backtrack_sampler.provider.model_files import engine_of, model_path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and no hub: to ask one fails the test."""
    monkeypatch.chdir(tmp_path)

    def answers() -> bool:
        raise AssertionError("a hub was asked")

    monkeypatch.setattr("backtrack_sampler.provider.hub.answers", answers)
    return tmp_path


PATHS = [
    "./x.gguf", "x.gguf", "models/x", "models/x.gguf", "/abs/path", "/x", "~/x", "../x", ".", "a/b/c", "a\\b.gguf", "C:\\x\\y",
    "my model", "org/name.gguf", "there/x", "there/", "x.safetensors", "http://127.0.0.1/x", "-x", "",
]  # fmt: skip


@pytest.mark.parametrize("engine", [None, "llamacpp", "transformers"])
@pytest.mark.parametrize("name", [path for path in PATHS if path not in (".", "there/", "")])
def test_a_path_never_goes_to_a_hub(name: str, engine: str | None) -> None:
    """It is said at once that nothing is there, on every engine."""
    os.mkdir("there")
    with pytest.raises(ModelError, match="no model file at ") as caught:
        load_provider(name, engine)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["org/name", "gpt2", "unsloth/Llama-3.2-1B-Instruct", "a_b/c.d", "bartowski/x-GGUF"])
def test_names_of_a_hub(name: str) -> None:
    """They are names, unless there is something here that is called so."""
    assert model_path(name) is None
    assert engine_of(name) == "transformers"
    Path(name).mkdir(parents=True)
    assert model_path(name) == Path(name)


def test_what_is_nearby() -> None:
    """A file that is nearly called so is named; and why what looks like a hub's name is taken for a path."""
    Path("there").mkdir()
    Path("there/smollm2.gguf").touch()
    with pytest.raises(ModelError, match=r"no model file at there/smolm2\.gguf: did you mean there/smollm2\.gguf\?"):
        model_path("there/smolm2.gguf")
    with pytest.raises(
        ModelError, match=r"no model file at there/Llama: check the path \(there is a folder there here, so"
    ):
        model_path("there/Llama")


def test_home(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """A shell does not always expand ~."""
    monkeypatch.setenv("HOME", str(here))
    Path("x.gguf").touch()
    assert model_path("~/x.gguf") == here / "x.gguf"


def test_the_engine_of_a_folder() -> None:
    """Config and weights, a .gguf file, or neither, which is said."""
    Path("empty").mkdir()
    with pytest.raises(
        ModelError, match=r"empty holds no model: give a \.gguf file, or a folder with one or with config\.json"
    ):
        engine_of("empty")
    Path("empty/x.gguf").touch()
    assert engine_of("empty") == "llamacpp"
    Path("empty/config.json").touch()
    assert engine_of("empty") == "transformers"
    assert engine_of("empty/x.gguf") == "llamacpp"
