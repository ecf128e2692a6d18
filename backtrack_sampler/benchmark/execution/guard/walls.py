"""What Linux builds around a process that asks for it: namespaces, Landlock, no capabilities.

None of it needs a privilege, and none of it can be left again. Other systems have nothing like it that a
process may ask for.

Sources: unshare(2), landlock(7), prctl(2), capset(2). Python 3.11 knows none of these calls.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["die_with_parent", "drop_capabilities", "keep_to_folder", "new_namespaces"]

_NEWUSER, _NEWPID, _NEWNET, _NEWIPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CAPABILITY_VERSION = 0x20080522  # the third: two words for each set

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every processor
_WRITE_FILE, _TRUNCATE, _READING = 1 << 1, 1 << 14, 1 << 2 | 1 << 3
#: How many kinds of access to files each version of Landlock knows.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FILE_RIGHTS = 16


def die_with_parent() -> None:
    """End this process as soon as the one that started it ends, however it does."""
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def new_namespaces() -> str:
    """Leave the network, and, for children, the sight of every other process.

    The first child is the first process of its own world: with it, all that it has started ends.

    Returns:
        Why not, or "".
    """
    apart = _NEWPID | _NEWNET | _NEWIPC
    reason = _call("unshare", _NEWUSER | apart)
    return reason and _call("unshare", apart) and reason  # root may do without a new user


def keep_to_folder(folder: str) -> str:
    """Allow writing in a folder and to the null device, and nowhere else; no starting of programs, no TCP, no signals
    to processes outside. As far as this Linux knows how to.

    Returns:
        Why not, or "".
    """
    if sys.platform != "linux":
        return f"{sys.platform} has no Landlock"
    version = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return _why()
    rights = (1 << _FILE_RIGHTS.get(version, _NEWEST_FILE_RIGHTS)) - 1 & ~_READING
    asked = [rights] + ([0b11] if version >= 4 else []) + ([0b11] if version >= 6 else [])
    attributes = (ctypes.c_uint64 * len(asked))(*asked)
    rules = _libc().syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(ctypes.sizeof(attributes)), ctypes.c_uint32(0))
    if rules < 0:
        return _why()
    try:
        return (
            _allow(rules, folder, rights)
            or _allow(rules, os.devnull, rights & (_WRITE_FILE | _TRUNCATE))
            or _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            or _call("syscall", _RESTRICT_SELF, rules, 0)
        )
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> str:
    class Beneath(ctypes.Structure):
        _pack_ = 1
        _fields_ = [("rights", ctypes.c_uint64), ("place", ctypes.c_int32)]

    place = os.open(path, os.O_PATH if sys.platform == "linux" else os.O_RDONLY)
    try:
        return _call("syscall", _ADD_RULE, rules, 1, ctypes.byref(Beneath(rights, place)), 0)
    finally:
        os.close(place)


def drop_capabilities() -> str:
    """Give up what root may do, and what a new user may do in a namespace of its own.

    Returns:
        Why not, or "".
    """
    if sys.platform != "linux":
        return f"{sys.platform} has no capabilities"
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    return _call("capset", header, (ctypes.c_uint32 * 6)())


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> str:
    """A function of the C library. Returns why it did not work, or ""."""
    try:
        function: Callable[..., int] = getattr(_libc(), name)
    except AttributeError:
        return f"{sys.platform} has no {name}"
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _why() if function(*given) < 0 else ""


def _why() -> str:
    return os.strerror(ctypes.get_errno())
