"""A file with a prompt a line."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError

__all__ = ["read_prompts"]


def read_prompts(path: str | os.PathLike[str]) -> list[str]:
    """The prompts of a file, in order; blank lines are left out.

    Raises:
        InputError: it cannot be read, is no UTF-8, or has no prompts.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"cannot read the prompts {path}: {error.strerror or error}") from error
    lines = (line.removesuffix("\r") for line in text.split("\n"))  # other ends of lines may be part of a prompt
    prompts = [line for line in lines if line.strip()]
    if not prompts:
        raise InputError(f"{path} has no prompts: write one a line")
    return prompts
