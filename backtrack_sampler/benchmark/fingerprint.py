"""What tells whether a model is still the same one: a digest of its files. Standard library only."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..discovery import embedded_model
from ..errors import InputError, MissingPackageError, ModelError
from ..provider import hub
from ..provider.base_provider import BaseProvider
from ..provider.model_files import model_path
from ..specs import is_provider_file
from ..trace.files import write_atomically
from .arms import digest

__all__ = ["CACHE", "describe_model", "model_files", "model_key", "model_sha256"]

#: The file of digests that are known.
CACHE = "model_digests.json"

#: Weights, the first kind that a folder has: the others are the same once more, for other programs.
_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.gguf")
#: What else decides what a model writes. Not all that lies there: a README may come later.
_SETTINGS = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "chat_template.*", "adapter_config.json",
    "*.index.json", "*.model", "*.tiktoken", "*.py",
)  # fmt: skip
_SPLIT = re.compile(r"-\d{5}-of-(\d{5})$")
#: Options of engines that change how fast a model is, or where it is, and not what it writes.
_NOT_THE_MODEL = frozenset({
    "threads", "n_threads", "n_threads_batch", "n_batch", "n_ubatch", "n_gpu_layers", "device", "device_map",
    "cache_bytes", "cache_dir", "local_files_only", "low_cpu_mem_usage", "use_mmap", "use_mlock", "verbose", "token",
    "remember", "max_memory", "offload_folder", "main_gpu", "split_mode", "tensor_split", "n_ctx",
})  # fmt: skip
_LARGE = 1 << 30

_log = logging.getLogger(__name__)


def describe_model(
    provider: BaseProvider,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """A model as results name it; JSON, and without folders of this machine.

    Args:
        provider: it, loaded.
        model: what it was loaded by; None: the embedded one, or whatever the provider has.
        options: what else it was loaded with, such as `dtype`.
        folder: see `model_sha256`.

    Returns:
        "name", "engine", "sha256", and "options": those that change what it writes.
    """
    options = options or {}
    name = provider.model_name or model or type(provider).__name__
    if os.path.isabs(name) or (model is not None and os.path.exists(name)):
        name = Path(name).name
    return {
        "name": name,
        "engine": type(provider).__name__.removesuffix("Provider").lower(),
        "sha256": model_sha256(provider, model, options, folder),
        "options": json.loads(json.dumps({k: v for k, v in options.items() if k not in _NOT_THE_MODEL}, default=str)),
    }


def model_key(described: Mapping[str, Any]) -> str:
    """What results are stored under: engine, files and options of `describe_model`, in short. Its name is not in it."""
    return digest([described[name] for name in ("engine", "sha256", "options")])


def model_sha256(
    provider: BaseProvider,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> str:
    """A digest of a model: another quantisation is another model, and so is another tokenizer.

    Args:
        provider: it, loaded.
        model: what it was loaded by: a file, a folder, a name on a hub.
        options: what else it was loaded with; `revision` and `cache_dir` say where a hub's files are.
        folder: where digests are kept, by path, size and time of change, so that files which have not changed are
            read once; None: they are read each time.

    Returns:
        SHA-256, hexadecimal. Of one file: what `sha256sum` says. Of several: that of its lines about them. Of a
        provider without files: of its name, its source and its vocabulary.

    Raises:
        InputError: a file cannot be read, or the digests cannot be kept.
    """
    files = model_files(provider, model, options or {})
    if not files:
        return hashlib.sha256(json.dumps(_without_files(provider)).encode()).hexdigest()
    cache = None if folder is None else Path(folder) / CACHE
    known = _read(cache)
    before = dict(known)
    keys = {name: _state(file) for name, file in files.items()}
    if (size := sum(file.stat().st_size for name, file in files.items() if keys[name] not in known)) > _LARGE:
        _log.info("reading the model's files once, %.1f GB, to tell it from others", size / 1e9)
    for name, file in files.items():
        if keys[name] not in known:
            known[keys[name]] = _sha256(file)
    if cache is not None and known != before:
        write_atomically(cache, json.dumps(known, indent=1))
    if len(files) == 1:
        return known[next(iter(keys.values()))]
    lines = "".join(f"{known[keys[name]]}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def model_files(provider: BaseProvider, model: str | None, options: Mapping[str, Any]) -> dict[str, Path]:
    """The files that a model is made of, by their names in its folder; none where nothing tells."""
    place = _place(provider, model, options)
    if place is None:
        return {}
    if place.is_file():
        return _parts(place)
    for file in sorted(place.rglob("*.gguf")):
        if file.stem == provider.model_name:
            return _parts(file)
    folder = place / str(options.get("subfolder") or "")
    weights = next((found for each in _WEIGHTS if (found := sorted(folder.glob(each)))), [])
    settings = [file for pattern in _SETTINGS for file in folder.glob(pattern)]
    return {file.name: file for file in [*weights, *settings] if file.is_file()}


def _place(provider: BaseProvider, model: str | None, options: Mapping[str, Any]) -> Path | None:
    """The file or folder that a model was loaded from."""
    if model is None:
        with suppress(MissingPackageError):
            embedded = embedded_model()
            return embedded if embedded.stem == provider.model_name else None
        return None
    if is_provider_file(model):
        return None
    with suppress(ModelError):  # a provider may call its models whatever it likes
        if (path := model_path(model)) is not None:
            return path
        with suppress(MissingPackageError):
            return hub.cached(model, options.get("cache_dir"), options.get("revision"))
    return None


def _parts(file: Path) -> dict[str, Path]:
    """A file, or all parts of a model that was split into several."""
    if split := _SPLIT.search(file.stem):
        pattern = f"{file.stem[: split.start()]}-?????-of-{split[1]}{file.suffix}"
        return {part.name: part for part in sorted(file.parent.glob(pattern))}
    return {file.name: file}


def _without_files(provider: BaseProvider) -> list[Any]:
    cls = type(provider)
    source = ""
    with suppress(OSError, TypeError):
        source = inspect.getsource(cls)
    vocabulary = [provider.decode([token]) for token in range(provider.vocabulary_size or 0)]
    return [cls.__qualname__, source, provider.model_name, vocabulary]


def _state(file: Path) -> str:
    """What changes where a file has changed. No path stands in it: results are given to others."""
    state = file.stat()
    return digest([str(file.resolve()), state.st_size, state.st_mtime_ns])


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error


def _read(cache: Path | None) -> dict[str, str]:
    if cache is not None:
        with suppress(OSError, ValueError):  # then all is read anew
            found = json.loads(cache.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return {str(key): str(value) for key, value in found.items()}
    return {}
