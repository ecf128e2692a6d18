"""What a docstring says, in parts: what a class does, what its parameters mean, examples. Standard library only."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any, NamedTuple

__all__ = ["Explanation", "explanation_of"]

_SECTION = re.compile(r"^(Args|Attributes|Examples?|Raises|Returns|Yields|Note):[ ]*$", re.MULTILINE)
_PARAMETER = re.compile(r"(?P<names>\*{0,2}\w+(, *\*{0,2}\w+)*)( \([^)]*\))?:(?P<text>.*)")


class Explanation(NamedTuple):
    """The parts of a docstring.

    Attributes:
        paragraphs: what stands before any section, each on one line.
        parameters: what `Args` says, on one line each.
        examples: the lines of `Example`.
    """

    paragraphs: list[str]
    parameters: dict[str, str]
    examples: list[str]

    @property
    def summary(self) -> str:
        return self.paragraphs[0] if self.paragraphs else "(no description)"


def explanation_of(thing: Any) -> Explanation:
    """Read the docstring of a class or a function; where a class has no `Args`, its constructor may."""
    found = _parsed(thing.__doc__ or "")
    if isinstance(thing, type) and not found.parameters:
        found.parameters.update(_parsed(thing.__init__.__doc__ or "").parameters)  # type: ignore[misc]
    return found


def _parsed(doc: str) -> Explanation:
    text, *rest = _SECTION.split(inspect.cleandoc(doc))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    examples = sections.get("Example", sections.get("Examples", "")).splitlines()
    return Explanation(
        [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()],
        _parameters(sections.get("Args", "")),
        [line.strip() for line in examples if line.strip()],
    )


def _parameters(section: str) -> dict[str, str]:
    """What stands after each name, also where several share it."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in textwrap.dedent(section).splitlines():
        match = _PARAMETER.match(line)  # what goes on is indented
        if match is not None:
            names = [name.strip(" *") for name in match["names"].split(",")]
            line = match["text"]
        for name in names:
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found
