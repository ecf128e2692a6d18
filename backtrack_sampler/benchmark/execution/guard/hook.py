"""An audit hook: Python itself asks before it opens a file, starts a process or connects to anything.

It holds on every platform, against anything that does not set out to get around it: replaced functions of `os`
could be had from elsewhere, the events of PEP 578 come from inside them, and a hook cannot be taken away again.
"""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["install"]

_MOST_FILES = 100  # opened for writing, each with its own limit of size; folders and links that are made, too

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

#: Events about paths: where these stand among the arguments, and where the folder that each is relative to.
_PATHS: dict[str, list[tuple[int, int | None]]] = {
    "os.chflags": [(0, None)],
    "os.chmod": [(0, 2)],
    "os.chown": [(0, 3)],
    "os.lchflags": [(0, None)],
    "os.link": [(0, 2), (1, 3)],
    "os.mkdir": [(0, 2)],
    "os.remove": [(0, 1)],
    "os.removexattr": [(0, None)],
    "os.rename": [(0, 2), (1, 3)],
    "os.rmdir": [(0, 1)],
    "os.setxattr": [(0, None)],
    "os.symlink": [(1, 2)],
    "os.truncate": [(0, None)],
    "os.utime": [(0, 3)],
    "sqlite3.connect": [(0, None)],
}

#: Those that make something, which has to be cleared away afterwards.
_MAKING = {"os.link", "os.mkdir", "os.symlink"}

#: Processes, signals to them, code that is not Python's, and the network. Sockets themselves are harmless.
_REFUSED = {
    "ctypes.call_function", "ctypes.dlopen", "ctypes.dlsym", "ctypes.dlsym/handle",
    "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.startfile/2", "os.system", "pty.spawn", "resource.prlimit", "subprocess.Popen",
    "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname",
    "socket.getnameinfo", "socket.sendmsg", "socket.sendto",
}  # fmt: skip
_REFUSED_OF = ("msvcrt.", "syslog.", "winreg.")


def install() -> None:
    """From now on this process writes in its present folder only, starts nothing and connects to nothing."""
    folder = os.path.realpath(os.getcwd())
    inside = os.path.join(folder, "")
    null = os.path.realpath(os.devnull)
    realpath, join, fspath, fsdecode, readlink = os.path.realpath, os.path.join, os.fspath, os.fsdecode, os.readlink
    left = _MOST_FILES

    def ours(path: Any, place: Any) -> bool:
        if isinstance(path, int):  # a file that is open already
            return True
        path = fsdecode(fspath(path))
        if isinstance(place, int) and place >= 0:
            path = join(readlink(f"/proc/self/fd/{place}"), path)  # other systems: an OSError, which refuses as well
        path = realpath(path)
        return bool(path == null or path.startswith(inside))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING:
                left -= 1
                if left < 0 or not ours(path, None):
                    raise PermissionError(f"a program that is tried may not write {path!r}")
        elif (places := _PATHS.get(event)) is not None:
            if event in _MAKING:
                left -= 1
                if left < 0:
                    raise PermissionError(f"a program that is tried may not make {_MOST_FILES} files and folders")
            for path, place in places:
                if not ours(arguments[path], None if place is None else arguments[place]):
                    raise PermissionError(f"a program that is tried may not do this: {event} {arguments[path]!r}")
        elif event in _REFUSED or event.startswith(_REFUSED_OF):
            raise PermissionError(f"a program that is tried may not do this: {event}")

    sys.addaudithook(hook)
