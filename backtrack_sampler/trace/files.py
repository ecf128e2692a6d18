"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import InputError

__all__ = ["ENDINGS", "check_path", "write_atomically"]

#: What a trace can be written as.
ENDINGS = (".html", ".jsonl")


def check_path(path: str | os.PathLike[str], endings: tuple[str, ...] = ENDINGS) -> Path:
    """Check, before there is anything to write, that a file can be written.

    Args:
        path: the file.
        endings: what its name may end in; none: anything.

    Raises:
        InputError: an ending that is not known, or a place that cannot be written to.
    """
    file = Path(path)
    if endings and file.suffix.lower() not in endings:
        raise InputError(f"cannot tell what to write to {file}: let its name end in {' or '.join(endings)}")
    try:
        folder = file.resolve().parent
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder} to write {file.name} to: make it first")
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise InputError(f"cannot write {file}: it is a device or a pipe, give a plain file")
        writable = os.access(folder, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))
        if file.is_dir() or not writable:
            raise InputError(f"cannot write {file}: it is a folder, or you may not write there")
    except (OSError, RuntimeError) as error:  # a name that is too long, links that go in circles
        raise InputError(f"cannot write {file}: {getattr(error, 'strerror', '') or error}") from error
    return file


def write_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8; whatever happens, the file is the old one or the new one.

    Raises:
        InputError: it cannot be written.
    """
    file = Path(path).resolve()  # a link stays a link
    temporary = file.with_name(f".{file.name}.{os.urandom(4).hex()}")
    try:
        try:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())  # or a power failure may leave neither of both
            if file.exists():
                shutil.copymode(file, temporary)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
