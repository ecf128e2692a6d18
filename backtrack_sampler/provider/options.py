"""What an engine can be asked for. Standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from ..errors import InputError

__all__ = ["check_options"]


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
