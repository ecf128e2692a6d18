"""A question with places for what it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...errors import InputError

__all__ = ["Template"]


class Template:
    """A text with {places}. Other braces, as of JSON, are text, in it and in what is filled in.

    Args:
        text: has each place at least once.
        places: their names.

    Raises:
        InputError: one is missing.
    """

    def __init__(self, text: str, places: Sequence[str]) -> None:
        missing = [name for name in places if f"{{{name}}}" not in text]
        if missing:
            raise InputError(
                f"the judge's template has no {' and no '.join(f'{{{name}}}' for name in missing)}: "
                "write it where it is to be filled in"
            )
        self._text = text
        self._places = re.compile(rf"\{{({'|'.join(map(re.escape, places))})\}}")

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with all places filled in, once: what stands in a value is left as it is."""
        return self._places.sub(lambda match: values[match[1]], self._text)
