"""A hub that cannot be reached is said in seconds, and what was downloaded before is used."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import tiny_gguf
import tokenizers
import transformers
from tiny_models import tiny

from backtrack_sampler import ModelError, load_provider
from backtrack_sampler.provider import hub

ENGINES = ["llamacpp", "transformers"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of downloads, and less patience."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "_PATIENCE", 0.3)
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path), raising=False)
    for name in ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(params=["closed", "silent"])
def dead(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a hub that nobody listens at, or that takes every call and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        if request.param == "closed":
            listener.close()
        else:
            listener.listen(50)
        yield url


class Refusing(http.server.BaseHTTPRequestHandler):
    """A hub that knows no model, and does not say so of one."""

    def do_GET(self) -> None:
        if "org/name" in self.path:
            time.sleep(60)  # nobody may ask for this one
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        yield url
        server.shutdown()


def downloaded(cache: Path, name: str) -> Path:
    """The folder where a repository's files lie once they were downloaded."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("c0ffee")
    (folder / "snapshots" / "c0ffee").mkdir(parents=True)
    return folder / "snapshots" / "c0ffee"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_hub_that_cannot_be_reached(dead: str, engine: str) -> None:
    """One line says where it was looked for, and what else would do."""
    with pytest.raises(ModelError) as caught:
        load_provider("org/name", engine)
    assert str(caught.value) == (
        f"org/name is not on this computer, and cannot reach the hub at {dead}: "
        "check the network, or give a folder or a .gguf file"
    )


def test_it_is_asked_once_and_shortly(dead: str) -> None:
    """However long it would be silent."""
    started = time.monotonic()
    assert not hub.answers()
    assert time.monotonic() - started < 20  # it would be silent for ever


def test_a_hub_that_answers(alive: str) -> None:
    """Whatever it says, it is there."""
    assert hub.answers()


def test_offline_by_choice(monkeypatch: pytest.MonkeyPatch, alive: str) -> None:
    """HF_HUB_OFFLINE is kept, and named."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert not hub.answers()
    with pytest.raises(ModelError, match="org/name is not on this computer, and HF_HUB_OFFLINE is set: unset it"):
        load_provider("org/name", "llamacpp")


def test_a_proxy_that_only_the_hub_knows_how_to_use(monkeypatch: pytest.MonkeyPatch, dead: str) -> None:
    """Then it is left to huggingface_hub."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    assert hub.answers()


def test_downloaded_before_for_llamacpp(dead: str, cache: Path) -> None:
    """Without a network the file that is there is loaded; where there are several, it is asked which."""
    folder = downloaded(cache, "org/name")
    tiny_gguf.write_mamba(folder / "a.gguf")
    assert load_provider("org/name", "llamacpp", n_ctx=256).model_name == "a"
    assert load_provider("org/name", "llamacpp", n_ctx=256, filename="a*").model_name == "a"
    (folder / "b.gguf").touch()
    with pytest.raises(ModelError, match=r"must hold exactly one \.gguf file \(found: a\.gguf, b\.gguf\)"):
        load_provider("org/name", "llamacpp")


LOADS = """
import time
from backtrack_sampler import BacktrackError, load_provider
from backtrack_sampler.provider import hub
for engine in ("transformers", "llamacpp"):
    started = time.monotonic()
    try:
        load_provider("org/nobody", engine)
    except BacktrackError as error:
        print(type(error).__name__, error)
hub.answers = lambda: False
print(load_provider("org/name").logits([3]).shape)
"""


@pytest.mark.slow
def test_a_hub_that_does_not_have_a_model_and_one_that_falls_silent(alive: str, cache: Path) -> None:
    """On both engines one line says what the hub has said; and what was downloaded is loaded without asking anybody.

    (In a program of its own: the libraries read their environment when they are imported.)
    """
    folder = downloaded(cache, "org/name")
    tiny("llama").save_pretrained(folder)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 3, "?": 5}, unk_token="?"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="?").save_pretrained(folder)
    done = subprocess.run(
        [sys.executable, "-c", LOADS], capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "HF_HUB_CACHE": str(cache), "HF_ENDPOINT": alive},
    )  # fmt: skip
    first, second, third = done.stdout.splitlines()
    assert first.startswith("ModelError cannot load org/nobody with transformers: org/nobody is not a local folder")
    assert second.startswith("ModelError cannot load org/nobody (")
    assert third.startswith("torch.Size(")
