"""Tokens and passwords are kept where they were said."""

from __future__ import annotations

from typing import Any

import pytest

from backtrack_sampler.benchmark.private import without_secrets


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:se/cr@et@host/db", "postgresql://me:***@host/db"),
        ("redis://:secret@host", "redis://:***@host"),
        ("postgresql://h/db?user=u&password=secret&x=1", "postgresql://h/db?user=u&password=***&x=1"),
        ("https://h/m?api_key=secret", "https://h/m?api_key=***"),
        ("./mine.py:Mine:auth-token=secret, size=3", "./mine.py:Mine:auth-token=***, size=3"),
        ("./mine.py:Mine:max_new_tokens=64,size=3", "./mine.py:Mine:max_new_tokens=64,size=3"),
        ("sqlite:///a/b@c:d.db", "sqlite:///a/b@c:d.db"),
        ("the token of the realm: 3", "the token of the realm: 3"),
    ],
)
def test_in_texts(said: str, shown: str) -> None:
    """In the address of a database, in its query, and in a spec; whatever else it says stays."""
    assert without_secrets(said) == shown


@pytest.mark.parametrize("name", ["token", "HF_TOKEN", "use_auth_token", "password", "passwd", "client_secret", "apiKey", "api-key", "api_key"])  # fmt: skip
def test_by_their_names(name: str) -> None:
    """Also within something else, and whatever they are made of."""
    for value in ("hf_x", ["hf_x"], {"a": "hf_x"}):
        assert without_secrets({"model_kwargs": [{name: value}]}) == {"model_kwargs": [{name: "***"}]}


def test_what_only_sounds_like_it() -> None:
    """Numbers of tokens, and that there is a secret; a number as a password is one."""
    said: dict[str, Any] = {"max_new_tokens": 64, "token": True, "secret": None, "temperature": [1.0, 0.7]}
    assert without_secrets(said) == said
    assert without_secrets({"password": 1234}) == {"password": "***"}
