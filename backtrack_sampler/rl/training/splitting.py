"""Which items a policy is trained on, and which it is tried on."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...benchmark.tasks import Item
from ..environment.episode import text_of

__all__ = ["split"]

_LEAST = 5  # different items that can be split


def split(items: Sequence[Item], share: float, most: int) -> tuple[list[Item], list[Item]]:
    """Items to train on, in their order, and others to try a policy on.

    The others are chosen by chance, since a file may be sorted, and always the same. What is the same text, or the
    same problem in other words (see `Item.cluster`), is never on both sides. Where there are fewer than five
    different items, or none are to be held out, both are the same.

    Args:
        share: of the items to hold out.
        most: how many are tried at the most.
    """
    alike: dict[str, list[Item]] = {}
    for item in items:
        alike.setdefault(item.cluster or text_of(item), []).append(item)
    wanted = min(most, round(share * len(items)))
    if len(alike) < _LEAST or not wanted:
        return list(items), list(items[:most])
    names, apart = sorted(alike), set[str]()
    random.Random("held out").shuffle(names)
    for name in names[:-1]:
        apart.add(name)
        if sum(len(alike[each]) for each in apart) >= wanted:
            break
    held_out = [item for name in names if name in apart for item in alike[name]]
    return [item for item in items if (item.cluster or text_of(item)) not in apart], held_out[:wanted]
