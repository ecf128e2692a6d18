"""Tokens and passwords: what a configuration says to this program is neither printed nor published. Standard library
only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["public", "without_secrets"]

_MASK = "***"
_NAMES = r"token|passw(?:or)?d|secret|api[_-]?key"
_SECRET = re.compile(_NAMES, re.IGNORECASE)
#: In an address, between name and host: as far as the last @, for a password may have one, and a slash.
_IN_ADDRESS = re.compile(r"(?<=://)([^/@:\s]*):\S*@")
#: In the query of an address, or among the arguments of a spec, where a number is a number of tokens.
_AS_ARGUMENT = re.compile(rf"([?&:,]\s*[\w-]*(?:{_NAMES})[\w-]*=)(?!\d+(?:[,&\s]|$))[^&,]*", re.IGNORECASE)


def without_secrets(value: Any) -> Any:
    """The same as JSON has it, with *** for each value whose name says that it is a secret, and in addresses."""
    if isinstance(value, str):
        return _AS_ARGUMENT.sub(rf"\1{_MASK}", _IN_ADDRESS.sub(rf"\1:{_MASK}@", value))
    if isinstance(value, Mapping):
        return {
            str(name): _MASK if _is_secret(str(name), each) else without_secrets(each) for name, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [without_secrets(each) for each in value]
    return value


def public(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options in which nothing is secret: what may be written down, and read again without it."""
    return {name: value for name, value in options.items() if without_secrets({name: value}) == {name: value}}


def _is_secret(name: str, value: Any) -> bool:
    """A number of tokens is none, such as `max_new_tokens`; nor is it one that there are some, or none."""
    found = _SECRET.search(name)
    if found is None or value is None or isinstance(value, bool):
        return False
    return not (isinstance(value, (int, float)) and found[0].lower() == "token")
