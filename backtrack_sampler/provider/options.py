"""What an engine can be asked for. Standard library only."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping

from ..checks import check_count
from ..errors import InputError

__all__ = ["check_options", "check_threads"]


_MOST_THREADS = 32  # for each processor: far more than help, and few enough to end


def check_threads(threads: int) -> int:
    """How many threads an engine may have; so many that they only wait for each other are a slip.

    Raises:
        InputError: naming how many processors there are.
    """
    processors = os.cpu_count() or 1
    if check_count("threads", threads) > _MOST_THREADS * processors:
        raise InputError(f"threads must be about as many as there are processors, {processors} here, not {threads}")
    return int(threads)


def check_options(engine: str, given: Iterable[str], known: Iterable[str], instead: Mapping[str, str]) -> None:
    """Refuse the first option that an engine would swallow, or fail on.

    Args:
        engine: what messages call it.
        given: names of options.
        known: all that it takes.
        instead: what to do instead of giving an option, for some that are not known.

    Raises:
        InputError: naming the option, and the one that is probably meant.
    """
    known = sorted(known)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = instead.get(name) or (f"did you mean {near[0]}?" if near else "see its from_pretrained")
            raise InputError(f"{engine} takes no option {name!r}: {hint}")
