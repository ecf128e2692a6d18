"""Run a program that somebody wrote, behind limits and walls, and say whether it came to its end.

Standard input has the request, as JSON: "parts" of the program, a "nonce", "limits", the "parent". What is said
goes to standard output: first what could not be put up here, and when the program is over, the nonce and how it
went. Neither stream is the program's to use: it reads nothing, and what it prints is thrown away.

The nonce is what tells a program that came to its end from one that left early, with `sys.exit(0)` in the middle
of its tests or with `os._exit`, and from one that prints that it passed. It is not where a program would find it
by accident. One that sets out to, in the same process, can.
"""

from __future__ import annotations

import json
import os
import sys
import types
from typing import Any, NoReturn

if __package__:  # to read, and for type checkers
    from . import hook, limits, walls
else:  # as it is run: this folder is where Python looks first
    import hook  # type: ignore[import-not-found, no-redef]
    import limits  # type: ignore[import-not-found, no-redef]
    import walls  # type: ignore[import-not-found, no-redef]

_LONGEST = 300  # characters of an error


def main() -> NoReturn:
    request = json.load(sys.stdin)
    report = os.dup(1)
    missing: dict[str, str] = {}
    root = hasattr(os, "getuid") and os.getuid() == 0
    if hasattr(os, "fork"):
        reason = walls.new_namespaces()
        walls.die_with_parent()
        if os.getppid() != request["parent"]:  # it is gone already
            os._exit(1)
        if reason:
            missing["own network and processes"] = reason
        elif child := os.fork():
            os._exit(_end_of(child))
        else:
            walls.die_with_parent()
    if reason := walls.keep_to_folder(os.getcwd()):
        missing["own folder"] = reason
    if (reason := walls.drop_capabilities()) and root:
        missing["capabilities"] = reason
    missing |= limits.lower(request["limits"], root)
    os.write(report, json.dumps(missing).encode() + b"\n")

    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.dont_write_bytecode = True
    sys.argv = [""]
    del sys.path[0]
    hook.install()
    _run(request.pop("parts"), request.pop("nonce").encode(), report)


def _run(parts: list[str], nonce: bytes, report: int) -> NoReturn:
    """Run the parts one after the other, in one namespace, and say how it went."""
    # The program may put others in their place.
    write, leave, process, run, make = os.write, os._exit, os.getpid, exec, compile
    here, how = process(), nonce + b" failed, and so did saying how\n"
    module = types.ModuleType("program")  # not "__main__": what stands under `if __name__ == ...` is no part of it
    sys.modules["program"] = sys.modules["__main__"] = module
    for name in ("hook", "limits", "walls"):
        sys.modules.pop(name, None)
    try:
        for number, part in enumerate(parts, 1):
            run(make(part, f"part {number}", "exec", dont_inherit=True), module.__dict__)
        how = nonce + b" passed\n"
    except BaseException as error:  # whatever it is, SystemExit too: the program has not come to its end
        how = nonce + b" " + _described(error) + b"\n"
    finally:
        if process() == here:  # and not one that it has forked
            write(report, how)
        leave(0)


def _described(error: BaseException) -> bytes:
    """An error in one line."""
    try:
        text = " ".join(f"{type(error).__name__}: {error}".split())
    except BaseException:  # the program's own class, which may do anything
        text = type(error).__name__
    return text[:_LONGEST].encode(errors="replace")


def _end_of(child: int) -> int:
    """How a child has ended, as shells have it: 128 and the signal."""
    # Only it is waited for: nothing here may run while the program does.
    _, status = os.waitpid(child, 0)
    code: Any = os.waitstatus_to_exitcode(status)
    return int(code) if code >= 0 else 128 - int(code)


if __name__ == "__main__":
    main()
