"""What somebody means by the name of a model: a file, a folder, or a repository on a hub. Standard library only."""

from __future__ import annotations

import difflib
import os
import re
from contextlib import suppress
from pathlib import Path

from ..errors import ModelError

__all__ = ["engine_of", "model_path"]

#: As a hub has them: "name", or "org/name".
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_FILES = {".gguf", ".safetensors"}
_NOBODY = {"models", "datasets", "spaces"}  # names that a hub gives to nobody


def model_path(model: str | os.PathLike[str]) -> Path | None:
    """The file or folder that a name means; None where it can only be one on a hub.

    Raises:
        ModelError: it looks like a file or a folder, and nothing is there. No hub is ever asked for such a name.
    """
    text = os.fspath(model)
    path = Path(text).expanduser()
    if path.exists():
        return path
    first, slash, _ = text.partition("/")
    here = bool(slash) and Path(first).is_dir()
    if _HUB_NAME.fullmatch(text) and path.suffix not in _FILES and not (slash and first in _NOBODY) and not here:
        return None
    advice = "check the path"
    with suppress(OSError):
        if near := difflib.get_close_matches(path.name, [each.name for each in path.parent.iterdir()], 1):
            advice = f"did you mean {path.with_name(near[0])}?"
        elif here and _HUB_NAME.fullmatch(text):
            advice += f" (there is a folder {first} here, so this is no name on a hub)"
    raise ModelError(f"no model file at {text}: {advice}")


def engine_of(model: str) -> str:
    """The engine that fits a model: llama.cpp for `.gguf` files and folders that hold nothing else.

    Raises:
        ModelError: as `model_path`, and where a folder holds no model.
    """
    path = model_path(model)
    if path is None:
        return "transformers"
    if not path.is_dir():
        return "llamacpp" if path.suffix == ".gguf" else "transformers"
    if any((path / name).exists() for name in ("config.json", "adapter_config.json")):
        return "transformers"
    if any(path.glob("*.gguf")):
        return "llamacpp"
    raise ModelError(f"{path} holds no model: give a .gguf file, or a folder with one or with config.json and weights")
