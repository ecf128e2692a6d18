"""Places to write to: whether one can be used, found out before anything is written there. Standard library only."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from ..errors import InputError

__all__ = ["check_file", "check_folder", "whole_path"]


def whole_path(text: str) -> Path:
    """A path as somebody has said it: ~ is a home.

    Raises:
        InputError: it is none.
    """
    if not text.strip():
        raise InputError("is empty: write a path, such as results/first")
    try:
        if "\0" in text:
            raise ValueError
        os.fsencode(text)
    except ValueError as error:  # half a character is one as well
        raise InputError(f"no path can be {text!r}: it has a character that no path has") from error
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        name = text.partition("/")[0]
        raise InputError(f"nobody knows where {name} is at home on this computer: write the whole path") from error


def check_folder(path: Path) -> None:
    """Refuse a folder that is not there and cannot be made, or that cannot be written to.

    What it would be in is tried with a folder that is gone at once: the rights alone do not say it, for root has
    all of them, in `/proc` too.

    Raises:
        InputError: with what to do.
    """
    try:
        there = next(each for each in (path.absolute(), *path.absolute().parents) if _is_there(each))
        if there.is_symlink() and not there.exists():
            raise InputError(f"{there} is a link to what is not there: remove it, or choose another folder")
        if not there.is_dir():
            raise InputError(f"{there} is a file, and a folder is needed: choose another one")
        if not os.access(there, os.W_OK | os.X_OK):
            raise InputError(f"you may not write to {there}: choose another folder")
        with tempfile.TemporaryDirectory(prefix=".tried-", dir=there):
            pass
    except OSError as error:
        raise InputError(f"no folder can be made at {path}: {error.strerror or error}; choose another one") from error


def check_file(path: Path, begins: bytes, what: str) -> None:
    """Refuse a file that cannot be written to, or that is somebody else's.

    Args:
        path: where it is, or is to be.
        begins: what such a file begins with, if there is anything in it.
        what: what it is.

    Raises:
        InputError: with what to do.
    """
    try:
        if not _is_there(path):
            check_folder(path.parent)
            return
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "no file"
            raise InputError(f"{path} is {kind}, and a file is needed: give another path")
        if not os.access(path, os.R_OK | os.W_OK):
            raise InputError(f"you may not write to {path}: give another file")
        with path.open("rb") as file:
            begun = file.read(len(begins))
    except OSError as error:
        raise InputError(f"{path} cannot be used: {error.strerror or error}; give another file") from error
    if not begins.startswith(begun):
        raise InputError(f"{path} is not {what}: give another file")
    check_folder(path.parent)  # where its locks will be


def _is_there(path: Path) -> bool:
    """Whether there is something, if only a link to nothing."""
    with suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()
        return True
    return False
