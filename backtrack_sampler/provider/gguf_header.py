"""What a GGUF file says of its model at its beginning, without loading it. Standard library only."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

__all__ = ["trained_context"]

_STRING, _ARRAY = 8, 9
#: Kind of a value -> its format: the integers, float32 and bool, and the long ones.
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_INTEGERS = (4, 5, 10, 11)


def trained_context(file: str | os.PathLike[str]) -> int | None:
    """The context that a model was trained for; None where its file does not say, or is no such file."""
    try:
        with open(file, "rb") as stream:
            magic, _, _, count = struct.unpack("<4sIQQ", stream.read(24))
            if magic != b"GGUF":
                return None
            for _ in range(count):
                key = stream.read(_number(stream, "Q"))
                kind = _number(stream, "I")
                if key.endswith(b".context_length") and kind in _INTEGERS:
                    return _number(stream, _FORMATS[kind])
                _skip(stream, kind)
    except (OSError, struct.error, KeyError, OverflowError):  # llama.cpp says what is wrong with it
        pass
    return None


def _number(stream: BinaryIO, form: str) -> int:
    return int(struct.unpack(f"<{form}", stream.read(struct.calcsize(f"<{form}")))[0])


def _skip(stream: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        stream.seek(_number(stream, "Q"), os.SEEK_CUR)
    elif kind == _ARRAY:
        inner, count = _number(stream, "I"), _number(stream, "Q")
        if inner in _FORMATS:
            stream.seek(count * struct.calcsize(f"<{_FORMATS[inner]}"), os.SEEK_CUR)
        else:
            for _ in range(count):
                _skip(stream, inner)
    else:
        stream.seek(struct.calcsize(f"<{_FORMATS[kind]}"), os.SEEK_CUR)
