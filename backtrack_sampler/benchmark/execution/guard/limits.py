"""Resource limits, only ever lowered."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

__all__ = ["lower"]

#: What a program may use, and the limits that bound it; see `execution.Limits`.
_NAMES = {
    "memory": ("RLIMIT_AS", "RLIMIT_DATA"),  # macOS refuses the first
    "processor time": ("RLIMIT_CPU",),
    "file size": ("RLIMIT_FSIZE",),
    "processes": ("RLIMIT_NPROC",),
    "core files": ("RLIMIT_CORE",),
}


def lower(wanted: Mapping[str, int], root: bool) -> dict[str, str]:
    """Lower this process's limits; where one is lower already it stays.

    Args:
        wanted: see `_NAMES`; bytes, seconds or a count.
        root: the user is the system's own, whom Linux lets start any number of processes.

    Returns:
        Those that do not hold, and why.
    """
    missing = {}
    for name, value in wanted.items():
        reasons = [_lower(limit, value) for limit in _NAMES[name]]
        if all(reasons):
            missing[name] = reasons[0]
    if root and sys.platform == "linux" and "processes" in wanted:
        missing["processes"] = "root is exempt"
    return missing


def _lower(limit: str, value: int) -> str:
    """Lower one limit for good. Returns why not, or ""."""
    try:
        import resource
    except ImportError:
        return f"{os.name} has no resource limits"
    number = getattr(resource, limit, None)
    if number is None:
        return f"{sys.platform} has no {limit}"
    now = [each for each in resource.getrlimit(number) if each != resource.RLIM_INFINITY]
    value = min([value, *now])
    try:
        resource.setrlimit(number, (value, value))
    except (OSError, ValueError) as error:
        return str(error)
    return ""
