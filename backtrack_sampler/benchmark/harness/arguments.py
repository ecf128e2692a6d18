"""What `BacktrackLM` is made with, where it comes from a command line: strategies, and what commas have cut off."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...discovery import find_provider, path_and_class
from ...errors import InputError
from ...provider.base_provider import BaseProvider
from ...provider.model_files import engine_of
from ...specs import OperatorSpec, StrategySpec, parameters, parse_operator, parse_spec

__all__ = ["Writers", "batch_size_of", "check_cut"]

_MAX_BATCH = 16


class Writers:
    """The strategies of each stream; false where there are none.

    Args:
        strategy: a spec, or several, or a function that makes those of one stream.
        operator: a spec, or several.

    Attributes:
        specs: all that were given as such, parsed.
        names: as they were given.

    Raises:
        InputError: one of them cannot be used.
    """

    def __init__(self, strategy: str | Sequence[str] | Callable[[], Any] | None, operator: str | Sequence[str] | None):
        self._make = strategy if callable(strategy) else None
        if self._make is not None and operator is not None:
            raise InputError("a function that makes strategies makes the operators as well: leave operator out")
        strategies = [] if callable(strategy) else _listed("strategy", strategy)
        operators = _listed("operator", operator)
        self.specs: list[StrategySpec | OperatorSpec] = [*map(parse_spec, strategies), *map(parse_operator, operators)]
        self.names = [*strategies, *operators]
        if self._make is not None:
            self.names = [getattr(self._make, "__qualname__", type(self._make).__name__)]

    def __bool__(self) -> bool:
        return bool(self.names)

    def maker(self, provider: BaseProvider) -> Callable[[], Any] | None:
        """What makes the strategies of a stream; None where there are none."""
        if self._make is not None or not self.specs:
            return self._make
        specs = self.specs
        return lambda: [spec.build(provider) for spec in specs]

    @property
    def identity(self) -> list[Any]:
        """What tells them from others; a file's content is part of it."""
        return [*self.names, *(dict(spec.files) for spec in self.specs)]


def _listed(name: str, given: str | Sequence[str] | None) -> list[str]:
    listed = [] if given is None else [given] if isinstance(given, str) else list(given)
    for each in listed:
        if not isinstance(each, str):
            raise InputError(f"{name} must be written as on the command line, NAME:key=value,..., not {each!r:.60}")
    return listed


def check_cut(writers: Writers, options: Mapping[str, Any], pretrained: str | None, engine: str | None) -> None:
    """Refuse what a comma has cut off from a strategy, before a model is loaded.

    Raises:
        InputError: an option is none of the engine's, and one of a strategy's.
    """
    if engine is None:
        path = pretrained is not None and path_and_class(pretrained)[0]
        engine = pretrained if path else "llamacpp" if pretrained is None else engine_of(pretrained)
    cls = find_provider(str(engine))
    known = inspect.signature(getattr(cls, "from_pretrained", cls)).parameters
    for spec, text in zip(writers.specs, writers.names, strict=False):
        for name in options:
            if name in parameters(spec.cls) and name not in known:
                raise InputError(
                    f"{name} belongs to {text}, but a string of model_args is cut at commas: pass a dict, or, in the "
                    f'shell, JSON, such as --model_args \'{{"strategy": "{text},{name}=..."}}\''
                )


def batch_size_of(batch_size: int | str | None, max_batch_size: int | None) -> int:
    """The harness says 1 where nobody says anything, and "auto" for whatever fits."""
    try:
        size = int(batch_size or 0)
    except ValueError:
        size = 0
    return size if size > 1 else max_batch_size or _MAX_BATCH
