"""Who may take back what is written in a chat, and how that is changed while it runs. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..provider.base_provider import BaseProvider
from ..strategy.chain_strategy import as_strategies
from .arguments import parse_specs, strategies_of

__all__ = ["ChatStrategies"]


class ChatStrategies:
    """The strategies and operators of a chat, in the order in which they are asked.

    Args:
        given: of each its kind, "strategy" or "operator", and how it is written.
        provider: the model.

    Attributes:
        built: what an answer is drawn with.
        title: their names in a line, with what they say before they begin.
    """

    def __init__(self, given: Sequence[tuple[str, str]], provider: BaseProvider) -> None:
        specs = parse_specs(given)
        self._given = list(given)
        self._provider = provider
        self.built: list[Any] = strategies_of(specs, provider)
        said = [strategy.describe() for strategy in as_strategies(self.built)]
        names = [spec.cls.__name__ for spec in specs]
        self.title = " + ".join(f"{n} ({s})" if s else n for n, s in zip(names, said, strict=True)) or "no strategy"

    def with_other(self, kind: str, text: str) -> ChatStrategies:
        """Others of one kind in the place of those that there are; the other kind stays.

        Args:
            kind: "strategy" or "operator".
            text: one, or several with " + " between them, or "none".

        Raises:
            InputError: one of them cannot be used.
        """
        new = [] if text == "none" else [(kind, each) for each in re.split(r"\s\+\s", text)]
        kept = [each for each in self._given if each[0] != kind]
        return ChatStrategies(new + kept if kind == "strategy" else kept + new, self._provider)

    def __str__(self) -> str:
        """As one would write them in a chat."""
        lines = []
        for kind in ("strategy", "operator"):
            texts = [text for each, text in self._given if each == kind]
            lines.append(f"/{kind} {' + '.join(texts) or 'none'}")
        return "\n".join(lines)
